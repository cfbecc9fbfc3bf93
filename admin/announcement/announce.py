"""The announcement of a contest whose log is sealed: one person asks, another one agrees, and the key is released."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.blackout import Blackout
from gateway.contests.directory import read_contest
from gateway.contests.store import lock_contests
from gateway.storage.audit_log import note
from leaderboard.log.seals import release, seals_of
from payments.request_store import carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, StaffRequest, Why

_NOW: Final = text("select now()")
_ANNOUNCED: Final = text("update contests set announced_at = :now where id = :contest")


async def preview_announcement(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """What is announced, and the key that this releases, for `Act.ANNOUNCE`. Raises ActRefused."""
    contest, blackout, _ = await _dark(connection, request.subject)
    seals = [one for one in await seals_of(connection, contest) if one.released_at is None]
    return {
        "contest": request.subject,
        "hidden_since": blackout.begins_at.isoformat(),
        "sealed_entries": sum(one.entries for one in seals),
        "key_sha256": "".join(one.sha256 for one in seals),
    }


class Announcing:
    """Does `Act.ANNOUNCE`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def carry_out(self, request: StaffRequest) -> Executed:
        """Announce the result, once. Raises ActRefused where that was done before."""
        return Executed(await carry_out_once(self._engine, request, _announce))


async def _announce(connection: AsyncConnection, request: StaffRequest) -> str:
    await lock_contests(connection)
    contest, _, now = await _dark(connection, request.subject)
    await connection.execute(_ANNOUNCED, {"now": now, "contest": contest})
    await release(connection, contest, request.requested_by, str(request.decided_by))
    await note(
        connection,
        actor=request.requested_by,
        act="contest.announce",
        subject=request.subject,
        detail={"reason": request.reason, "approved_by": request.decided_by},
        contest=contest,
    )
    return "the result is announced, and the key of the sealed entries is released"


async def _dark(connection: AsyncConnection, slug: str) -> tuple[UUID, Blackout, datetime]:
    """A contest whose log is sealed, and now."""
    contest = await read_contest(connection, slug, None)
    if contest is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    now: datetime = (await connection.execute(_NOW)).scalar_one()
    blackout = contest.blackout
    if blackout is None or not blackout.sealed or not blackout.hides_at(now):
        raise ActRefused(Why.IMPOSSIBLE, "two persons announce only while the public log is sealed")
    return contest.id, blackout, now
