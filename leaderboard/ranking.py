"""From counted votes to a ranking."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.contests.contest import Contest


@dataclass(frozen=True, slots=True)
class Score:
    """Votes counted for one candidate."""

    code: str
    name: str
    votes: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A score with its place. Equal votes share a place and the next one is skipped."""

    rank: int
    code: str
    name: str
    votes: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranking of a contest after its `version`-th tally entry."""

    contest: str
    version: int
    total_votes: int
    entries: tuple[Ranked, ...]


def ranking_from(contest: str, version: int, scores: Iterable[Score]) -> Ranking:
    """The ranking of these scores: most votes first; among equals by code, sharing the place (1, 2, 2, 4)."""
    ordered = sorted(scores, key=lambda s: (-s.votes, s.code))
    ranked: list[Ranked] = []
    for position, score in enumerate(ordered, start=1):
        tied = ranked and ranked[-1].votes == score.votes
        place = ranked[-1].rank if tied else position
        ranked.append(Ranked(place, score.code, score.name, score.votes))
    return Ranking(contest, version, sum(score.votes for score in ordered), tuple(ranked))


def ranking_of(contest: Contest, version: int, votes: Mapping[str, int]) -> Ranking:
    """The ranking of a contest: its eligible candidates, and those who left with votes. `votes`: by code."""
    scores = [
        Score(candidate.code, candidate.name, votes.get(candidate.code, 0))
        for candidate in contest.candidates
        if candidate.eligible or votes.get(candidate.code)
    ]
    return ranking_from(contest.slug, version, scores)
