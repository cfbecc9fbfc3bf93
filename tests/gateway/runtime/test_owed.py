"""Who sweeps, and whether any worker works, as PostgreSQL knows it."""

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
