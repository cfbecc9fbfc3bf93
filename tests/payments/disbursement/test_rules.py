"""Every step of refunds and payouts, and every wait."""

from datetime import timedelta
from itertools import product

import pytest

from payments.disbursement.rules import (
    ASK_LADDER,
    PAYOUT_STEPS,
    REFUND_STEPS,
    AfterFailure,
    AfterNotFound,
    OutgoingState,
    Step,
    Steps,
    after_failure,
    after_not_found,
    ask_again_seconds,
    guard,
    next_state,
    renewed_after_seconds,
    send_again_seconds,
    trouble_over_seconds,
    waits_too_long,
)
from payments.lifecycle import Actor

SHARED = {
    ("due", "calling", "refunder"): "sent",
    ("sent", "accepted", "refunder"): "sent",
    ("sent", "put_back", "refunder"): "due",
    ("sent", "put_off", "refunder"): "due",
    ("due", "succeeded", "refunder"): "done",
    ("sent", "succeeded", "refunder"): "done",
    ("manual", "succeeded", "refunder"): "done",
    ("due", "given_up", "refunder"): "manual",
    ("sent", "given_up", "refunder"): "manual",
    ("manual", "asked_again", "staff"): "due",
    ("manual", "paid_by_hand", "staff"): "done",
}
REFUNDS = {
    **SHARED,
    ("sent", "failed", "refunder"): "void",
    ("sent", "failed_for_us", "refunder"): "void",
    ("manual", "renewed", "staff"): "void",
    ("due", "reversed", "verifier"): "void",
    ("manual", "reversed", "verifier"): "void",
}
PAYOUTS = {
    **SHARED,
    ("sent", "failed", "refunder"): "failed",
    ("manual", "not_paid", "staff"): "failed",
}
BOTH = pytest.mark.parametrize(
    ("steps", "allowed"), [(REFUND_STEPS, REFUNDS), (PAYOUT_STEPS, PAYOUTS)], ids=["refund", "payout"]
)
Allowed = dict[tuple[str, str, str], str]


@BOTH
def test_every_step(steps: Steps, allowed: Allowed) -> None:
    every = product(OutgoingState, Step, Actor)
    assert {one: to for one in every if (to := next_state(steps, *one)) is not None} == allowed


@BOTH
def test_nothing_leaves_what_is_over(steps: Steps, allowed: Allowed) -> None:
    assert (
        {state for state, _ in steps}
        == {state for state, _, _ in allowed}
        == {
            OutgoingState.DUE,
            OutgoingState.SENT,
            OutgoingState.MANUAL,
        }
    )


@BOTH
def test_the_guard_of_the_update_is_the_table_and_leads_to_one_state(steps: Steps, allowed: Allowed) -> None:
    for step, actor in product(Step, Actor):
        leads = guard(steps, step, actor)
        assert leads == {s: OutgoingState(to) for (s, o, a), to in allowed.items() if (o, a) == (step, actor)}
        assert len(set(leads.values())) <= 1


@pytest.mark.parametrize(
    ("failures", "then"),
    [
        (1, AfterFailure.NEW_REFERENCE),
        (2, AfterFailure.NEW_REFERENCE),
        (3, AfterFailure.PERSON),
        (9, AfterFailure.PERSON),
    ],
)
def test_three_references_then_a_person(failures: int, then: AfterFailure) -> None:
    assert after_failure(failures) is then


@pytest.mark.parametrize(
    ("count", "since", "sends", "then"),
    [
        (1, 0, 1, AfterNotFound.ASK_AGAIN),
        (2, 500, 1, AfterNotFound.ASK_AGAIN),
        (3, 59.9, 1, AfterNotFound.ASK_AGAIN),
        (3, 60, 1, AfterNotFound.SEND_AGAIN),
        (3, 60, 4, AfterNotFound.SEND_AGAIN),
        (3, 60, 5, AfterNotFound.PERSON),
        (1, 0, 5, AfterNotFound.ASK_AGAIN),
        (900, 9000, 50, AfterNotFound.PERSON),
    ],
)
def test_not_found_sends_the_same_reference_again(count: int, since: float, sends: int, then: AfterNotFound) -> None:
    assert after_not_found(count=count, since_seconds=since, sends=sends) is then


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (ask_again_seconds(0, 0, 0), ASK_LADDER[0]),
        (ask_again_seconds(5, 100, 0), ASK_LADDER[5]),
        (ask_again_seconds(6, 100, 0), 120),
        (ask_again_seconds(6, 700, 0), 900),
        (ask_again_seconds(90, 90_000, 0), 3600),
        (send_again_seconds(1, 0), 60),
        (send_again_seconds(2, 0), 120),
        (send_again_seconds(7, 0), 3600),
        (send_again_seconds(10_000, 0), 3600),
        (send_again_seconds(0, 0), 60),
        (renewed_after_seconds(1, 0), 300),
        (renewed_after_seconds(2, 0), 600),
        (trouble_over_seconds(0, 0), 600),
        (trouble_over_seconds(1, 0), 1200),
        (trouble_over_seconds(50, 0), 3600),
        (send_again_seconds(1, 1), 72),
        (send_again_seconds(1, -1), 48),
    ],
)
def test_waits(wait: float, expected: float) -> None:
    assert wait == pytest.approx(expected)


def test_a_day_is_too_long() -> None:
    assert not waits_too_long(timedelta(hours=24) - timedelta(microseconds=1))
    assert waits_too_long(timedelta(hours=24))
