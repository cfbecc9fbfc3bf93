"""When an account at an operator is set aside, and how it comes back: pure.

An account whose calls fail is closed: nobody is asked to pay there. When its time is over it is probed by
calls that move no money, and opens again, a few calls at a time. A payer who refuses is no failure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

WINDOW_SECONDS: Final = 60
CALLS_MIN: Final = 20
FAILING_SHARE: Final = 0.5
# Of few calls: so many that broke in a row, over so long, whatever came between them in time.
BROKEN_IN_A_ROW: Final = 5
BROKEN_SECONDS: Final = 30.0
# An answer that takes longer is as bad as none.
SLOW_SECONDS: Final = 5.0
CLOSED_SECONDS_FIRST: Final = 15
CLOSED_SECONDS_MAX: Final = 120
PROBES: Final = 3
# An account that fails again so soon after it opened was not well: it stays away for twice as long.
RELAPSE_SECONDS: Final = 300.0
# Calls at once just after an account opened, and how soon they double.
FIRST_AT_ONCE: Final = 4
DOUBLES_SECONDS: Final = 3.0


class Went(StrEnum):
    """How a call went."""

    WELL = "well"  # answered, whatever it said about the payer
    SLOW = "slow"  # answered, but nobody would wait so long
    THROTTLED = "throttled"  # answered that there were too many calls
    BROKE = "broke"  # no answer, a fault of the operator's own, or our account refused


@dataclass(frozen=True, slots=True)
class Window:
    """Calls of one kind: those of the last minute as (second, calls, failures), oldest first, and how many of
    the latest broke in a row, from when to when."""

    seconds: tuple[tuple[int, int, int], ...] = ()
    broken: int = 0
    broken_from: float = 0.0
    broken_to: float = 0.0

    def after(self, at: float, went: Went) -> "Window":
        """With one more call that ended at this moment, in seconds of any clock that does not go back."""
        second, calls, failures = int(at), 1, int(went is not Went.WELL)
        kept = [held for held in self.seconds if held[0] > second - WINDOW_SECONDS]
        if kept and kept[-1][0] == second:
            _, before, failed_before = kept.pop()
            calls, failures = calls + before, failures + failed_before
        seconds = (*kept, (second, calls, failures))
        if went is not Went.BROKE:
            return Window(seconds)
        return Window(seconds, self.broken + 1, self.broken_from if self.broken else at, at)

    @property
    def only_breaks(self) -> bool:
        """Whether so many calls broke in a row, over so long, that the few there are say enough."""
        return self.broken >= BROKEN_IN_A_ROW and self.broken_to - self.broken_from >= BROKEN_SECONDS

    def counts(self, now: float) -> tuple[int, int]:
        """Calls and failures that are not older than the window."""
        kept = [held for held in self.seconds if held[0] > int(now) - WINDOW_SECONDS]
        return sum(held[1] for held in kept), sum(held[2] for held in kept)


def failing(windows: Iterable[Window], now: float) -> bool:
    """Whether an account is to be closed: one kind of call fails, or all kinds together do. By kind, because
    questions that are answered say nothing of prompts that are not."""
    held = tuple(windows)
    if any(window.only_breaks for window in held):
        return True
    counts = [window.counts(now) for window in held]
    together = (sum(calls for calls, _ in counts), sum(failures for _, failures in counts))
    return any(calls >= CALLS_MIN and failures >= FAILING_SHARE * calls for calls, failures in (*counts, together))


@dataclass(frozen=True, slots=True)
class Health:
    """What every process knows of an account. `closed_until` None: it is open, since `changed_at`.
    `closed_seconds`: how long it was closed for the last time."""

    closed_until: datetime | None
    closed_seconds: int
    changed_at: datetime


def closing_seconds(held: Health, now: datetime) -> int | None:
    """For how long an account that fails is closed; None when it is closed already."""
    if held.closed_until is not None:
        return None
    if (now - held.changed_at).total_seconds() > RELAPSE_SECONDS:
        return CLOSED_SECONDS_FIRST
    return longer(held.closed_seconds)


def longer(closed_seconds: int) -> int:
    """For how long next, after so long was not enough; 0: it was not closed."""
    return min(max(CLOSED_SECONDS_FIRST, 2 * closed_seconds), CLOSED_SECONDS_MAX)


def at_once(open_seconds: float, usual: int) -> int:
    """Calls that may be under way at once at an account that opened so long ago: what waited meanwhile must
    not arrive over there as one storm."""
    doubled = int(max(0.0, open_seconds) / DOUBLES_SECONDS)
    return usual if doubled > 16 else min(usual, FIRST_AT_ONCE * 2**doubled)
