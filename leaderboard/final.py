"""The final places of a contest, by round and category: votes, and the jury's points where it has one. Plain."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from gateway.contests.contest import Contest
from gateway.contests.rounds import shown_in
from leaderboard.jury import Judged, judged_ranking
from leaderboard.ranking import key_of, ranking_of


@dataclass(frozen=True, slots=True)
class FinalPlace:
    """A candidate in a final ranking. `rank`: equals share a place and the next one is skipped; None: evicted. Shares
    and score are parts of 1, see `leaderboard.jury`; of who was evicted they are 0. `reinstated`: was evicted, and
    stands again."""

    rank: int | None
    code: str
    name: str
    votes: int
    points: int
    vote_share: Fraction = Fraction(0)
    jury_share: Fraction = Fraction(0)
    score: Fraction = Fraction(0)
    reinstated: bool = False


@dataclass(frozen=True, slots=True)
class FinalRanking:
    """The ranking of a round and a category. `round`: 0 where the contest has none. `category`: empty for those without
    one; None: all candidates together. `jury_percent`: 0 where votes alone decide. The evicted stand last, who was
    evicted latest first."""

    round: int
    round_name: str
    category: str | None
    jury_percent: int
    places: tuple[FinalPlace, ...]


def final_rankings(
    contest: Contest,
    votes: Mapping[str, int],
    reached: Mapping[str, int] = MappingProxyType({}),
    points: Mapping[str, int] = MappingProxyType({}),
    reinstated: Collection[str] = (),
) -> list[FinalRanking]:
    """The rankings of a contest: of each round that has begun, the last one first, all together and then by category.
    `votes`, `points`, and for the tie-break `reached`: by `key_of`; `reinstated`: codes."""
    shown = contest.round_shown
    numbers = [0] if shown is None else range(shown.number, 0, -1)
    used = {one.category for one in contest.candidates if one.public}
    categories = [one for one in (*contest.categories, "") if one in used] if used - {""} else []
    return [
        _ranking(contest, number, category, votes, reached, points, reinstated)
        for number in numbers
        for category in (None, *categories)
    ]


def _ranking(
    contest: Contest,
    number: int,
    category: str | None,
    votes: Mapping[str, int],
    reached: Mapping[str, int],
    points: Mapping[str, int],
    reinstated: Collection[str],
) -> FinalRanking:
    whole = ranking_of(contest, 0, votes, reached, number or None)
    counted_in = shown_in(contest.rounds, number)
    weight = contest.jury_percent or 0

    def stands(code: str) -> bool:
        person = contest.candidate(code)
        return category is None or (person is not None and person.category == category)

    def given(code: str) -> int:
        return sum(points.get(key_of(code, one), 0) for one in counted_in)

    standing = [
        Judged(one.code, one.name, one.votes, given(one.code), one.reached) for one in whole.entries if stands(one.code)
    ]
    places: Sequence[FinalPlace] = [
        FinalPlace(
            one.rank,
            one.code,
            one.name,
            one.votes,
            one.points,
            one.vote_share,
            one.jury_share,
            one.score,
            one.code in reinstated,
        )
        for one in judged_ranking(weight, standing)
    ]
    out = [
        FinalPlace(None, one.code, one.name, one.votes, given(one.code)) for one in whole.evicted if stands(one.code)
    ]
    return FinalRanking(number, whole.round_name, category, weight, (*places, *out))
