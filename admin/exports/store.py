"""Exports as rows: what was asked for and how far it is; and lines of the audit log about what left."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.answers import PageOnly, read_row
from admin.exports.rules import LEASE, LIFE, ROWS_AT_ONCE, TRIES_MAX, UNFINISHED_MAX, Kind, State, pause_after, state_at
from admin.orders.filters import OrderFilter
from gateway.contests.contest import Contest
from gateway.http.endpoint import ApiModel
from gateway.storage.audit_log import note
from gateway.storage.doorbell import Doorbell, Work
from gateway.storage.engine import scoped
from gateway.storage.files import UNFINISHED, Files, Stored
from gateway.storage.rows import read_as
from gateway.values.scope import Scope
from payments.requests import ActRefused, Why

LISTED_MAX: Final = 50
_COLUMNS: Final = """id, kind, query, month, as_of, reason is not null as whole, reason, language, by_platform,
  asked_by, asked_at, state, tries, rows_done, rows_total, bytes, finished_at, expires_at, now() as read_at"""
_ASK: Final = text("""
insert into exports (id, contest_id, kind, query, month, as_of, reason, language, by_platform, asked_by, asked_key,
  try_at)
values (:id, :contest, :kind, :query, :month, :as_of, :reason, :language, :by_platform, :asked_by, :asked_key, now())
on conflict (contest_id, asked_by, asked_key) do nothing
""")
_ASKED: Final = text(f"""
select {_COLUMNS} from exports where contest_id = :contest and asked_by = :asked_by and asked_key = :asked_key
""")
_UNFINISHED: Final = text("""
select count(*) from exports where contest_id = :contest and asked_by = :asked_by and try_at is not null
""")
# What the platform exported holds more than an organiser may see.
_SEEN: Final = "contest_id = :contest and (cast(:scope as uuid) is null or not by_platform)"
_LISTED: Final = text(f"""
select {_COLUMNS} from exports where {_SEEN} order by asked_at desc, id limit :limit
""")
_ONE: Final = text(f"select {_COLUMNS} from exports where {_SEEN} and id = :id")
_CANCEL: Final = text("""
update exports set state = 'cancelled', try_at = null, finished_at = now()
where contest_id = :contest and id = :id and try_at is not null
""")
_CLAIM: Final = text("""
update exports e set state = 'making', tries = tries + 1, rows_done = 0, rows_total = null, try_at = now() + :lease
from contests c where c.id = e.contest_id and e.id = (
  select id from exports where try_at <= now() order by try_at limit 1 for update skip locked)
returning e.id, e.tries, e.kind, e.query, to_date(e.month, 'YYYY-MM') as month, e.as_of, e.reason is not null as whole,
  e.language, e.by_platform,
  e.asked_by, c.slug, c.organiser_id
""")
# Of this try alone: who was cancelled, or is late, writes nothing.
_MINE: Final = "where id = :id and tries = :tries and state = 'making'"
_RENEW: Final = text(f"update exports set rows_done = :done, rows_total = :total, try_at = now() + :lease {_MINE}")
_FINISH: Final = text(f"""
update exports set state = 'ready', rows_done = :done, rows_total = :done, bytes = :bytes, try_at = null,
  finished_at = now(), expires_at = now() + :life {_MINE}
