"""What an organiser may do and be done for in each state. A plain function with one table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class OrganiserState(StrEnum):
    """How far the platform lets an organiser go. Staff of the platform act for every one of them, as ever."""

    ACTIVE = "active"
    LIMITED = "limited"  # what runs goes on; nothing new begins
    FROZEN = "frozen"  # nothing is sold, paid or changed; its people may read


class Deed(StrEnum):
    """What depends on the state."""

    SELL = "sell"  # orders are taken, and payers are asked
    CHANGE = "change"  # its own people change what is theirs
    PUBLISH = "publish"  # its own people publish a contest
    INVITE = "invite"  # its own people invite somebody
    ASK_PAYOUT = "ask_payout"  # its own people ask for a payout
    BE_PAID = "be_paid"  # a payout that the platform asked for or agreed to is sent


_ALLOWED: Final[Mapping[OrganiserState, frozenset[Deed]]] = {
    OrganiserState.ACTIVE: frozenset(Deed),
    OrganiserState.LIMITED: frozenset({Deed.SELL, Deed.CHANGE, Deed.BE_PAID}),
    OrganiserState.FROZEN: frozenset(),
}


def allows(state: OrganiserState, deed: Deed) -> bool:
    """Whether a deed is allowed in a state."""
    return deed in _ALLOWED[state]


def states_without(deed: Deed) -> str:
    """The states in which a deed is not allowed, as a list of SQL."""
    return ", ".join(f"'{state.value}'" for state in OrganiserState if not allows(state, deed))
