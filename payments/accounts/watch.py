"""Keeps watch over accounts at operators: measures calls, closes what fails, probes, opens again.

What one process finds out all learn within a second, from PostgreSQL. While that is away the last
reading stays.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, TypeVar

import structlog

from gateway.orders.routing import Rails, account_of
from gateway.values.rates import Tries
from payments.accounts.accounts import AccountHealthStore, Accounts, AccountsRead, Asked
from payments.accounts.breaker import PROBES, SLOW_SECONDS, Went, Window, at_once, failing
from payments.provider import NotSent, OutProber, PayerReason, PaymentProvider, Prober, Rejected, Unavailable, Unknown

REFRESH_SECONDS: Final = 1.0
# The first probe may need a new token, for which operators take up to half a minute.
FIRST_PROBE_SECONDS: Final = 30.0
_log = structlog.get_logger(__name__)
R = TypeVar("R")


async def measured(accounts: Accounts, account: str, asked: Asked, call: Awaitable[R]) -> R:
    """Make a call to an operator and note how it went."""
    started = time.monotonic()
    result = await call
    accounts.note(account, asked, result, time.monotonic() - started)
    return result


def how_it_went(result: object, seconds: float) -> Went:
    """What a call's result says of the operator. An empty wallet of ours is no fault of anybody's calls."""
    match result:
        case NotSent(throttled=True) | Unavailable(throttled=True):
            return Went.THROTTLED
        case NotSent() | Unknown() | Unavailable():
            return Went.BROKE
        case Rejected(alarm=True) if result.reason is not PayerReason.NO_FUNDS:
            return Went.BROKE
        case _:
            return Went.SLOW if seconds > SLOW_SECONDS else Went.WELL


def _word(result: object) -> str:
    match result:
        case NotSent() | Unknown() | Unavailable():
            return result.error
        case Rejected():
            return result.code
        case _:
            return "slow"


class Unwatched:
    """`Accounts` that are always open."""

    rails = Rails()

    def at_once(self, account: str, usual: int) -> int:
        """As many as ever."""
        return usual

    def may_ask(self, account: str, *, again: bool) -> bool:
        """Always."""
        return True

    def note(self, account: str, asked: Asked, result: object, seconds: float) -> None:
        """Nobody looks at it."""


UNWATCHED: Final = Unwatched()


class AccountWatch:
    """`Accounts` of this process. `keep_watching` runs for the process's life.

    `temporary`: errors of a database that comes back. `slow`: told of an account whose operator wants fewer
    calls. `clock`: seconds that do not go back.
    """

    def __init__(
        self,
        store: AccountHealthStore,
        providers: Mapping[str, PaymentProvider],
        rails: Rails,
        *,
        temporary: tuple[type[Exception], ...],
        slow: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._providers = providers
        self._rails = rails
        self._temporary = temporary
        self._slow = slow
        self._clock = clock
        self._windows: dict[str, dict[Asked, Window]] = {}
        self._tries: dict[str, Tries] = {}
        self._opened_at: dict[str, float] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._listener: Callable[[Rails], None] = lambda _: None
        self._failing = False

    @property
    def rails(self) -> Rails:
        """Every rail, and what is closed of them now."""
        return self._rails

    def tell(self, listener: Callable[[Rails], None]) -> None:
        """Call this with the rails, now and whenever they change."""
        self._listener = listener
        listener(self._rails)

    def at_once(self, account: str, usual: int) -> int:
        """How many calls may be under way at an account."""
        if account in self._rails.closed:
            return 0
        opened = self._opened_at.get(account)
        return usual if opened is None else at_once(self._clock() - opened, usual)

    def may_ask(self, account: str, *, again: bool) -> bool:
        """Whether money may be asked for now. Each process keeps its own share."""
        now, tries = self._clock(), self._tries.get(account, Tries())
        if again and not tries.may_repeat(now):
            return False
        self._tries[account] = tries.after(now, again=again)
        return True

    def note(self, account: str, asked: Asked, result: object, seconds: float) -> None:
        """A call ended. What began before the account last opened says nothing of it now."""
        now, went = self._clock(), how_it_went(result, seconds)
        if went is Went.THROTTLED:
            self._slow(account_of(account))
        if account in self._rails.closed or now - seconds < self._opened_at.get(account, now - seconds):
            return
        windows = self._windows.setdefault(account, {})
        windows[asked] = windows.get(asked, Window()).after(now, went)
        if went is not Went.WELL and failing(windows.values(), now):
            self._begin(account, partial(self._close, account, f"{asked.value}: {_word(result)}"))

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
        except self._temporary as error:
            if not self._failing:
                _log.warning("account_health_stale", error=type(error).__name__)
            self._failing = True

    async def refresh(self) -> None:
        """Learn what all processes found out, and begin probes that are due."""
        read = await self._store.read()
        for account, held in read.health.items():
            if held.closed_until is None:
                self._opened_at[account] = self._clock() - (read.now - held.changed_at).total_seconds()
        self._take(frozenset(account for account, held in read.health.items() if held.closed_until is not None))
        for account in self._due(read):
            self._begin(account, partial(self._probe, account))

    def _due(self, read: AccountsRead) -> list[str]:
        return [
            account
            for account, held in read.health.items()
            if held.closed_until is not None
            and held.closed_until <= read.now
            and account_of(account) in self._providers
        ]

    def _take(self, closed: frozenset[str]) -> None:
        changed = closed ^ self._rails.closed
        for account in changed:
            self._windows.pop(account, None)
        if changed:
            self._rails = self._rails.but_for(closed)
            self._listener(self._rails)

    def _begin(self, account: str, act: Callable[[], Awaitable[None]]) -> None:
        """One thing at a time for an account; what would begin meanwhile is not needed."""
        task = self._busy.get(account)
        if task is None or task.done():
            self._busy[account] = asyncio.get_running_loop().create_task(self._attempt(act))

    async def _attempt(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except self._temporary as error:
            # Calls go on failing, or the time is still over: it is tried again.
            _log.warning("account_health_not_kept", error=type(error).__name__)

    async def _close(self, account: str, reason: str) -> None:
        seconds = await self._store.close(account, reason)
        if seconds is not None:
            _log.error("account_closed", account=account, seconds=seconds, reason=reason)
        self._take(self._rails.closed | {account})

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
    """How to find out whether the operator is there, moving no money; None where there is no way."""
    account = account_of(watched)
    provider = providers[account]
    if watched != account and isinstance(provider, OutProber):
        return provider.alive_out
    return provider.alive if isinstance(provider, Prober) else None


async def _is_alive(probe: Callable[[], Awaitable[bool]] | None) -> bool:
    """Several probes, one after the other. Whoever cannot be probed is tried by the next payers."""
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
