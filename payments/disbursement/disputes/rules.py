"""Money that an operator takes back from us: the life of a dispute, and what it means for its payment. Pure.

While one is open the operator keeps the money back and nobody knows how it ends: the votes stay, and the
organiser is not paid for them. Won, all is as before. Lost, the payment is undone. What was given back past us
is lost from its first day. Word of it comes twice, late and in any order: what is decided is never open again.
"""

from enum import StrEnum
from typing import Final

from gateway.values.money import Money
from payments.disbursement.rules import OutgoingState, Step
from payments.lifecycle import State
from payments.provider import DisputeStatus


class Heard(StrEnum):
    """What a word about a dispute is to us."""

    STEP = "step"
    NOTHING = "nothing"  # known, or overtaken by what came later
    CONTRADICTION = "contradiction"  # lost, acted upon, and now it is ours again


class Effect(StrEnum):
    """What a lost dispute did."""

    TAKEN_BACK = "taken_back"  # the payment's money left the book, and its votes the tally
    REFUND_STOPPED = "refund_stopped"  # the refund that it waited for is not sent any more
    TWICE = "twice"  # we had given it back before: a person decides who bears it
    PERSON = "person"  # another amount than was paid: likewise, and the votes stay


# Whoever holds it by then, the money of these is in our hands and owed to no payer.
_OURS: Final = frozenset({State.CONFIRMED, State.SETTLED, State.HELD, State.SURPLUS, State.MISMATCHED})
_AT_THE_OPERATOR: Final = frozenset({Step.CALLING, Step.ACCEPTED})


def heard(known: DisputeStatus | None, told: DisputeStatus, *, acted: bool = False, overtaken: bool = False) -> Heard:
    """What to make of the operator's word, knowing so much. `known` None: never heard of it before; `acted`:
    something has followed of it; `overtaken`: what is known was said later."""
    if overtaken:
        return Heard.NOTHING
    if known is DisputeStatus.LOST and told is DisputeStatus.WON and acted:
        return Heard.CONTRADICTION
    late = told is DisputeStatus.OPEN and known is not None
    return Heard.NOTHING if known is told or late else Heard.STEP


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

    `paid`: what the operator said it took; `proved`: not so on a callback alone; `refund_stoppable`: see
    `stoppable`, of the refund that is owed; `together`: this part and the others that nobody decided about.
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
        # We have not heard that it was paid: first it is asked about.
        return None
    if paid not in (lost, together):
        return Effect.PERSON
    return Effect.REFUND_STOPPED if refund_stoppable else None


def stoppable(state: OutgoingState, last_call: Step | None, *, failed: bool) -> bool:
    """Whether a refund that is owed has certainly not left us. `last_call`: the last that became of sending it;
    `failed`: the operator said that this reference came to nothing."""
    waits = state in (OutgoingState.DUE, OutgoingState.MANUAL)
    return waits and (failed or last_call not in _AT_THE_OPERATOR)
