"""Money that an operator takes back from us: the life of a dispute, and what it means for its payment. Pure.

While one is open the operator keeps the money back and the end is open: the votes stay, and the
organiser is not paid for them. Won, all is as before. Lost, the payment is undone. What the operator refunded without
our asking is lost from its first day. Reports come twice, late and in any order: what is decided is never open again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.values.money import Money
from payments.disbursement.rules import OutgoingState, Step
from payments.ledger.differences import DifferenceKind
from payments.ledger.postings import Posting, held_reversed, owed_reversed
from payments.lifecycle import State
from payments.provider import DisputeStatus


class Meaning(StrEnum):
    """What a report about a dispute is to us."""

    STEP = "step"
    NOTHING = "nothing"  # known, or overtaken by what came later
    CONTRADICTION = "contradiction"  # lost, acted upon, and now it is ours again


class Effect(StrEnum):
    """What a lost dispute did."""

    TAKEN_BACK = "taken_back"  # the payment's money left the book, and its votes the tally
    REFUND_STOPPED = "refund_stopped"  # the refund that it waited for is not sent any more
    TWICE = "twice"  # we had refunded it before: a person decides who bears it
    PERSON = "person"  # another amount than was paid: likewise, and the votes stay


# The money of a payment in one of these is in our hands and owed to no payer.
_OURS: Final = frozenset({State.CONFIRMED, State.SETTLED, State.HELD, State.SURPLUS, State.MISMATCHED})
_AT_THE_OPERATOR: Final = frozenset({Step.CALLING, Step.ACCEPTED})


def meaning_of(
    known: DisputeStatus | None, reported: DisputeStatus, *, acted: bool = False, overtaken: bool = False
) -> Meaning:
    """What a report changes. `known`: the status before, None for a new dispute; `acted`: something has followed of
    it; `overtaken`: what is known was reported later."""
    if overtaken:
        return Meaning.NOTHING
    if known is DisputeStatus.LOST and reported is DisputeStatus.WON and acted:
        return Meaning.CONTRADICTION
    late = reported is DisputeStatus.OPEN and known is not None
    return Meaning.NOTHING if known is reported or late else Meaning.STEP


def effect_of(
    state: State,
    paid: Money,
    lost: Money,
    *,
    refund_stoppable: bool,
    proved: bool = True,
    together: Money | None = None,
) -> Effect | None:
    """What a lost dispute does to a payment; None: nothing yet, it is looked at again.

    `paid`: what the operator reported as taken; `proved`: not so on a callback alone; `refund_stoppable`: see
    `stoppable`, of the refund that is owed; `together`: this part and the other undecided ones.
    Votes are indivisible, so that a part of the money takes none of them away; a refund that is owed ends
    when the parts are all of it.
    """
    if not proved:
        return None
    if state is State.REFUNDED:
        return Effect.TWICE
    if state in _OURS:
        return Effect.TAKEN_BACK if lost == paid else Effect.PERSON
    if state is not State.REFUND_DUE:
        # It is not known as paid: first it is asked about.
        return None
    if paid not in (lost, together):
        return Effect.PERSON
    return Effect.REFUND_STOPPED if refund_stoppable else None


def stoppable(state: OutgoingState, last_call: Step | None, *, failed: bool) -> bool:
    """Whether a refund that is owed has certainly not left us. `last_call`: the latest outcome of sending it;
    `failed`: the operator reported that this reference came to nothing."""
    waits = state in (OutgoingState.DUE, OutgoingState.MANUAL)
    return waits and (failed or last_call not in _AT_THE_OPERATOR)


@dataclass(frozen=True, slots=True)
class Part:
    """A lost dispute of a payment: all of its money, or a part."""

    reference: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class LostDispute:
    """A lost dispute as it stands with its payment. `paid`, `proved`, `refund_stoppable`: see `effect_of`. `parts`:
    the undecided ones of the payment, this one included. `name`: for people."""

    reference: UUID
    name: str
    lost: Money
    state: State
    paid: Money
    proved: bool
    refund_stoppable: bool
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Consequence:
    """What is done about a lost dispute.

    `uncounts`: the votes leave the tally, and the book undoes the sale. Else `moves`: the payment takes its step, with
    `books`, if anything of it was booked. `difference`: what is left to a person, and why. `reversed`: with which
    disputes how much of the payment left the book.
    """

    effect: Effect
    uncounts: bool = False
    moves: bool = False
    stops_refund: bool = False
    books: Callable[[Money], tuple[Posting, ...]] | None = None
    difference: tuple[DifferenceKind, str] | None = None
    reversed: Sequence[Part] = ()


def consequence_of(case: LostDispute) -> Consequence | None:
    """What a lost dispute leads to; None: nothing yet, it is looked at again."""
    together = Money(sum(part.amount_minor for part in case.parts), case.lost.currency)
    effect = effect_of(
        case.state,
        case.paid,
        case.lost,
        proved=case.proved,
        refund_stoppable=case.refund_stoppable,
        together=together,
    )
    whole = [Part(case.reference, case.paid.amount_minor)]
    gone = whole if case.lost == case.paid else case.parts
    match effect:
        case None:
            return None
        case Effect.TAKEN_BACK if case.state is State.SETTLED:
            return Consequence(effect, uncounts=True, reversed=gone)
        case Effect.TAKEN_BACK:
            # Of what is only confirmed nothing is booked yet.
            books = None if case.state is State.CONFIRMED else held_reversed
            return Consequence(effect, moves=True, books=books, reversed=gone)
        case Effect.REFUND_STOPPED:
            return Consequence(effect, moves=True, stops_refund=True, books=owed_reversed, reversed=gone)
        case Effect.TWICE:
            why = f"refunded, and lost to {case.name} as well"
            return Consequence(effect, difference=(DifferenceKind.DOUBLE, why), reversed=[Part(case.reference, 0)])
        case Effect.PERSON:
            why = f"another amount than {case.paid.plain()} {case.paid.currency} was lost to {case.name}"
            return Consequence(effect, difference=(DifferenceKind.AMOUNT, why), reversed=[Part(case.reference, 0)])
