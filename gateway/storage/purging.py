"""Rows that no process will read again are deleted, few at a time: they hold sealed numbers and texts of voters.

Kept for good: orders, payments, their events and evidence, tally, book, audit log, statements. What proves that a
receipt was sent stays as a row without number and text.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.engine import make_engine
from gateway.storage.upkeep import Daily, alone, read_upkeep

# How long it is known by the minute what a contest sold by channel, wallet, candidate and prefix; by the hour it is
# for ever, and of the contest as a whole by the minute.
MINUTE_DAYS: Final = 90
# How long the language that a number chose is kept.
LANGUAGE_DAYS: Final = 400
# Few enough that no process waits long for their locks.
BATCH: Final = 500
PAUSE_SECONDS: Final = 0.2
EVERY: Final = timedelta(hours=24)
PURGE: Final = "purge"
_LOCK: Final = 0x5907_11_71
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """How many days it is kept for: `callbacks` whole months of them; `texts` in and out, with reports about them;
    `updates` of chats, longer than Telegram repeats them; `sessions` of staff that are over, what
    they exported, and dialogues that were cut off."""

    callbacks: int = 90
    texts: int = 90
    updates: int = 14
    sessions: int = 30


def _oldest(table: str, since: str, only: str = "") -> TextClause:
    """Deletes the rows that are oldest by the instant `since`, where they are `only` some."""
    return text(f"""
delete from {table} where ctid = any(array(
  select ctid from {table} t where {since} < now() - cast(:kept as interval) {only}
  order by {since} limit :batch for update skip locked))
""")


# Replies go; of what is about a payment the row stays, so that it is never sent twice.
_OLD_TEXTS: Final = """
select ctid from messages_out where purged_at is null and created_at < now() - cast(:kept as interval)
  and (status in ('sent', 'refused') or status = 'unknown' and next_try_at is null) and payment_reference is {} null
order by created_at limit :batch for update skip locked
"""
_REPLIES: Final = text(f"delete from messages_out where ctid = any(array({_OLD_TEXTS.format('')}))")
_RECEIPTS: Final = text(f"""
update messages_out set purged_at = now(), params = '{{}}', params_cipher = null, recipient_index = null,
  recipient_cipher = null
where ctid = any(array({_OLD_TEXTS.format("not")}))
""")
# They are as old as their numbers say: the oldest are looked at, and no others.
_REPORTS: Final = text("""
delete from delivery_reports where ctid = any(array(
  select ctid from (select ctid, received_at from delivery_reports order by id limit :batch) oldest
  where received_at < now() - cast(:kept as interval)))
""")
# Found by the key, which has no index of time.
_MINUTES: Final = text("""
delete from rollup_minutes where ctid = any(array(
  select m.ctid from contests c cross join unnest(array['channel', 'method', 'candidate', 'prefix']) f (facet)
    cross join lateral (select r.ctid from rollup_minutes r
      where r.contest_id = c.id and r.facet = f.facet and r.at < now() - cast(:kept as interval) limit :batch) m
  limit :batch))
