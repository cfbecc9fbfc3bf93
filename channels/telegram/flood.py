"""Telegram's limits respected: whatever the bot sends waits here for its turn.

One queue a process, the most urgent first; how fast it empties is judged by a budget that all
processes of the bot share. A message that has to wait for its own chat lets others pass. After a 429
everything of the bot is silent for as long as Telegram asks.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiogram.client.session.middlewares.base import BaseRequestMiddleware
from aiogram.exceptions import TelegramRetryAfter

from channels.telegram.port import Scope, SendBudget

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITING_MAX: Final = 5_000
# A 429 is waited out so often, if it asks for no longer than the patience left.
RETRIES: Final = 3
_log = structlog.get_logger(__name__)


class Urgency(IntEnum):
    """Who goes first."""

    RECEIPT = 0
    ANSWER = 1
    STATUS = 2
    BOARD = 3


# How long each kind waits before it gives up: a receipt is tried again by the outbox, an answer by
# whoever handles left-over updates, and an edit that is late is replaced by a newer one.
PATIENCE_SECONDS: Final = {
    Urgency.RECEIPT: 20.0,
    Urgency.ANSWER: 12.0,
    Urgency.STATUS: 60.0,
    Urgency.BOARD: 20.0,
}

_urgency: ContextVar[Urgency] = ContextVar("telegram_urgency", default=Urgency.ANSWER)


@contextmanager
def urgency(kind: Urgency) -> "Iterator[None]":
    """Whatever is sent in this block is so urgent."""
    before = _urgency.set(kind)
    try:
        yield
    finally:
        _urgency.reset(before)


class TooLong(Exception):
    """The turn would come too late; nothing was sent. `seconds`: how long to wait at least."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no turn within {seconds:g} s")
        self.seconds = seconds


@dataclass(slots=True)
class _Waiting:
    chat_id: int
    turn: "asyncio.Future[None]"


class FloodQueue:
    """Everybody who wants to send, in order of urgency and arrival."""

    def __init__(self, budget: SendBudget) -> None:
        self._budget = budget
        self._waiting: dict[tuple[int, int], _Waiting] = {}
        self._count = itertools.count()
        self._news = asyncio.Event()
        self._ready_at: dict[int, float] = {}
        self._pump: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def turn(self, chat_id: int, kind: Urgency) -> None:
        """Return when a message to this chat may be sent. Raises TooLong."""
        if len(self._waiting) >= WAITING_MAX:
            raise TooLong(PATIENCE_SECONDS[kind])
        place = (int(kind), next(self._count))
        entry = _Waiting(chat_id, asyncio.get_running_loop().create_future())
        self._waiting[place] = entry
        self._news.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._serve(), name="telegram sends")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS[kind]):
                await entry.turn
        except TimeoutError:
            raise TooLong(PATIENCE_SECONDS[kind]) from None
        finally:
            self._waiting.pop(place, None)

    async def stop(self, seconds: float) -> None:
        """Telegram wants silence for so long."""
        await self._budget.stop(seconds)

    async def aclose(self) -> None:
        """Nobody gets a turn any more."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _serve(self) -> None:
        """Hand out turns until nobody waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            self._news.clear()
            pause = await self._hand_out(loop)
            if pause <= 0:
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _hand_out(self, loop: asyncio.AbstractEventLoop) -> float:
        """Give the first who may go a turn; 0, or the seconds after which to look again."""
        now = loop.time()
        self._ready_at = {chat: at for chat, at in self._ready_at.items() if at > now}
        soonest = 1.0
        for place in sorted(self._waiting):
            entry = self._waiting.get(place)
            if entry is None or entry.turn.done():
                continue
            if (at := self._ready_at.get(entry.chat_id)) is not None:
                soonest = min(soonest, at - now)
                continue
            wait = await self._budget.take(entry.chat_id)
            if wait is None:
                if entry.turn.done():  # it left while the budget was asked; its place is lost, no harm
                    return 0.0
                entry.turn.set_result(None)
                self._waiting.pop(place, None)
                return 0.0
            if wait.scope is Scope.BOT:
                # Whoever comes meanwhile may be more urgent, but nobody can go before this.
                await asyncio.sleep(min(wait.seconds, 1.0))
                return 0.0
            self._ready_at[entry.chat_id] = now + wait.seconds
            soonest = min(soonest, wait.seconds)
        return max(soonest, 0.001)


class FloodMiddleware(BaseRequestMiddleware):
    """Lets every method that writes to a chat wait for its turn, and obeys a 429."""

    def __init__(self, queue: FloodQueue) -> None:
        self._queue = queue

    async def __call__(self, make_request: Callable[..., Awaitable[Any]], bot: Any, method: Any) -> Any:  # noqa: ANN401 - aiogram's own generics
        """Send in turn. Raises TooLong, or TelegramRetryAfter when the wait is too long for this kind."""
        kind = _urgency.get()
        chat_id = getattr(method, "chat_id", None)
        for tries in itertools.count(1):
            if isinstance(chat_id, int):
                await self._queue.turn(chat_id, kind)
            try:
                return await make_request(bot, method)
            except TelegramRetryAfter as error:
                _log.warning("telegram_wants_silence", seconds=error.retry_after, method=type(method).__name__)
                await self._queue.stop(error.retry_after)
                if kind is Urgency.RECEIPT or tries >= RETRIES or error.retry_after >= PATIENCE_SECONDS[kind]:
                    raise
        raise AssertionError("unreachable")
