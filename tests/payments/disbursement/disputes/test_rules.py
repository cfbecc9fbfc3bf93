"""The life of a dispute, and what a lost one does to a payment in each state: every case."""

import itertools

import pytest

from gateway.values.money import Money
from payments.disbursement.disputes.rules import Effect, Heard, effect_of, heard, stoppable
from payments.disbursement.rules import REFUND_STEPS, OutgoingState, Step, next_state
from payments.lifecycle import TABLE, Actor, Observed, State, advance
from payments.provider import DisputeStatus

PAID = Money(500, "XOF")
OPEN, WON, LOST = DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST
STEP, NOTHING = Heard.STEP, Heard.NOTHING


@pytest.mark.parametrize(
    ("known", "told", "acted", "made_of_it"),
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
        (LOST, WON, True, Heard.CONTRADICTION),
    ],
)
def test_word_of_a_dispute(known: DisputeStatus | None, told: DisputeStatus, acted: bool, made_of_it: Heard) -> None:
    assert heard(known, told, acted=acted) is made_of_it
    assert heard(known, told, acted=acted, overtaken=True) is NOTHING


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
