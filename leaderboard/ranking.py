"""From counted votes to a ranking."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

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
class Evicted:
    """Somebody who has no place any more, with the votes that stay counted."""

    code: str
    name: str
    votes: int
    evicted_at: datetime


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranking of a contest after its `version`-th tally entry. `total_votes`: with those of `evicted`, who are in
    the order of their eviction, the latest first."""

    contest: str
    version: int
    total_votes: int
    entries: tuple[Ranked, ...]
    evicted: tuple[Evicted, ...] = ()


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
    """The ranking of a contest: its eligible candidates, and those who withdrew with votes; who was evicted is apart.
    `votes`: by code."""
    scores = [
        Score(candidate.code, candidate.name, votes.get(candidate.code, 0))
        for candidate in contest.candidates
        if candidate.eligible or (votes.get(candidate.code) and candidate.evicted_at is None)
    ]
    evicted = [
        Evicted(candidate.code, candidate.name, votes.get(candidate.code, 0), candidate.evicted_at)
        for candidate in contest.candidates
        if candidate.evicted_at is not None
    ]
    evicted.sort(key=lambda one: one.evicted_at, reverse=True)
    found = ranking_from(contest.slug, version, scores)
    total = found.total_votes + sum(one.votes for one in evicted)
    return replace(found, total_votes=total, evicted=tuple(evicted))
