"""Sending within Telegram's limits: every message of the bot waits here for its turn.

One queue a process, the most urgent first; how fast it empties is limited by token buckets that all processes of
the bot share in Redis. A message that has to wait for its own chat lets others pass. After a 429 the whole bot sends
nothing for as long as Telegram asks.

Telegram allows about 30 messages a second in all, one a second in a chat with short bursts, and 20 a minute in a
group (Bot API, "Broadcasting to users"). We stay below.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, IntEnum
from html import escape
from typing import Any, Final

import structlog
from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError

from channels.messages.carrier import OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.telegram.store import TelegramStore
from channels.telegram.texts import TEXT_UNITS_MAX, cut
from gateway.storage.engine import DatabaseUnavailable

WAITING_MAX: Final = 5_000
# A 429 is waited out so often, if it asks for less than the timeout.
RETRIES: Final = 3

BOT_PER_SECOND: Final = 25
BOT_BURST: Final = 5
CHAT_SECONDS: Final = 1.0
CHAT_BURST: Final = 3
GROUP_SECONDS: Final = 3.0
_CHATS_MAX: Final = 10_000
_log = structlog.get_logger(__name__)

# Each bucket holds the moment (ms) at which it is full again; a message costs one interval.
_SCRIPT: Final = """
local stopped = redis.call('PTTL', KEYS[1])
if stopped > 0 then return {2, stopped} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local chat_every, chat_burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local bot_every, bot_burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local chat_full = math.max(now, tonumber(redis.call('GET', KEYS[2]) or 0))
local late = chat_full + chat_every - now - chat_every * chat_burst
if late > 0 then return {1, late} end
local bot_full = math.max(now, tonumber(redis.call('GET', KEYS[3]) or 0))
late = bot_full + bot_every - now - bot_every * bot_burst
if late > 0 then return {2, late} end
redis.call('SET', KEYS[2], string.format('%d', chat_full + chat_every), 'PX', chat_every * (chat_burst + 1))
redis.call('SET', KEYS[3], string.format('%d', bot_full + bot_every), 'PX', bot_every * (bot_burst + 1))
return {0, 0}
"""


class Scope(Enum):
    """What a wait concerns."""

    CHAT = "chat"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class Wait:
    """A send has to wait so long: every one of the bot, or those to this chat."""

    seconds: float
    scope: Scope


def chat_seconds(chat_id: int) -> float:
    """Seconds that a message costs its chat; groups have negative numbers and cost more."""
    return GROUP_SECONDS if chat_id < 0 else CHAT_SECONDS


class SendBudget:
    """The token buckets of one process. `share`: its part of the bot's rate."""

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._bot_every = 1 / (BOT_PER_SECOND * share)
        self._clock = clock
        self._bot_full = 0.0
        self._chats: dict[int, float] = {}
        self._stopped_until = 0.0

    async def take(self, chat_id: int) -> Wait | None:
        """Count a message to this chat; None when it may be sent now."""
        now = self._clock()
        if now < self._stopped_until:
            return Wait(self._stopped_until - now, Scope.BOT)
        every = chat_seconds(chat_id)
        chat_full = max(now, self._chats.get(chat_id, 0.0))
        if (late := chat_full + every - now - every * CHAT_BURST) > 0:
            return Wait(late, Scope.CHAT)
        bot_full = max(now, self._bot_full)
        if (late := bot_full + self._bot_every - now - self._bot_every * BOT_BURST) > 0:
            return Wait(late, Scope.BOT)
        if len(self._chats) > _CHATS_MAX:
            self._chats = {chat: full for chat, full in self._chats.items() if full > now}
        self._chats[chat_id] = chat_full + every
        self._bot_full = bot_full + self._bot_every
        return None

    async def stop(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._stopped_until = max(self._stopped_until, self._clock() + seconds)


class SharedSendBudget(SendBudget):
    """Token buckets in Redis, shared by all processes of a bot. While Redis is away each process keeps half the rate
    by itself."""

    def __init__(self, redis: "redis_asyncio.Redis", bot_id: int) -> None:
        super().__init__(0.5)
        self._redis = redis
        self._prefix = f"telegram:{bot_id}"
        self._script = redis.register_script(_SCRIPT)
        self._away = False

    async def take(self, chat_id: int) -> Wait | None:
        """Count a message to this chat; None when it may be sent now."""
        keys = [f"{self._prefix}:stopped", f"{self._prefix}:chat:{chat_id}", f"{self._prefix}:sends"]
        costs = [round(chat_seconds(chat_id) * 1000), CHAT_BURST, 1000 // BOT_PER_SECOND, BOT_BURST]
        try:
            answer: Any = await self._script(keys=keys, args=costs)
        except (RedisError, OSError) as error:
            self._log_away(error)
            return await super().take(chat_id)
        self._away = False
        scope, wait = int(answer[0]), int(answer[1])
        return Wait(wait / 1000, Scope.CHAT if scope == 1 else Scope.BOT) if scope else None

    async def stop(self, seconds: float) -> None:
        """Send nothing for so long."""
        await super().stop(seconds)
        try:
            await self._redis.set(f"{self._prefix}:stopped", b"1", px=max(1, round(seconds * 1000)))
        except (RedisError, OSError) as error:
            self._log_away(error)

    def _log_away(self, error: Exception) -> None:
        if not self._away:
            _log.warning("send_budget_not_shared", error=type(error).__name__)
        self._away = True


class Urgency(IntEnum):
    """What is sent first."""

    RECEIPT = 0
    ANSWER = 1
    STATUS = 2
    RANKING = 3


# How long each kind waits for its turn: a receipt is tried again by the outbox, an answer with its unfinished
# update, and an edit that is late is replaced by a newer one.
TIMEOUT_SECONDS: Final = {
    Urgency.RECEIPT: 20.0,
    Urgency.ANSWER: 12.0,
    Urgency.STATUS: 60.0,
    Urgency.RANKING: 20.0,
}

_urgency: ContextVar[Urgency] = ContextVar("telegram_urgency", default=Urgency.ANSWER)


@contextmanager
def urgency(kind: Urgency) -> Iterator[None]:
    """What is sent in this block is so urgent."""
    before = _urgency.set(kind)
    try:
        yield
    finally:
        _urgency.reset(before)


class SendTimeout(Exception):
    """The turn did not come in time; nothing was sent. `seconds`: how long to wait at least."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no turn within {seconds:g} s")
        self.seconds = seconds


@dataclass(slots=True)
class _Waiting:
    chat_id: int
    turn: "asyncio.Future[None]"


class SendQueue:
    """Calls that wait to send, in order of urgency and arrival."""

    def __init__(self, budget: SendBudget) -> None:
        self._budget = budget
        self._waiting: dict[tuple[int, int], _Waiting] = {}
        self._count = itertools.count()
        self._arrived = asyncio.Event()
        self._ready_at: dict[int, float] = {}
        self._pump: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def turn(self, chat_id: int, kind: Urgency) -> None:
        """Return when a message to this chat may be sent. Raises SendTimeout."""
        if len(self._waiting) >= WAITING_MAX:
            raise SendTimeout(TIMEOUT_SECONDS[kind])
        place = (int(kind), next(self._count))
        entry = _Waiting(chat_id, asyncio.get_running_loop().create_future())
        self._waiting[place] = entry
        self._arrived.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._serve(), name="telegram sends")
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS[kind]):
                await entry.turn
        except TimeoutError:
            raise SendTimeout(TIMEOUT_SECONDS[kind]) from None
        finally:
            self._waiting.pop(place, None)

    async def stop(self, seconds: float) -> None:
        """Send nothing for so long."""
        await self._budget.stop(seconds)

    async def aclose(self) -> None:
        """Give no more turns."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _serve(self) -> None:
        """Give turns until no call waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            self._arrived.clear()
            pause = await self._give_turn(loop)
            if pause <= 0:
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    async def _give_turn(self, loop: asyncio.AbstractEventLoop) -> float:
        """Give a turn to the first call that may send; 0, or the seconds after which to try again."""
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
                if entry.turn.done():  # it timed out while the budget was asked; one send of the budget is lost
                    return 0.0
                entry.turn.set_result(None)
                self._waiting.pop(place, None)
                return 0.0
            if wait.scope is Scope.BOT:
                # A call that comes meanwhile may be more urgent, but none can send before this.
                await asyncio.sleep(min(wait.seconds, 1.0))
                return 0.0
            self._ready_at[entry.chat_id] = now + wait.seconds
            soonest = min(soonest, wait.seconds)
        return max(soonest, 0.001)


class QueueMiddleware(BaseRequestMiddleware):
    """Lets every method that writes to a chat wait for its turn, and obeys a 429."""

    def __init__(self, queue: SendQueue) -> None:
        self._queue = queue

    async def __call__(self, make_request: Callable[..., Awaitable[Any]], bot: Any, method: Any) -> Any:  # noqa: ANN401 - aiogram's own generics
        """Send in turn. Raises SendTimeout, or TelegramRetryAfter when the wait is too long for this kind."""
        kind = _urgency.get()
        chat_id = getattr(method, "chat_id", None)
        for tries in itertools.count(1):
            if isinstance(chat_id, int):
                await self._queue.turn(chat_id, kind)
            try:
                return await make_request(bot, method)
            except TelegramRetryAfter as error:
                _log.warning("telegram_rate_limited", seconds=error.retry_after, method=type(method).__name__)
                await self._queue.stop(error.retry_after)
                if kind is Urgency.RECEIPT or tries >= RETRIES or error.retry_after >= TIMEOUT_SECONDS[kind]:
                    raise
        raise AssertionError("unreachable")


class TelegramSender:
    """Sends texts; `to` is a chat's number. A chat that is closed to us is marked."""

    def __init__(self, bot: Bot, queue: SendQueue, chats: TelegramStore) -> None:
        self._bot = bot
        self._queue = queue
        self._chats = chats

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text, as it is. Never raises for anything that Telegram may answer."""
        chat_id = int(message.to)
        try:
            with urgency(Urgency.RECEIPT):
                sent = await self._bot.send_message(chat_id, escape(cut(message.text, TEXT_UNITS_MAX), quote=False))
        except SendTimeout as error:
            return SendRefused("busy", permanent=False, retry_after_seconds=round(error.seconds))
        except TelegramRetryAfter as error:
            return SendRefused("429", permanent=False, retry_after_seconds=error.retry_after)
        except TelegramForbiddenError as error:
            await self._mark_unreachable(chat_id)
            return SendRefused(f"403 {error.message[:80]}", permanent=True)
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            # A wrong token is 401, one that was never given out 404.
            return SendRefused(error.message[:80], permanent=True, ours=True)
        except TelegramServerError as error:
            return SendUnknown(error.message[:80])
        except TelegramBadRequest as error:
            if "chat not found" in error.message:
                await self._mark_unreachable(chat_id)
            return SendRefused(error.message[:80], permanent=True)
        except (ClientDecodeError, TelegramNetworkError) as error:
            # Sent perhaps: the answer is no JSON (a proxy's page) or never came.
            return SendUnknown(type(error).__name__)
        except TelegramAPIError as error:
            return SendRefused(error.message[:80], permanent=False)
        return SendAccepted(str(sent.message_id))

    async def aclose(self) -> None:
        """Close connections."""
        await self._queue.aclose()
        await self._bot.session.close()

    async def _mark_unreachable(self, chat_id: int) -> None:
        try:
            await self._chats.set_reachable(chat_id, reachable=False)
        except DatabaseUnavailable as error:
            _log.warning("chat_not_marked", error=str(error))
