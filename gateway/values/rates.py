"""How often something may be done: token buckets, the rate left to an account that must slow down, a budget of repeats.

All pure: the caller passes the time.
"""

from dataclasses import dataclass
from typing import Final

# An account that must slow down gives up a tenth of its rate for five seconds, then takes a tenth of the whole back
# every five seconds; asked again before that, it gives up a quarter of what it has.
SLOWED_ONCE: Final = 0.9
SLOWED_AGAIN: Final = 0.75
SLOW_SECONDS: Final = 5.0
STEP_SECONDS: Final = 5.0
STEP: Final = 0.1
# Calls that were in progress get the same answer: together they count once.
DEBOUNCE_SECONDS: Final = 1.0
# Less than that leaves no account more than one call a second.
SHARE_MIN: Final = 2.0**-10

# Repeats are a small part of all calls, so that an operator that fails is not called more than one that works.
REPEATS_WINDOW_SECONDS: Final = 60
REPEATS_SHARE: Final = 0.1
REPEATS_AT_LEAST: Final = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """The share of its rate that an account was left with, and when, in seconds of a clock."""

    share: float = 1.0
    since: float = float("-inf")

    def at(self, now: float) -> float:
        """The share that it has at this moment: above 0, at most 1."""
        over = now - self.since - SLOW_SECONDS
        steps = 0.0 if over < 0 else 1 + over // STEP_SECONDS
        return min(1.0, round(self.share + steps * STEP, 9))

    def slower(self, now: float) -> "Pace":
        """The pace after the operator asked it to slow down."""
        if now - self.since < DEBOUNCE_SECONDS:
            return self
        again = now - self.since < SLOW_SECONDS
        return Pace(max(SHARE_MIN, self.at(now) * (SLOWED_AGAIN if again else SLOWED_ONCE)), now)


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


# Further names pass: callers that use buckets by name have one bucket for all names besides.
NAMES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second, and so many at once after a pause."""

    per_second: float
    burst: int


class Buckets:
    """One bucket for each name, all of one rate."""

    def __init__(self, rate: Rate, names_max: int = NAMES_MAX) -> None:
        self._every = 1 / rate.per_second
        self._depth = self._every * rate.burst
        self._names_max = names_max
        # When each is full again. One that is full need not be remembered.
        self._full_at: dict[str, float] = {}

    def take(self, name: str, now: float) -> bool:
        """Take one; False when none is left. `now`: seconds of a clock that never goes back."""
        full_at = max(now, self._full_at.get(name, now)) + self._every
        if full_at - now > self._depth:
            return False
        if len(self._full_at) >= self._names_max and name not in self._full_at:
            self._full_at = {held: at for held, at in self._full_at.items() if at > now}
            if len(self._full_at) >= self._names_max:
                return True
        self._full_at[name] = full_at
        return True
