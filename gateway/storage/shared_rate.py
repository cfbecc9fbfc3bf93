"""How fast an account at an operator may be called: turns, first come, first served, for all processes.

One script in Redis hands out turns ahead of their time, by Redis's own clock, so that nobody polls: the
process that reserved one waits for it. While Redis is away each process keeps half of the rate by itself.
An account that was told to slow down gets turns of the rate that it is left with (`gateway.storage.shared_pace`).
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError

from gateway.storage.shared_pace import SharedPaces, pace_key

# A little more than the second that no operator may count too many in: calls take unequal ways to it.
WINDOW_SECONDS: Final = 1.01
# The same for turns as they were really taken here.
LATE_WINDOW_SECONDS: Final = 1.005
# Turns are reserved for so long ahead; what a process does not use of them is lost.
AHEAD_SECONDS: Final = 0.1
# A turn that was slept through is let pass: by now others have theirs.
LATE_SECONDS: Final = 0.05
_MICRO: Final = 1_000_000
_log = structlog.get_logger(__name__)

# The list has the moments (µs) of the last turns, newest first: as many as one second may have when nobody was told
# to slow down. With the turns come the account's pace, if it has one, and the moment.
_SCRIPT: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local rate, window, apart = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local last = tonumber(redis.call('LINDEX', KEYS[1], 0) or 0)
local turns = {}
for i = 1, tonumber(ARGV[4]) do
  local oldest = tonumber(redis.call('LINDEX', KEYS[1], rate - 1) or 0)
  last = math.max(now, last + apart, oldest + window)
  redis.call('LPUSH', KEYS[1], string.format('%.0f', last))
  turns[i] = last - now
end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[5]) - 1)
redis.call('EXPIRE', KEYS[1], 60)
return {turns, redis.call('GET', KEYS[2]), now}
"""


class OwnTurns:
    """The same rule for one process, by its own clock."""

    def __init__(self, rate: int, apart: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._last: deque[float] = deque(maxlen=rate)
        self._apart = apart
        self._clock = clock

    def reserve(self, many: int, share: float = 1.0) -> list[float]:
        """The moments of the next turns, by the clock. `share`: of the rate, where less is left of it."""
        rate = max(1, int((self._last.maxlen or 1) * share))
        return [self._next(rate, self._apart / share) for _ in range(many)]

    def _next(self, rate: int, apart: float) -> float:
        turn = self._clock()
        if self._last:
            turn = max(turn, self._last[-1] + apart)
        if len(self._last) >= rate:
            turn = max(turn, self._last[-rate] + WINDOW_SECONDS)
        self._last.append(turn)
        return turn


class SharedRate:
    """Turns at accounts. `name`: what is limited. `evenly`: turns are spread over the second; else as many
    as a second may have can come at once, and then none for the rest of it. `paces`: of accounts that were told
    to slow down, one object for all rates of a process."""

    def __init__(
        self, redis: "redis_asyncio.Redis", name: str, *, evenly: bool = False, paces: SharedPaces | None = None
    ) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._paces = paces or SharedPaces(redis)
        self._name = name
        self._evenly = evenly
        self._lines: dict[tuple[str, int], _Line] = {}
        self._away = False

    async def wait_turn(self, account: str, per_second: int) -> None:
        """Return when it is our turn, of `per_second` that all processes have together. ValueError unless
        that is positive."""
        line = self._lines.get((account, per_second))
        if line is None:
            line = self._lines[account, per_second] = _Line(self, account, per_second, evenly=self._evenly)
        await line.wait()

    async def reserve(self, account: str, per_second: int, apart: float, many: int) -> list[float] | None:
        """Seconds from now to each of the next turns; None while Redis is away."""
        left = self.left(account, per_second)
        window = [round(WINDOW_SECONDS * _MICRO), round(apart * per_second / left * _MICRO)]
        keys = [f"rate:{self._name}:{account}:{per_second}", pace_key(account)]
        try:
            told: Any = await self._script(keys=keys, args=[left, *window, many, per_second])
        except (RedisError, OSError) as error:
            if not self._away:
                _log.warning("rate_kept_alone", rate=self._name, error=type(error).__name__)
            self._away = True
            return None
        self._away = False
        turns, pace, now = told
        self._paces.learn(account, pace, now / _MICRO)
        return [turn / _MICRO for turn in turns]

    def left(self, account: str, per_second: int) -> int:
        """What an account has of its rate now."""
        return self._paces.left(account, per_second)


class _Line:
    """Who waits for turns at one account, and the one task that fetches turns for all of them."""

    def __init__(self, shared: SharedRate, account: str, per_second: int, *, evenly: bool) -> None:
        if per_second < 1:
            raise ValueError(f"no rate: {per_second} a second")
        self._shared, self._account, self._per_second = shared, account, per_second
        self._apart = WINDOW_SECONDS / per_second if evenly else 0.0
        self._own = OwnTurns(max(1, per_second // 2), 2 * self._apart)
        self._ahead = math.ceil(per_second * AHEAD_SECONDS)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken: deque[float] = deque(maxlen=per_second)
        self._granter: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if self._granter is None or self._granter.done():
            self._granter = loop.create_task(self._grant())
        await turn
        # When it is really taken: on a busy machine some time after it was given.
        self._taken.append(time.monotonic())

    async def _grant(self) -> None:
        turns: deque[float] = deque()
        while self._somebody_waits():
            if len(turns) <= self._ahead // 2:
                turns.extend(await self._reserve(min(len(self._waiting), self._ahead) - len(turns)))
            turn = turns.popleft()
            if turn < time.monotonic() - LATE_SECONDS:
                continue
            await _sleep_until(self._not_too_many(turn))
            if self._somebody_waits():
                self._waiting.popleft().set_result(None)
                # Whoever got it runs first.
                await asyncio.sleep(0)

    def _somebody_waits(self) -> bool:
        """Those who gave up are passed over."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return bool(self._waiting)

    async def _reserve(self, many: int) -> list[float]:
        if many < 1:
            return []
        turns = await self._shared.reserve(self._account, self._per_second, self._apart, many)
        if turns is None:
            left = self._shared.left(self._account, self._per_second)
            return self._own.reserve(many, left / self._per_second)
        now = time.monotonic()
        return [now + turn for turn in turns]

    def _not_too_many(self, turn: float) -> float:
        """Turns that were taken late push the next ones back, so that no second has too many."""
        full = len(self._taken) == self._taken.maxlen
        return max(turn, self._taken[0] + LATE_WINDOW_SECONDS) if full else turn


async def _sleep_until(moment: float) -> None:
    # A timer may ring a little early.
    while (left := moment - time.monotonic()) > 0:  # noqa: ASYNC110 - nothing happens but time
        await asyncio.sleep(left)
