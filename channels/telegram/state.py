"""State of conversations in Redis, which may be lost: then a voter types a number once more."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.base import BaseEventIsolation, DefaultKeyBuilder, StateType, StorageKey
from aiogram.fsm.storage.redis import RedisStorage
from redis import asyncio as redis_asyncio
from redis.exceptions import LockError, RedisError

LIFE_SECONDS: Final = 30 * 60
LOCK_SECONDS: Final = 15
# A process that holds a chat for longer was most likely killed; its lock expires.
LOCK_WAIT_SECONDS: Final = 4
AWAY: Final = (RedisError, OSError)
_KEYS: Final = DefaultKeyBuilder(prefix="telegram:fsm", with_bot_id=True)
_log = structlog.get_logger(__name__)


class Asking(StatesGroup):
    """What the next text of a voter answers."""

    count = State()
    payer = State()


@contextmanager
def lost_without_redis(event: str) -> Iterator[None]:
    """Log this event where Redis is away: what the block does is lost."""
    try:
        yield
    except AWAY as error:
        _log.warning(event, error=type(error).__name__)


class OptionalStorage(RedisStorage):
    """aiogram's storage in Redis, empty instead of failing while Redis is away."""

    def __init__(self, redis: "redis_asyncio.Redis") -> None:
        super().__init__(redis, key_builder=_KEYS, state_ttl=LIFE_SECONDS, data_ttl=LIFE_SECONDS)

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        """Store what is asked."""
        with lost_without_redis("chat_state_not_stored"):
            await super().set_state(key, state)

    async def get_state(self, key: StorageKey) -> str | None:
        """What is asked; None while Redis is away."""
        with lost_without_redis("chat_state_not_read"):
            return await super().get_state(key)
        return None

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        """Store what it is about."""
        with lost_without_redis("chat_state_not_stored"):
            await super().set_data(key, dict(data))

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        """What it is about; nothing while Redis is away."""
        with lost_without_redis("chat_state_not_read"):
            return await super().get_data(key)
        return {}

    async def close(self) -> None:
        """The caller closes the connection."""


class ChatIsolation(BaseEventIsolation):
    """One update of a person in a chat at a time: in this process by a lock, among processes by one
    in Redis as long as that answers. Orders need neither: their keys keep a double tap single."""

    def __init__(self, redis: "redis_asyncio.Redis") -> None:
        self._redis = redis
        self._here: WeakValueDictionary[StorageKey, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def lock(self, key: StorageKey) -> AsyncIterator[None]:
        """Hold the lock of a chat."""
        here = self._here.setdefault(key, asyncio.Lock())
        async with AsyncExitStack() as locks:
            await locks.enter_async_context(here)
            lock = self._redis.lock(
                _KEYS.build(key, "lock"), timeout=LOCK_SECONDS, blocking_timeout=LOCK_WAIT_SECONDS, sleep=0.05
            )
            try:
                if await lock.acquire():
                    locks.push_async_callback(_release, lock)
                else:
                    _log.warning("chat_lock_timeout", chat=key.chat_id)
            except AWAY as error:
                _log.warning("chat_not_locked", error=type(error).__name__)
            yield

    async def close(self) -> None:
        """The caller closes the connection."""


async def _release(lock: Any) -> None:  # noqa: ANN401 - redis leaves it untyped
    try:
        await lock.release()
    except (LockError, *AWAY) as error:
        # It expired, or Redis is away.
        _log.debug("chat_lock_gone", error=type(error).__name__)
