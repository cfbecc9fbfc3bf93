"""Work that keeps the database in order: when each task was done last and how it failed since, and the coming months of
votes, payments and callbacks, which one process at a time makes ahead."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def alone(auto: AsyncEngine, task: str, lock: int) -> AsyncIterator[AsyncConnection | None]:
    """A connection to do the task with; None while another process is doing it. Keeps that it came to its end or
    failed. `auto` commits each statement by itself."""
    async with auto.connect() as connection:
        if not (await connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": lock})).scalar():
            yield None
            return
        try:
            yield connection
            await connection.execute(_DONE, {"task": task})
        except SQLAlchemyError as error:
            await connection.execute(_FAILED, {"task": task, "error": type(error).__name__})
            raise
        finally:
            await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": lock})


class Daily(ABC):
    """What runs once a day beside the sweeper, on connections of its own: neither waits for the other. What fails is
    logged under its `name` and tried again by the next round."""

    name: str
    _task: asyncio.Task[None] | None = None

    @abstractmethod
    async def is_due(self) -> bool:
        """Whether it was not done lately."""

    @abstractmethod
    async def run(self) -> None:
        """Do it."""

    async def start(self) -> None:
        """Begin unless it is not due or in progress."""
        if (self._task is None or self._task.done()) and await self.is_due():
            self._task = asyncio.create_task(self._logged())

    async def _logged(self) -> None:
        try:
            await self.run()
        except (SQLAlchemyError, OSError) as error:
            _log.warning(f"{self.name}_waits", error=type(error).__name__)
        except Exception:
            _log.exception(f"{self.name}_failed")

    async def aclose(self) -> None:
        """Leave it; what was done is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


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
    async with alone(auto, PARTITIONS, _PARTITIONS_LOCK) as connection:
        if connection is None:
            return None
        try:
            return list((await connection.execute(_MAKE_PARTITIONS, {"months": MONTHS_AHEAD})).scalars())
        except SQLAlchemyError as error:
            _log.error("partitions_not_made", error=type(error).__name__, exc_info=error)
            raise


async def read_months_ahead(engine: AsyncEngine) -> Mapping[str, int]:
    """By table, see `months_ahead`."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_READ_PARTITIONS, {"parents": list(PARTITIONED)})).all()
    return {
        parent: months_ahead([row.name for row in rows if row.parent == parent], parent, rows[0].today) if rows else -1
        for parent in PARTITIONED
    }
