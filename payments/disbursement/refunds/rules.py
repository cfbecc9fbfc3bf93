"""What staff may do about a payment or a refund. Pure; every refusal is an ActRefused for the person who asked."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from payments.disbursement.rules import OutgoingState, Step
from payments.lifecycle import State
from payments.requests import ActRefused, Why

REFUNDABLE: Final = frozenset({State.SETTLED, State.HELD})
HELD: Final = frozenset({State.HELD})


@dataclass(frozen=True, slots=True)
class Ticket:
    """A support ticket that a refund is to close. `payment`: the one that it is about, if any."""

    contest: UUID
    payment: UUID | None
    is_open: bool


def require_state(state: State, states: frozenset[State]) -> None:
    """Refuse a payment in no state for the act."""
    if state not in states:
        wanted = " or ".join(sorted(states))
        raise ActRefused(Why.IMPOSSIBLE, f"the payment is {state}; it must be {wanted}")


def require_refundable(state: State, *, provisional: bool) -> None:
    """Refuse to refund what is neither counted nor held, or counted on a callback alone."""
    require_state(state, REFUNDABLE)
    if provisional:
        raise ActRefused(Why.IMPOSSIBLE, "the payment is counted on a callback alone; wait until it is proved")


def require_in_time(state: State, *, days: int | None, age: timedelta) -> None:
    """Refuse to refund a counted vote on request so long after it was placed. `days`: that the rules under which it was
    placed leave for that; None: any number. What is held counts for nobody, and may always go back."""
    if state is State.SETTLED and days is not None and age > timedelta(days=days):
        raise ActRefused(
            Why.TOO_LATE, f"the rules leave {days} days to ask for a refund; the vote is {age.days} days old"
        )


def require_ticket(number: object, ticket: Ticket | None, *, contest: UUID, payment: UUID) -> None:
    """Refuse a ticket that this refund cannot close. `number`: as the person gave it."""
    if ticket is None or ticket.contest != contest:
        raise ActRefused(Why.UNKNOWN, f"this contest has no ticket {number}")
    if not ticket.is_open:
        raise ActRefused(Why.IMPOSSIBLE, f"ticket {number} is closed")
    if ticket.payment not in (None, payment):
        raise ActRefused(Why.IMPOSSIBLE, f"ticket {number} is about another payment")


def require_waiting(state: OutgoingState) -> None:
    """Refuse a refund that does not wait for a person."""
    if state is not OutgoingState.MANUAL:
        raise ActRefused(Why.IMPOSSIBLE, f"the refund is {state}; only one that waits for a person (manual) can")


def retry(*, failed: bool) -> Step:
    """How a refund that waits for a person is sent again. `failed`: the operator ended its reference."""
    return Step.RENEWED if failed else Step.ASKED_AGAIN
