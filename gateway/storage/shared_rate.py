"""How fast an account at an operator may be called: turns, first come, first served, for all processes.

One script in Redis reserves turns ahead of their time, by Redis's own clock, so that no process polls: the
one that reserved a turn waits for it. While Redis is away each process keeps half of the rate by itself.
An account that was asked to slow down gets turns of the rate that it is left with (`gateway.storage.shared_pace`).

An operator counts calls when they arrive, and they take unequal ways to it. So each turn is held against the one
that comes as many turns later as a second may have: by the moment when it was really taken, and by how much longer its
answer took than the fastest answer lately, which is as late as it can have arrived. On average `WAY_SECONDS` of that
are allowed for, which costs a twentieth of the rate at most; a turn that is not answered yet is taken for so late.
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

# A little more than the second that no operator may count too many in: of calls whose answers tell nothing, and of
# those that tell how long their way was.
WINDOW_SECONDS: Final = 1.01
ANSWERED_WINDOW_SECONDS: Final = 1.003
# What is allowed for the way of a call: on average, and for one alone. The latter also for each of the first calls
# after a pause, which open their connections.
WAY_SECONDS: Final = 0.045
WAY_SECONDS_MAX: Final = 0.3
# How far apart turns are that are spread evenly, as a part of their mean distance, where they may have to catch up.
CATCH_UP: Final = 0.8
# For how long the fastest answer is remembered, twice this at most; and what makes a pause.
FASTEST_SECONDS: Final = 30.0
# Turns are reserved for so long ahead; what a process does not use of them is lost.
AHEAD_SECONDS: Final = 0.1
# So many turns that are due are given before those who got them run: one for each round of a busy event loop would be
# fewer than the rate.
GIVEN_AT_ONCE: Final = 16
# A turn that is later than this is dropped: other processes could not learn in time when it was taken.
LATE_SECONDS: Final = 0.5
_MICRO: Final = 1_000_000
_log = structlog.get_logger(__name__)

# The list has the moments (µs) of the turns of the last second, newest first; the hash has when those really were that
# came later. With the turns come the account's pace, if it has one, and the moment.
_SCRIPT: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local rate, window, apart, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
for i = 6, #ARGV, 2 do
  if tonumber(ARGV[i]) >= now - kept then redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
end
local last = tonumber(redis.call('LINDEX', KEYS[1], 0) or 0)
local turns = {}
for i = 1, tonumber(ARGV[4]) do
  local held = redis.call('LINDEX', KEYS[1], rate - 1)
  local oldest = held and tonumber(redis.call('HGET', KEYS[3], held) or held) or 0
  last = math.max(now, last + apart, oldest + window)
  redis.call('LPUSH', KEYS[1], string.format('%.0f', last))
  turns[i] = last
end
local tail = redis.call('LINDEX', KEYS[1], -1)
while tail and tonumber(tail) < now - kept do
  redis.call('RPOP', KEYS[1])
  redis.call('HDEL', KEYS[3], tail)
  tail = redis.call('LINDEX', KEYS[1], -1)
end
redis.call('EXPIRE', KEYS[1], 60)
redis.call('EXPIRE', KEYS[3], 60)
return {turns, redis.call('GET', KEYS[2]), now}
"""
# Turns are kept for as long as they can still hold back another one.
_KEPT: Final = round(2 * _MICRO)


class OwnTurns:
    """The same rule for one process, by its own clock."""

    def __init__(
        self,
        rate: int,
        apart: float,
        clock: Callable[[], float] = time.monotonic,
        window: float = WINDOW_SECONDS,
    ) -> None:
        self._last: deque[float] = deque(maxlen=rate)
        self._apart = apart
        self._clock = clock
        self._window = window

    def reserve(self, many: int, share: float = 1.0) -> list[float]:
        """The moments of the next turns, by the clock. `share`: of the rate, where less is left of it."""
        rate = max(1, int((self._last.maxlen or 1) * share))
        return [self._next(rate, self._apart / share) for _ in range(many)]

    def _next(self, rate: int, apart: float) -> float:
        turn = self._clock()
        if self._last:
            turn = max(turn, self._last[-1] + apart)
        if len(self._last) >= rate:
            turn = max(turn, self._last[-rate] + self._window)
        self._last.append(turn)
        return turn


