"""Certified results as they are kept and read: added by two persons, never changed."""

import asyncio
import time
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.contest import Contest
from leaderboard.final import FinalRanking
from leaderboard.final_places import final_places
from leaderboard.result.document import ResultDocument
from leaderboard.result.public import Version

# Connections of a process that readers of results take.
_READERS_MAX: Final = 2
# How old rankings before a certified one may be.
RANKED_SECONDS: Final = 5.0
_ADD: Final = text("""
insert into certified_results (contest_id, number, document, sha256, reason, request_id, made_at)
values (:contest, :number, cast(:document as text), sha256(convert_to(:document, 'UTF8')), :reason, :request, :made_at)
""")
_LISTED: Final = text("""
select number, sha256, made_at, reason, leaf from certified_results where contest_id = :contest order by number desc
""")
_ONE: Final = text("select document from certified_results where contest_id = :contest and number = :number")


class CertifiedResults:
    """Reads what is public of them. Readers wait for each other, so that they take no connection that a vote needs."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(_READERS_MAX)
        self._rankings: dict[UUID, tuple[Contest, float, list[FinalRanking]]] = {}

    async def versions(self, contest: UUID) -> list[Version]:
        """Those of a contest, the newest first."""
        async with self._turns, self._engine.connect() as connection:
            return await read_versions(connection, contest)

    async def text(self, contest: UUID, number: int) -> str:
        """The document of one that there is, as it was signed."""
        async with self._turns, self._engine.connect() as connection:
            found: str = (await connection.execute(_ONE, {"contest": contest, "number": number})).scalar_one()
        return found

    async def rankings(self, contest: Contest) -> list[FinalRanking]:
        """The final rankings as they are by now, some seconds old: they count all votes and the jury's points."""
        async with self._turns:
            held = self._rankings.get(contest.id)
            if held is not None and held[0] is contest and time.monotonic() - held[1] < RANKED_SECONDS:
                return held[2]
            async with self._engine.connect() as connection:
                found = await final_places(connection, contest)
            self._rankings[contest.id] = contest, time.monotonic(), found
        return found


async def read_versions(connection: AsyncConnection, contest: UUID) -> list[Version]:
    """The certified results of a contest, the newest first."""
    return [_version(row) for row in await connection.execute(_LISTED, {"contest": contest})]


async def add_result(connection: AsyncConnection, contest: UUID, request: UUID, document: ResultDocument) -> None:
    """Keep one."""
    await connection.execute(
        _ADD,
        {
            "contest": contest,
            "number": document.number,
            "document": document.text,
            "reason": document.replaces.reason if document.replaces else "",
            "request": request,
            "made_at": document.made_at,
        },
    )


def _version(row: Row[Any]) -> Version:
    return Version(row.number, bytes(row.sha256).hex(), row.made_at, row.reason, row.leaf)
