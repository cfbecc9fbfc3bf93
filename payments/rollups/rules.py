"""How far the events of payments are read: a position, and the numbers below it that have not been seen yet.

PostgreSQL counts an event's number before its transaction commits, so a later number may be seen first. What is missing
below the position is a gap: its event is still on its way, or its transaction was undone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# No transaction of ours lasts so long: a statement ends after ten minutes, and one that idles after ten seconds.
GAP_LIFE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers from `low` to `high` that were missing at `since`."""

    low: int
    high: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """Every event up to `seen` is in the rollups, but for those in the gaps."""

    seen: int = 0
    gaps: tuple[Gap, ...] = ()


def advance(before: Position, read: Sequence[int], now: datetime) -> Position:
    """The position after these numbers were read, each for the first time."""
    numbers = sorted(read)
    late = [number for number in numbers if number <= before.seen]
    left = [part for gap in before.gaps if now - gap.since < GAP_LIFE for part in _without(gap, late)]
    last = before.seen
    for number in numbers[len(late) :]:
        if number > last + 1:
            left.append(Gap(last + 1, number - 1, now))
        last = number
    return Position(last, tuple(left))


def _without(gap: Gap, numbers: Iterable[int]) -> list[Gap]:
    """What is left of a gap; `numbers` ascend."""
    parts, low = [], gap.low
    for number in numbers:
        if gap.low <= number <= gap.high:
            parts.append((low, number - 1))
            low = number + 1
    return [Gap(first, last, gap.since) for first, last in (*parts, (low, gap.high)) if first <= last]
