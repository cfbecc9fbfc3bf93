"""A pool on a line that breaks without a word: no caller waits for ever, and nothing is left of the silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage import engine as engines
from gateway.storage.engine import make_engine
from tests.engines import Database

# Who waits for ever is ended by this, and not by the error that is looked for.
pytestmark = pytest.mark.timeout(60)


class Line:
    """Between a pool and PostgreSQL. Bytes are dropped while `cut`; neither end is notified."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.cut = False

    async def carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        there, forth = await asyncio.open_unix_connection(self._socket)
        try:
            await asyncio.gather(self._copy(here, forth), self._copy(there, back))
        finally:
            forth.close()
            back.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                if not self.cut:
                    target.write(data)
        target.close()


@asynccontextmanager
async def behind_a_line(database: Database) -> AsyncIterator[tuple[Line, AsyncEngine]]:
    url = make_url(database.app_url)
    line = Line(f"{url.query['host']}/.s.PGSQL.5432")
    async with await asyncio.start_server(line.carry, "127.0.0.1") as server:
        near = url.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1], query={})
        engine = make_engine(near.render_as_string(hide_password=False), pool_size=2, statement_timeout_ms=500)
        try:
            yield line, engine
        finally:
            await engine.dispose()


async def one(engine: AsyncEngine, statement: str = "select 1") -> int:
    async with engine.connect() as connection:
        found: int = (await connection.execute(text(statement))).scalar_one()
    return found


async def both(engine: AsyncEngine) -> int:
    """How many connections of the pool of two answer; one is busy while the other one is asked for."""
    answers = await asyncio.gather(one(engine, "select 1 from pg_sleep(0.1)"), one(engine))
    return sum(answers)


async def change_and_lose(engine: AsyncEngine, line: Line) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("update contests set name = 'lost'"))
        line.cut = True
        await connection.execute(text("select 1"))


async def test_a_silent_server_is_not_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SILENCE_SECONDS", 0.2)
    async with behind_a_line(database) as (line, engine):
        assert await both(engine) == 2
        line.cut = True
        with pytest.raises(TimeoutError):
            await one(engine)
        line.cut = False
        # Both places of the pool are usable, by new connections.
        assert await both(engine) == 2


async def test_a_transaction_that_meets_silence_is_over(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SILENCE_SECONDS", 0.2)
    async with behind_a_line(database) as (line, engine):
        with pytest.raises(TimeoutError):
            await change_and_lose(engine, line)
        line.cut = False
        assert await one(engine, "select count(*) from contests where name = 'lost'") == 0


async def test_a_connection_that_died_while_it_was_idle_is_replaced(database: Database) -> None:
    kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'seldom'"
    engine, other = (
        make_engine(database.app_url, name="seldom", pre_ping=True),
        make_engine(database.superuser_url, as_app=False),
    )
    try:
        assert await one(engine) == 1
        assert await one(other, kill) == 1
        assert await one(engine) == 1
    finally:
        await engine.dispose()
        await other.dispose()


async def plan_of(engine: AsyncEngine, statement: str) -> str:
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"prepare kept (uuid) as {statement}")
        return "\n".join((await connection.execute(text("explain execute kept(gen_random_uuid())"))).scalars())


async def test_a_plan_that_is_kept_reads_an_empty_table_by_an_index(database: Database) -> None:
    statement = "select from rounds where contest_id = $1"
    owner = make_engine(database.owner_url, pool_size=1, as_app=False)
    async with owner.connect() as connection:
        await connection.execute(text("analyze rounds"))
        await connection.commit()
    await owner.dispose()
    for keep_plans in (False, True):
        engine = make_engine(database.app_url, pool_size=1, keep_plans=keep_plans)
        try:
            plan = await plan_of(engine, statement)
        finally:
            await engine.dispose()
        assert ("Seq Scan" in plan) is not keep_plans, plan
        assert ("Index Cond: (contest_id = $1)" in plan) is keep_plans, plan
