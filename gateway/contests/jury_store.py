"""Statements of juries: their members, and sheets of points."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.jury import Juror, Sheet, SheetStatus
from gateway.storage.schema.contests import juror_names, jurors, jury_sheets


async def read_jurors(connection: AsyncConnection, contest: UUID) -> list[Juror]:
    """The jury of a contest by number, with the names that they have now."""
    asked = select(jurors).where(jurors.c.contest_id == contest).order_by(jurors.c.number)
    names = {row.number: row.name for row in await connection.execute(asked)}
    corrected = select(juror_names).where(juror_names.c.contest_id == contest).order_by(juror_names.c.number)
    names |= {row.juror: row.name for row in await connection.execute(corrected)}
    return [Juror(number, name) for number, name in names.items() if name]


async def read_sheets(connection: AsyncConnection, contest: UUID) -> list[Sheet]:
    """Every sheet of a contest, whatever was decided about it, the one that was entered last first."""
    asked = select(jury_sheets).where(jury_sheets.c.contest_id == contest)
    ordered = asked.order_by(jury_sheets.c.entered_at.desc(), jury_sheets.c.id)
    return [_sheet(row) for row in await connection.execute(ordered)]


def _sheet(row: Row[Any]) -> Sheet:
    return Sheet(
        row.id,
        row.round,
        row.category,
        row.juror,
        row.points,
        SheetStatus(row.status),
        row.entered_by,
        row.entered_at,
        row.decided_by,
        row.decided_at,
        row.number,
        row.leaf,
    )
