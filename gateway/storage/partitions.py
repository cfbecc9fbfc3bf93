"""Months of votes, payments and callbacks: made ahead by one process at a time, and looked at by everybody."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.upkeep import note_done, note_failed

MONTHS_AHEAD: Final = 3
# Fewer than these say that making them fails: there is a month left to mend it.
MONTHS_AHEAD_MIN: Final = 2
PARTITIONS: Final = "partitions"
PARTITIONED: Final = ("votes", "payments", "callbacks")
_LOCK: Final = 0x5907_11_72
_log = structlog.get_logger(__name__)

_MAKE: Final = text("select make_partitions(:months)")
_THERE: Final = text("""
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
        if not (await connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK})).scalar():
            return None
        try:
            made = list((await connection.execute(_MAKE, {"months": MONTHS_AHEAD})).scalars())
            await note_done(connection, PARTITIONS)
        except SQLAlchemyError as error:
            _log.error("partitions_not_made", error=type(error).__name__, exc_info=error)
            await note_failed(connection, PARTITIONS, error)
            raise
        finally:
            await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
    return made


async def read_months_ahead(engine: AsyncEngine) -> Mapping[str, int]:
    """By table, see `months_ahead`."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_THERE, {"parents": list(PARTITIONED)})).all()
    return {
        parent: months_ahead([row.name for row in rows if row.parent == parent], parent, rows[0].today) if rows else -1
        for parent in PARTITIONED
    }
