"""The life of a dispute, and what a lost one does to a payment in each state: every case."""

import itertools
from dataclasses import replace
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.disbursement.disputes.rules import (
    Consequence,
    Effect,
    LostDispute,
    Meaning,
    Part,
    consequence_of,
    effect_of,
    meaning_of,
    stoppable,
)
from payments.disbursement.rules import REFUND_STEPS, OutgoingState, Step, next_state
from payments.ledger.differences import DifferenceKind
from payments.ledger.postings import held_reversed, owed_reversed
from payments.lifecycle import TABLE, Actor, Observed, State, advance
from payments.provider import DisputeStatus

PAID = Money(500, "XOF")
OPEN, WON, LOST = DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST
STEP, NOTHING = Meaning.STEP, Meaning.NOTHING


@pytest.mark.parametrize(
    ("known", "reported", "acted", "meaning"),
    [
        (None, OPEN, False, STEP),
        (None, WON, False, STEP),
        (None, LOST, False, STEP),  # closed before created
        (OPEN, OPEN, False, NOTHING),
        (OPEN, WON, False, STEP),
        (OPEN, LOST, False, STEP),
        (WON, OPEN, False, NOTHING),
        (WON, WON, False, NOTHING),
        (WON, LOST, False, STEP),
        (LOST, OPEN, True, NOTHING),
        (LOST, LOST, True, NOTHING),
        (LOST, WON, False, STEP),
        (LOST, WON, True, Meaning.CONTRADICTION),
    ],
)
def test_a_report_of_a_dispute(
    known: DisputeStatus | None, reported: DisputeStatus, acted: bool, meaning: Meaning
) -> None:
    assert meaning_of(known, reported, acted=acted) is meaning
    assert meaning_of(known, reported, acted=acted, overtaken=True) is NOTHING


EFFECTS = {
    State.CREATED: (None, None),
    State.SENT: (None, None),
    State.PENDING: (None, None),
    State.FAILED: (None, None),
    State.EXPIRED: (None, None),
    State.CONFIRMED: (Effect.TAKEN_BACK, Effect.PERSON),
    State.SETTLED: (Effect.TAKEN_BACK, Effect.PERSON),
    State.HELD: (Effect.TAKEN_BACK, Effect.PERSON),
    State.SURPLUS: (Effect.TAKEN_BACK, Effect.PERSON),
    State.MISMATCHED: (Effect.TAKEN_BACK, Effect.PERSON),
    State.REFUND_DUE: (Effect.REFUND_STOPPED, Effect.PERSON),
    State.REFUNDED: (Effect.TWICE, Effect.TWICE),
}


@pytest.mark.parametrize("state", list(State))
def test_what_a_lost_dispute_does_to_a_payment(state: State) -> None:
    whole, part = EFFECTS[state]
    assert effect_of(state, PAID, PAID, refund_stoppable=True) is whole
    for other in (Money(200, "XOF"), Money(900, "XOF"), Money(500, "EUR")):
        assert effect_of(state, PAID, other, refund_stoppable=True) is part


@pytest.mark.parametrize("state", list(State))
def test_what_is_known_by_a_callback_alone_is_asked_about_first(state: State) -> None:
    for lost in (PAID, Money(200, "XOF")):
        assert effect_of(state, PAID, lost, refund_stoppable=True, proved=False) is None


@pytest.mark.parametrize("state", list(State))
def test_parts_that_are_all_of_it_end_a_refund_and_take_no_vote(state: State) -> None:
    part = Money(200, "XOF")
    found = effect_of(state, PAID, part, refund_stoppable=True, together=PAID)
    assert found is (Effect.REFUND_STOPPED if state is State.REFUND_DUE else EFFECTS[state][1])
    assert effect_of(State.REFUND_DUE, PAID, part, refund_stoppable=False, together=PAID) is None
    assert effect_of(State.REFUND_DUE, PAID, part, refund_stoppable=True, together=Money(501, "XOF")) is Effect.PERSON


def test_a_refund_that_may_have_left_is_waited_for() -> None:
    assert effect_of(State.REFUND_DUE, PAID, PAID, refund_stoppable=False) is None


@pytest.mark.parametrize("state", list(State))
def test_the_lifecycle_lets_a_payment_go_exactly_where_a_dispute_takes_it(state: State) -> None:
    takes = EFFECTS[state][0] in (Effect.TAKEN_BACK, Effect.REFUND_STOPPED)
    assert (advance(state, Observed.REVERSED, Actor.VERIFIER) is State.REFUNDED) == takes
    actors = TABLE[state, Observed.REVERSED].actors if takes else frozenset()
    assert actors <= {Actor.VERIFIER}


