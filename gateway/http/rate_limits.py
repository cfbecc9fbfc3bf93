"""How often one address may ask. Counted in Redis for all processes; in this one while Redis is away."""

import ipaddress
import math
import time
from functools import lru_cache
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from gateway.http.problems import Problem

WEB_VOTES_A_MINUTE: Final = 10
WRITES_A_MINUTE: Final = 100
RECEIPT_CHECKS_A_MINUTE: Final = 20
# No request waits longer than this for Redis, and after a failure none asks it for a while.
REDIS_SECONDS: Final = 0.25
AWAY_SECONDS: Final = 5.0
_NETWORK_BITS_IPV6: Final = 64

_log = structlog.get_logger(__name__)


@lru_cache(maxsize=4096)
def subject_of(address: str) -> str:
    """Whom an address counts for: itself, or its /64 where IPv6 gives each customer so many."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ipaddress.ip_network((parsed.packed, _NETWORK_BITS_IPV6), strict=False))
    return str(parsed)


def _is_loopback(subject: str) -> bool:
    return subject.startswith("127.") or subject == "::/64"


def _storage_address(redis_url: str) -> str:
    return f"async+redis+{redis_url}" if redis_url.startswith("unix://") else f"async+{redis_url}"


class RateLimits:
    """Limits of the gateway, a moving window each.

    `enabled`: False lets everything through (benchmarks, which run from one address).
    `exempt_loopback`: True lets the machine itself through (the demo). `web_votes`, `writes`,
    `receipt_checks`: requests a minute and address.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        enabled: bool = True,
        exempt_loopback: bool = False,
        web_votes: int = WEB_VOTES_A_MINUTE,
        writes: int = WRITES_A_MINUTE,
        receipt_checks: int = RECEIPT_CHECKS_A_MINUTE,
    ) -> None:
        self._enabled = enabled
        self._exempt_loopback = exempt_loopback
        self._web_votes = RateLimitItemPerMinute(web_votes, namespace="spotlight-web-votes")
        self._writes = RateLimitItemPerMinute(writes, namespace="spotlight-writes")
        self._receipt_checks = RateLimitItemPerMinute(receipt_checks, namespace="spotlight-receipts")
        self._connections = ConnectionPool.from_url(
            redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
        options: dict[str, Any] = {"connection_pool": self._connections}
        shared = RedisStorage(_storage_address(redis_url), implementation="redispy", **options)
        self._shared = MovingWindowRateLimiter(shared)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    async def web_vote(self, request: web.Request) -> None:
        """Count a vote form. Problem 429 when its address sends too many."""
        await self._hit(self._web_votes, request)

    async def write(self, request: web.Request) -> None:
        """Count a change by the API. Problem 429 when its address asks for too many."""
        await self._hit(self._writes, request)

    async def receipt_check(self, request: web.Request) -> None:
        """Count a look at a receipt: codes are not to be found by trying. Problem 429."""
        await self._hit(self._receipt_checks, request)

    async def close(self, _: web.Application | None = None) -> None:
        """Let go of Redis. May be called again."""
        await self._connections.disconnect()

    async def _hit(self, limit: RateLimitItem, request: web.Request) -> None:
        if not self._enabled:
            return
        subject = subject_of(request.remote or "")
        if self._exempt_loopback and _is_loopback(subject):
            return
        wait = await self._seconds_to_wait(limit, subject)
        if wait is not None:
            raise Problem(
                429,
                "Too many requests",
                f"At most {limit.amount} a minute from one address.",
                kind="/problems/too_many_requests",
                headers={hdrs.RETRY_AFTER: str(wait)},
            )

    async def _seconds_to_wait(self, limit: RateLimitItem, subject: str) -> int | None:
        """Count one request; whole seconds until the next is welcome when this one is not, else None."""
        if time.monotonic() >= self._away_until:
            try:
                return await _ask(self._shared, limit, subject)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                _log.warning("rate_limits_without_redis", error=type(error).__name__, seconds=AWAY_SECONDS)
        return await _ask(self._own, limit, subject)


async def _ask(limiter: MovingWindowRateLimiter, limit: RateLimitItem, subject: str) -> int | None:
    if await limiter.hit(limit, subject):
        return None
    window = await limiter.get_window_stats(limit, subject)
    return max(1, math.ceil(window.reset_time - time.time()))
