"""Redis, which may vanish: sessions and doorbells. Nothing here decides about money."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import hiredis
import structlog
from redis import Redis
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.session_seal import SessionSeal

_log = structlog.get_logger(__name__)

# A request never waits longer than this for Redis.
REQUEST_TIMEOUT_SECONDS: Final = 0.25
_Command = tuple[Any, ...]
READ: Final = "MGET"
# An entry is a key, a value and the seconds that it lives.
WRITE: Final = "WRITE"
_SHARED: Final = (READ, WRITE)
_WRITE_ALL: Final = """
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[2 * i - 1], 'EX', ARGV[2 * i]) end
"""


def connect(url: str, *, timeout_seconds: float = 5.0) -> "redis_asyncio.Redis":
    """An asyncio client whose every wait is bounded."""
    return redis_asyncio.Redis.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, decode_responses=False
    )


def connect_for_trips(url: str) -> "redis_asyncio.Redis":
    """A client for `RedisTrips`, which bounds each trip itself: one timer for all of its answers."""
    client = redis_asyncio.Redis.from_url(
        url, socket_timeout=None, socket_connect_timeout=REQUEST_TIMEOUT_SECONDS, decode_responses=False
    )
    pool = client.connection_pool
    pool.connection_class = type("PackedInC", (_PackedInC, pool.connection_class), {})
    return client


class _PackedInC:
    """A connection whose commands hiredis packs, as it reads their answers: a fifth of the time that
    the library's own Python takes, where a command is one word."""

    def pack_command(self, *words: str | int | bytes) -> list[bytes]:
        """A command as Redis reads it."""
        return [hiredis.pack_command(words)]  # type: ignore[arg-type] # its stub forgets the dots


class RedisTrips:
    """Commands of concurrent callers in one round trip. Each gets its own result or error, and
    nobody waits for longer than `REQUEST_TIMEOUT_SECONDS` once the trip is under way."""

    def __init__(self, client: "redis_asyncio.Redis") -> None:
        self._client = client
        self._trips: Coalescer[_Command, Any] = Coalescer(self._run, batch_max=256, lanes=1)

    async def command(self, *words: Any) -> Any:  # noqa: ANN401 - Redis answers what the command answers
        """Run one command. Raises RedisError, OSError or Overloaded."""
        return await self._trips.do(words)

    def start(self, *words: Any) -> "asyncio.Future[Any]":  # noqa: ANN401 - see `command`
        """The same without waiting. Raises Overloaded."""
        return self._trips.start(words)

    async def _run(self, commands: list[_Command]) -> list[Any]:
        # What all want to read is one command and what all want to write another: here, each command costs
        # more than what it does there.
        keys = [key for words in commands if words[0] == READ for key in words[1:]]
        entries = [entry for words in commands if words[0] == WRITE for entry in words[1:]]
        pipeline = self._client.pipeline(transaction=False)
        # First, so that who reads finds what was to be written before.
        if entries:
            facts = (fact for _, value, seconds in entries for fact in (value, seconds))
            pipeline.execute_command("EVAL", _WRITE_ALL, len(entries), *(key for key, _, _ in entries), *facts)
        if keys:
            pipeline.execute_command(READ, *keys)
        for words in commands:
            if words[0] not in _SHARED:
                pipeline.execute_command(*words)
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
            results = iter(await pipeline.execute(raise_on_error=False))
        written = next(results) if entries else None
        found = next(results) if keys else ()
        return list(_shared_out(commands, found, written, results))


def _shared_out(commands: list[_Command], found: Any, written: Any, others: Iterator[Any]) -> Iterator[Any]:  # noqa: ANN401 - Redis answers what the command answers
    """To each command its result. `found`: all that was read, `written`: what became of all that was
    written, `others`: the results of the rest."""
    values = None if isinstance(found, BaseException) else iter(found)
    for words in commands:
        if words[0] == READ:
            yield found if values is None else [next(values) for _ in words[1:]]
        else:
            yield written if words[0] == WRITE else next(others)


class RedisSessions:
    """`SessionStore`, sealed. Away, it forgets: the dialogue is rebuilt from the transcript or starts anew."""

    def __init__(self, trips: RedisTrips, seal: SessionSeal) -> None:
        self._trips = trips
        self._seal = seal

    async def get(self, key: str) -> bytes | None:
        """The stored bytes, or None."""
        return (await self.get_all(key))[0]

    async def get_all(self, *keys: str) -> list[bytes | None]:
        """The same for several keys in one trip."""
        names = [self._seal.name(key) for key in keys]
        try:
            found: list[bytes | None] = await self._trips.start(READ, *names)
        except (RedisError, Overloaded, OSError) as error:
            _log.warning("session_not_read", error=type(error).__name__)
            return [None] * len(keys)
        return [self._seal.open(name, sealed) for name, sealed in zip(names, found, strict=True)]

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        """Store with a time to live."""
        await self.put_all((key, value, seconds))

    async def put_all(self, *entries: tuple[str, bytes, int]) -> bool:
        """Store several with their times to live, in one trip; whether they were."""
        try:
            await self._trips.command(WRITE, *(self._entry(*entry) for entry in entries))
        except (RedisError, Overloaded, OSError) as error:
            _log.warning("session_not_stored", error=type(error).__name__)
            return False
        return True

    def put_soon(self, *entries: tuple[str, bytes, int]) -> None:
        """Store several with their times to live, in one trip that nobody waits for."""
        try:
            self._trips.start(WRITE, *(self._entry(*entry) for entry in entries)).add_done_callback(_say_if_lost)
        except Overloaded as error:
            _log.warning("session_not_stored", error=type(error).__name__)

    def _entry(self, key: str, value: bytes, seconds: int) -> tuple[str, bytes, int]:
        name = self._seal.name(key)
        return name, self._seal.seal(name, value), seconds


def _say_if_lost(stored: "asyncio.Future[Any]") -> None:
    error = None if stored.cancelled() else stored.exception()
    if error is not None:
        _log.warning("session_not_stored", error=type(error).__name__)


class RqDoorbell:
    """Rings workers by a job that carries a kind and no data.

    Rung at once, then at most once a window while rings keep coming, and not while the last one waits in
    the queue: whoever answers that finds all of it. So a burst of orders costs a handful of jobs. A ring
    that fails is logged: the sweeper finds the work without it.
    """

    def __init__(self, url: str, queue: str, *, window_seconds: float = 0.05) -> None:
        connection = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._queue = Queue(queue, connection=connection, serializer=JSONSerializer)
        self._window = window_seconds
        self._again: dict[str, bool] = {}
        self._last: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, kind: str) -> None:
        """Ring soon; never blocks and never raises."""
        if kind in self._again:
            self._again[kind] = True
            return
        self._again[kind] = False
        task = asyncio.get_running_loop().create_task(self._ring(kind))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ring(self, kind: str) -> None:
        while True:
            try:
                await asyncio.to_thread(self._enqueue, kind)
            except (RedisError, OSError) as error:
                _log.warning("doorbell_not_rung", kind=kind, error=type(error).__name__)
            await asyncio.sleep(self._window)
            if not self._again[kind]:
                del self._again[kind]
                return
            self._again[kind] = False

    def _enqueue(self, kind: str) -> None:
        last = self._last.get(kind)
        if last is not None and self._queue.get_job_position(last) is not None:
            return
        self._last[kind] = uuid4().hex
        self._queue.enqueue(
            "gateway.runtime.worker.answer_doorbell",
            kind,
            job_id=self._last[kind],
            ttl=60,
            result_ttl=0,
            failure_ttl=86_400,
            job_timeout=60,
        )