CALLS = (None, Step.CALLING, Step.ACCEPTED, Step.PUT_BACK, Step.PUT_OFF)


@pytest.mark.parametrize(("state", "call", "failed"), list(itertools.product(OutgoingState, CALLS, (False, True))))
def test_only_a_refund_that_has_certainly_not_left_is_stopped(
    state: OutgoingState, call: Step | None, failed: bool
) -> None:
    waits = state in (OutgoingState.DUE, OutgoingState.MANUAL)
    in_doubt = call in (Step.CALLING, Step.ACCEPTED) and not failed
    assert stoppable(state, call, failed=failed) == (waits and not in_doubt)
    if stoppable(state, call, failed=failed):
        assert next_state(REFUND_STEPS, state, Step.REVERSED, Actor.VERIFIER) is OutgoingState.VOID


DISPUTE, OTHER = UUID(int=1), UUID(int=2)
WHOLE, NONE = [Part(DISPUTE, 500)], [Part(DISPUTE, 0)]
CASE = LostDispute(
    reference=DISPUTE,
    name="fraudulent du_1",
    lost=PAID,
    state=State.SETTLED,
    paid=PAID,
    proved=True,
    refund_stoppable=True,
    parts=WHOLE,
)
LOST_TWICE = "refunded, and lost to fraudulent du_1 as well"
LOST_IN_PART = "another amount than 500 XOF was lost to fraudulent du_1"


@pytest.mark.parametrize(
    ("state", "then"),
    [
        *((state, None) for state in (State.CREATED, State.SENT, State.PENDING, State.FAILED, State.EXPIRED)),
        (State.CONFIRMED, Consequence(Effect.TAKEN_BACK, moves=True, reversed=WHOLE)),
        (State.SETTLED, Consequence(Effect.TAKEN_BACK, uncounts=True, reversed=WHOLE)),
        *(
            (state, Consequence(Effect.TAKEN_BACK, moves=True, books=held_reversed, reversed=WHOLE))
            for state in (State.HELD, State.SURPLUS, State.MISMATCHED)
        ),
        (
            State.REFUND_DUE,
            Consequence(Effect.REFUND_STOPPED, moves=True, stops_refund=True, books=owed_reversed, reversed=WHOLE),
        ),
        (
            State.REFUNDED,
            Consequence(Effect.TWICE, difference=(DifferenceKind.DOUBLE, LOST_TWICE), reversed=NONE),
        ),
    ],
)
def test_what_is_done_about_a_lost_dispute(state: State, then: Consequence | None) -> None:
    assert consequence_of(replace(CASE, state=state)) == then
    assert consequence_of(replace(CASE, state=state, proved=False)) is None


@pytest.mark.parametrize("state", list(State))
def test_what_is_done_about_a_lost_part(state: State) -> None:
    lost = replace(CASE, state=state, lost=Money(200, "XOF"), parts=[Part(DISPUTE, 200)])
    person = Consequence(Effect.PERSON, difference=(DifferenceKind.AMOUNT, LOST_IN_PART), reversed=NONE)
    double = Consequence(Effect.TWICE, difference=(DifferenceKind.DOUBLE, LOST_TWICE), reversed=NONE)
    expected = {None: None, Effect.PERSON: person, Effect.TWICE: double}
    assert consequence_of(lost) == expected[EFFECTS[state][1]]


def test_parts_that_are_all_of_it_leave_the_book_together() -> None:
    parts = [Part(OTHER, 300), Part(DISPUTE, 200)]
    last = replace(CASE, state=State.REFUND_DUE, lost=Money(200, "XOF"), parts=parts)
    then = Consequence(Effect.REFUND_STOPPED, moves=True, stops_refund=True, books=owed_reversed, reversed=parts)
    assert consequence_of(last) == then
    assert consequence_of(replace(last, refund_stoppable=False)) is None


@pytest.mark.parametrize("state", list(State))
def test_either_the_votes_leave_or_the_payment_moves_or_a_person_decides(state: State) -> None:
    then = consequence_of(replace(CASE, state=state))
    if then is not None:
        assert [then.uncounts, then.moves, then.difference is not None].count(True) == 1
        assert then.stops_refund == (state is State.REFUND_DUE)
