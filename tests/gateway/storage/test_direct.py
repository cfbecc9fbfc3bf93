"""Statements by the driver: connections, errors and listeners are the engine's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage import engine as engines
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
SLOW = Direct(text("select pg_sleep(:seconds)"))
BEATEN = text("select worker from worker_beats order by worker")


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database.app_url, pool_size=PLACES)
    yield made.execution_options(isolation_level="AUTOCOMMIT")
    await made.dispose()


async def pid(where: AsyncEngine | AsyncConnection) -> int:
    found = await PID.rows(where, {"a": 1, "b": 2})
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
        for _ in range(4):  # the connection that was lost, which may say so twice, and new ones
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
    before = await pid(engine)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await SLOW.rows(engine, {"seconds": 60.0})
    assert await pid(engine) != before


async def test_listeners_of_the_engine_are_called(engine: AsyncEngine) -> None:
    given_values: list[object] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: given_values.append(args[3]))
    await pid(engine)
    assert given_values == [(1, 2)]


async def beaten(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(BEATEN)).scalars())


@dataclass
class Together:
    """Transactions of an engine, by the driver. `servers`: the process at the other end of each."""

    engine: AsyncEngine
    servers: list[int] = field(default_factory=list)

    async def commit(self, *steps: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        async with self.engine.begin() as connection:
            self.servers.append(await pid(connection))
            for step in steps:
                await step(connection)

    async def on_the_same(self) -> bool:
        """Whether the next transaction runs on the connection of the last one."""
        await self.commit()
        return self.servers[-1] == self.servers[-2]


@pytest.fixture
async def together(database: Database) -> AsyncIterator[Together]:
    made = make_engine(database.app_url, pool_size=PLACES)
    yield Together(made)
    await made.dispose()


def step(
    direct: Direct, values: Mapping[str, object] = MappingProxyType({})
) -> Callable[[AsyncConnection], Awaitable[object]]:
    return lambda connection: direct.rows(connection, values)


def beat(worker: str) -> Callable[[AsyncConnection], Awaitable[object]]:
    return step(BEAT, {"worker": worker})


async def test_statements_of_a_transaction_commit_together(together: Together) -> None:
    engine = together.engine
    async with engine.begin() as connection:
        first = await pid(connection)
        await BEAT.rows(connection, {"worker": "one"})
        assert await beaten(engine) == []
        await connection.execute(BEAT.statement, {"worker": "three"})
        await BEAT.rows(connection, {"worker": "two"})
        assert list((await connection.execute(BEATEN)).scalars()) == ["one", "three", "two"]
        assert [row.half for row in await NUMBERS.named(connection, {"limit": 2})] == [0, 1]
        assert await pid(connection) == first
        assert await beaten(engine) == []
    assert await beaten(engine) == ["one", "three", "two"]


async def test_a_transaction_by_the_driver_is_one_of_the_engines(together: Together) -> None:
    """Its isolation, and one moment for all of it."""
    asked = Direct(text("select current_setting('transaction_isolation') as isolation, now() as now"))
    async with together.engine.begin() as connection:
        found = [row for _ in range(2) for row in await asked.named(connection, {})]
        found += (await connection.execute(asked.statement)).all()
    assert {row.isolation for row in found} == {"read committed"}
    assert len({row.now for row in found}) == 1


async def test_an_error_of_ours_rolls_a_transaction_back(together: Together) -> None:
    async def stumble(_: AsyncConnection) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await together.commit(beat("one"), stumble)
    assert await beaten(together.engine) == []
    assert await together.on_the_same()


async def test_an_error_of_a_row_rolls_a_transaction_back(together: Together) -> None:
    with pytest.raises(IntegrityError) as doubled:
        await together.commit(beat("one"), beat("one"))
    assert not passes(doubled.value)
    assert not doubled.value.connection_invalidated
    assert "worker_beats" in str(doubled.value.statement)
    assert await beaten(together.engine) == []
    assert await together.on_the_same()


async def test_what_the_commit_refuses_is_undone(together: Together, database: Database) -> None:
    owner = await asyncpg.connect(database.superuser_url)
    await owner.execute("""
        create table checked (n integer unique deferrable initially deferred); grant all on checked to spotlight_app
    """)
    await owner.close()
    insert = step(Direct(text("insert into checked values (1)")))
    with pytest.raises(IntegrityError) as refused:
        await together.commit(beat("one"), insert, insert)
    assert not passes(refused.value)
    assert await beaten(together.engine) == []
    assert await together.on_the_same()


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
async def test_a_transaction_that_met_another_is_rolled_back(together: Together, state: str) -> None:
    refused = Direct(text(f"do $$ begin raise exception using errcode = '{state}'; end $$"))
    with pytest.raises(DBAPIError) as met:
        await together.commit(beat("one"), step(refused))
    assert passes(met.value)
    assert not met.value.connection_invalidated
    assert await beaten(together.engine) == []
    assert await together.on_the_same()


async def test_of_two_transactions_that_wait_for_each_other_one_commits(together: Together) -> None:
    both = asyncio.Barrier(2)

    async def wait(_: AsyncConnection) -> None:
        await both.wait()

    def lock(key: int) -> Callable[[AsyncConnection], Awaitable[object]]:
        return step(Direct(text("select pg_advisory_xact_lock(:key)")), {"key": key})

    one = together.commit(beat("one"), lock(1), wait, lock(2))
    two = together.commit(beat("two"), lock(2), wait, lock(1))
    ended = await asyncio.gather(one, two, return_exceptions=True)
    [refused] = [error for error in ended if error is not None]
    assert isinstance(refused, DBAPIError)
    assert passes(refused)
    assert await beaten(together.engine) == ["two" if ended[0] else "one"]


@pytest.mark.parametrize("at", ["its first statement", "a later one", "the commit"])
async def test_a_server_that_goes_away_takes_the_transaction_with_it(
    together: Together, database: Database, at: str
) -> None:
    async def end(_: AsyncConnection) -> None:
        other = await asyncpg.connect(database.superuser_url)
        await other.execute("select pg_terminate_backend($1, 5000)", together.servers[-1])
        await other.close()

    await together.commit()
    steps = {
        "its first statement": [],
        "a later one": [beat("one"), end, beat("two")],
        "the commit": [beat("one"), end],
    }
    if at == "its first statement":
        async with together.engine.connect() as connection:
            await end(connection)
    with pytest.raises((SQLAlchemyError, OSError)) as lost:
        await together.commit(*steps[at])
    assert passes(lost.value)
    await together.commit(beat("three"))
    assert together.servers[-1] != together.servers[0]
    assert await beaten(together.engine) == ["three"]


async def test_a_server_that_is_silent_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the driver's own limit, after the server's."""
    monkeypatch.setattr(engines, "SILENCE_SECONDS", 0.3)
    made = Together(make_engine(database.app_url, pool_size=PLACES, statement_timeout_ms=300))
    unlimited = Direct(text("set local statement_timeout = 0"))
    try:
        with pytest.raises(TimeoutError) as silent:
            await made.commit(beat("one"), step(unlimited), step(SLOW, {"seconds": 60.0}))
        assert passes(silent.value)
        assert not await made.on_the_same()
    finally:
        await made.engine.dispose()


@pytest.mark.parametrize("at", ["a statement", "something else"])
async def test_a_transaction_that_is_cancelled_is_undone(together: Together, at: str) -> None:
    begun = asyncio.Event()

    async def wait(connection: AsyncConnection) -> None:
        begun.set()
        await (SLOW.rows(connection, {"seconds": 60.0}) if at == "a statement" else asyncio.Event().wait())

    task = asyncio.ensure_future(together.commit(beat("one"), wait))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Waits for the end of the other one, whose row has this key.
    await together.commit(beat("one"))
    assert (together.servers[0] == together.servers[1]) == (at == "something else")
    assert await beaten(together.engine) == ["one"]


async def test_a_listener_may_end_a_transaction(together: Together) -> None:
    def refuse(*given: object) -> None:
        if given[3] == ("two",):
            raise KeyError

    event.listen(together.engine.sync_engine, "before_cursor_execute", refuse)
    with pytest.raises(KeyError):
        await together.commit(beat("one"), beat("two"))
    assert await beaten(together.engine) == []
