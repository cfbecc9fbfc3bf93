"""Connections to Redis, which may vanish. Nothing kept there decides about money."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import hiredis
from redis import asyncio as redis_asyncio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.storage.coalescer import Coalescer

# A request never waits longer than this for Redis.
REQUEST_TIMEOUT_SECONDS: Final = 0.25
_Command = tuple[Any, ...]
READ: Final = "MGET"
# An entry is a key, a value and the seconds until it expires.
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


def connect_for_pipeline(url: str) -> "redis_asyncio.Redis":
    """A client for `RedisPipeline`, which bounds each round trip itself: one timer for all of its answers."""
    client = redis_asyncio.Redis.from_url(
        url, socket_timeout=None, socket_connect_timeout=REQUEST_TIMEOUT_SECONDS, decode_responses=False
    )
    pool = client.connection_pool
    pool.connection_class = type("PackedInC", (_PackedInC, pool.connection_class), {})
    return client


class _PackedInC:
    """A connection whose commands hiredis packs, as it reads their answers: a fifth of the time that
    the library's own Python takes for a command of one word (`tests/bench`, P1)."""

    def pack_command(self, *words: str | int | bytes) -> list[bytes]:
        """A command as Redis reads it."""
        return [hiredis.pack_command(words)]  # type: ignore[arg-type] # its stub has a tuple of one


class RedisPipeline:
    """Commands of concurrent callers in one round trip. Each gets its own result or error, at most
    `REQUEST_TIMEOUT_SECONDS` after its round trip began. One connection of the client is held for all of them: taking
    it from the pool and giving it back was two thirds of the Python of a trip."""

    def __init__(self, client: "redis_asyncio.Redis") -> None:
        self._client = client
        self._connection: AbstractConnection | None = None
        self._batches: Coalescer[_Command, Any] = Coalescer(self._run, batch_max=256, lanes=1)

    async def command(self, *words: Any) -> Any:  # noqa: ANN401 - Redis answers what the command answers
        """Run one command. Raises RedisError, OSError or Overloaded."""
        return await self._batches.do(words)

    def start(self, *words: Any, within: float = 0.0) -> "asyncio.Future[Any]":  # noqa: ANN401 - see `command`
        """The same without waiting. `within`: so many seconds it may wait for a round trip of other commands. Raises
        Overloaded."""
        return self._batches.start(words, within=within)

    async def _run(self, commands: list[_Command]) -> list[Any]:
        # All reads are one command and all writes another: a command costs more here than its work costs in Redis.
        keys = [key for words in commands if words[0] == READ for key in words[1:]]
        entries = [entry for words in commands if words[0] == WRITE for entry in words[1:]]
        asked: list[_Command] = []
        # First, so that a read finds what was written before it.
        if entries:
            facts = (fact for _, value, seconds in entries for fact in (value, seconds))
            asked.append(("EVAL", _WRITE_ALL, len(entries), *(key for key, _, _ in entries), *facts))
        if keys:
            asked.append((READ, *keys))
        asked += [words for words in commands if words[0] not in _SHARED]
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
            try:
                results = iter(await self._trip(asked))
            except RedisConnectionError:
                # Redis was started again, perhaps, and the connection did not know yet. All that is asked here may
                # be done twice.
                results = iter(await self._trip(asked))
        written = next(results) if entries else None
        found = next(results) if keys else ()
        return list(_shared_out(commands, found, written, results))

    async def _trip(self, asked: list[_Command]) -> list[Any]:
        """The result of each, or its error. What breaks the trip is raised, and breaks the connection, which is opened
        again by the next trip."""
        connection: AbstractConnection | None = self._connection
        if connection is None:
            pool: Any = self._client.connection_pool  # its methods have no types
            connection = self._connection = await pool.get_connection()
        elif connection.is_connected and await connection.can_read():
            # Nothing was asked: this is its end.
            await connection.disconnect(nowait=True)
        packed = [part for words in asked for part in connection.pack_command(*words)]
        await connection.send_packed_command([b"".join(packed)], check_health=False)
        results: list[Any] = []
        for _ in asked:
            try:
                results.append(await connection.read_response())
            except ResponseError as error:
                results.append(error)
        return results


def _shared_out(commands: list[_Command], found: Any, written: Any, others: Iterator[Any]) -> Iterator[Any]:  # noqa: ANN401 - Redis answers what the command answers
    """The result of each command. `found`: all values read, `written`: the result of the one write, `others`: the
    results of the rest."""
    values = None if isinstance(found, BaseException) else iter(found)
    for words in commands:
        if words[0] == READ:
            yield found if values is None else [next(values) for _ in words[1:]]
        else:
            yield written if words[0] == WRITE else next(others)
