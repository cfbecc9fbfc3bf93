"""When work that keeps the database in order came to its end last, and how it failed since."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

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
