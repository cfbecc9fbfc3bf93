"""Statements by the driver: connections, errors and listeners are the engine's."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.direct import Direct
from gateway.storage.engine import make_engine
from gateway.storage.set_aside import passes
from tests.engines import Database

PLACES = 3
PID = Direct(
    text("select pg_backend_pid() as pid, cast(:a as integer) + cast(:b as integer) + cast(:a as integer) as n")
)
BEAT = Direct(text("insert into worker_beats (worker, seen_at) values (:worker, now())"))
NUMBERS = Direct(text("select n as number, n / 2 as half from generate_series(1, 9) n order by n limit :limit"))
QUOTIENT = Direct(text("select 1 / cast(:by as integer)"))


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database.app_url, pool_size=PLACES)
    yield made.execution_options(isolation_level="AUTOCOMMIT")
    await made.dispose()


async def pid(engine: AsyncEngine) -> int:
    found = await PID.rows(engine, {"a": 1, "b": 2})
    assert [row["n"] for row in found] == [4]
    return int(found[0]["pid"])


async def test_it_commits_by_itself_on_a_connection_of_the_engine(engine: AsyncEngine) -> None:
    await BEAT.rows(engine, {"worker": "one"})
    async with engine.connect() as connection:
        mine = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
        other = await pid(engine)
        assert (await connection.execute(text("select worker from worker_beats"))).scalars().all() == ["one"]
    assert mine != other
    assert await pid(engine) in (mine, other)


async def test_columns_are_attributes(engine: AsyncEngine) -> None:
    assert await NUMBERS.named(engine, {"limit": 0}) == []
    assert [(row.number, row.half) for row in await NUMBERS.named(engine, {"limit": 2})] == [(1, 0), (2, 1)]
    assert [row.half for row in await NUMBERS.named(engine, {"limit": 1})] == [0]
    assert await NUMBERS.named(engine, {"limit": 0}) == []


async def test_an_error_of_a_row_is_the_engines_and_leaves_the_connection(engine: AsyncEngine) -> None:
    before = await pid(engine)
    await BEAT.rows(engine, {"worker": "one"})
    with pytest.raises(IntegrityError) as doubled:
        await BEAT.rows(engine, {"worker": "one"})
    with pytest.raises(DBAPIError) as divided:
        await QUOTIENT.rows(engine, {"by": 0})
    assert not passes(doubled.value)
    assert not passes(divided.value)
    assert await pid(engine) == before


@pytest.mark.parametrize("state", ["40P01", "55P03", "57014"])
async def test_a_statement_that_met_another_leaves_the_connection(engine: AsyncEngine, state: str) -> None:
    before = await pid(engine)
    refused = Direct(text(f"do $$ begin raise exception using errcode = '{state}'; end $$"))
    with pytest.raises(DBAPIError) as met:
        await refused.rows(engine, {})
    assert passes(met.value)
    assert not met.value.connection_invalidated
    assert await pid(engine) == before


async def test_a_server_that_went_away_costs_one_error(engine: AsyncEngine, database: Database) -> None:
    async def hold() -> int:
        async with engine.connect() as connection:
            await asyncio.sleep(0)
            return int((await connection.execute(text("select pg_backend_pid()"))).scalar_one())

    old = set(await asyncio.gather(*(hold() for _ in range(PLACES))))
    assert len(old) == PLACES
    other = await asyncpg.connect(database.superuser_url)
    for one in old:
        await other.execute("select pg_terminate_backend($1, 5000)", one)
    await other.close()
    with pytest.raises((SQLAlchemyError, OSError)) as lost:
        await pid(engine)
    assert isinstance(lost.value, Exception)
    assert passes(lost.value)
    assert {await pid(engine) for _ in range(PLACES)}.isdisjoint(old)
    assert set(await asyncio.gather(*(hold() for _ in range(PLACES)))).isdisjoint(old)


async def test_a_server_that_refuses_connections_is_an_error_of_the_engine(
    engine: AsyncEngine, database: Database
) -> None:
    """As PostgreSQL does while it starts."""
    before = await pid(engine)
    owner = await asyncpg.connect(database.superuser_url, database="postgres")
    await owner.execute(f"alter database {database.name} with allow_connections false")
    try:
        ours = "select pid from pg_stat_activity where datname = $1 and usename <> current_user"
        for row in await owner.fetch(ours, database.name):
            await owner.execute("select pg_terminate_backend($1, 5000)", row["pid"])
        for _ in range(2):  # the connection that was lost, and a new one
            with pytest.raises((SQLAlchemyError, OSError)) as refused:
                await pid(engine)
            assert isinstance(refused.value, Exception)
            assert passes(refused.value)
    finally:
        await owner.execute(f"alter database {database.name} with allow_connections true")
        await owner.close()
    assert "not currently accepting connections" in str(refused.value)
    assert await pid(engine) != before


async def test_an_error_inside_the_driver_is_a_lost_connection(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the server ended the connection and the driver had not read all of that yet."""

    async def broken(*_: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")

    before = await pid(engine)
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetch", broken)
        with pytest.raises(DBAPIError) as lost:
            await pid(engine)
    assert lost.value.connection_invalidated
    assert passes(lost.value)
    assert await pid(engine) != before


async def test_one_that_is_given_up_is_ended(engine: AsyncEngine) -> None:
    slow = Direct(text("select pg_sleep(:seconds)"))
    before = await pid(engine)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await slow.rows(engine, {"seconds": 60.0})
    assert await pid(engine) != before


async def test_listeners_of_the_engine_are_called(engine: AsyncEngine) -> None:
    given_values: list[object] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: given_values.append(args[3]))
    await pid(engine)
    assert given_values == [(1, 2)]
