"""Numbers of disputes, and of refunds past us, that are to be asked about; and up to when lists were read."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.rows import document, recordset
from gateway.values.money import Money
from payments.disbursement.disputes.store import ObservedReversal, record_reversals
from payments.ledger.differences import DifferenceKind, open_difference
from payments.provider import NamedReversal

LEASE_SECONDS: Final = 60
_SWEEP_LOCK: Final = 0x5907_11_6B

_NAMED: Final = "provider text, number text, at timestamptz"
# One that is being asked about is due again: the answer may be older than what is named now.
_NAME: Final = text(f"""
insert into reversal_questions as q (provider, number, next_try_at)
select provider, number, now() from (
  select provider, number, max(coalesce(at, now())) as at from {recordset(_NAMED)} group by 1, 2) n
where not exists (select 1 from reversal_questions o
  where o.provider = n.provider and o.number = n.number and o.next_try_at is null and o.asked_at > n.at)
order by provider, number
on conflict (provider, number) do update set next_try_at = least(q.next_try_at, excluded.next_try_at), tries = 0
""")
_CLAIM: Final = text("""
with due as (
  select provider, number from reversal_questions where next_try_at <= now()
  order by next_try_at limit :limit for update skip locked)
update reversal_questions q set next_try_at = now() + make_interval(secs => :lease), tries = q.tries + 1
from due d where q.provider = d.provider and q.number = d.number
returning q.provider, q.number, q.tries, now() as now
""")
# One whose lease is not in force was named meanwhile. The answer is of when the question was claimed.
_ANSWERED: Final = text("""
update reversal_questions set next_try_at = case when next_try_at <= now() then next_try_at end, tries = 0,
  asked_at = greatest(asked_at, :now), outcome = :outcome
where provider = :provider and number = :number
""")
_AGAIN: Final = text("""
update reversal_questions set next_try_at = now() + make_interval(secs => :seconds)
where provider = :provider and number = :number
""")
_BEGIN_SWEEP: Final = text("""
select now() as until, (select seen_until from reversal_sweeps where provider = :provider) as since
where not exists (select 1 from reversal_sweeps
  where provider = :provider and swept_at > now() - make_interval(secs => :every))
""")
_END_SWEEP: Final = text("""
insert into reversal_sweeps as s (provider, seen_until, swept_at) values (:provider, :until, now())
on conflict (provider) do update set seen_until = coalesce(:until, s.seen_until), swept_at = now()
""")


@dataclass(frozen=True, slots=True)
class DueReversal:
    """One that is to be asked about, under a lease. `tries`: questions so far, this one included. `now`: when it was
    claimed."""

    account: str
    number: str
    tries: int
    now: datetime


@dataclass(slots=True)
class Sweep:
    """A look through an operator's lists. `since`: up to when they were read before, None: never; `until`: when this
    one began. `done`: it was whole, so that the next begins where this one began."""

    since: datetime | None
    until: datetime
    done: bool = False


async def name_reversals(connection: AsyncConnection, named: Sequence[NamedReversal]) -> None:
    """Have these asked about."""
    rows = [{"provider": one.account, "number": one.number, "at": one.at} for one in named]
    if rows:
        await connection.execute(_NAME, document(rows))


class Reversals:
    """What is to be asked about, and up to when operators' lists were read.

    `auto` commits each statement by itself, so that a lock is the session's."""

    def __init__(self, engine: AsyncEngine, auto: AsyncEngine) -> None:
        self._engine = engine
        self._auto = auto

    async def name(self, named: Sequence[NamedReversal]) -> None:
        """Have these asked about."""
        async with self._engine.begin() as connection:
            await name_reversals(connection, named)

    async def claim(self, limit: int) -> list[DueReversal]:
        """Take those that are due."""
        async with self._engine.begin() as connection:
            rows = await connection.execute(_CLAIM, {"limit": limit, "lease": LEASE_SECONDS})
            return [DueReversal(row.provider, row.number, row.tries, row.now) for row in rows]

    async def record(self, observed: Sequence[ObservedReversal]) -> Mapping[str, UUID]:
        """Keep what the operator says and do what follows of what is lost; payments of ours, by its numbers."""
        return await record_reversals(self._engine, observed)

    async def answered(self, due: DueReversal, outcome: str) -> None:
        """Not to be asked about again, unless it was named meanwhile."""
        async with self._engine.begin() as connection:
            await self._answered(connection, due, outcome)

    async def not_there(self, due: DueReversal, currency: str) -> None:
        """The operator does not know it: a person should know that it was named. `currency`: one of the
        account's."""
        detail = f"{due.number} was named to us as money taken back, and the operator does not know it"
        async with self._engine.begin() as connection:
            # One an account is enough to call a person; the numbers are in the table.
            kind, nothing = DifferenceKind.MISSING_THERE, Money(0, currency)
            await open_difference(connection, due.account, kind, nothing, detail)
            await self._answered(connection, due, "not there")

    @staticmethod
    async def _answered(connection: AsyncConnection, due: DueReversal, outcome: str) -> None:
        asked = {"provider": due.account, "number": due.number, "now": due.now, "outcome": outcome}
        await connection.execute(_ANSWERED, asked)

    async def ask_again(self, due: DueReversal, seconds: float) -> None:
        """No answer: again after so long."""
        async with self._engine.begin() as connection:
            await connection.execute(_AGAIN, {"provider": due.account, "number": due.number, "seconds": seconds})

    @asynccontextmanager
    async def sweeping(self, account: str, every_seconds: float) -> AsyncIterator[Sweep | None]:
        """Hold the account's lists; yields None where another process does, or did lately."""
        held = {"lock": _SWEEP_LOCK, "provider": account}
        async with self._auto.connect() as connection:
            lock = text("select pg_try_advisory_lock(:lock, hashtext(:provider))")
            if not (await connection.execute(lock, held)).scalar():
                yield None
                return
            try:
                asked = {"provider": account, "every": every_seconds}
                row = (await connection.execute(_BEGIN_SWEEP, asked)).one_or_none()
                sweep = Sweep(row.since, row.until) if row else None
                yield sweep
                if sweep is not None:
                    until = sweep.until if sweep.done else None
                    await connection.execute(_END_SWEEP, {"provider": account, "until": until})
            finally:
                await connection.execute(text("select pg_advisory_unlock(:lock, hashtext(:provider))"), held)
