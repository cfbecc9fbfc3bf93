"""How often one address may ask, and one device vote. Addresses are counted in Redis for all processes, in this
one while Redis is away; devices in each process.

Behind an address may be a carrier's thousands of subscribers: its limits keep the machine from floods, and what
keeps strangers' phones from prompts are those of `gateway.orders.prompting`.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from gateway.http.devices import Devices
from gateway.http.problems import Problem
from gateway.values.buckets import Buckets, Rate
from gateway.values.network import Network, comes_from, subject_of

WEB_VOTES_A_MINUTE: Final = 120
WRITES_A_MINUTE: Final = 120
DEVICE_VOTES: Final = Rate(per_second=10 / 60, burst=10)
# An address of a network that is known to be shared may ask so many times as often.
SHARED_FACTOR: Final = 20
RECEIPT_CHECKS_A_MINUTE: Final = 20
# No request waits longer than this for Redis, and after a failure none asks it for a while.
REDIS_SECONDS: Final = 0.25
AWAY_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


def _is_loopback(subject: str) -> bool:
    return subject.startswith("127.") or subject == "::/64"


def _storage_address(redis_url: str) -> str:
    return f"async+redis+{redis_url}" if redis_url.startswith("unix://") else f"async+{redis_url}"


class RateLimits:
    """Limits of the gateway, a moving window each.

    `enabled`: False lets everything through (benchmarks, which run from one address).
    `exempt_loopback`: True lets the machine itself through (the demo). `web_votes`, `writes`,
    `receipt_checks`: requests a minute and address. `shared`: networks whose addresses stand for many.
    `devices`: reads which device sends a form.
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
        shared: Sequence[Network] = (),
        devices: Devices | None = None,
    ) -> None:
        self._enabled = enabled
        self._exempt_loopback = exempt_loopback
        self._shared_networks = shared
        self._devices = devices
        self._of_device = Buckets(DEVICE_VOTES)
        self._web_votes = _items(web_votes, "spotlight-web-votes")
        self._writes = _items(writes, "spotlight-writes")
        self._receipt_checks = _items(receipt_checks, "spotlight-receipts")
        self._connections = ConnectionPool.from_url(
            redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
        options: dict[str, Any] = {"connection_pool": self._connections}
        storage = RedisStorage(_storage_address(redis_url), implementation="redispy", **options)
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    async def web_vote(self, request: web.Request) -> None:
        """Count a vote form. Problem 429 when its device or its address sends too many."""
        device = self._devices.read(request) if self._devices is not None and self._counts(request) else None
        if device is not None and not self._of_device.take(device, time.monotonic()):
            raise _too_many(f"At most {DEVICE_VOTES.burst} a minute from one device.", 60 // DEVICE_VOTES.burst)
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

    def _counts(self, request: web.Request) -> bool:
        return self._enabled and not (self._exempt_loopback and _is_loopback(subject_of(request.remote or "")))

    async def _hit(self, limits: "_Items", request: web.Request) -> None:
        if not self._counts(request):
            return
        remote = request.remote or ""
        subject = subject_of(remote)
        limit = limits[comes_from(remote, self._shared_networks)]
        wait = await self._seconds_to_wait(limit, subject)
        if wait is not None:
            raise _too_many(f"At most {limit.amount} a minute from one address.", wait)

    async def _seconds_to_wait(self, limit: RateLimitItem, subject: str) -> int | None:
        """Count one request; whole seconds until the next is welcome when this one is not, else None."""
        if time.monotonic() >= self._away_until:
            try:
                return await _ask(self._shared, limit, subject)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                _log.warning("rate_limits_without_redis", error=type(error).__name__, seconds=AWAY_SECONDS)
        return await _ask(self._own, limit, subject)


_Items = tuple[RateLimitItem, RateLimitItem]
"""The limit of an address, and of one in a shared network."""


def _items(a_minute: int, namespace: str) -> _Items:
    return (
        RateLimitItemPerMinute(a_minute, namespace=namespace),
        RateLimitItemPerMinute(a_minute * SHARED_FACTOR, namespace=f"{namespace}-shared"),
    )


def _too_many(detail: str, wait: int) -> Problem:
    return Problem(
        429,
        "Too many requests",
        detail,
        kind="/problems/too_many_requests",
        headers={hdrs.RETRY_AFTER: str(wait)},
    )


async def _ask(limiter: MovingWindowRateLimiter, limit: RateLimitItem, subject: str) -> int | None:
    if await limiter.hit(limit, subject):
        return None
    window = await limiter.get_window_stats(limit, subject)
    return max(1, math.ceil(window.reset_time - time.time()))
