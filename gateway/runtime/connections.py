"""What one process is connected to: PostgreSQL, Redis, and the doorbell of the workers."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.runtime.settings import Settings, SettingsError
from gateway.runtime.vault_keys import WrongKeys, check_keys
from gateway.storage.engine import DatabaseUnavailable, make_engine
from gateway.storage.migrate import UnknownSchema, refuse_unknown_schema
from gateway.storage.redis_link import RedisTrips, RqDoorbell, connect, connect_for_trips
from gateway.storage.vault import Vault

# Errors of servers that come back by themselves.
TEMPORARY: Final = (SQLAlchemyError, RedisError, OSError, DatabaseUnavailable)


def utc_now() -> datetime:
    """The clock of this process. Whatever decides about money is judged by PostgreSQL's."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Links:
    """Connections of one process. `auto`: each statement commits by itself. `trips`: commands of requests, over
    `redis`. `patient`: for whoever can wait for Redis; `rates` and `telegram`: for whoever waits a second."""

    engine: AsyncEngine
    auto: AsyncEngine
    vault: Vault
    redis: "redis_asyncio.Redis"
    trips: RedisTrips
    patient: "redis_asyncio.Redis"
    rates: "redis_asyncio.Redis"
    telegram: "redis_asyncio.Redis"
    doorbell: RqDoorbell

    def close_with(self, closing: AsyncExitStack) -> None:
        """Have all of them closed when this is."""
        closing.push_async_callback(self.engine.dispose)
        for redis in (self.redis, self.patient, self.telegram, self.rates):
            closing.push_async_callback(redis.aclose)


def make_vault(settings: Settings) -> Vault:
    """The vault with the keys of this installation."""
    return Vault(settings.secret_key.get_secret_value(), settings.keys)


async def refuse_other_database(engine: AsyncEngine, vault: Vault) -> None:
    """Let only a schema that we know and the keys that wrote the database be used. Raises SettingsError."""
    try:
        await refuse_unknown_schema(engine)
        await check_keys(engine, vault)
    except (UnknownSchema, WrongKeys) as error:
        raise SettingsError(str(error)) from None


def make_links(settings: Settings, *, name: str, pool_size: int) -> Links:
    """Nothing connects before it is used. The rest as `gateway.storage.engine.make_engine` has it."""
    engine = make_engine(settings.database_url, pool_size=pool_size, name=name)
    redis = connect_for_trips(settings.redis_url)
    return Links(
        engine=engine,
        auto=engine.execution_options(isolation_level="AUTOCOMMIT"),
        vault=make_vault(settings),
        redis=redis,
        trips=RedisTrips(redis),
        patient=connect(settings.redis_url),
        rates=connect(settings.redis_url, timeout_seconds=1),
        telegram=connect(settings.redis_url, timeout_seconds=1),
        doorbell=RqDoorbell(settings.redis_url, settings.queue),
    )
