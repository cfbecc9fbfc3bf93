"""Which callback may be counted on, where every condition alone keeps one from it; and what a later answer means."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.values.money import Money
from gateway.values.network import read_networks
from payments.collection.observations import Observation, OpenPayment
from payments.collection.provisional_rules import (
    Arrived,
    NotCounted,
    Ours,
    Policy,
    later_success,
    of_later_report,
    refusal,
    unknown_for_good,
)
from payments.lifecycle import ASKABLE, COUNTABLE, Actor, Observed, State, advance
from payments.provider import (
    Claims,
    Collection,
    Failed,
    NotFound,
    PayerReason,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
)

PAYER = "+2250501020304"
FRANCS = Money(500, "XOF")
POLICY = Policy(60, read_networks("212.88.125.0/24, 2001:db8::/32"))
ARRIVED = Arrived("212.88.125.100", named=True, first=True)
CLAIMS = Claims("SUCCESSFUL", True, "SPV7K2QM0123AB", FRANCS, PAYER, "1427013986")
OURS = Ours("SPV7K2QM0123AB", FRANCS, PAYER, State.PENDING, would_count=True)


def why(**changed: Any) -> NotCounted | None:
    """The rule, for a callback that counts but for what is changed."""
    arrived = replace(ARRIVED, **{name: changed.pop(name) for name in ("remote", "named", "first") if name in changed})
    claims = replace(
        CLAIMS,
        **{name: changed.pop(name) for name in ("succeeded", "order_code", "received", "payer") if name in changed},
    )
    ours = replace(OURS, **{name: changed.pop(name) for name in ("state", "would_count") if name in changed})
    backlog = changed.pop("backlog", 61.0)
    facts: dict[str, Any] = {"policy": POLICY, "claims": claims, "ours": ours, **changed}
    return refusal(facts["policy"], backlog, arrived, facts["claims"], facts["ours"])


def test_one_that_agrees_in_everything_counts() -> None:
    assert why() is None
    assert why(remote="2001:db8::7") is None
    assert why(remote="::ffff:212.88.125.100") is None


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"policy": None}, "off"),
        ({"backlog": 60.0}, "no_backlog"),
        ({"backlog": 0.0}, "no_backlog"),
        ({"claims": None}, "no_claims"),
        ({"succeeded": False}, "no_success"),
        ({"first": False}, "repeated"),
        ({"named": False}, "no_secret"),
        ({"ours": None}, "no_secret"),
        ({"remote": "212.88.126.100"}, "foreign_source"),
        ({"remote": "2001:db9::7"}, "foreign_source"),
        ({"remote": ""}, "foreign_source"),
        ({"policy": replace(POLICY, sources=())}, "foreign_source"),
        ({"would_count": False}, "would_not_count"),
        ({"order_code": "SPOTHER0123ABC"}, "other_reference"),
        ({"order_code": None}, "other_reference"),
        ({"received": Money(499, "XOF")}, "other_amount"),
        ({"received": Money(501, "XOF")}, "other_amount"),
        ({"received": Money(500, "XAF")}, "other_currency"),
        ({"received": None}, "other_currency"),
        ({"payer": "+2250501020305"}, "other_payer"),
        ({"payer": None}, "other_payer"),
        *(({"state": state}, "state") for state in State if state not in COUNTABLE),
    ],
)
def test_what_does_not_agree_is_only_a_hint(changed: dict[str, Any], word: str) -> None:
    assert why(**changed) is NotCounted(word)


def test_a_payment_without_a_number_never_counts_so() -> None:
    assert why(ours=replace(OURS, payer=None), payer=None) is NotCounted.OTHER_PAYER


@pytest.mark.parametrize("state", sorted(COUNTABLE))
def test_whatever_counts_so_may_succeed(state: State) -> None:
    assert why(state=state) is None
    assert advance(state, Observed.SUCCEEDED, Actor.VERIFIER) is State.CONFIRMED
    assert COUNTABLE < ASKABLE


def test_what_the_operator_says_later() -> None:
    assert later_success(FRANCS, FRANCS) is Observed.PROVED
    assert later_success(FRANCS, Money(400, "XOF")) is Observed.PAID_OTHERWISE
    assert not unknown_for_good(2, 86_400)
    assert not unknown_for_good(9, 3_599)
    assert unknown_for_good(3, 3_600)


DENIALS = {Observed.DENIED, Observed.PAID_OTHERWISE}
REFERENCE = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)


def counted(**facts: Any) -> OpenPayment:
    collection = Collection(REFERENCE, "CI", FRANCS, "SPV7K2QM0123AB", "", "fr", "", "", payer="+2250501020304")
    given: dict[str, Any] = {"not_found_count": 0, "not_found_since": None, **facts}
    return OpenPayment(
        collection, REFERENCE, "mtn_momo", State.SETTLED, NOW, NOW, NOW, accepted=True, checks=1, send_tries=1, **given
    )


def test_the_same_amount_proves_it() -> None:
    seen = of_later_report(counted(), Succeeded(FRANCS, "op-1", "{}"), 0)
    assert isinstance(seen, Observation)
    assert (seen.observed, seen.evidence_word, seen.evidence_source) == (Observed.PROVED, "succeeded", "status")
    assert (seen.received, seen.provisional) == (FRANCS, False)


def test_another_amount_takes_the_votes_back() -> None:
    gone = of_later_report(counted(), Succeeded(Money(400, "XOF"), "op-1", "{}"), 0)
    assert gone.observed in DENIALS
    assert (gone.observed, gone.received) == (Observed.PAID_OTHERWISE, Money(400, "XOF"))
    assert (gone.message, gone.evidence_word) == (None, "succeeded")


def test_a_failure_takes_the_votes_back() -> None:
    gone = of_later_report(counted(), Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}"), 0)
    assert gone.observed in DENIALS
    assert (gone.observed, gone.reason, gone.reason_code, gone.received) == (
        Observed.DENIED,
        "declined",
        "APPROVAL_REJECTED",
        None,
    )
    assert (gone.message, gone.evidence_word) == ("payment_failed", "failed")


@pytest.mark.parametrize(
    ("report", "minutes"),
    [(StillOpen("PENDING"), 10), (Unavailable("503"), 1), (NotFound("RESOURCE_NOT_FOUND"), 20)],
)
def test_no_answer_is_asked_for_again(report: StatusReport, minutes: int) -> None:
    seen = of_later_report(counted(), report, 0)
    assert isinstance(seen, Observation)
    assert (seen.observed, seen.next_check_at) == (None, NOW + timedelta(minutes=minutes))
    assert seen.not_found == isinstance(report, NotFound)


@pytest.mark.parametrize(("times", "minutes", "gone"), [(1, 180, False), (2, 59, False), (2, 60, True)])
def test_unknown_again_and_again_takes_the_votes_back(times: int, minutes: int, gone: bool) -> None:
    payment = counted(not_found_count=times, not_found_since=NOW - timedelta(minutes=minutes))
    answer = of_later_report(payment, NotFound("RESOURCE_NOT_FOUND"), 0)
    assert (answer.observed in DENIALS) == gone
    if gone:
        assert (answer.observed, answer.reason) == (Observed.DENIED, "other")
