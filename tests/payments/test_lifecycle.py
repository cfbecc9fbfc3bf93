"""The lifecycle: every pair of state and observation is a listed step or a refusal."""

import itertools
from datetime import timedelta

import pytest

from gateway.values.money import Money
from payments.lifecycle import (
    ASKABLE,
    TABLE,
    Actor,
    Guard,
    NotFoundAnswer,
    Observed,
    PublicStatus,
    Refused,
    State,
    advance,
    after_not_found,
    check_delay_seconds,
    guard,
    may_send_again,
    public_reason,
    public_status,
    states_before,
    success_observed,
)

C, V, S, P, W = Actor.COLLECTOR, Actor.VERIFIER, Actor.SETTLER, Actor.STAFF, Actor.SWEEPER

STEPS = [
    ("created", "calling", C, "sent"),
    ("created", "never_sent", C, "failed"),
    ("created", "never_sent", W, "failed"),
    ("created", "withheld", C, "failed"),
    ("sent", "accepted", C, "pending"),
    ("sent", "put_back", C, "created"),
    ("sent", "put_back", V, "created"),
    ("sent", "still_open", V, "pending"),
    ("sent", "refused", C, "failed"),
    ("sent", "refused", V, "failed"),
    ("sent", "failed", V, "failed"),
    ("pending", "failed", V, "failed"),
    ("expired", "failed", V, "failed"),
    ("sent", "deadline_passed", V, "expired"),
    ("pending", "deadline_passed", V, "expired"),
    ("sent", "deadline_passed", W, "expired"),
    ("pending", "deadline_passed", W, "expired"),
    ("sent", "succeeded", V, "confirmed"),
    ("pending", "succeeded", V, "confirmed"),
    ("expired", "succeeded", V, "confirmed"),
    ("failed", "succeeded", V, "confirmed"),
    ("sent", "succeeded_otherwise", V, "mismatched"),
    ("pending", "succeeded_otherwise", V, "mismatched"),
    ("expired", "succeeded_otherwise", V, "mismatched"),
    ("failed", "succeeded_otherwise", V, "mismatched"),
    ("confirmed", "counts", S, "settled"),
    ("confirmed", "suspect", S, "held"),
    ("confirmed", "cannot_count", S, "refund_due"),
    ("confirmed", "counted_before", S, "surplus"),
    ("surplus", "cannot_count", S, "refund_due"),
    ("mismatched", "cannot_count", S, "refund_due"),
    ("held", "counts", P, "settled"),
    ("held", "cannot_count", P, "refund_due"),
    ("held", "cannot_count", S, "refund_due"),
    ("settled", "cannot_count", P, "refund_due"),
    *((state, "reversed", V, "refunded") for state in ("confirmed", "settled", "held")),
    *((state, "reversed", V, "refunded") for state in ("surplus", "mismatched", "refund_due")),
    ("settled", "proved", V, "settled"),
    ("settled", "denied", V, "failed"),
    ("settled", "paid_otherwise", V, "mismatched"),
    ("confirmed", "unproved", S, "expired"),
    ("refund_due", "given_back", Actor.REFUNDER, "refunded"),
]


@pytest.mark.parametrize(("before", "seen", "actor", "after"), STEPS)
def test_allowed_step(before: str, seen: str, actor: Actor, after: str) -> None:
    assert advance(State(before), Observed(seen), actor) is State(after)


def test_everything_else_is_refused() -> None:
    listed = {(State(before), Observed(seen), actor) for before, seen, actor, _ in STEPS}
    assert {(*of, actor) for of, step in TABLE.items() for actor in step.actors} == listed
    for of in itertools.product(State, Observed, Actor):
        if of not in listed:
            assert advance(*of) == Refused(*of)


def test_counted_money_is_only_moved_by_people_or_by_the_operators_word() -> None:
    leaving = {
        (seen, actor)
        for (state, seen), step in TABLE.items()
        if state is State.SETTLED and step.to is not State.SETTLED
        for actor in step.actors
    }
    assert leaving == {
        (Observed.CANNOT_COUNT, P),
        (Observed.REVERSED, V),
        (Observed.DENIED, V),
        (Observed.PAID_OTHERWISE, V),
    }


def test_only_the_settler_and_staff_lead_to_settled() -> None:
    actors = {
        actor
        for (before, _), step in TABLE.items()
        if step.to is State.SETTLED and before is not State.SETTLED
        for actor in step.actors
    }
    assert actors == {S, P}


def test_an_observation_of_one_actor_leads_to_one_state() -> None:
    for seen in Observed:
        for actor in (C, V):
            assert len(set(states_before(seen, actor).values())) <= 1, (seen, actor)


