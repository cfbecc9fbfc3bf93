"""Work that keeps the database in order: when each task was done last and how it failed since, and the coming months of
votes, payments and callbacks, which one process at a time makes ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_log = structlog.get_logger(__name__)

_READ: Final = text("select task, now() - finished_at as age, failed_at, error from upkeep order by task")
_DONE: Final = text("""
insert into upkeep (task, finished_at) values (:task, now())
on conflict (task) do update set finished_at = now(), failed_at = null, error = null
""")
_FAILED: Final = text("""
insert into upkeep (task, failed_at, error) values (:task, now(), :error)
on conflict (task) do update set failed_at = now(), error = excluded.error
""")


@dataclass(frozen=True, slots=True)
class Last:
    """`age`: since a task came to its end; None if it never did. `error`: of its failure since, at `failed_at`."""

    age: timedelta | None
    failed_at: datetime | None
    error: str | None


async def note_done(connection: AsyncConnection, task: str) -> None:
    """A task came to its end."""
    await connection.execute(_DONE, {"task": task})


async def note_failed(connection: AsyncConnection, task: str, error: Exception) -> None:
    """A task failed."""
    await connection.execute(_FAILED, {"task": task, "error": type(error).__name__})


async def read_upkeep(connection: AsyncConnection) -> dict[str, Last]:
    """By task."""
    return {row.task: Last(row.age, row.failed_at, row.error) for row in await connection.execute(_READ)}


MONTHS_AHEAD: Final = 3
# Fewer than these say that making them fails: there is a month left to mend it.
MONTHS_AHEAD_MIN: Final = 2
PARTITIONS: Final = "partitions"
PARTITIONED: Final = ("votes", "payments", "callbacks")
_PARTITIONS_LOCK: Final = 0x5907_11_72
_MAKE_PARTITIONS: Final = text("select make_partitions(:months)")
_READ_PARTITIONS: Final = text("""
select i.inhparent::regclass::text as parent, i.inhrelid::regclass::text as name,
  cast(now() at time zone 'UTC' as date) as today
from pg_inherits i where i.inhparent = any(cast(cast(:parents as text[]) as regclass[]))
""")


def months_ahead(names: Sequence[str], parent: str, today: date) -> int:
    """How many months in a row have a partition of this table, beginning with the one after `today`'s; -1 where the
    present one has none."""
    there, months = set(names), -1
    year, month = today.year, today.month
    while f"{parent}_{year}_{month:02}" in there:
        months += 1
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months


async def make_partitions(auto: AsyncEngine) -> list[str] | None:
    """Make the coming months; names of the new ones, None while another process is doing so. A failure is kept,
    logged and raised. `auto` commits each statement by itself."""
    async with auto.connect() as connection:
        if not (
            await connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _PARTITIONS_LOCK})
        ).scalar():
            return None
        try:
            made = list((await connection.execute(_MAKE_PARTITIONS, {"months": MONTHS_AHEAD})).scalars())
            await note_done(connection, PARTITIONS)
        except SQLAlchemyError as error:
            _log.error("partitions_not_made", error=type(error).__name__, exc_info=error)
            await note_failed(connection, PARTITIONS, error)
            raise
        finally:
            await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _PARTITIONS_LOCK})
    return made


async def read_months_ahead(engine: AsyncEngine) -> Mapping[str, int]:
    """By table, see `months_ahead`."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_READ_PARTITIONS, {"parents": list(PARTITIONED)})).all()
    return {
        parent: months_ahead([row.name for row in rows if row.parent == parent], parent, rows[0].today) if rows else -1
        for parent in PARTITIONED
    }
