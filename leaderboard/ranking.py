"""From counted votes to a ranking."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

from gateway.contests.blackout import Blackout
from gateway.contests.contest import Contest
from gateway.contests.rounds import last_begun, shown_in


@dataclass(frozen=True, slots=True)
class Score:
    """Votes counted for one candidate. `reached`: the tally entry with which they became so many; 0 where equal votes
    share a place."""

    code: str
    name: str
    votes: int
    reached: int = 0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A score with its place. Equals share a place and the next one is skipped."""

    rank: int
    code: str
    name: str
    votes: int
    reached: int = 0


@dataclass(frozen=True, slots=True)
class Evicted:
    """Somebody who has no place any more, with the votes that stay counted."""

    code: str
    name: str
    votes: int
    evicted_at: datetime


@dataclass(frozen=True)
class Ranking:
    """The ranking of a contest after its `version`-th tally entry. `total_votes`: with those of `evicted`, who are in
    the order of their eviction, the latest first. `round`: the number of the round that it shows, 0 where there is
    none; `round_name`: its name. `hidden`: while a blackout hides its figures; they are all 0 then, and its entries in
    the order of their codes. `jury_percent`: the jury's part of the result; places are by votes alone."""

    contest: str
    version: int
    total_votes: int
    entries: tuple[Ranked, ...]
    evicted: tuple[Evicted, ...] = ()
    round: int = 0
    round_name: str = ""
    hidden: Blackout | None = None
    jury_percent: int | None = None

    @cached_property
    def by_code(self) -> Mapping[str, Ranked]:
        """The places by candidate code."""
        return {entry.code: entry for entry in self.entries}


def ranking_from(contest: str, version: int, scores: Iterable[Score]) -> Ranking:
    """The ranking of these scores: most votes first, of equal votes who reached them first; among equals by code,
    sharing the place (1, 2, 2, 4)."""
    ordered = sorted(scores, key=lambda s: (-s.votes, s.reached, s.code))
    ranked: list[Ranked] = []
    for position, score in enumerate(ordered, start=1):
        tied = ranked and (ranked[-1].votes, ranked[-1].reached) == (score.votes, score.reached)
        place = ranked[-1].rank if tied else position
        ranked.append(Ranked(place, score.code, score.name, score.votes, score.reached))
    return Ranking(contest, version, sum(score.votes for score in ordered), tuple(ranked))


def key_of(code: str, number: int) -> str:
    """By what votes are kept for a candidate in a round: `2:07`, and `07` where there is none."""
    return f"{number}:{code}" if number else code


def ranking_of(
    contest: Contest,
    version: int,
    votes: Mapping[str, int],
    reached: Mapping[str, int] = MappingProxyType({}),
    number: int | None = None,
) -> Ranking:
    """The ranking of a contest: its eligible candidates, and those who withdrew with votes; who was evicted is apart.
    `votes`, and for the tie-break `reached`: by `key_of`; `number`: of a round that has begun, by default the last of
    them. In the final ranking of a round who was evicted since still has a place."""
    now_shown = contest.round_shown
    shown = now_shown if number is None else next((one for one in contest.rounds if one.number == number), None)
    over = None if shown is None or shown == now_shown else shown.closes_at
    counted_in = shown_in(contest.rounds, shown.number if shown else 0)
    scores, evicted = [], []
    for candidate in contest.candidates:
        keys = [key_of(candidate.code, one) for one in counted_in]
        sold = sum(votes.get(key, 0) for key in keys)
        at = candidate.evicted_at
        if at is not None and (over is None or at < over):
            evicted.append(Evicted(candidate.code, candidate.name, sold, at))
        elif candidate.eligible or sold or at is not None:
            last = max((reached.get(key, 0) for key in keys), default=0)
            scores.append(Score(candidate.code, candidate.name, sold, last if sold else 0))
    evicted.sort(key=lambda one: one.evicted_at, reverse=True)
    found = ranking_from(contest.slug, version, scores)
    return replace(
        found,
        total_votes=found.total_votes + sum(one.votes for one in evicted),
        evicted=tuple(evicted),
        round=shown.number if shown else 0,
        round_name=shown.name if shown else "",
        jury_percent=contest.jury_percent,
    )


def is_hidden(contest: Contest, number: int | None, now: datetime) -> bool:
    """Whether the figures of a round (None: of the ranking as it is) are hidden at this instant: of every round since
    the one that was shown when the blackout began. Earlier ones were public in their final state."""
    blackout = contest.blackout
    if blackout is None or not blackout.hides_at(now):
        return False
    first = last_begun(contest.rounds, blackout.begins_at)
    return number is None or first is None or number >= first.number


def public_ranking(
    contest: Contest,
    version: int,
    votes: Mapping[str, int],
    reached: Mapping[str, int] = MappingProxyType({}),
    number: int | None = None,
    *,
    now: datetime,
) -> Ranking:
    """`ranking_of` as the public may read it at this instant."""
    if is_hidden(contest, number, now):
        return replace(ranking_of(contest, version, {}, number=number), hidden=contest.blackout)
    return ranking_of(contest, version, votes, reached, number)