class Ways:
    """How late calls may have arrived, by how long their answers took. `first`: calls that begin after a pause."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._answers = 0
        self._before = self._fastest = math.inf
        self._since = self._last = -math.inf
        self._left = WAY_SECONDS_MAX

    def unanswered(self, at: float) -> float:
        """What to allow for a call that begins at this moment, in seconds."""
        if at - self._last > FASTEST_SECONDS:
            self._answers = 0
        return WAY_SECONDS_MAX if self._answers < self._first else WAY_SECONDS

    def answered(self, seconds: float, at: float) -> float:
        """What to allow for a call whose answer took so long and came at this moment."""
        cold = self.unanswered(at) > WAY_SECONDS
        self._answers, self._last = self._answers + 1, at
        if at - self._since > FASTEST_SECONDS:
            self._before, self._fastest, self._since = self._fastest, math.inf, at
        self._fastest = min(self._fastest, seconds)
        if cold:
            return WAY_SECONDS_MAX
        self._left = min(WAY_SECONDS_MAX, self._left + WAY_SECONDS)
        way = min(seconds - min(self._before, self._fastest), self._left)
        self._left -= way
        return way


class Turn:
    """One call. `counts_at`: when it arrived at the latest, by this process's clock; `moment`: as it was reserved in
    Redis, None without; `clock`: what to add to our clock, in µs, for that of Redis."""

    def __init__(self, line: "_Line", moment: int | None, clock: float) -> None:
        self._line, self.moment, self.clock = line, moment, clock
        self.taken = self.counts_at = time.monotonic()

    def answered(self) -> None:
        """The call was answered now: it arrived before."""
        self._line.answered(self)


class SharedRate:
    """Turns at accounts. `name`: what is limited. `evenly`: turns are spread over the second; else as many
    as a second may have can come at once, and then none for the rest of it. `answered`: callers say when their calls
    are answered. `paces`: of accounts that were asked to slow down, one object for all rates of a process."""

    def __init__(
        self,
        redis: "redis_asyncio.Redis",
        name: str,
        *,
        evenly: bool = False,
        answered: bool = False,
        paces: SharedPaces | None = None,
    ) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._paces = paces or SharedPaces(redis)
        self._name = name
        self.evenly = evenly
        self.answered = answered
        self.window = ANSWERED_WINDOW_SECONDS if answered else WINDOW_SECONDS
        self._lines: dict[tuple[str, int], _Line] = {}
        self._away = False

    async def wait_turn(self, account: str, per_second: int) -> Callable[[], None]:
        """Return when it is our turn, of `per_second` that all processes have together. What it returns is to be
        called when the call was answered. ValueError unless the rate is positive."""
        line = self._lines.get((account, per_second))
        if line is None:
            line = self._lines[account, per_second] = _Line(self, account, per_second)
        return (await line.wait()).answered

    async def reserve(
        self, account: str, per_second: int, apart: float, many: int, came: dict[int, int] | None = None
    ) -> tuple[list[int], int] | None:
        """The moments of the next turns and the present one, in µs of Redis's clock; None while Redis is away.
        `came`: moments of earlier turns with those at which they count."""
        left = self.left(account, per_second)
        apart = round(apart * per_second / left * _MICRO)
        key = f"rate:{self._name}:{account}"
        counted = [moment for pair in (came or {}).items() for moment in pair]
        try:
            reserved: Any = await self._script(
                keys=[key, pace_key(account), f"{key}:came"],
                args=[left, round(self.window * _MICRO), apart, many, _KEPT, *counted],
            )
        except (RedisError, OSError) as error:
            if not self._away:
                _log.warning("rate_kept_alone", rate=self._name, error=type(error).__name__)
            self._away = True
            return None
        self._away = False
        turns, pace, now = reserved
        self._paces.learn(account, pace, now / _MICRO)
        return turns, now

    def left(self, account: str, per_second: int) -> int:
        """What an account has of its rate now."""
        return self._paces.left(account, per_second)


class _Line:
    """Callers that wait for turns at one account, and the one task that reserves turns for all of them."""

    def __init__(self, shared: SharedRate, account: str, per_second: int) -> None:
        if per_second < 1:
            raise ValueError(f"no rate: {per_second} a second")
        self._shared, self._account, self._per_second = shared, account, per_second
        # Where a turn may be held back by the way of another one, those after it catch up.
        self._apart = shared.window / per_second * (CATCH_UP if shared.answered else 1.0) if shared.evenly else 0.0
        window = shared.window + (WAY_SECONDS if shared.answered else 0.0)
        self._own = OwnTurns(max(1, per_second // 2), 2 * self._apart, window=window)
        self._ahead = math.ceil(per_second * AHEAD_SECONDS)
        self._waiting: deque[asyncio.Future[tuple[int | None, float]]] = deque()
        self._taken: deque[Turn] = deque(maxlen=per_second)
        self._came: dict[int, int] = {}
        # Each of them waits for the one before it a second ago: after two such seconds the ways are known.
        self._ways = Ways(2 * per_second) if shared.answered else None
        self._granter: asyncio.Task[None] | None = None

    async def wait(self) -> Turn:
        future: asyncio.Future[tuple[int | None, float]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._grant_if_needed()
        # Made when it is really taken: on a busy machine some time after it was given.
        turn = Turn(self, *await future)
        self._taken.append(turn)
        self._counts(turn, self._ways.unanswered(turn.taken) if self._ways else 0.0)
        return turn

    def answered(self, turn: Turn) -> None:
        if self._ways:
            now = time.monotonic()
            self._counts(turn, self._ways.answered(now - turn.taken, now))
            self._grant_if_needed()

    def _counts(self, turn: Turn, way: float) -> None:
        turn.counts_at = turn.taken + way
        if turn.moment is not None:
            self._came[turn.moment] = round(turn.counts_at * _MICRO + turn.clock)

    def _grant_if_needed(self) -> None:
        if self._granter is None or self._granter.done():
            self._granter = asyncio.get_running_loop().create_task(self._grant())

    async def _grant(self) -> None:
        turns: deque[tuple[float, int | None, float]] = deque()
        given = 0
        while self._has_waiters() or self._came:
            if not self._has_waiters():
                # Other processes go by what came of our turns.
                await self._reserve_in_redis(0)
                continue
            if len(turns) <= self._ahead // 2:
                turns.extend(await self._reserve(min(len(self._waiting), self._ahead) - len(turns)))
            at, moment, clock = turns.popleft()
            if at < time.monotonic() - LATE_SECONDS:
                continue
            begins = self._not_too_many(at, given)
            if given >= min(GIVEN_AT_ONCE, self._per_second) or begins > time.monotonic():
                # Callers that got turns run first.
                await asyncio.sleep(0)
                given = 0
                begins = self._not_too_many(at, given)
            await _sleep_until(begins)
            if self._has_waiters():
                self._waiting.popleft().set_result((moment, clock))
                given += 1
            if not self._has_waiters():
                # What the last ones say of their turns is handed on.
                await asyncio.sleep(0)
                given = 0

    def _has_waiters(self) -> bool:
        """Whether a caller waits; those that gave up are dropped."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return bool(self._waiting)

    async def _reserve(self, many: int) -> list[tuple[float, int | None, float]]:
        """The next turns: when, by our clock; when in Redis; and what to add to our clock for its."""
        if many < 1:
            return []
        before = time.monotonic()
        reserved = await self._reserve_in_redis(many)
        if reserved is None:
            left = self._shared.left(self._account, self._per_second)
            return [(at, None, 0.0) for at in self._own.reserve(many, left / self._per_second)]
        moments, now = reserved
        after = time.monotonic()
        # A turn begins late rather than early, and is reported late rather than early.
        clock = now - before * _MICRO
        return [(after + (moment - now) / _MICRO, moment, clock) for moment in moments]

    async def _reserve_in_redis(self, many: int) -> tuple[list[int], int] | None:
        came, self._came = self._came, {}
        return await self._shared.reserve(self._account, self._per_second, self._apart, many, came)

    def _not_too_many(self, at: float, given: int) -> float:
        """Turns that were taken late push the next ones back, so that no second has too many. `given`: turns whose
        callers did not run yet."""
        before = len(self._taken) + given - self._per_second
        return max(at, self._taken[before].counts_at + self._shared.window) if before >= 0 else at


async def _sleep_until(moment: float) -> None:
    # A timer may ring a little early.
    while (left := moment - time.monotonic()) > 0:  # noqa: ASYNC110 - nothing happens but time
        await asyncio.sleep(left)
