"""Whoever arrives while a trip is under way leaves together in the next one.

No timer: an idle coalescer adds nothing. Used for durable inserts (one commit for many orders)
and for Redis (one round trip for many commands).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

T = TypeVar("T")
R = TypeVar("R")


class Overloaded(Exception):
    """More callers wait than may wait. Nothing was done for this one."""


def is_about_all(error: Exception) -> bool:
    """Whether a batch failed because of its server and not because of what is in it."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, OSError | SQLAlchemyError | RedisError)


class Coalescer(Generic[T, R]):
    """Gathers items of concurrent callers into batches.

    `work` gets a list and returns one result for each item, in order; a result that is an
    exception is raised to its caller. When a batch raises what may be about one member, its members run
    one by one, so that one bad member spoils nobody else's. A server that does not answer fails them all
    at once: one by one, each would wait as long again. `lanes`: batches under way at once. `patience`: seconds after
    which a caller gets TimeoutError, by one timer for all of them; what had not left by then never does.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        batch_max: int = 256,
        lanes: int = 1,
        waiting_max: int = 20_000,
        patience: float | None = None,
    ) -> None:
        self._work = work
        self._batch_max = batch_max
        self._lanes = lanes
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._under_way = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trips: set[asyncio.Task[None]] = set()
        self._patience = patience
        self._patient: deque[tuple[float, asyncio.Future[R]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    async def do(self, item: T) -> R:
        """The result for this item. Raises Overloaded, or whatever its batch raised for it."""
        return await self.start(item)

    def start(self, item: T) -> "asyncio.Future[R]":
        """The same for who has several items, which then leave together. Raises Overloaded."""
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded
        # Asked once: it costs a call of the system.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if self._patience is not None:
            self._patient.append((loop.time() + self._patience, future))
            if self._alarm is None:
                self._alarm = loop.call_later(self._patience, self._lose_patience, loop)
        if self._under_way < self._lanes:
            self._under_way += 1
            trip = loop.create_task(self._travel())
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        return future

    async def _travel(self) -> None:
        try:
            while self._waiting:
                size = min(self._batch_max, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(size)]
                # Who has gone meanwhile was told so, or asked nobody to wait.
                await self._carry([member for member in batch if not member[1].done()])
                self._forget_answered()
        finally:
            # Here and not in a callback of the task, before which those just answered come again: they
            # would see a lane taken by a trip that looks for nobody any more, and wait for ever.
            self._under_way -= 1

    def _forget_answered(self) -> None:
        while self._patient and self._patient[0][1].done():
            self._patient.popleft()

    def _lose_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for due, future in self._patient:
            if due > now:
                break
            _settle(future, TimeoutError())
        self._forget_answered()
        self._alarm = loop.call_at(self._patient[0][0], self._lose_patience, loop) if self._patient else None

    async def _carry(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        if not batch:
            return
        try:
            results = await self._work([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            if len(batch) == 1 or is_about_all(error):
                for _, future in batch:
                    _settle(future, error)
                return
            for member in batch:
                await self._carry([member])
            return
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result)


def _settle(future: "asyncio.Future[R]", result: R | BaseException) -> None:
    """Answer a caller who may have gone meanwhile."""
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
