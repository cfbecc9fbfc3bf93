"""Juries of contests as their staff keep them: members, and points that one person enters and another confirms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from aiohttp import web
from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.contest import Contest
from gateway.contests.directory import read_contest
from gateway.contests.jury import (
    JURORS_MAX,
    Juror,
    Points,
    Sheet,
    SheetFault,
    SheetRefused,
    SheetStatus,
    check_jury,
    check_sheet,
)
from gateway.contests.jury_store import read_jurors, read_sheets
from gateway.contests.store import lock_contests
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import juror_names, jurors, jury_sheets
from gateway.storage.schema.public_log import certified_results
from gateway.values.names import is_readable, same_name, spaced, strange_sign
from gateway.values.scope import Scope
from leaderboard.final import FinalRanking
from leaderboard.final_places import final_places
from payments.requests import ActRefused, Why

JUROR_NAME_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class Jury:
    """A contest with its jury. `sheets`: all that were ever entered, the last one first; `rankings`: as votes and
    confirmed points give them; `certified`: whether a result is; `now`: when they were read."""

    contest: Contest
    jurors: Sequence[Juror]
    sheets: Sequence[Sheet]
    rankings: Sequence[FinalRanking]
    certified: bool
    now: datetime

    def name_of(self, number: int) -> str:
        """The name of a juror who is there."""
        return next(one.name for one in self.jurors if one.number == number)

    @property
    def removable(self) -> Sequence[Juror]:
        """Members of whom no sheet was ever entered."""
        judged = {one.juror for one in self.sheets}
        return [one for one in self.jurors if one.number not in judged]


class Juries:
    """Juries within a person's scope. What a rule refuses raises SheetRefused, what does not exist ActRefused."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, slug: str, scope: Scope) -> Jury:
        """The jury of a contest. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            return await _read(connection, slug, scope)

    async def add_juror(self, slug: str, typed: str, scope: Scope, person: str) -> Juror:
        """A new member of the jury; the number is theirs for ever."""
        name = _name(typed)
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            jury = await _read(connection, slug, scope)
            check_jury(jury.contest, jury.now)
            _check_name_free(name, jury.jurors)
            given = select(func.count()).where(jurors.c.contest_id == jury.contest.id)
            juror = Juror((await connection.execute(given)).scalar_one() + 1, name)
            if juror.number > JURORS_MAX:
                raise SheetRefused(SheetFault.TOO_MANY)
            row = {"contest_id": jury.contest.id, "number": juror.number, "name": name, "made_by": person}
            await connection.execute(insert(jurors).values(row))
            detail = {"juror": juror.number, "name": name}
            await note(connection, actor=person, act="jury.juror", subject=slug, detail=detail, contest=jury.contest.id)
        return juror

    async def rename_juror(self, slug: str, number: int, typed: str, scope: Scope, person: str) -> Juror:
        """Correct the name of a member; earlier ones stay on record."""
        name = _name(typed)
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            jury, juror = await _changeable(connection, slug, number, scope)
            if juror.name != name:
                _check_name_free(name, [one for one in jury.jurors if one != juror])
                await _call(connection, jury, juror, name, person)
        return Juror(number, name)

    async def remove_juror(self, slug: str, number: int, scope: Scope, person: str) -> None:
        """Take a member away of whom no sheet was ever entered. The number is given to nobody else."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            jury, juror = await _changeable(connection, slug, number, scope)
            if juror not in jury.removable:
                raise SheetRefused(SheetFault.HAS_SHEETS)
            await _call(connection, jury, juror, "", person)

    async def enter(self, slug: str, place: tuple[int, str, int], points: Points, scope: Scope, person: str) -> Sheet:
        """A sheet that waits for another person. `place`: round, category, juror. One that waits there is replaced."""
        number, category, juror = place
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            jury = await _read(connection, slug, scope)
            check_sheet(jury.contest, number, category, points, jury.now, jury.jurors, juror)
            waiting = [one for one in jury.sheets if one.status is SheetStatus.WAITING and one.place == place]
            for one in waiting:
                await _decide(connection, one.id, SheetStatus.REPLACED, person)
            sheet_id = uuid4()
            row = {"id": sheet_id, "round": number, "category": category, "juror": juror, "points": dict(points)}
            written = insert(jury_sheets).values(**row, contest_id=jury.contest.id, entered_by=person)
            await connection.execute(written)
            detail = {**row, "id": str(sheet_id)}
            await note(connection, actor=person, act="jury.enter", subject=slug, detail=detail, contest=jury.contest.id)
        return Sheet(sheet_id, number, category, juror, points, SheetStatus.WAITING, person, jury.now)

    async def decide(self, slug: str, sheet_id: UUID, scope: Scope, person: str, *, agree: bool) -> None:
        """Confirm a sheet that another person entered, so that it counts and is published; or refuse it, which who
        entered it may do too."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            jury = await _read(connection, slug, scope)
            sheet = next((one for one in jury.sheets if one.id == sheet_id), None)
            if sheet is None:
                raise ActRefused(Why.UNKNOWN, "there is no such sheet")
            if sheet.status is not SheetStatus.WAITING:
                raise SheetRefused(SheetFault.DECIDED)
            number = None
            if agree:
                if sheet.entered_by == person:
                    raise SheetRefused(SheetFault.OWN)
                # Candidates may have come and gone since.
                check_sheet(jury.contest, *sheet.place[:2], sheet.points, jury.now, jury.jurors, sheet.juror)
                number = max((one.number for one in jury.sheets if one.number is not None), default=0) + 1
            status = SheetStatus.CONFIRMED if agree else SheetStatus.REFUSED
            await _decide(connection, sheet.id, status, person, number)
            await note(
                connection,
                actor=person,
                act="jury.confirm" if agree else "jury.refuse",
                subject=slug,
                detail={"id": str(sheet.id), "juror": sheet.juror, "number": number, "entered_by": sheet.entered_by},
                contest=jury.contest.id,
            )


async def _read(connection: AsyncConnection, slug: str, scope: Scope) -> Jury:
    contest = await read_contest(connection, slug, scope)
    if contest is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    now = (await connection.execute(select(func.now()))).scalar_one()
    members, sheets = await read_jurors(connection, contest.id), await read_sheets(connection, contest.id)
    signed = select(exists().where(certified_results.c.contest_id == contest.id))
    certified = (await connection.execute(signed)).scalar_one()
    return Jury(contest, members, sheets, await final_places(connection, contest), certified, now)


def _name(typed: str) -> str:
    name = spaced(typed)
    if not is_readable(name) or len(name) > JUROR_NAME_MAX or strange_sign(name) is not None:
        raise SheetRefused(SheetFault.NAME)
    return name


def _check_name_free(name: str, members: Sequence[Juror]) -> None:
    if any(same_name(one.name) == same_name(name) for one in members):
        raise SheetRefused(SheetFault.NAME_HELD)


async def _changeable(connection: AsyncConnection, slug: str, number: int, scope: Scope) -> tuple[Jury, Juror]:
    """A jury with a member whose name may change. Raises ActRefused, SheetRefused."""
    jury = await _read(connection, slug, scope)
    juror = next((one for one in jury.jurors if one.number == number), None)
    if juror is None:
        raise ActRefused(Why.UNKNOWN, "there is no such juror")
    if jury.certified:
        raise SheetRefused(SheetFault.CERTIFIED)
    check_jury(jury.contest, jury.now)
    return jury, juror


async def _call(connection: AsyncConnection, jury: Jury, juror: Juror, name: str, person: str) -> None:
    """Give a member another name; the empty one takes them away."""
    of_juror = (juror_names.c.contest_id == jury.contest.id) & (juror_names.c.juror == juror.number)
    number = (await connection.execute(select(func.count()).where(of_juror))).scalar_one() + 1
    row = {"contest_id": jury.contest.id, "juror": juror.number, "number": number, "name": name, "made_by": person}
    await connection.execute(insert(juror_names).values(row))
    await note(
        connection,
        actor=person,
        act="jury.rename" if name else "jury.remove",
        subject=jury.contest.slug,
        detail={"juror": juror.number, "before": juror.name} | ({"name": name} if name else {}),
        contest=jury.contest.id,
    )


async def _decide(
    connection: AsyncConnection, sheet_id: UUID, status: SheetStatus, person: str, number: int | None = None
) -> None:
    decided = update(jury_sheets).where(jury_sheets.c.id == sheet_id)
    values = {"status": status.value, "decided_by": person, "decided_at": func.now(), "number": number}
    await connection.execute(decided.values(values))


JURIES: web.AppKey[Juries] = web.AppKey("juries", Juries)
