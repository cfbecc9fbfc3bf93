"""A voter says: I was debited. The answer, from what is known of the latest attempts; and numbers of tickets. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.orders.rules import Channel
from gateway.values.check_digit import holds, with_check_digit
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.lifecycle import State
from payments.provider import NotFound, StatusReport, StillOpen, Unavailable


@dataclass(frozen=True, slots=True)
class OfNumber:
    """From a phone whose number its network vouches for: what it paid or ordered in these contests. A ticket
    without a payment is of the first of them."""

    number: Msisdn
    contest_ids: tuple[UUID, ...]
    channel: Channel = Channel.USSD


@dataclass(frozen=True, slots=True)
class OfChat:
    """From a chat: what was ordered there, and what `number` paid or ordered, which the chat has proved
    to hold. `contest_id`: the contest of a ticket without a payment; None: then there is no ticket."""

    chat_id: int
    number: Msisdn | None = None
    contest_id: UUID | None = None
    channel: Channel = Channel.TELEGRAM


@dataclass(frozen=True, slots=True)
class OfOrder:
    """From a holder of an order's unguessable id: this order, and no other of its number."""

    vote_id: UUID
    channel: Channel = Channel.WEB


Claim = OfNumber | OfChat | OfOrder
"""Who claims to be debited, and so whose payments are looked into."""


class Outcome(StrEnum):
    """The answer to a voter who was debited. Each has a phrase in every language."""

    NOTHING = "nothing"  # no attempt of this number in the last hours
    COUNTED = "counted"  # the votes are counted; here is the receipt
    PAID = "paid"  # the operator has just confirmed; it will be counted in a moment
    REFUNDING = "giving_back"  # paid, cannot count, and a refund is due
    REFUNDED = "given_back"
    WAITING = "waiting"  # the payer has not decided yet
    NOT_PAID = "not_paid"  # the operator says that nothing was taken
    UNCLEAR = "unclear"  # a person must look


@dataclass(frozen=True, slots=True)
class Attempt:
    """One payment as it stands. `unclear`: the operator did not say what became of it. `receipt`: of
    the order, shown only once it is counted."""

    state: State
    candidate_code: str
    candidate_name: str
    quantity: int
    amount: Money
    receipt: str
    unclear: bool = False


@dataclass(frozen=True, slots=True)
class Rescue:
    """What came of a search. `attempt`: the one it is about; `ticket`: number of an open ticket."""

    outcome: Outcome
    attempt: Attempt | None = None
    ticket: str | None = None


_BY_STATE: Final = {
    State.CREATED: Outcome.WAITING,
    State.SENT: Outcome.WAITING,
    State.PENDING: Outcome.WAITING,
    State.CONFIRMED: Outcome.PAID,
    State.SETTLED: Outcome.COUNTED,
    State.HELD: Outcome.UNCLEAR,
    State.SURPLUS: Outcome.REFUNDING,
    State.MISMATCHED: Outcome.REFUNDING,
    State.REFUND_DUE: Outcome.REFUNDING,
    State.REFUNDED: Outcome.REFUNDED,
    State.FAILED: Outcome.NOT_PAID,
    State.EXPIRED: Outcome.UNCLEAR,
}

# Money on its way first, then what a person must look at; what was counted all along comes last.
_WEIGHT: Final = (
    Outcome.PAID,
    Outcome.REFUNDING,
    Outcome.UNCLEAR,
    Outcome.WAITING,
    Outcome.REFUNDED,
    Outcome.NOT_PAID,
    Outcome.COUNTED,
)

# After these a voter may still disagree, and have a person look.
DISPUTABLE: Final = frozenset({Outcome.NOTHING, Outcome.NOT_PAID, Outcome.WAITING, Outcome.REFUNDED})


def outcome_of(attempt: Attempt) -> Outcome:
    """What this attempt alone comes to."""
    return Outcome.UNCLEAR if attempt.unclear else _BY_STATE[attempt.state]


def judge(attempts: Sequence[Attempt], repaired: Attempt | None = None) -> Rescue:
    """The answer. `attempts`: newest first; `repaired`: the newest that this search got counted."""
    if repaired is not None:
        return Rescue(Outcome.COUNTED, repaired)
    if not attempts:
        return Rescue(Outcome.NOTHING)
    about = min(attempts, key=lambda attempt: _WEIGHT.index(outcome_of(attempt)))
    return Rescue(outcome_of(about), about)


def is_unclear(report: StatusReport | None, state: State, *, expired: bool) -> bool:
    """Whether it stays open what became of the money. `report`: the operator's answer, None for none in time;
    `state`, `expired`: of the payment, when it was asked about."""
    match report:
        case None | Unavailable():
            return True
        case StillOpen():
            return expired
        case NotFound():
            # Refused before it reached the operator, or never sent: then there is nothing to find.
            return state is not State.FAILED
        case _:
            return False


def contest_of(claim: Claim) -> UUID | None:
    """The contest of a ticket that is about no payment."""
    match claim:
        case OfNumber():
            return claim.contest_ids[0]
        case OfChat():
            return claim.contest_id
        case _:
            return None


_DIGITS_MAX: Final = 19


def ticket_number(ticket_id: int) -> str:
    """What voter and staff see: the id with a check digit, so that a slip is no other ticket."""
    return with_check_digit(str(ticket_id))


def read_ticket(number: str) -> int | None:
    """The id of the ticket with this number; None for what is no such number."""
    digits = number.strip()
    if len(digits) > _DIGITS_MAX or digits.startswith("0") or not holds(digits):
        return None
    return int(digits[:-1])
