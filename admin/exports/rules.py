"""Exports that are made in the background: which state follows, how long a file is kept, who opens it.

Plain functions.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from payments.requests import Right

ROWS_AT_ONCE: Final = 20_000
"""A page sends a longer file in the background alone."""
LIFE: Final = timedelta(hours=24)
# A worker that does not come back for so long is gone, and another one begins again.
LEASE: Final = timedelta(seconds=30)
UNFINISHED_MAX: Final = 10
"""At once for one person, of one contest."""
# After the first try, after the second, and so on; then it has failed.
_PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (2, 30, 300))
TRIES_MAX: Final = len(_PAUSES) + 1


class Kind(StrEnum):
    """What is exported."""

    ORDERS = "orders"
    PAYMENTS = "payments"
    JOURNAL = "journal"
    MONTH = "month"

    @property
    def right(self) -> Right:
        """Who asks for it, or opens it, has this right."""
        return Right.READ_ORDERS if self in OF_ORDERS else Right.READ_MONEY


OF_ORDERS: Final = frozenset({Kind.ORDERS, Kind.PAYMENTS})
"""Those of which a filter is asked, and in which numbers stand."""


class State(StrEnum):
    """How far a file is."""

    WAITING = "waiting"
    MAKING = "making"
    READY = "ready"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED: Final = frozenset({State.WAITING, State.MAKING})


def state_at(kept: State, expires_at: datetime | None, now: datetime) -> State:
    """The state of a file, of which `kept` is written: that its time is over is never written."""
    over = kept is State.READY and expires_at is not None and now >= expires_at
    return State.EXPIRED if over else kept


def pause_after(tries: int) -> timedelta | None:
    """How long to wait after so many tries without a file; None where there is no further one."""
    return _PAUSES[tries - 1] if tries < TRIES_MAX else None


def is_open_to(kind: Kind, rights: frozenset[Right], *, whole: bool, own: bool, stopped: bool) -> bool:
    """Whether somebody may open a file. `whole`: it has whole numbers: those are for who gave the reason, as long as
    they have the right; `own`: they asked for it; `stopped`: their organiser is frozen."""
    if kind.right not in rights:
        return False
    return not whole or (own and not stopped and Right.SEE_NUMBER in rights)
