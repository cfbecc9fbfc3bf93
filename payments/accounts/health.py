"""`account_health`: accounts at operators whose circuit is open, in PostgreSQL for all processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.audit_log import note
from payments.accounts.breaker import Health, after_failure, after_probe

# The actor of what no person did.
_ACTOR: Final = "spotlight"

# How long a process may take for its probes before another one tries.
PROBE_LEASE_SECONDS: Final = 60

# One row at least, so that the moment is read even where no account ever failed.
_READ: Final = text("""
select h.*, n.now from (select now() as now) n left join account_health h on true
""")

_ADD: Final = text("""
insert into account_health (account, changed_at) values (:account, 'epoch') on conflict (account) do nothing
""")
_LOCKED: Final = text("select *, now() as now from account_health where account = :account for update")
_OPEN: Final = text("""
update account_health set closed_until = now() + make_interval(secs => :seconds), closed_seconds = :seconds,
  reason = :reason, changed_at = now()
where account = :account
""")
_CLOSE: Final = text("update account_health set closed_until = null, changed_at = now() where account = :account")
_CLAIM: Final = text("""
update account_health set closed_until = now() + make_interval(secs => :lease)
where account = :account and closed_until <= now() returning 1
""")


@dataclass(frozen=True, slots=True)
class AccountsRead:
    """Every account that ever failed, read at `now` of the database."""

    now: datetime
    health: Mapping[str, Health]


class AccountHealth:
    """Health of accounts, shared by all processes. Written only when it changes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self) -> AccountsRead:
        """All of it: one small statement."""
        async with self._auto.connect() as connection:
            rows = (await connection.execute(_READ)).all()
        return AccountsRead(rows[0].now, {row.account: _health(row) for row in rows if row.account})

    async def open(self, account: str, reason: str) -> int | None:
        """Open an account's circuit; for how many seconds. None when another process did."""
        async with self._engine.begin() as connection:
            await connection.execute(_ADD, {"account": account})
            row = await _locked(connection, account)
            seconds = after_failure(_health(row), row.now)
            if seconds is not None:
                await connection.execute(_OPEN, {"account": account, "seconds": seconds, "reason": reason[:200]})
                detail = {"reason": reason[:200]}
                await note(connection, actor=_ACTOR, act="account.closed", subject=account, detail=detail)
        return seconds

    async def claim_probe(self, account: str) -> bool:
        """Take the probing of an account whose circuit is half open, under a lease; False when another process has."""
        async with self._engine.begin() as connection:
            claimed = await connection.execute(_CLAIM, {"account": account, "lease": PROBE_LEASE_SECONDS})
            return claimed.scalar() is not None

    async def probed(self, account: str, *, alive: bool) -> int | None:
        """Close a circuit, or leave it open for longer; for how many seconds, see `after_probe`."""
        async with self._engine.begin() as connection:
            row = await _locked(connection, account)
            seconds = after_probe(_health(row), alive=alive)
            if seconds == 0:
                await connection.execute(_CLOSE, {"account": account})
                await note(connection, actor=_ACTOR, act="account.opened", subject=account)
            elif seconds:
                await connection.execute(_OPEN, {"account": account, "seconds": seconds, "reason": row.reason})
        return seconds


async def _locked(connection: AsyncConnection, account: str) -> Row[Any]:
    return (await connection.execute(_LOCKED, {"account": account})).one()


def _health(row: Row[Any]) -> Health:
    return Health(row.closed_until, row.closed_seconds, row.changed_at)
