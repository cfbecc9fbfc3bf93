"""How fast an operator is called once it said that this is too fast, and how often the same may be tried again: pure.

An account that is told to slow down gives up a tenth of its rate for five seconds, then takes a tenth of the whole
back every five seconds; told again before that, it gives up a quarter of what it has. What is tried again is a small
part of what is tried at all, so that an operator that fails is not asked more than one that works.
"""

from dataclasses import dataclass
from typing import Final

TOLD_ONCE: Final = 0.9
TOLD_AGAIN: Final = 0.75
SLOW_SECONDS: Final = 5.0
STEP_SECONDS: Final = 5.0
STEP: Final = 0.1
# Calls that were under way get the same answer: they count once.
DEAF_SECONDS: Final = 1.0
# Less than that leaves no account more than one call a second.
SHARE_MIN: Final = 2.0**-10

REPEATS_WINDOW_SECONDS: Final = 60
REPEATS_SHARE: Final = 0.1
REPEATS_AT_LEAST: Final = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """The share of its rate that an account was left with, and when, in seconds of a clock."""

    share: float = 1.0
    since: float = float("-inf")

    def at(self, now: float) -> float:
        """The share that it has by now: above 0, at most 1."""
        over = now - self.since - SLOW_SECONDS
        steps = 0.0 if over < 0 else 1 + over // STEP_SECONDS
        return min(1.0, round(self.share + steps * STEP, 9))

    def slower(self, now: float) -> "Pace":
        """After it was told to slow down."""
        if now - self.since < DEAF_SECONDS:
            return self
        again = now - self.since < SLOW_SECONDS
        return Pace(max(SHARE_MIN, self.at(now) * (TOLD_AGAIN if again else TOLD_ONCE)), now)


def rate_left(per_second: int, share: float) -> int:
    """Calls a second of an account that has so many of its own; never less than one."""
    return max(1, int(round(per_second * share, 6)))


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried in the last minute: (second, first tries, tries again), oldest first."""

    seconds: tuple[tuple[int, int, int], ...] = ()

    def after(self, at: float, *, again: bool) -> "Tries":
        """With one more at this moment, in seconds of any clock that does not go back."""
        second, first, repeats = int(at), int(not again), int(again)
        kept = [held for held in self.seconds if held[0] > second - REPEATS_WINDOW_SECONDS]
        if kept and kept[-1][0] == second:
            _, first_before, repeats_before = kept.pop()
            first, repeats = first + first_before, repeats + repeats_before
        return Tries((*kept, (second, first, repeats)))

    def may_repeat(self, now: float) -> bool:
        """Whether one more may be tried again now."""
        kept = [held for held in self.seconds if held[0] > int(now) - REPEATS_WINDOW_SECONDS]
        first, repeats = sum(held[1] for held in kept), sum(held[2] for held in kept)
        return repeats < max(REPEATS_AT_LEAST, int(REPEATS_SHARE * first))
