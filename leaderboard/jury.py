"""The ranking of candidates who stand together, by votes alone or with a jury. Exact fractions; nothing is rounded
before it is shown.

The formula: a candidate's share of the votes is their votes of all votes, their share of the jury is their points of
all points, and the score is (100 - w) % of the first and w % of the second, where w is the jury's weight, 0 without a
jury. While there are no votes, or no points, each share of them is 0. Scores are compared exactly; equal ones by the
contest's tie-break.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_HUNDRED: Final = 100
# Shares are shown in hundredths of a percent.
_SHOWN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What voters and the jury gave one candidate. `reached`: see `leaderboard.ranking.Score`."""

    code: str
    name: str
    votes: int
    points: int
    reached: int = 0


@dataclass(frozen=True, slots=True)
class JuryPlace:
    """A candidate with the place. Shares and score are parts of 1; equals share a place and the next one is skipped."""

    rank: int
    code: str
    name: str
    votes: int
    points: int
    vote_share: Fraction
    jury_share: Fraction
    score: Fraction


def judged_ranking(weight: int, candidates: Iterable[Judged]) -> tuple[JuryPlace, ...]:
    """The places by the formula. `weight`: of the jury in percent, 0 to 99. Raises ValueError for another one, and for
    votes or points below 0."""
    if not 0 <= weight < _HUNDRED:
        raise ValueError(f"the jury's weight is 0 to 99 percent, not {weight}")
    standing = list(candidates)
    for one in standing:
        if min(one.votes, one.points) < 0:
            raise ValueError(f"candidate {one.code} has less than nothing")
    votes, points = sum(one.votes for one in standing), sum(one.points for one in standing)
    scored = []
    for one in standing:
        by_voters, by_jury = _part(one.votes, votes), _part(one.points, points)
        score = ((_HUNDRED - weight) * by_voters + weight * by_jury) / _HUNDRED
        scored.append((one, by_voters, by_jury, score))
    scored.sort(key=lambda made: (-made[3], made[0].reached, made[0].code))
    places: list[JuryPlace] = []
    before: tuple[Fraction, int] | None = None
    for position, (one, by_voters, by_jury, score) in enumerate(scored, start=1):
        rank = places[-1].rank if before == (score, one.reached) else position
        before = score, one.reached
        places.append(JuryPlace(rank, one.code, one.name, one.votes, one.points, by_voters, by_jury, score))
    return tuple(places)


def shown_share(share: Fraction) -> int:
    """A share as it is shown, in hundredths of a percent, halves upwards: 3333 for a third. For reading alone: shown
    shares need not add up to 100 %."""
    return (2 * share.numerator * _SHOWN + share.denominator) // (2 * share.denominator)


def _part(some: int, of_all: int) -> Fraction:
    return Fraction(some, of_all) if of_all else Fraction(0)
