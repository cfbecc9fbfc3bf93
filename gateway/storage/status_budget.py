"""How fast operators may be asked: one moving window an account, shared by all processes."""

import asyncio
from typing import Final

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

_WAIT_SECONDS_MAX: Final = 1.0
_log = structlog.get_logger(__name__)


def limits_url(redis_url: str) -> str:
    """An address of ours as the limits library wants it."""
    scheme, _, rest = redis_url.partition("://")
    return f"async+redis+unix://{rest}" if scheme == "unix" else f"async+{scheme}://{rest}"


class SharedStatusBudget:
    """`StatusBudget` in Redis; while Redis is away each process keeps half the rate by itself."""

    def __init__(self, redis_url: str) -> None:
        self._shared = MovingWindowRateLimiter(
            RedisStorage(limits_url(redis_url), implementation="redispy", socket_timeout=1, socket_connect_timeout=1)
        )
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away = False

    async def wait_turn(self, provider: str, per_second: int) -> None:
        """Return when one more question may be asked."""
        while not await self._granted(provider, per_second):  # noqa: ASYNC110 - the window is in another process
            await asyncio.sleep(min(_WAIT_SECONDS_MAX, 1 / per_second))

    async def _granted(self, provider: str, per_second: int) -> bool:
        try:
            granted = await self._shared.hit(RateLimitItemPerSecond(per_second), "status", provider)
        except (RedisError, OSError) as error:
            if not self._away:
                _log.warning("status_budget_alone", error=type(error).__name__)
            self._away = True
            return await self._own.hit(RateLimitItemPerSecond(max(1, per_second // 2)), "status", provider)
        self._away = False
        return granted