""")
_LATER: Final = text(f"update exports set state = 'waiting', try_at = now() + :pause {_MINE}")
_FAIL: Final = text(f"update exports set state = 'failed', try_at = null, finished_at = now() {_MINE}")
_KEPT: Final = text("select id, tries from exports where state = 'making' or expires_at > now()")


class Export(ApiModel):
    """A file that is made in the background, or was."""

    id: UUID
    kind: Kind
    query: str = Field(description="Which orders, as the end of an address; empty for all of them.")
    month: str | None = Field(description="Of which month, like 2026-11.")
    as_of: datetime | None
    whole: bool = Field(description="Whether it has whole numbers: only who asked for it opens it.")
    asked_by: str
    asked_at: datetime
    state: State
    rows_done: int = Field(description="How many lines are written.")
    rows_total: int | None = Field(description="Of how many; null before they are counted.")
    bytes: int | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="Until when `/file` behind its address sends it.")
    tries: PageOnly[int]

    @property
    def what(self) -> str:
        """How its file is called."""
        return self.kind if self.month is None else f"{self.kind}-{self.month}"

    @property
    def ending(self) -> str:
        """How the name of its file ends."""
        return "csv" if self.month is None else "xlsx"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported. `reason`: why with whole numbers; empty: they are masked. `month`: its first day."""

    kind: Kind
    filter: OrderFilter
    language: str
    month: date | None = None
    reason: str = ""

    @property
    def noted(self) -> dict[str, str]:
        """For the audit log."""
        what = self.kind if self.month is None else f"{self.kind}-{self.month:%Y-%m}"
        numbers = {"numbers": "whole" if self.reason else "masked"} | ({"reason": self.reason} if self.reason else {})
        return {"what": what, "filter": self.filter.query(), **numbers}


@dataclass(frozen=True, slots=True)
class Job:
    """An export that this process makes, under a lease. `organiser_id`: of the contest."""

    id: UUID
    tries: int
    kind: Kind
    query: str
    month: date | None
    as_of: datetime | None
    whole: bool
    language: str
    by_platform: bool
    asked_by: str
    slug: str
    organiser_id: UUID

    @property
    def scope(self) -> Scope:
        """Whose data who asked sees."""
        return None if self.by_platform else self.organiser_id

    @property
    def filter(self) -> OrderFilter:
        """Which orders."""
        return OrderFilter.model_validate({**dict(parse_qsl(self.query)), "asOf": self.as_of})

    @property
    def key(self) -> str:
        """Of its file."""
        return _key(self.id, self.tries)


