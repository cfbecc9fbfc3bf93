"""What is owed, read from PostgreSQL, and the sweeper's lock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.nudge import NUDGE_AFTER
from gateway.ports.work import Work

_SWEEP_LOCK: Final = 0x5907_11_69

# Each branch reads the head of one partial index.
_OWED: Final = text("""
select 'collect' as work, min(least(next_check_at, expires_at)) as since from payments
  where status = 'created' and (next_check_at <= now() or expires_at <= now())
union all select 'callbacks', min(received_at) from callbacks where handled_at is null
union all select 'verify', least(
    (select min(next_check_at) from payments
      where status in ('sent','pending','expired','failed') and next_check_at <= now()),
    (select now() from payments
      where provisional and status = 'settled' and coalesce(next_check_at, '-infinity') <= now() limit 1))
union all select 'settle', coalesce(min(confirmed_at), now()) from payments
  where status in ('confirmed','surplus','mismatched') having count(*) > 0
union all select 'texts_in', min(received_at) from messages_in where handled_at is null
union all select 'texts_out', min(next_try_at) from messages_out
  where status in ('due','sending','unknown') and next_try_at <= now()
union all select 'refund', min(next_try_at) from refunds
  where status in ('due','sent') and next_try_at <= now()
union all select 'payouts', min(o.next_try_at) from payouts o join organisers g on g.id = o.organiser_id
  where o.status in ('due','sent') and o.next_try_at <= now() and (o.status = 'sent' or g.frozen_at is null)
union all select 'staff_acts', min(decided_at) from staff_requests where status = 'approved'
union all select 'nudges', min(reached_at) + make_interval(secs => :nudge_after) from unfinished_dialogues
  where handled_at is null and reached_at <= now() - make_interval(secs => :nudge_after)
""").bindparams(nudge_after=NUDGE_AFTER.total_seconds())


class PostgresOwed:
    """`OwedWork`. `engine` commits each statement by itself, so that the lock is the session's."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def owed(self) -> Mapping[Work, float]:
        """Kinds of work that are due, each with the age of its oldest piece in seconds."""
        async with self._engine.connect() as connection:
            now = (await connection.execute(text("select now()"))).scalar_one()
            rows = (await connection.execute(_OWED)).all()
        return {Work(row.work): (now - row.since).total_seconds() for row in rows if row.since is not None}

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[bool]:
        """Hold the sweeper's lock; yields False when another process holds it."""
        async with self._engine.connect() as connection:
            got = (await connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _SWEEP_LOCK})).scalar()
            try:
                yield bool(got)
            finally:
                if got:
                    await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _SWEEP_LOCK})
