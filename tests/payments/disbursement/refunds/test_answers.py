"""Every answer of an operator to a refund, and what it means: a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.disbursement.refunds.answers import of_report, of_send, past_us
from payments.disbursement.refunds.port import OpenRefund
from payments.disbursement.refunds.rules import RefundSeen, RefundState
from payments.provider import (
    Accepted,
    Disbursement,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Purpose,
    Rejected,
    Reversed,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
REFUND = OpenRefund(
    disbursement=Disbursement(UUID(int=7), Purpose.REFUND, "CI", Money(500, "XOF"), "refund", "http://x/"),
    payment_reference=UUID(int=1),
    vote_id=UUID(int=2),
    provider="mtn_momo",
    state=RefundState.SENT,
    now=NOW,
    owed_since=NOW - timedelta(minutes=5),
    sent_at=NOW - timedelta(minutes=1),
    send_tries=1,
    checks=0,
    not_found_count=0,
    not_found_since=None,
    failures=0,
    troubles=0,
)
OLD = replace(REFUND, sent_at=NOW - DAY, owed_since=NOW - DAY)
GONE = replace(REFUND, not_found_count=2, not_found_since=NOW - timedelta(seconds=60))


def part(minor: int, currency: str = "XOF") -> Reversed:
    return Reversed("refunded_past_us", Money(minor, currency), f"re_{minor}", "{}")


@pytest.mark.parametrize(
    ("parts", "whole", "code"),
    [
        ([part(200), part(300)], True, "X"),
        ([part(500)], True, "X"),
        ([part(200)], False, "partly_given_back"),
        ([part(200), part(500)], False, "partly_given_back"),
        ([part(500), part(1, "EUR")], False, "partly_given_back"),
        ([part(500, "EUR")], False, "partly_given_back"),
    ],
)
def test_what_was_given_back_past_us_is_a_persons_unless_it_is_all(
    parts: list[Reversed], whole: bool, code: str
) -> None:
    told = Rejected("X", PayerReason.OTHER, given_back=tuple(parts))
    waits, person = past_us(REFUND, told, 0)
    assert (waits is not None, waits is None or waits.seen is RefundSeen.PUT_OFF) == (whole, True)
    assert (person.seen, person.reason_code, person.evidence_word) == (RefundSeen.GIVEN_UP, code, "failed")


def refused(reason: PayerReason = PayerReason.LIMIT, *, alarm: bool = False) -> Rejected:
    return Rejected("CODE", reason, alarm=alarm)


def failed(reason: PayerReason = PayerReason.UNKNOWN_NUMBER, *, alarm: bool = False) -> Failed:
    return Failed("CODE", reason, "{}", alarm=alarm)


@pytest.mark.parametrize(
    ("refund", "result", "seen", "seconds"),
    [
        (REFUND, Accepted("op-1"), RefundSeen.ACCEPTED, 5),
        (REFUND, Unknown("time-out"), None, 5),
        (OLD, Unknown("time-out"), None, 5),
        (replace(REFUND, sent_at=None, send_tries=0), NotSent("no route"), RefundSeen.PUT_BACK, 60),
        (REFUND, NotSent("no route"), RefundSeen.PUT_BACK, 120),
        (OLD, NotSent("no route"), RefundSeen.GIVEN_UP, None),
        (REFUND, refused(), RefundSeen.FAILED, 300),
        (replace(REFUND, failures=1), refused(), RefundSeen.FAILED, 600),
        (replace(REFUND, failures=2), refused(), RefundSeen.GIVEN_UP, None),
        (REFUND, refused(PayerReason.NO_FUNDS), RefundSeen.PUT_OFF, 600),
        (replace(OLD, troubles=1, failures=2), refused(PayerReason.NO_FUNDS, alarm=True), RefundSeen.PUT_OFF, 1200),
        (REFUND, refused(PayerReason.SERVICE_DOWN), RefundSeen.PUT_OFF, 600),
        (REFUND, refused(PayerReason.BLOCKED, alarm=True), RefundSeen.PUT_OFF, 600),
        (OLD, refused(PayerReason.BLOCKED, alarm=True), RefundSeen.GIVEN_UP, None),
    ],
)
def test_answers_to_a_send(refund: OpenRefund, result: Any, seen: RefundSeen | None, seconds: float | None) -> None:
    found = of_send(refund, result, 0)
    assert (found.reference, found.seen) == (refund.reference, seen)
    assert found.next_try_at == (None if seconds is None else NOW + timedelta(seconds=seconds))
    assert found.evidence_word is None, "only an answer to a question is evidence"


@pytest.mark.parametrize(
    ("refund", "report", "seen", "seconds"),
    [
        (REFUND, Succeeded(Money(500, "XOF"), "op-1", "{}"), RefundSeen.SUCCEEDED, None),
        (OLD, Succeeded(Money(500, "XOF"), None, "{}"), RefundSeen.SUCCEEDED, None),
        (REFUND, Succeeded(Money(499, "XOF"), "op-1", "{}"), RefundSeen.GIVEN_UP, None),
        (REFUND, Succeeded(Money(500, "XAF"), "op-1", "{}"), RefundSeen.GIVEN_UP, None),
        (REFUND, StillOpen("PENDING"), None, 5),
        (replace(REFUND, checks=3), StillOpen("PENDING"), None, 60),
        (REFUND, Unavailable("503"), None, 5),
        (OLD, StillOpen("PENDING"), RefundSeen.GIVEN_UP, None),
        (OLD, Unavailable("503"), RefundSeen.GIVEN_UP, None),
        (REFUND, NotFound(""), None, 5),
        (GONE, NotFound(""), RefundSeen.PUT_BACK, 0),
        (replace(GONE, send_tries=5), NotFound(""), RefundSeen.GIVEN_UP, None),
        (replace(GONE, sent_at=NOW - DAY), NotFound(""), RefundSeen.GIVEN_UP, None),
        (REFUND, failed(), RefundSeen.FAILED, 300),
        (replace(REFUND, failures=2), failed(), RefundSeen.GIVEN_UP, None),
        (REFUND, failed(PayerReason.NO_FUNDS), RefundSeen.FAILED_FOR_US, 600),
        (replace(OLD, failures=2), failed(PayerReason.NO_FUNDS), RefundSeen.FAILED_FOR_US, 600),
        (REFUND, failed(PayerReason.SERVICE_DOWN), RefundSeen.FAILED_FOR_US, 600),
        (OLD, failed(PayerReason.SERVICE_DOWN), RefundSeen.GIVEN_UP, None),
    ],
)
def test_answers_to_a_question(refund: OpenRefund, report: Any, seen: RefundSeen | None, seconds: float | None) -> None:
    found = of_report(refund, report, 0, from_float=True)
    assert (found.reference, found.seen) == (refund.reference, seen)
    assert found.next_try_at == (None if seconds is None else NOW + timedelta(seconds=seconds))
    final = isinstance(report, Succeeded | Failed)
    assert (found.evidence_word is not None) is final
    assert found.from_float is (seen is RefundSeen.SUCCEEDED)
