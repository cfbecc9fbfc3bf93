"""The circuit breaker of an account at an operator: pure.

The circuit of an account whose calls fail is open: no payer is asked there. When its time is over it is half
open: probed by calls that move no money. Then it closes, for a few calls at a time. A payer who refuses is no failure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from payments.provider import NotSent, PayerReason, Rejected, Unavailable, Unknown

WINDOW_SECONDS: Final = 60
CALLS_MIN: Final = 20
FAILING_SHARE: Final = 0.5
# Of few calls: so many that failed in a row, over so long.
FAILED_IN_A_ROW: Final = 5
FAILED_SECONDS: Final = 30.0
# An answer that takes longer counts as a failure.
SLOW_SECONDS: Final = 5.0
OPEN_SECONDS_FIRST: Final = 15
OPEN_SECONDS_MAX: Final = 120
PROBES: Final = 3
# A circuit that opens again so soon after it closed stays open for twice as long.
RELAPSE_SECONDS: Final = 300.0
# Calls at once just after a circuit closed, and how soon they double.
FIRST_AT_ONCE: Final = 4
DOUBLES_SECONDS: Final = 3.0


class CallOutcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"  # whether the payer pays or not
    SLOW = "slow"  # answered, but too late
    THROTTLED = "throttled"  # answered that there were too many calls
    FAILED = "failed"  # no answer, a fault of the operator's own, or our account refused


def outcome_of(result: object, seconds: float) -> CallOutcome:
    """The outcome of a call with this result. An empty wallet of ours is no fault of the operator."""
    match result:
        case NotSent(throttled=True) | Unavailable(throttled=True):
            return CallOutcome.THROTTLED
        case NotSent() | Unknown() | Unavailable():
            return CallOutcome.FAILED
        case Rejected(alarm=True) if result.reason is not PayerReason.NO_FUNDS:
            return CallOutcome.FAILED
        case _:
            return CallOutcome.SLOW if seconds > SLOW_SECONDS else CallOutcome.ANSWERED


@dataclass(frozen=True, slots=True)
class Window:
    """Calls of one kind: those of the last minute as (second, calls, failures), oldest first, and how many of the
    latest got no answer in a row, from when to when."""

    seconds: tuple[tuple[int, int, int], ...] = ()
    failed: int = 0
    failed_from: float = 0.0
    failed_to: float = 0.0

    def after(self, at: float, outcome: CallOutcome) -> "Window":
        """With one more call that ended at this moment, in seconds of any clock that does not go back."""
        second, calls, failures = int(at), 1, int(outcome is not CallOutcome.ANSWERED)
        kept = [entry for entry in self.seconds if entry[0] > second - WINDOW_SECONDS]
        if kept and kept[-1][0] == second:
            _, before, failed_before = kept.pop()
            calls, failures = calls + before, failures + failed_before
        seconds = (*kept, (second, calls, failures))
        if outcome is not CallOutcome.FAILED:
            return Window(seconds)
        return Window(seconds, self.failed + 1, self.failed_from if self.failed else at, at)

    @property
    def only_failures(self) -> bool:
        """Whether so many calls failed in a row, over so long, that few calls are enough to judge by."""
        return self.failed >= FAILED_IN_A_ROW and self.failed_to - self.failed_from >= FAILED_SECONDS

    def counts(self, now: float) -> tuple[int, int]:
        """Calls and failures that are not older than the window."""
        kept = [entry for entry in self.seconds if entry[0] > int(now) - WINDOW_SECONDS]
        return sum(entry[1] for entry in kept), sum(entry[2] for entry in kept)


def failing(windows: Iterable[Window], now: float) -> bool:
    """Whether a circuit is to be opened: one kind of call fails, or all kinds together do. By kind, because
    questions that are answered say nothing of prompts that are not."""
    every = tuple(windows)
    if any(window.only_failures for window in every):
        return True
    counts = [window.counts(now) for window in every]
    together = (sum(calls for calls, _ in counts), sum(failures for _, failures in counts))
    return any(calls >= CALLS_MIN and failures >= FAILING_SHARE * calls for calls, failures in (*counts, together))


@dataclass(frozen=True, slots=True)
class Health:
    """The state of an account, the same for every process. `open_until` None: its circuit is closed, since
    `changed_at`; past: it is half open. `open_seconds`: how long it was open for the last time."""

    open_until: datetime | None
    open_seconds: int
    changed_at: datetime


def after_failure(health: Health, now: datetime) -> int | None:
    """Seconds for which the circuit of an account that fails opens; None when it is open already."""
    if health.open_until is not None:
        return None
    if (now - health.changed_at).total_seconds() > RELAPSE_SECONDS:
        return OPEN_SECONDS_FIRST
    return longer(health.open_seconds)


def after_probe(health: Health, *, alive: bool) -> int | None:
    """Seconds for which a probed circuit stays open, 0 when it closes; None when it was closed meanwhile."""
    if health.open_until is None:
        return None
    return 0 if alive else longer(health.open_seconds)


def longer(open_seconds: int) -> int:
    """Seconds for which a circuit stays open next, after so many were not enough; 0: it was not open."""
    return min(max(OPEN_SECONDS_FIRST, 2 * open_seconds), OPEN_SECONDS_MAX)


def at_once(closed_seconds: float, usual: int) -> int:
    """Calls that may be in progress at an account whose circuit closed so many seconds ago: what waited meanwhile
    must not arrive all at once."""
    doubled = int(max(0.0, closed_seconds) / DOUBLES_SECONDS)
    return usual if doubled > 16 else min(usual, FIRST_AT_ONCE * 2**doubled)
