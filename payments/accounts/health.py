"""`account_health`: which accounts at operators are set aside, in PostgreSQL for all processes."""

from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from payments.accounts.accounts import AccountsRead
from payments.accounts.breaker import Health, closing_seconds, longer

# How long a process may take for its probes before another one tries.
PROBE_LEASE_SECONDS: Final = 60

# One row at least, so that the moment is told even where no account ever failed.
_READ: Final = text("""
select h.*, n.now from (select now() as now) n left join account_health h on true
""")

_SEEN: Final = text("""
insert into account_health (account, changed_at) values (:account, 'epoch') on conflict (account) do nothing
""")
_LOCKED: Final = text("select *, now() as now from account_health where account = :account for update")
_WRITE: Final = text("""
update account_health set closed_until = now() + make_interval(secs => :seconds), closed_seconds = :seconds,
  reason = :reason, changed_at = now()
where account = :account
""")
_OPEN: Final = text("update account_health set closed_until = null, changed_at = now() where account = :account")
_CLAIM: Final = text("""
update account_health set closed_until = now() + make_interval(secs => :lease)
where account = :account and closed_until <= now() returning 1
""")


class AccountHealth:
    """`AccountHealthStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self) -> AccountsRead:
        """All of it: one small statement."""
        async with self._auto.connect() as connection:
            rows = (await connection.execute(_READ)).all()
        found = {
            row.account: Health(row.closed_until, row.closed_seconds, row.changed_at) for row in rows if row.account
        }
        return AccountsRead(rows[0].now, found)

    async def close(self, account: str, reason: str) -> int | None:
        """Set an account aside; for how many seconds. None when somebody else was faster."""
        async with self._engine.begin() as connection:
            await connection.execute(_SEEN, {"account": account})
            row = await _locked(connection, account)
            seconds = closing_seconds(_health(row), row.now)
            if seconds is not None:
                await connection.execute(_WRITE, {"account": account, "seconds": seconds, "reason": reason[:200]})
        return seconds

    async def claim_probe(self, account: str) -> bool:
        """Take the probing of an account whose time is over, under a lease."""
        async with self._engine.begin() as connection:
            claimed = await connection.execute(_CLAIM, {"account": account, "lease": PROBE_LEASE_SECONDS})
            return claimed.scalar() is not None

    async def probed(self, account: str, *, alive: bool) -> int | None:
        """Open an account, or close it for longer."""
        async with self._engine.begin() as connection:
            row = await _locked(connection, account)
            if row.closed_until is None:
                return None
            if alive:
                await connection.execute(_OPEN, {"account": account})
                return 0
            seconds = longer(row.closed_seconds)
            await connection.execute(_WRITE, {"account": account, "seconds": seconds, "reason": row.reason})
            return seconds


async def _locked(connection: AsyncConnection, account: str) -> Row[Any]:
    return (await connection.execute(_LOCKED, {"account": account})).one()


def _health(row: Row[Any]) -> Health:
    return Health(row.closed_until, row.closed_seconds, row.changed_at)
