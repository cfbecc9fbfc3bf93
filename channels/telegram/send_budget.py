"""How fast one Telegram bot may send: token buckets and a stop sign, shared by all processes.

Telegram allows about 30 messages a second in all, one a second in a chat with short bursts, and 20 a
minute in a group (Bot API, "Broadcasting to users"). We stay below. In Redis one script judges the
stop sign, the chat's bucket and the bot's together; while Redis is away each process keeps half the
rate by itself.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError

from channels.telegram.port import Scope, Wait

BOT_PER_SECOND: Final = 25
BOT_BURST: Final = 5
CHAT_SECONDS: Final = 1.0
CHAT_BURST: Final = 3
GROUP_SECONDS: Final = 3.0
_FORGET_OWN_AT: Final = 10_000
_WATCHED_SECONDS: Final = 3600
_log = structlog.get_logger(__name__)

# Each bucket holds the moment (ms) at which it is full again; a place costs one interval.
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


def chat_seconds(chat_id: int) -> float:
    """Seconds that a message costs its chat; groups have negative numbers and cost more."""
    return GROUP_SECONDS if chat_id < 0 else CHAT_SECONDS


class OwnSendBudget:
    """`SendBudget` of one process. `share`: its part of the bot's rate."""

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._bot_every = 1 / (BOT_PER_SECOND * share)
        self._clock = clock
        self._bot_full = 0.0
        self._chats: dict[int, float] = {}
        self._stopped_until = 0.0

    async def take(self, chat_id: int) -> Wait | None:
        """Take a place for a message to this chat; None when it may go now."""
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
        if len(self._chats) > _FORGET_OWN_AT:
            self._chats = {chat: full for chat, full in self._chats.items() if full > now}
        self._chats[chat_id] = chat_full + every
        self._bot_full = bot_full + self._bot_every
        return None

    async def stop(self, seconds: float) -> None:
        """Nobody sends for so long."""
        self._stopped_until = max(self._stopped_until, self._clock() + seconds)


class SharedSendBudget:
    """`SendBudget` in Redis."""

    def __init__(self, redis: "redis_asyncio.Redis", bot_id: int) -> None:
        self._redis = redis
        self._prefix = f"telegram:{bot_id}"
        self._script = redis.register_script(_SCRIPT)
        self._own = OwnSendBudget(0.5)
        self._away = False

    async def take(self, chat_id: int) -> Wait | None:
        """Take a place for a message to this chat; None when it may go now."""
        keys = [f"{self._prefix}:stopped", f"{self._prefix}:chat:{chat_id}", f"{self._prefix}:sends"]
        costs = [round(chat_seconds(chat_id) * 1000), CHAT_BURST, 1000 // BOT_PER_SECOND, BOT_BURST]
        try:
            answer: Any = await self._script(keys=keys, args=costs)
        except (RedisError, OSError) as error:
            self._alone(error)
            return await self._own.take(chat_id)
        self._away = False
        scope, wait = int(answer[0]), int(answer[1])
        return Wait(wait / 1000, Scope.CHAT if scope == 1 else Scope.BOT) if scope else None

    async def stop(self, seconds: float) -> None:
        """Nobody sends for so long."""
        await self._own.stop(seconds)
        try:
            await self._redis.set(f"{self._prefix}:stopped", b"1", px=max(1, round(seconds * 1000)))
        except (RedisError, OSError) as error:
            self._alone(error)

    def _alone(self, error: Exception) -> None:
        if not self._away:
            _log.warning("send_budget_alone", error=type(error).__name__)
        self._away = True


class RedisWatchedOrders:
    """`WatchedOrders`: one hash, an hour after its last entry."""

    def __init__(self, redis: "redis_asyncio.Redis", bot_id: int) -> None:
        self._redis: Any = redis
        self._key = f"telegram:{bot_id}:watched"

    async def put(self, vote_id: UUID, message: bytes) -> None:
        """Remember."""
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hset(self._key, str(vote_id), message)
            pipeline.expire(self._key, _WATCHED_SECONDS)
            await pipeline.execute()
        except (RedisError, OSError) as error:
            _log.warning("watched_order_not_kept", error=type(error).__name__)

    async def drop(self, vote_id: UUID) -> None:
        """Forget."""
        try:
            await self._redis.hdel(self._key, str(vote_id))
        except (RedisError, OSError) as error:
            _log.warning("watched_order_not_dropped", error=type(error).__name__)

    async def all(self) -> Mapping[UUID, bytes]:
        """What is remembered."""
        try:
            held: dict[bytes, bytes] = await self._redis.hgetall(self._key)
        except (RedisError, OSError) as error:
            _log.warning("watched_orders_not_read", error=type(error).__name__)
            return {}
        return {UUID(vote.decode()): message for vote, message in held.items()}
