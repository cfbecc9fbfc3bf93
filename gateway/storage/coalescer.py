"""Concurrent calls share batches: calls that arrive during a batch join the next one.

An idle coalescer adds no delay. Used for durable inserts (one commit for many orders)
and for Redis (one round trip for many commands).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.storage.set_aside import passes

T = TypeVar("T")
R = TypeVar("R")


class Overloaded(Exception):
    """Too many callers wait. Nothing was done for this one."""


class Coalescer(Generic[T, R]):
    """Gathers items of concurrent callers into batches.

    `work` gets a list and returns one result for each item, in order; a result that is an
    exception is raised to its caller. When a batch raises an error that may be about one member, its members run
    one by one, so that a bad member fails alone. A server that does not answer fails all of them at once: one by one,
    each would wait as long again. `lanes`: batches at once. `apart`: seconds between the beginnings of two batches, for
    work that may wait a moment; behind one of several members, so many times as long, at most `apart_most`. A batch of
    `enough` members begins at once, and so does the first one after a pause. `timeout`: seconds after which a caller
    gets TimeoutError, by one timer for all callers; an item that is in no batch by then is dropped.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        batch_max: int = 256,
        lanes: int = 1,
        apart: float = 0.0,
        apart_most: float = 0.0,
        enough: int | None = None,
        waiting_max: int = 20_000,
        timeout: float | None = None,
    ) -> None:
        self._work = work
        self._batch_max = batch_max
        self._lanes = lanes
        self._apart = apart
        self._apart_most = max(apart, apart_most)
        self._enough = batch_max if enough is None else enough
        self._next_at = 0.0
        self._gathering: asyncio.Future[None] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._running = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timeout = timeout
        self._expiring: deque[tuple[float, asyncio.Future[R]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def do(self, item: T) -> R:
        """The result for this item. Raises Overloaded, or whatever its batch raised for it."""
        return await self.start(item)

    def start(self, item: T, *, within: float = 0.0) -> "asyncio.Future[R]":
        """`do` without waiting: several items of one caller join the same batch. `within`: so many seconds it may wait
        for a batch that others begin. Raises Overloaded."""
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded
        # Kept: finding the loop costs a system call.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if self._timeout is not None:
            self._expiring.append((loop.time() + self._timeout, future))
            if self._timer is None:
                self._timer = loop.call_later(self._timeout, self._expire_waiters, loop)
        if self._gathering is not None:
            if len(self._waiting) >= self._enough:
                _settle(self._gathering, None)
        elif not within:
            self._begin(loop)
        elif self._late is None:
            self._late = loop.call_later(within, self._begin_late, loop)
        return future

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._running < self._lanes:
            self._running += 1
            task = loop.create_task(self._run_batches())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _begin_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._late = None
        if self._waiting and self._gathering is None:
            self._begin(loop)

    async def _run_batches(self) -> None:
        try:
            # Who gathers takes all of them.
            while self._waiting and self._gathering is None:
                await self._gather()
                size = min(self._batch_max, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(size)]
                # Callers that are gone have their timeout, or were cancelled.
                await self._run([member for member in batch if not member[1].done()])
                self._forget_answered()
        finally:
            # Here and not in a callback of the task: callers that were just answered may call again before it runs,
            # would find the lane taken by a task that takes no more batches, and wait for ever.
            self._running -= 1

    async def _gather(self) -> None:
        """Wait until the next batch may begin, or has enough members."""
        if not self._apart:
            return
        loop = asyncio.get_running_loop()
        if self._next_at > loop.time() and len(self._waiting) < self._enough:
            gathering = self._gathering = loop.create_future()
            timer = loop.call_at(self._next_at, _settle, gathering, None)
            try:
                await gathering
            finally:
                timer.cancel()
                self._gathering = None
        self._next_at = loop.time() + min(self._apart * len(self._waiting), self._apart_most)

    def _forget_answered(self) -> None:
        while self._expiring and self._expiring[0][1].done():
            self._expiring.popleft()

    def _expire_waiters(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for due, future in self._expiring:
            if due > now:
                break
            _settle(future, TimeoutError())
        self._forget_answered()
        self._timer = loop.call_at(self._expiring[0][0], self._expire_waiters, loop) if self._expiring else None

    async def _run(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        if not batch:
            return
        try:
            results = await self._work([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            if len(batch) == 1 or passes(error):
                for _, future in batch:
                    _settle(future, error)
                return
            for member in batch:
                await self._run([member])
            return
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result)


def _settle(future: "asyncio.Future[R]", result: R | BaseException) -> None:
    """Answer a caller, unless it is gone."""
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
