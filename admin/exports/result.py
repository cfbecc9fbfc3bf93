"""The result of a contest: who stands where, of how many votes, and whether anything is still undecided."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.result.rules import undecided_points
from gateway.contests.contest import Contest, Phase
from gateway.contests.jury_store import read_sheets
from gateway.storage.engine import scoped
from leaderboard.final import FinalPlace, FinalRanking
from leaderboard.final_places import final_places
from leaderboard.ranking import Ranked, Ranking, ranking_of
from leaderboard.scores import Scores
from payments.requests import ActRefused, Scope, Why

# Each by an index of its own.
_UNDECIDED: Final = text("""
select (select count(*) from payments where contest_id = :contest and status in ('created','sent','pending'))
    + (select count(*) from payments where contest_id = :contest and status = 'confirmed') as open,
  (select count(*) from payments where contest_id = :contest and status = 'held') as held
""")


@dataclass(frozen=True, slots=True)
class Result:
    """A ranking after voting is over. `undecided`: orders whose money may still come, and paid ones about which a
    person has to decide. `judged`: the places that a jury gives with the voters, None where votes alone decide;
    `unjudged`: how much of its points is not confirmed."""

    contest: Contest
    ranking: Ranking
    undecided: int
    judged: FinalRanking | None = None
    unjudged: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing can change it any more but a correction by two persons."""
        return not self.undecided and not self.unjudged

    @property
    def winners(self) -> tuple[Ranked | FinalPlace, ...]:
        """Who stands first: several where they share the place, nobody without a vote or a point."""
        if self.judged is not None:
            return tuple(one for one in self.judged.places if one.rank == 1 and one.score)
        return tuple(one for one in self.ranking.entries if one.rank == 1 and one.votes)


class Results:
    """Reads results."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, contest: Contest, scope: Scope, now: datetime) -> Result:
        """The result of a contest that is over. Raises ActRefused for another one."""
        if contest.phase_at(now) not in (Phase.CLOSED, Phase.ARCHIVED):
            raise ActRefused(Why.IMPOSSIBLE, f"voting for {contest.slug} is not over: there is no result yet")
        async with scoped(self._engine, scope) as connection:
            row = (await connection.execute(_UNDECIDED, {"contest": contest.id})).one()
            judged, unjudged = None, 0
            if contest.jury_percent is not None:
                judged = (await final_places(connection, contest))[0]
                unjudged = undecided_points(contest, await read_sheets(connection, contest.id))
        found = await Scores(self._engine).scores([contest.id])
        ranking = ranking_of(contest, 0, {})
        if found:
            ranking = ranking_of(contest, found[0].version, found[0].votes, found[0].reached)
        return Result(contest, ranking, row.open + row.held, judged, unjudged)
