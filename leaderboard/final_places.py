"""Read what the final places of a contest are made of, in one snapshot, and rank."""

import asyncio
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.contest import Contest, TieBreak
from gateway.contests.jury import points_of
from gateway.contests.jury_store import read_sheets
from leaderboard.final import FinalRanking, final_rankings
from leaderboard.ranking import key_of

_TOTALS: Final = text("""
select k.code, t.round, t.votes, t.reached_seq from candidate_totals t join candidates k on k.id = t.candidate_id
where t.contest_id = :contest and t.votes > 0
""")
_REINSTATED: Final = text("""
select distinct k.code from candidates k join candidate_changes c on c.candidate_id = k.id
where k.contest_id = :contest and k.status <> 'evicted' and c.from_status = 'evicted'
""")


async def final_places(connection: AsyncConnection, contest: Contest) -> list[FinalRanking]:
    """The rankings of a contest as its totals and its jury's confirmed points give them now; see `FinalRanking`. Who
    calls sees to it that figures are not hidden, and reads `contest` in the same snapshot."""
    asked = {"contest": contest.id}
    rows = (await connection.execute(_TOTALS, asked)).all()
    votes = {key_of(row.code, row.round): row.votes for row in rows}
    reached = {key_of(row.code, row.round): row.reached_seq for row in rows}
    points = {
        key_of(code, number): given
        for (number, code), given in points_of(await read_sheets(connection, contest.id)).items()
    }
    # Of 100,000 candidates this takes seconds.
    return await asyncio.to_thread(
        final_rankings,
        contest,
        votes,
        reached if contest.tie_break is TieBreak.EARLIEST else {},
        points,
        frozenset((await connection.execute(_REINSTATED, asked)).scalars()),
    )
