"""What is owed, read from PostgreSQL, and the sweeper's lock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.rules import REMIND_AFTER
from gateway.storage.work import Work
from payments.settlement.settle import OLDEST_BY_CONTEST

_SWEEP_LOCK: Final = 0x5907_11_69
# A worker beats every three seconds; one that has not for so long does nothing.
SILENCE_SECONDS: Final = 15

# Each branch reads the head of one partial index.
_OWED: Final = text(f"""
with {OLDEST_BY_CONTEST}
select 'collect' as work, min(least(next_check_at, expires_at)) as since from payments
  where status = 'created' and (next_check_at <= now() or expires_at <= now())
union all select 'callbacks', min(received_at) from callbacks where handled_at is null
union all select 'verify', least(
    (select min(next_check_at) from payments
      where status in ('sent','pending','expired','failed') and next_check_at <= now()),
    (select now() from payments
      where provisional and status = 'settled' and coalesce(next_check_at, '-infinity') <= now() limit 1))
union all select 'settle', least((select min(confirmed_at) from waiting),
    (select min(confirmed_at) from payments where status in ('surplus','mismatched')))
union all select 'texts_in', min(received_at) from messages_in where handled_at is null
union all select 'texts_out', min(next_try_at) from messages_out
  where status in ('due','sending','unknown') and next_try_at <= now()
union all select 'refund', min(next_try_at) from refunds
  where status in ('due','sent') and next_try_at <= now()
union all select 'reversals', min(next_try_at) from reversal_questions where next_try_at <= now()
union all select 'payouts', min(o.next_try_at) from payouts o join organisers g on g.id = o.organiser_id
  where o.status in ('due','sent') and o.next_try_at <= now() and (o.status = 'sent' or g.frozen_at is null)
union all select 'staff_acts', min(decided_at) from staff_requests where status = 'approved'
union all select 'nudges', min(reached_at) + make_interval(secs => :remind_after) from unfinished_dialogues
  where handled_at is null and reached_at <= now() - make_interval(secs => :remind_after)
""").bindparams(remind_after=REMIND_AFTER.total_seconds())


# Workers that are gone for good are forgotten.
_BEAT: Final = text("""
with gone as (delete from worker_beats where seen_at < now() - interval '1 day' and worker <> :worker)
insert into worker_beats (worker, seen_at) values (:worker, now())
on conflict (worker) do update set seen_at = excluded.seen_at
""")
_WORKERS: Final = text("""
select count(*) from worker_beats where seen_at > now() - make_interval(secs => :silence)
""").bindparams(silence=SILENCE_SECONDS)


class PostgresOwed:
    """`OwedWork`. `engine` commits each statement by itself."""

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
        """Hold the sweeper's lock; yields False when another process holds it. Of a process that hangs it is taken
        away when the server ends its idle transaction, after ten seconds."""
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                got = await connection.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": _SWEEP_LOCK})
                yield bool(got.scalar())

    async def beat(self, worker: str) -> None:
        """Say that this worker works."""
        async with self._engine.connect() as connection:
            await connection.execute(_BEAT, {"worker": worker})

    async def workers(self) -> int:
        """How many workers said so lately."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_WORKERS)).scalar_one())

    async def worker_alive(self) -> bool:
        """Whether any did."""
        return await self.workers() > 0
