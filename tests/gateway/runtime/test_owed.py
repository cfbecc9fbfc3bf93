"""Who sweeps, and whether any worker works, as PostgreSQL knows it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.runtime.owed_work import SILENCE_SECONDS, OwedWork
from gateway.storage.engine import make_engine
from tests.engines import BUSY_SECONDS


@pytest.fixture
async def engine(database: Any) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database.app_url, pool_size=4, wait_seconds=BUSY_SECONDS)
    yield made.execution_options(isolation_level="AUTOCOMMIT")
    await made.dispose()


async def test_a_worker_is_alive_until_it_has_been_silent_for_a_while(engine: AsyncEngine, database: Any) -> None:
    owed = OwedWork(engine)
    assert not await owed.worker_alive()
    await owed.beat("host worker 1")
    await owed.beat("host worker 2")
    assert await owed.worker_alive()
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(f"update worker_beats set seen_at = now() - interval '{SILENCE_SECONDS} seconds'")
    assert not await owed.worker_alive()
    await owed.beat("host worker 2")
    assert await owed.worker_alive()
    # Who is gone for good is forgotten.
    await owner.execute("update worker_beats set seen_at = now() - interval '2 days'")
    await owed.beat("host worker 3")
    assert [row["worker"] for row in await owner.fetch("select worker from worker_beats")] == ["host worker 3"]
    await owner.close()


async def test_one_sweeps_and_a_process_that_hangs_does_not_keep_the_lock(engine: AsyncEngine) -> None:
    one, other = OwedWork(engine), OwedWork(engine)
    async with one.lock() as mine, other.lock() as theirs:
        assert (mine, theirs) == (True, False)
        # What the server ends when a client is silent within a transaction.
        async with engine.connect() as connection:
            held = "select count(*) from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory'"
            in_transaction = f"{held} and a.state = 'idle in transaction' and a.datname = current_database()"
            assert (await connection.exec_driver_sql(in_transaction)).scalar_one() == 1
            assert (await connection.exec_driver_sql("show idle_in_transaction_session_timeout")).scalar_one() == "10s"
    async with asyncio.timeout(5), other.lock() as theirs:
        assert theirs
