"""Watches accounts at operators: measures calls, opens circuits of what fails, probes, closes them again.

What one process finds out all others read within a second, from PostgreSQL. While that is away the last reading
stays.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.orders.routing import Rails, account_of
from gateway.values.rates import Tries
from payments.accounts.breaker import PROBES, SLOW_SECONDS, CallOutcome, Window, at_once, failing, outcome_of
from payments.accounts.calls import Accounts, CallKind
from payments.accounts.health import AccountHealth, AccountsRead
from payments.provider import NotSent, OutProber, PaymentProvider, Prober, Rejected, Unavailable, Unknown

REFRESH_SECONDS: Final = 1.0
# The first probe may need a new token, for which operators take up to half a minute.
FIRST_PROBE_SECONDS: Final = 30.0
_log = structlog.get_logger(__name__)


def _error(result: object) -> str:
    match result:
        case NotSent() | Unknown() | Unavailable():
            return result.error
        case Rejected():
            return result.code
        case _:
            return "slow"


class AccountWatch(Accounts):
    """The accounts of this process, watched. `keep_watching` runs for the process's life.

    `slow`: called with an account whose operator wants fewer
    calls. `clock`: seconds that do not go back.
    """

    def __init__(
        self,
        store: AccountHealth,
        providers: Mapping[str, PaymentProvider],
        rails: Rails,
        *,
        slow: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._providers = providers
        self.rails = rails
        self._slow = slow
        self._clock = clock
        self._windows: dict[str, dict[CallKind, Window]] = {}
        self._tries: dict[str, Tries] = {}
        self._closed_at: dict[str, float] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._failing = False

    def at_once(self, account: str, usual: int) -> int:
        """How many calls may be in progress at an account: few just after its circuit closed."""
        if account in self.rails.circuit_open:
            return 0
        closed = self._closed_at.get(account)
        return usual if closed is None else at_once(self._clock() - closed, usual)

    def may_ask(self, account: str, *, again: bool) -> bool:
        """Whether money may be asked for now. Each process keeps its own share."""
        now, tries = self._clock(), self._tries.get(account, Tries())
        if again and not tries.may_repeat(now):
            return False
        self._tries[account] = tries.after(now, again=again)
        return True

    def note(self, account: str, kind: CallKind, result: object, seconds: float) -> None:
        """A call ended. One that began before the circuit last closed says nothing of the account now."""
        now, outcome = self._clock(), outcome_of(result, seconds)
        if outcome is CallOutcome.THROTTLED:
            self._slow(account_of(account))
        if account in self.rails.circuit_open or now - seconds < self._closed_at.get(account, now - seconds):
            return
        windows = self._windows.setdefault(account, {})
        windows[kind] = windows.get(kind, Window()).after(now, outcome)
        if outcome is not CallOutcome.ANSWERED and failing(windows.values(), now):
            self._begin(account, partial(self._open, account, f"{kind.value}: {_error(result)}"))

    async def keep_watching(self) -> None:
        """Read each second and probe what is due, until cancelled."""
        try:
            while True:
                await self._refresh_if_possible()
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            for task in self._busy.values():
                task.cancel()

    async def _refresh_if_possible(self) -> None:
        try:
            await self.refresh()
            self._failing = False
        except (SQLAlchemyError, OSError) as error:
            if not self._failing:
                _log.warning("account_health_stale", error=type(error).__name__)
            self._failing = True

    async def refresh(self) -> None:
        """Read what all processes found out, and begin probes that are due."""
        read = await self._store.read()
        for account, health in read.health.items():
            if health.open_until is None:
                self._closed_at[account] = self._clock() - (read.now - health.changed_at).total_seconds()
        self._take(frozenset(account for account, health in read.health.items() if health.open_until is not None))
        for account in self._due(read):
            self._begin(account, partial(self._probe, account))

    def _due(self, read: AccountsRead) -> list[str]:
        return [
            account
            for account, health in read.health.items()
            if health.open_until is not None
            and health.open_until <= read.now
            and account_of(account) in self._providers
        ]

    def _take(self, circuit_open: frozenset[str]) -> None:
        changed = circuit_open ^ self.rails.circuit_open
        for account in changed:
            self._windows.pop(account, None)
        if changed:
            self.rails = self.rails.with_circuits_open(circuit_open)

    def _begin(self, account: str, act: Callable[[], Awaitable[None]]) -> None:
        """One act at a time for an account; one that would begin meanwhile is not needed."""
        task = self._busy.get(account)
        if task is None or task.done():
            self._busy[account] = asyncio.get_running_loop().create_task(self._attempt(act))

    async def _attempt(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except (SQLAlchemyError, OSError) as error:
            # Calls go on failing, or the time is still over: it is tried again.
            _log.warning("account_health_not_kept", error=type(error).__name__)

    async def _open(self, account: str, reason: str) -> None:
        seconds = await self._store.open(account, reason)
        if seconds is not None:
            _log.error("account_closed", account=account, seconds=seconds, reason=reason)
        self._take(self.rails.circuit_open | {account})

    async def _probe(self, account: str) -> None:
        if not await self._store.claim_probe(account):
            return
        seconds = await self._store.probed(account, alive=await _is_alive(_probe_of(account, self._providers)))
        if seconds == 0:
            _log.warning("account_open", account=account)
        elif seconds:
            _log.error("account_closed", account=account, seconds=seconds, reason="probe")
        await self.refresh()


def _probe_of(watched: str, providers: Mapping[str, PaymentProvider]) -> Callable[[], Awaitable[bool]] | None:
    """How to find out whether the operator answers, moving no money; None where there is no way."""
    account = account_of(watched)
    provider = providers[account]
    if watched != account and isinstance(provider, OutProber):
        return provider.alive_out
    return provider.alive if isinstance(provider, Prober) else None


async def _is_alive(probe: Callable[[], Awaitable[bool]] | None) -> bool:
    """Several probes, one after the other. An account that cannot be probed is tried by the next payers."""
    if probe is None:
        return True
    for number in range(PROBES):
        try:
            async with asyncio.timeout(SLOW_SECONDS if number else FIRST_PROBE_SECONDS):
                alive = await probe()
        except TimeoutError:
            return False
        if not alive:
            return False
    return True
