"""How often an address may call, how many streams it may have open, and how many files this process.

Addresses are counted in Redis for all processes, in this one while Redis is away; devices and streams in each
process. Behind an address may be a carrier's thousands of subscribers: its limits keep the machine from floods, and
what keeps strangers' phones from prompts is in `gateway.orders.prompting`.
"""

import asyncio
import math
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from gateway.http.callers import Devices
from gateway.http.problems import Problem
from gateway.values.network import Network, comes_from, subject_of
from gateway.values.rates import Buckets, Rate

WEB_VOTES_A_MINUTE: Final = 120
WRITES_A_MINUTE: Final = 120
DEVICE_VOTES: Final = Rate(per_second=10 / 60, burst=10)
# An address of a network that is known to be shared may send so many times as many requests, and have so many times
# as many streams.
SHARED_REQUESTS_FACTOR: Final = 20
SHARED_STREAMS_FACTOR: Final = 10
RECEIPT_CHECKS_A_MINUTE: Final = 20
NOMINATIONS_AN_HOUR: Final = 20
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
        self._nominations = (
            RateLimitItemPerHour(NOMINATIONS_AN_HOUR, namespace="spotlight-nominations"),
            RateLimitItemPerHour(
                NOMINATIONS_AN_HOUR * SHARED_REQUESTS_FACTOR, namespace="spotlight-nominations-shared"
            ),
        )
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

    async def nomination(self, request: web.Request) -> None:
        """Count a nomination, or a file for one: each asks a person to look at it. Problem 429."""
        await self._hit(self._nominations, request)

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
            unit = "a minute" if limit.get_expiry() == 60 else "an hour"
            raise _too_many(f"At most {limit.amount} {unit} from one address.", wait)

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
        RateLimitItemPerMinute(a_minute * SHARED_REQUESTS_FACTOR, namespace=f"{namespace}-shared"),
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


LIMITS: web.AppKey[RateLimits] = web.AppKey("limits", RateLimits)

STREAM_RETRY_AFTER_SECONDS: Final = "10"
# Where the hard limit is "unlimited", the kernel's usual one.
FILES_WITHOUT_LIMIT: Final = 1 << 20


class StreamCap:
    """The streams of each address, of all kinds together, in this process. `per_address`: how many it
    may have open at once; None for any number. One in the networks `shared` stands for many subscribers
    and may have `SHARED_STREAMS_FACTOR` times as many."""

    def __init__(self, per_address: int | None = None, shared: Sequence[Network] = ()) -> None:
        self._per_address = per_address
        self._shared = shared
        self._open: defaultdict[str, set[asyncio.Transport]] = defaultdict(set)

    @contextmanager
    def place(self, request: web.Request) -> Iterator[None]:
        """Hold one of the address's places. Problem 503 when none is free."""
        subject, transport = subject_of(request.remote or ""), request.transport
        if transport is None:  # the reader has left
            yield
            return
        held, most = self._open[subject], self._most(request.remote or "")
        if most is not None and len(held) >= most:
            # A stream notices at its next frame that its reader has left; the connection knows at once.
            held -= {one for one in held if one.is_closing()}
            if len(held) >= most:
                raise _full(most)
        held.add(transport)
        try:
            yield
        finally:
            held.discard(transport)
            if not held and self._open.get(subject) is held:
                del self._open[subject]

    def _most(self, remote: str) -> int | None:
        if self._per_address is None or not comes_from(remote, self._shared):
            return self._per_address
        return self._per_address * SHARED_STREAMS_FACTOR


def _full(most: int) -> Problem:
    return Problem(
        503,
        "Too many streams",
        f"At most {most} streams are open from one address. Ask for the state itself.",
        kind="/problems/too_many_streams",
        headers={hdrs.RETRY_AFTER: STREAM_RETRY_AFTER_SECONDS},
    )


def raise_file_limit() -> int:
    """Let this process open as many files and connections as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WITHOUT_LIMIT if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
