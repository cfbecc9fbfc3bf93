"""Token buckets by name, in the memory of one process. The caller passes the time."""

from dataclasses import dataclass
from typing import Final

# More names than these are not told apart: whoever uses buckets by name has one for all beside them.
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
