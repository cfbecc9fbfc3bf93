"""What one process is connected to: PostgreSQL, Redis, and the doorbell of the workers."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, Protocol, Self, TypeVar

from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.runtime.settings import Settings, SettingsError
from gateway.runtime.vault_keys import check_keys
from gateway.storage.doorbell import Doorbell, RqDoorbell
from gateway.storage.engine import DatabaseUnavailable, make_engine
from gateway.storage.migrate import UnknownSchema, refuse_unknown_schema
from gateway.storage.redis_link import RedisPipeline, connect, connect_for_pipeline
from gateway.storage.vault import Vault


class _Closable(Protocol):
    async def aclose(self) -> None: ...


C = TypeVar("C", bound=_Closable)

# Errors of servers that come back by themselves.
TEMPORARY: Final = (SQLAlchemyError, RedisError, OSError, DatabaseUnavailable)


def utc_now() -> datetime:
    """The clock of this process. Decisions about money use PostgreSQL's."""
    return datetime.now(UTC)


def committing_each(engine: AsyncEngine) -> AsyncEngine:
    """The same pool, where each statement commits by itself."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


class Connections:
    """Each is made when it is first used, connects with its first call, and is closed in the reverse order.

    `name`: of the process in PostgreSQL; the limits as `gateway.storage.engine.make_engine` has them.
    """

    # Used seldom, so that a connection may have died since: all but the processes that serve voters.
    pre_ping = True
    # Commands run few statements twice, and pages of staff look at very different amounts of rows.
    keep_plans = False

    def __init__(self, settings: Settings, *, name: str, pool_size: int = 2, statement_timeout_ms: int = 5_000) -> None:
        self.settings = settings
        self._name = name
        self._pool_size = pool_size
        self._statement_timeout_ms = statement_timeout_ms
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all that was made."""
        await self._closing.aclose()

    def close_later(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call this on closing, before what was registered earlier."""
        self._closing.push_async_callback(close)

    def _closed_later(self, made: C) -> C:
        """What was made, to be closed before what was made earlier."""
        self.close_later(made.aclose)
        return made

    @cached_property
    def engine(self) -> AsyncEngine:
        """The pool of connections to PostgreSQL."""
        return self._pool_of(self._pool_size)

    def apart(self) -> AsyncEngine:
        """Two connections for one part alone, mostly one is open: what is long to plan is planned there, and not on
        each connection of the process."""
        return self._pool_of(2)

    def _pool_of(self, size: int) -> AsyncEngine:
        engine = make_engine(
            self.settings.database_url,
            pool_size=size,
            statement_timeout_ms=self._statement_timeout_ms,
            name=self._name,
            pre_ping=self.pre_ping,
            keep_plans=self.keep_plans,
        )
        self.close_later(engine.dispose)
        return engine

    @cached_property
    def auto(self) -> AsyncEngine:
        """The same pool, where each statement commits by itself."""
        return committing_each(self.engine)

    @cached_property
    def vault(self) -> Vault:
        """The vault with the keys of this installation."""
        return Vault(self.settings.secret_key.get_secret_value(), self.settings.keys)

    @cached_property
    def redis(self) -> "redis_asyncio.Redis":
        """Redis for background work, which waits up to five seconds."""
        return self._closed_later(connect(self.settings.redis_url))

    @cached_property
    def quick_redis(self) -> "redis_asyncio.Redis":
        """Redis for callers that wait up to one second."""
        return self._closed_later(connect(self.settings.redis_url, timeout_seconds=1))

    @cached_property
    def pipeline(self) -> RedisPipeline:
        """Redis commands of requests, many in one round trip."""
        return RedisPipeline(self._closed_later(connect_for_pipeline(self.settings.redis_url)))

    @cached_property
    def doorbell(self) -> Doorbell:
        """Tells the workers that there is work."""
        return RqDoorbell(self.settings.redis_url, self.settings.queue)

    async def refuse_other_database(self) -> None:
        """Check that the schema is one that we know, written with our keys. Raises SettingsError."""
        try:
            await refuse_unknown_schema(self.engine)
        except UnknownSchema as error:
            raise SettingsError(str(error)) from None
        await check_keys(self.engine, self.vault)
