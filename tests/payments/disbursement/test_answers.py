"""Every answer of an operator to a refund or a payout, and what it means: tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.disbursement.answers import Outgoing, of_report, of_send, past_us
from payments.disbursement.rules import OutgoingState, Step
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
REFUND = Outgoing(
    disbursement=Disbursement(UUID(int=7), Purpose.REFUND, "CI", Money(500, "XOF"), "refund", "http://x/"),
    payment_reference=UUID(int=1),
    vote_id=UUID(int=2),
    provider="mtn_momo",
    state=OutgoingState.SENT,
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
PAYOUT = replace(
    REFUND,
    disbursement=replace(REFUND.disbursement, purpose=Purpose.PAYOUT),
    payment_reference=None,
    vote_id=None,
)
OLD_PAYOUT = replace(PAYOUT, sent_at=NOW - DAY, owed_since=NOW - DAY)


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
def test_what_was_refunded_past_us_is_a_persons_unless_it_is_all(parts: list[Reversed], whole: bool, code: str) -> None:
    rejected = Rejected("X", PayerReason.OTHER, refunded=tuple(parts))
    waits, person = past_us(REFUND, rejected, 0)
    assert (waits is not None, waits is None or waits.step is Step.PUT_OFF) == (whole, True)
    assert (person.step, person.reason_code, person.evidence_word) == (Step.GIVEN_UP, code, "failed")


def refused(reason: PayerReason = PayerReason.LIMIT, *, alarm: bool = False) -> Rejected:
    return Rejected("CODE", reason, alarm=alarm)


def failed(reason: PayerReason = PayerReason.UNKNOWN_NUMBER, *, alarm: bool = False) -> Failed:
    return Failed("CODE", reason, "{}", alarm=alarm)


@pytest.mark.parametrize(
    ("out", "result", "seen", "seconds"),
    [
        (REFUND, Accepted("op-1"), Step.ACCEPTED, 5),
        (REFUND, Unknown("time-out"), None, 5),
        (OLD, Unknown("time-out"), None, 5),
        (replace(REFUND, sent_at=None, send_tries=0), NotSent("no route"), Step.PUT_BACK, 60),
        (REFUND, NotSent("no route"), Step.PUT_BACK, 120),
        (OLD, NotSent("no route"), Step.GIVEN_UP, None),
        (REFUND, refused(), Step.FAILED, 300),
        (replace(REFUND, failures=1), refused(), Step.FAILED, 600),
        (replace(REFUND, failures=2), refused(), Step.GIVEN_UP, None),
        (REFUND, refused(PayerReason.NO_FUNDS), Step.PUT_OFF, 600),
        (replace(OLD, troubles=1, failures=2), refused(PayerReason.NO_FUNDS, alarm=True), Step.PUT_OFF, 1200),
        (REFUND, refused(PayerReason.SERVICE_DOWN), Step.PUT_OFF, 600),
        (REFUND, refused(PayerReason.BLOCKED, alarm=True), Step.PUT_OFF, 600),
        (OLD, refused(PayerReason.BLOCKED, alarm=True), Step.GIVEN_UP, None),
        (PAYOUT, Accepted("op-1"), Step.ACCEPTED, 5),
        (PAYOUT, Unknown("time-out"), None, 5),
        (PAYOUT, NotSent("no route"), Step.PUT_BACK, 120),
        (OLD_PAYOUT, NotSent("no route"), Step.GIVEN_UP, None),
        (PAYOUT, refused(), Step.FAILED, None),
        (OLD_PAYOUT, refused(), Step.FAILED, None),
        (PAYOUT, refused(PayerReason.NO_FUNDS), Step.PUT_OFF, 600),
        (replace(PAYOUT, troubles=1), refused(PayerReason.SERVICE_DOWN), Step.PUT_OFF, 1200),
        (OLD_PAYOUT, refused(PayerReason.NO_FUNDS), Step.GIVEN_UP, None),
        (OLD_PAYOUT, refused(PayerReason.BLOCKED, alarm=True), Step.GIVEN_UP, None),
    ],
)
def test_answers_to_a_send(out: Outgoing, result: Any, seen: Step | None, seconds: float | None) -> None:
    found = of_send(out, result, 0)
    assert (found.reference, found.step) == (out.reference, seen)
    assert found.next_try_at == (None if seconds is None else NOW + timedelta(seconds=seconds))
    assert found.evidence_word is None, "only an answer to a question is evidence"


@pytest.mark.parametrize(
    ("out", "report", "seen", "seconds"),
    [
        (REFUND, Succeeded(Money(500, "XOF"), "op-1", "{}"), Step.SUCCEEDED, None),
        (OLD, Succeeded(Money(500, "XOF"), None, "{}"), Step.SUCCEEDED, None),
        (REFUND, Succeeded(Money(499, "XOF"), "op-1", "{}"), Step.GIVEN_UP, None),
        (REFUND, Succeeded(Money(500, "XAF"), "op-1", "{}"), Step.GIVEN_UP, None),
        (REFUND, StillOpen("PENDING"), None, 5),
        (replace(REFUND, checks=3), StillOpen("PENDING"), None, 60),
        (REFUND, Unavailable("503"), None, 5),
        (OLD, StillOpen("PENDING"), Step.GIVEN_UP, None),
        (OLD, Unavailable("503"), Step.GIVEN_UP, None),
        (REFUND, NotFound(""), None, 5),
        (GONE, NotFound(""), Step.PUT_BACK, 0),
        (replace(GONE, send_tries=5), NotFound(""), Step.GIVEN_UP, None),
        (replace(GONE, sent_at=NOW - DAY), NotFound(""), Step.GIVEN_UP, None),
        (REFUND, failed(), Step.FAILED, 300),
        (replace(REFUND, failures=2), failed(), Step.GIVEN_UP, None),
        (REFUND, failed(PayerReason.NO_FUNDS), Step.FAILED_FOR_US, 600),
        (replace(OLD, failures=2), failed(PayerReason.NO_FUNDS), Step.FAILED_FOR_US, 600),
        (REFUND, failed(PayerReason.SERVICE_DOWN), Step.FAILED_FOR_US, 600),
        (OLD, failed(PayerReason.SERVICE_DOWN), Step.GIVEN_UP, None),
        (PAYOUT, Succeeded(Money(500, "XOF"), "op-1", "{}"), Step.SUCCEEDED, None),
        (PAYOUT, Succeeded(Money(499, "XOF"), "op-1", "{}"), Step.GIVEN_UP, None),
        (PAYOUT, StillOpen("PENDING"), None, 5),
        (OLD_PAYOUT, StillOpen("PENDING"), Step.GIVEN_UP, None),
        (OLD_PAYOUT, Unavailable("503"), Step.GIVEN_UP, None),
        (PAYOUT, NotFound(""), None, 5),
        (replace(GONE, disbursement=PAYOUT.disbursement), NotFound(""), Step.PUT_BACK, 0),
        (PAYOUT, failed(), Step.FAILED, None),
        (PAYOUT, failed(PayerReason.NO_FUNDS), Step.FAILED, None),
        (OLD_PAYOUT, failed(PayerReason.SERVICE_DOWN), Step.FAILED, None),
    ],
)
def test_answers_to_a_question(out: Outgoing, report: Any, seen: Step | None, seconds: float | None) -> None:
    found = of_report(out, report, 0, from_float=True)
    assert (found.reference, found.step) == (out.reference, seen)
    assert found.next_try_at == (None if seconds is None else NOW + timedelta(seconds=seconds))
    final = isinstance(report, Succeeded | Failed)
    assert (found.evidence_word is not None) is final
    assert found.from_float is (seen is Step.SUCCEEDED)
