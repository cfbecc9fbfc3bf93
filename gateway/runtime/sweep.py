"""The safety net: a timer that finds owed work in PostgreSQL, without RQ and without Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog

from gateway.runtime.drains import Drains
from gateway.storage.work import Doorbell, Work

EVERY_SECONDS: Final = 1.0
# Until then a worker may be on its way to it.
NEGLECTED_SECONDS: Final = 10.0
BEAT_SECONDS: Final = 3.0
# A worker one of whose steps takes longer hangs, whatever else it does.
STUCK_SECONDS: Final = 120.0
_log = structlog.get_logger(__name__)


class OwedWork(Protocol):
    """What is owed, and a lock that one sweeper in all processes holds."""

    async def owed(self) -> Mapping[Work, float]:
        """Kinds of work that are due, each with the age of its oldest piece in seconds."""
        ...

    def lock(self) -> AbstractAsyncContextManager[bool]:
        """Hold the sweeper's lock for a moment; yields False when another process holds it."""
        ...

    async def worker_alive(self) -> bool:
        """Whether some worker works, as it says itself."""
        ...

    async def beat(self, worker: str) -> None:
        """Say that this worker works."""
        ...


async def to_do(owed: OwedWork, doorbell: Doorbell, *, does_work: bool) -> frozenset[Work]:
    """What this process does itself of what is owed. A worker does all of it; a gateway rings, and does what waits
    while no worker works. What waits though one does waits for something else, such as an operator's rate."""
    async with owed.lock() as mine:
        found = await owed.owed() if mine else {}
    if does_work:
        return frozenset(found)
    neglected = frozenset(work for work, age in found.items() if age > NEGLECTED_SECONDS)
    if neglected and await owed.worker_alive():
        neglected = frozenset()
    for work in found.keys() - neglected:
        doorbell.ring(work)
    if neglected:
        _log.warning("no_worker_works", kinds=len(neglected))
    return neglected


async def keep_beating(owed: OwedWork, drains: Drains, worker: str, *, temporary: tuple[type[Exception], ...]) -> None:
    """Say that this worker works, until cancelled or as long as none of its steps hangs."""
    while True:
        stuck = drains.stuck(STUCK_SECONDS)
        if stuck:
            _log.error("worker_hangs", kinds=sorted(stuck))
        else:
            try:
                await owed.beat(worker)
            except temporary as error:
                _log.warning("worker_beat_lost", error=type(error).__name__)
        await asyncio.sleep(BEAT_SECONDS)


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

    async with asyncio.TaskGroup() as group:

        async def begin() -> None:
            # One kind of work that takes long keeps no other from being found.
            for work in await to_do(owed, doorbell, does_work=does_work):
                group.create_task(drains.drain_logged(work))

        while True:
            await attempt("sweep", begin)
            for name, (every, act) in chores.items():
                if loop.time() >= due[name]:
                    due[name] = loop.time() + every
                    await attempt(name, act)
            await asyncio.sleep(EVERY_SECONDS)