""")
# Handled or not: after so long no voter is reminded. Rows handled lately still say who was reminded.
_NOT_LATELY: Final = "and coalesce(handled_at, '-infinity') < now() - cast(:kept as interval)"
# A family of sessions goes as a whole: its first one says how long it may last.
_WHOLE_FAMILY: Final = """and not exists (
    select 1 from staff_sessions f where f.family = t.family and f.expires_at >= now() - cast(:kept as interval))"""
_STEPS: Final[tuple[tuple[str, TextClause, Callable[[Kept], int]], ...]] = (
    # An update that was never handled is found by those who look for it; it is not purged.
    ("telegram_updates", _oldest("telegram_updates", "handled_at"), lambda kept: kept.updates),
    ("unfinished_dialogues", _oldest("unfinished_dialogues", "reached_at", _NOT_LATELY), lambda kept: kept.sessions),
    ("messages_in", _oldest("messages_in", "received_at", "and handled_at is not null"), lambda kept: kept.texts),
    ("messages_out, replies", _REPLIES, lambda kept: kept.texts),
    ("messages_out, words and numbers", _RECEIPTS, lambda kept: kept.texts),
    ("delivery_reports", _REPORTS, lambda kept: kept.texts),
    ("video_notifications", _oldest("video_notifications", "received_at"), lambda kept: kept.updates),
    ("staff_sessions", _oldest("staff_sessions", "expires_at", _WHOLE_FAMILY), lambda kept: kept.sessions),
    ("sent_forms", _oldest("sent_forms", "sent_at"), lambda kept: kept.sessions),
    ("sign_in_failures", _oldest("sign_in_failures", "last_at"), lambda kept: kept.sessions),
    ("mails", _oldest("mails", "created_at", "and status <> 'due'"), lambda kept: kept.texts),
    ("alerts", _oldest("alerts", "ended_at", "and status <> 'due'"), lambda kept: kept.sessions),
    ("invitations", _oldest("invitations", "expires_at"), lambda kept: kept.sessions),
    ("password_resets", _oldest("password_resets", "expires_at"), lambda kept: kept.sessions),
    ("fraud_refusals", _oldest("fraud_refusals", "at"), lambda kept: kept.sessions),
    ("exports", _oldest("exports", "asked_at", "and try_at is null"), lambda kept: kept.sessions),
    ("set_aside", _oldest("set_aside", "until"), lambda kept: kept.sessions),
    # A day more, so that none is read that is half deleted.
    ("rollup_minutes", _MINUTES, lambda _: MINUTE_DAYS + 1),
    ("chosen_languages", _oldest("chosen_languages", "chosen_at"), lambda _: LANGUAGE_DAYS),
)
# The service owns nothing and deletes no callback: it may have the owner's function drop whole months.
_DROP_CALLBACKS: Final = text("select drop_callbacks(:days)")

Progress = Callable[[str, int], None]
"""Called after each step: what was purged, and how many rows or months of it so far."""


async def purge(
    auto: AsyncEngine,
    kept: Kept,
    *,
    progress: Progress = lambda _, __: None,
    batch: int = BATCH,
    pause: float = PAUSE_SECONDS,
) -> int | None:
    """Delete everything that was kept long enough, at most `batch` rows at a time; how many rows and months went,
    None while another process is at it. `auto` commits each statement by itself; `pause`: seconds between two."""
    async with alone(auto, PURGE, _LOCK) as connection:
        return None if connection is None else await _purge(connection, kept, progress, batch, pause)


async def _purge(connection: AsyncConnection, kept: Kept, progress: Progress, batch: int, pause: float) -> int:
    whole = 0
    for what, statement, days in _STEPS:
        asked = {"kept": timedelta(days=days(kept)), "batch": batch}
        deleted = 0
        while rows := (await connection.execute(statement, asked)).rowcount:
            deleted += rows
            progress(what, deleted)
            if rows < batch:
                break
            await asyncio.sleep(pause)
        if deleted:
            _log.info("purged", table=what, rows=deleted)
        whole += deleted
    # Last, because it fails when the table's lock is not free soon; it is then tried again.
    for month in (await connection.execute(_DROP_CALLBACKS, {"days": kept.callbacks})).scalars().all():
        _log.info("purged", table=month)
        progress(month, 1)
        whole += 1
    return whole


class DailyPurge(Daily):
    """Purges once a day, in one of all processes, on a connection of its own. `auto`: of the process, to look whether
    it is time."""

    name = "purge"

    def __init__(self, url: str, auto: AsyncEngine, kept: Kept) -> None:
        self._url = url
        self._auto = auto
        self._kept = kept

    async def is_due(self) -> bool:
        """Whether no process purged within a day."""
        async with self._auto.connect() as connection:
            last = (await read_upkeep(connection)).get(PURGE)
        return last is None or last.age is None or last.age > EVERY

    async def run(self) -> None:
        """Purge."""
        engine = make_engine(self._url, pool_size=1, name="spotlight purge")
        try:
            await purge(engine.execution_options(isolation_level="AUTOCOMMIT"), self._kept)
        finally:
            await engine.dispose()