class Exports:
    """Exports of contests within a scope, and their files. What belongs to another organiser raises ActRefused like
    what is not there."""

    def __init__(self, engine: AsyncEngine, files: Files, doorbell: Doorbell, rows_at_once: int = ROWS_AT_ONCE) -> None:
        self._engine = engine
        self.files: Final = files
        self.rows_at_once = rows_at_once
        self._doorbell = doorbell

    async def made(self, person: str, contest: Contest, detail: Mapping[str, Any]) -> None:
        """Note an export before it is sent. As the service: who only reads, takes files away, too."""
        async with self._engine.begin() as connection:
            await _note(connection, person, "made", contest, detail)

    async def ask(self, contest: Contest, scope: Scope, wanted: Wanted, person: str, key: str) -> Export:
        """Have a file made; the same key of a person is the same file. Raises ActRefused where it was another file, or
        too many are unfinished."""
        asked = {"contest": contest.id, "asked_by": person, "asked_key": key}
        values = {
            "id": uuid4(),
            "kind": wanted.kind.value,
            "query": wanted.filter.query(),
            "month": None if wanted.month is None else f"{wanted.month:%Y-%m}",
            "as_of": wanted.filter.as_of,
            "reason": wanted.reason or None,
            "language": wanted.language,
            "by_platform": scope is None,
        }
        async with scoped(self._engine, scope) as connection:
            held = (await connection.execute(_ASKED, asked)).one_or_none()
            if held is None:
                if (await connection.execute(_UNFINISHED, asked)).scalar_one() >= UNFINISHED_MAX:
                    raise ActRefused(Why.IMPOSSIBLE, f"{UNFINISHED_MAX} files of yours are not finished yet")
                if (await connection.execute(_ASK, {**asked, **values})).rowcount:
                    await _note(connection, person, "asked", contest, {**wanted.noted, "export": str(values["id"])})
                held = (await connection.execute(_ASKED, asked)).one()
            same = ("kind", "query", "month", "as_of", "reason")
            if any(getattr(held, name) != values[name] for name in same):
                raise ActRefused(Why.IMPOSSIBLE, "this key was sent with another export before")
        self._doorbell.ring(Work.EXPORTS)
        return _read(held)

    async def listed(self, contest: Contest, scope: Scope) -> list[Export]:
        """The latest ones of a contest, the newest first."""
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_LISTED, {"contest": contest.id, "scope": scope, "limit": LISTED_MAX})
            return [_read(row) for row in rows]

    async def one(self, contest: Contest, scope: Scope, export_id: UUID) -> Export:
        """One of a contest. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            return _read(await _one(connection, contest, scope, export_id))

    async def cancel(self, contest: Contest, scope: Scope, export_id: UUID, person: str) -> Export:
        """Stop making a file that this person asked for. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            found = _read(await _one(connection, contest, scope, export_id))
            if found.asked_by != person:
                raise ActRefused(Why.IMPOSSIBLE, "only who asked for a file cancels it")
            if not (await connection.execute(_CANCEL, {"contest": contest.id, "id": export_id})).rowcount:
                raise ActRefused(Why.IMPOSSIBLE, f"the file is {found.state}")
            await _note(connection, person, "cancelled", contest, {"what": found.what, "export": str(export_id)})
            return _read(await _one(connection, contest, scope, export_id))

    async def open(self, export: Export) -> Stored | None:
        """The file of an export that is ready; None where it is lost."""
        found = await self.files.get(_key(export.id, export.tries))
        return None if found is None or found.size != export.bytes else found

    async def claim(self) -> Job | None:
        """Take an export that is due; it is due again when its lease is out. One that was tried too often fails."""
        while True:
            async with self._engine.begin() as connection:
                row = (await connection.execute(_CLAIM, {"lease": LEASE})).one_or_none()
                if row is None:
                    return None
                job = read_as(Job, row)
                if job.tries <= TRIES_MAX:
                    return job
                await connection.execute(_FAIL, _mine(job))

    async def renew(self, job: Job, done: int, total: int | None) -> bool:
        """Write how far it is; False where it is this process's no more."""
        return await self._wrote(_RENEW, job, {"done": done, "total": total, "lease": LEASE})

    async def finish(self, job: Job, done: int, size: int) -> bool:
        """Write that the file of so many bytes is there; False as `renew`."""
        return await self._wrote(_FINISH, job, {"done": done, "bytes": size, "life": LIFE})

    async def give_back(self, job: Job) -> None:
        """Write that this try came to nothing."""
        pause = pause_after(job.tries)
        await self._wrote(*((_FAIL, job, {}) if pause is None else (_LATER, job, {"pause": pause})))

    async def clear(self) -> int:
        """Delete the files that nobody may open any more, and what tries left that were cut off; how many."""
        held = await self.files.keys()
        async with self._engine.connect() as connection:
            kept = {_key(row.id, row.tries) for row in await connection.execute(_KEPT)}
        over = [key for key in held if key.removesuffix(UNFINISHED) not in kept]
        await self.files.delete(over)
        return len(over)

    async def _wrote(self, statement: Any, job: Job, values: Mapping[str, object]) -> bool:  # noqa: ANN401 - of any kind
        async with self._engine.begin() as connection:
            return bool((await connection.execute(statement, {**_mine(job), **values})).rowcount)


EXPORTS: web.AppKey[Exports] = web.AppKey("exports", Exports)


def _key(export_id: UUID, tries: int) -> str:
    return f"{export_id.hex}/{tries}"


def _mine(job: Job) -> dict[str, object]:
    return {"id": job.id, "tries": job.tries}


def _read(row: Row[Any]) -> Export:
    return read_row(Export, row, state=state_at(State(row.state), row.expires_at, row.read_at))


async def _one(connection: AsyncConnection, contest: Contest, scope: Scope, export_id: UUID) -> Row[Any]:
    asked = {"contest": contest.id, "scope": scope, "id": export_id}
    row = (await connection.execute(_ONE, asked)).one_or_none()
    if row is None:
        raise ActRefused(Why.UNKNOWN, f"there is no export {export_id}")
    return row


async def _note(
    connection: AsyncConnection, person: str, act: str, contest: Contest, detail: Mapping[str, Any]
) -> None:
    await note(connection, actor=person, act=f"export.{act}", subject=contest.slug, detail=detail, contest=contest.id)
