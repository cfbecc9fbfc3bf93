"""What nobody will read again is deleted, a little at a time: it holds sealed numbers and words of voters.

Orders, payments, evidence and the tally are kept; see `gateway.storage.tables`.
"""

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

# Longer than Telegram repeats an update, and than anybody asks what was written.
UPDATES_KEPT: Final = timedelta(days=14)
UNFINISHED_KEPT: Final = timedelta(days=30)
# Few enough that the locks are gone before anybody waits for one.
BATCH: Final = 500
_log = structlog.get_logger(__name__)

# An update that was never handled is found by those who look for it; it is not purged.
_UPDATES: Final = text("""
delete from telegram_updates where update_id in (
  select update_id from telegram_updates where handled_at < now() - cast(:kept as interval)
  order by handled_at limit :batch for update skip locked)
""")
# Whether it was handled or not: after so long nobody is reminded. What was handled lately still says who was.
_UNFINISHED: Final = text("""
delete from unfinished_dialogues where (phone_index, contest_id) in (
  select phone_index, contest_id from unfinished_dialogues
  where greatest(reached_at, handled_at) < now() - cast(:kept as interval)
  order by reached_at limit :batch for update skip locked)
""")
_PURGES: Final[tuple[tuple[str, TextClause, timedelta], ...]] = (
    ("telegram_updates", _UPDATES, UPDATES_KEPT),
    ("unfinished_dialogues", _UNFINISHED, UNFINISHED_KEPT),
)


async def purge(auto: AsyncEngine, batch: int = BATCH) -> int:
    """Delete the oldest rows of each table that were kept long enough, at most `batch` of each; how many
    were. `auto` commits each statement by itself. Several processes may do so at the same time."""
    deleted = 0
    async with auto.connect() as connection:
        for table, statement, kept in _PURGES:
            rows = (await connection.execute(statement, {"kept": kept, "batch": batch})).rowcount
            if rows:
                _log.info("purged", table=table, rows=rows)
            deleted += rows
    return deleted
