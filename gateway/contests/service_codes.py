"""One USSD service code, several contests: which of them is meant, and by which number it is chosen.

A contest keeps its number while the others come and go, so that a code printed on a poster never
turns into a vote in another contest. `0`, `00` and `9` have meanings of their own in the menu.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from gateway.contests.contest import Contest

_DIGITS_BEFORE_NINE: Final = 8


def number_at(place: int) -> int:
    """The number of the contest at this place, counted from 1: 1 to 8, then 10, 11 and so on."""
    return place if place <= _DIGITS_BEFORE_NINE else place + 1


def in_order(sharing: Iterable[Contest]) -> tuple[Contest, ...]:
    """Contests of one service code, the one that opened first in front."""
    return tuple(sorted(sharing, key=lambda contest: (contest.opens_at, contest.slug)))


def numbered(sharing: Iterable[Contest]) -> tuple[tuple[int, Contest], ...]:
    """Every contest of a service code with its number, also those that are closed."""
    return tuple((number_at(place), contest) for place, contest in enumerate(in_order(sharing), start=1))


def chosen(sharing: Iterable[Contest], typed: str) -> Contest | None:
    """The contest with this number; None when there is none."""
    return next((contest for number, contest in numbered(sharing) if str(number) == typed), None)


def open_among(sharing: Sequence[Contest], now: datetime) -> tuple[Contest, ...]:
    """Those that sell votes at this instant, in order."""
    return tuple(contest for contest in in_order(sharing) if contest.open_at(now))


def nearest(sharing: Sequence[Contest], now: datetime) -> Contest:
    """The contest to show while none is open: the next to open, else the last to close."""
    coming = [contest for contest in sharing if contest.opens_at > now]
    if coming:
        return min(coming, key=lambda contest: (contest.opens_at, contest.slug))
    return last_closed(sharing, now) or max(sharing, key=lambda contest: (contest.closes_at, contest.slug))


def last_closed(sharing: Iterable[Contest], now: datetime) -> Contest | None:
    """The contest that closed last; None when none is over."""
    over = [contest for contest in sharing if contest.closes_at <= now]
    return max(over, key=lambda contest: (contest.closes_at, contest.slug), default=None)


def menu_numbers(sharing: Sequence[Contest], now: datetime) -> dict[str, int]:
    """Slug → number, of contests that a voter may have to choose among: none while at most one of them
    is still to come or open."""
    if sum(contest.closes_at > now for contest in sharing) < 2:
        return {}
    return {contest.slug: number for number, contest in numbered(sharing)}
