"""The safety net: a timer that finds owed work in PostgreSQL, without RQ and without Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog

from gateway.ports.stores import Doorbell
from gateway.ports.work import Work
from gateway.usecases.drains import Drains

EVERY_SECONDS: Final = 1.0
# Work that has waited this long says that no worker answers.
NEGLECTED_SECONDS: Final = 10.0
_log = structlog.get_logger(__name__)


class OwedWork(Protocol):
    """What is owed, and a lock that one sweeper in all processes holds."""

    async def owed(self) -> Mapping[Work, float]:
        """Kinds of work that are due, each with the age of its oldest piece in seconds."""
        ...

    def lock(self) -> AbstractAsyncContextManager[bool]:
        """Hold the sweeper's lock; yields False when another process holds it."""
        ...


async def sweep(*, owed: OwedWork, drains: Drains, doorbell: Doorbell, does_work: bool) -> None:
    """One pass. A worker does what it finds; a gateway rings, and helps when nobody answers."""
    async with owed.lock() as mine:
        if not mine:
            return
        found = await owed.owed()
        for work, age in found.items():
            if does_work or age > NEGLECTED_SECONDS:
                await drains.drain_logged(work)
            else:
                doorbell.ring(work)


async def keep_sweeping(
    *,
    owed: OwedWork,
    drains: Drains,
    doorbell: Doorbell,
    does_work: bool,
    chores: Mapping[str, tuple[float, Callable[[], Awaitable[object]]]],
    temporary: tuple[type[Exception], ...],
) -> None:
    """Sweep until cancelled. `chores`: other things to do, each every so many seconds.
    `temporary`: errors of servers that come back; they are logged once and tried again."""
    loop = asyncio.get_running_loop()
    due = {name: loop.time() for name in chores}
    failing: set[str] = set()

    async def attempt(name: str, act: Callable[[], Awaitable[object]]) -> None:
        try:
            await act()
            failing.discard(name)
        except temporary as error:
            if name not in failing:
                _log.warning("sweep_waits", chore=name, error=type(error).__name__)
            failing.add(name)

    async def pass_once() -> None:
        await sweep(owed=owed, drains=drains, doorbell=doorbell, does_work=does_work)

    while True:
        await attempt("sweep", pass_once)
        for name, (every, act) in chores.items():
            if loop.time() >= due[name]:
                due[name] = loop.time() + every
                await attempt(name, act)
        await asyncio.sleep(EVERY_SECONDS)