@pytest.mark.parametrize(
    ("observed", "actor", "provisional", "before", "to"),
    [
        (None, V, False, set(State), None),
        (Observed.ACCEPTED, C, False, {State.SENT}, State.PENDING),
        (Observed.STILL_OPEN, V, False, {State.SENT}, State.PENDING),
        (Observed.SUCCEEDED, V, False, ASKABLE, State.CONFIRMED),
        # What the operator itself has called failed is not counted on a callback.
        (Observed.SUCCEEDED, V, True, ASKABLE - {State.FAILED}, State.CONFIRMED),
        (Observed.SUCCEEDED_OTHERWISE, V, False, ASKABLE, State.MISMATCHED),
        (Observed.PROVED, V, False, {State.SETTLED}, State.SETTLED),
    ],
)
def test_guard(observed: Observed | None, actor: Actor, provisional: bool, before: set[State], to: State) -> None:
    assert guard(observed, actor, provisional=provisional) == Guard(frozenset(before), to)


@pytest.mark.parametrize(("observed", "actor"), [(Observed.ACCEPTED, V), (Observed.COUNTS, V), (Observed.PROVED, S)])
def test_an_observation_that_this_actor_may_not_make_has_no_guard(observed: Observed, actor: Actor) -> None:
    with pytest.raises(ValueError, match="may not observe"):
        guard(observed, actor)


@pytest.mark.parametrize(
    ("received", "seen"),
    [
        (Money(500, "XOF"), Observed.SUCCEEDED),
        (Money(499, "XOF"), Observed.SUCCEEDED_OTHERWISE),
        (Money(500, "XAF"), Observed.SUCCEEDED_OTHERWISE),
        (Money(50_000, "XOF"), Observed.SUCCEEDED_OTHERWISE),
    ],
)
def test_success_is_compared_with_what_was_asked(received: Money, seen: Observed) -> None:
    assert success_observed(Money(500, "XOF"), received) is seen


@pytest.mark.parametrize(
    ("tries", "minutes", "may"),
    [(0, 0, True), (4, 14.9, True), (5, 0, False), (6, 0, False), (1, 15, False), (0, 60, False)],
)
def test_an_order_is_sent_five_times_within_a_quarter_of_an_hour(tries: int, minutes: float, may: bool) -> None:
    assert may_send_again(tries=tries, age=timedelta(minutes=minutes)) is may


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["settled"], "COMPLETED"),
        (["failed", "settled"], "COMPLETED"),
        (["held"], "HELD"),
        (["refund_due"], "HELD"),
        (["surplus", "settled"], "COMPLETED"),
        (["mismatched", "failed"], "HELD"),
        (["created"], "PENDING"),
        (["sent", "failed"], "PENDING"),
        (["confirmed"], "PENDING"),
        (["refunded", "failed"], "REFUNDED"),
        (["expired", "failed"], "EXPIRED"),
        (["failed"], "FAILED"),
        ([], "FAILED"),
    ],
)
def test_public_word(states: list[str], word: str) -> None:
    assert public_status([State(s) for s in states]) is PublicStatus(word)


@pytest.mark.parametrize(
    ("states", "stored", "reason"),
    [
        (["held"], "declined", "review"),
        (["refund_due"], "late", "refund_pending"),
        (["failed"], "declined", "declined"),
        (["expired"], "not_answered", "not_answered"),
        (["pending"], "declined", None),
        (["settled"], "declined", None),
    ],
)
def test_public_reason(states: list[str], stored: str, reason: str | None) -> None:
    assert public_reason([State(s) for s in states], stored) == reason


LADDER = (10, 20, 30)


@pytest.mark.parametrize(
    ("checks", "age", "expected"),
    [(0, 0, 10), (1, 10, 20), (2, 30, 30), (3, 60, 120), (9, 599, 120), (9, 600, 900), (50, 86_400, 3_600)],
)
def test_ladder(checks: int, age: float, expected: float) -> None:
    assert check_delay_seconds(LADDER, checks, age, 0) == expected
    assert check_delay_seconds(LADDER, checks, age, 1) == pytest.approx(expected * 1.2)
    assert check_delay_seconds(LADDER, checks, age, -1) == pytest.approx(expected * 0.8)


@pytest.mark.parametrize(
    ("count", "since", "accepted", "repeatable", "expected"),
    [
        (1, 90, False, True, NotFoundAnswer.ASK_AGAIN),
        (3, 59, False, True, NotFoundAnswer.ASK_AGAIN),
        (3, 60, False, True, NotFoundAnswer.SEND_AGAIN),
        (3, 60, False, False, NotFoundAnswer.ASK_AGAIN),
        (3, 60, True, True, NotFoundAnswer.PARK),
    ],
)
def test_not_found(count: int, since: float, accepted: bool, repeatable: bool, expected: NotFoundAnswer) -> None:
    assert after_not_found(count=count, since_seconds=since, accepted=accepted, repeatable=repeatable) is expected
