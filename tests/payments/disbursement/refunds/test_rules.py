"""What staff may do about a payment or a refund: tables."""

from datetime import timedelta
from uuid import UUID

import pytest

from payments.disbursement.refunds.rules import (
    HELD,
    REFUNDABLE,
    Ticket,
    require_in_time,
    require_refundable,
    require_state,
    require_ticket,
    require_waiting,
    retry,
)
from payments.disbursement.rules import REFUND_STEPS, OutgoingState, Step, next_state
from payments.lifecycle import Actor, State
from payments.requests import ActRefused, Why

CONTEST, PAYMENT, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.mark.parametrize("state", list(State))
def test_only_what_is_counted_or_held_is_refunded_and_never_on_a_callback_alone(state: State) -> None:
    if state not in (State.SETTLED, State.HELD):
        with pytest.raises(ActRefused, match=f"the payment is {state.value}; it must be held or settled"):
            require_refundable(state, provisional=False)
        return
    require_refundable(state, provisional=False)
    with pytest.raises(ActRefused, match="counted on a callback alone"):
        require_refundable(state, provisional=True)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("states", [HELD, REFUNDABLE])
def test_a_payment_must_be_in_a_state_for_the_act(state: State, states: frozenset[State]) -> None:
    if state in states:
        require_state(state, states)
        return
    with pytest.raises(ActRefused) as refused:
        require_state(state, states)
    assert refused.value.why is Why.IMPOSSIBLE


@pytest.mark.parametrize(
    ("ticket", "why", "expected"),
    [
        (Ticket(CONTEST, PAYMENT, is_open=True), None, ""),
        (Ticket(CONTEST, None, is_open=True), None, ""),
        (None, Why.UNKNOWN, "this contest has no ticket 57"),
        (Ticket(OTHER, PAYMENT, is_open=True), Why.UNKNOWN, "this contest has no ticket 57"),
        (Ticket(CONTEST, PAYMENT, is_open=False), Why.IMPOSSIBLE, "ticket 57 is closed"),
        (Ticket(CONTEST, OTHER, is_open=True), Why.IMPOSSIBLE, "ticket 57 is about another payment"),
    ],
)
def test_tickets_that_a_refund_closes(ticket: Ticket | None, why: Why | None, expected: str) -> None:
    if why is None:
        require_ticket("57", ticket, contest=CONTEST, payment=PAYMENT)
        return
    with pytest.raises(ActRefused, match=expected) as refused:
        require_ticket("57", ticket, contest=CONTEST, payment=PAYMENT)
    assert refused.value.why is why


@pytest.mark.parametrize("state", list(OutgoingState))
def test_a_person_ends_only_what_waits_for_one(state: OutgoingState) -> None:
    if state is OutgoingState.MANUAL:
        require_waiting(state)
        return
    with pytest.raises(ActRefused, match=f"the refund is {state.value}"):
        require_waiting(state)


@pytest.mark.parametrize(
    ("failed", "step", "after"),
    [(False, Step.ASKED_AGAIN, OutgoingState.DUE), (True, Step.RENEWED, OutgoingState.VOID)],
)
def test_a_reference_that_the_operator_ended_is_replaced(failed: bool, step: Step, after: OutgoingState) -> None:
    assert retry(failed=failed) is step
    assert next_state(REFUND_STEPS, OutgoingState.MANUAL, step, Actor.STAFF) is after


@pytest.mark.parametrize(
    ("state", "days", "age", "refused"),
    [
        (State.SETTLED, None, timedelta(days=900), False),
        (State.SETTLED, 7, timedelta(days=7), False),
        (State.SETTLED, 7, timedelta(days=7, seconds=1), True),
        (State.SETTLED, 0, timedelta(seconds=1), True),
        # It never counted: it goes back whenever somebody decides.
        (State.HELD, 7, timedelta(days=30), False),
    ],
)
def test_a_refund_is_asked_for_in_time(state: State, days: int | None, age: timedelta, refused: bool) -> None:
    if not refused:
        require_in_time(state, days=days, age=age)
        return
    with pytest.raises(ActRefused, match=f"the rules leave {days} days") as caught:
        require_in_time(state, days=days, age=age)
    assert caught.value.why is Why.TOO_LATE
