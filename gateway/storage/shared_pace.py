"""Accounts that operators asked to slow down: shared by all processes in Redis, kept by each alone without it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError

from gateway.values.rates import Pace, rate_left

# By then every account has its whole rate back.
_KEPT_SECONDS: Final = 300
_MICRO: Final = 1_000_000
_log = structlog.get_logger(__name__)


def pace_key(account: str) -> str:
    """Where Redis has an account's pace: its share, a space, and the moment (µs, Redis's clock) it was left with it."""
    return f"pace:{account}"


def _written(pace: Pace) -> str:
    return f"{pace.share!r} {round(pace.since * _MICRO)}"


def _read(written: bytes | str) -> Pace:
    share, since = written.split()
    return Pace(float(share), int(since) / _MICRO)


class SharedPaces:
    """The paces of accounts as this process knows them. `clock`: seconds that do not go back."""

    def __init__(self, redis: "redis_asyncio.Redis", clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._paces: dict[str, Pace] = {}
        self._publishing: set[asyncio.Task[None]] = set()

    def left(self, account: str, per_second: int) -> int:
        """How many of so many calls a second an account may have now."""
        pace = self._paces.get(account)
        return per_second if pace is None else rate_left(per_second, pace.at(self._clock()))

    def slow(self, account: str) -> None:
        """An operator answered that there were too many calls. Never blocks; holds here at once, and soon for all."""
        held, now = self._paces.get(account, Pace()), self._clock()
        slower = held.slower(now)
        if slower is held:
            return
        self._paces[account] = slower
        _log.warning("account_slowed", account=account, share=round(slower.share, 3))
        task = asyncio.get_running_loop().create_task(self._publish(account))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, account: str) -> None:
        try:
            seconds, micro = await self._redis.time()
            written = await self._redis.get(pace_key(account))
            now = seconds + micro / _MICRO
            slower = (_read(written) if written else Pace()).slower(now)
            await self._redis.set(pace_key(account), _written(slower), ex=_KEPT_SECONDS)
        except (RedisError, OSError) as error:
            _log.warning("pace_kept_alone", account=account, error=type(error).__name__)

    def learn(self, account: str, written: bytes | None, redis_now: float) -> None:
        """Take over the pace that Redis held at `redis_now`, in seconds of its clock. The slower of two holds: ours may
        not have arrived there yet."""
        if not written:
            return
        shared, now = _read(written), self._clock()
        shared = Pace(shared.share, now - (redis_now - shared.since))
        held = self._paces.get(account, Pace())
        if shared.at(now) < held.at(now):
            self._paces[account] = shared

    async def settle(self) -> None:
        """Wait until all paces are published, or could not be."""
        await asyncio.gather(*self._publishing)
