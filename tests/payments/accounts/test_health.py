"""Health of accounts in PostgreSQL: the faster process writes it, all read it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.engine import make_engine
from payments.accounts.health import AccountHealth
from tests.engines import BUSY_SECONDS

MTN = "mtn_momo"


@pytest.fixture
async def engine(database: Any) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database.app_url, pool_size=8, wait_seconds=BUSY_SECONDS)
    yield made
    await made.dispose()


async def pass_time(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("update account_health set closed_until = now() where closed_until is not null"))


async def test_nothing_ever_failed(engine: AsyncEngine) -> None:
    read = await AccountHealth(engine).read()
    assert read.health == {}
    assert read.now.tzinfo is not None


async def test_one_of_many_closes_it(engine: AsyncEngine) -> None:
    store = AccountHealth(engine)
    found = await asyncio.gather(*(store.open(MTN, "collection: 503") for _ in range(6)))
    assert sorted(found, key=str) == [15, None, None, None, None, None]
    read = await store.read()
    held = read.health[MTN]
    assert held.open_until is not None
    assert 14 < (held.open_until - read.now).total_seconds() <= 15
    assert held.open_seconds == 15


async def test_probes_are_one_process_affair_and_open_it(engine: AsyncEngine) -> None:
    store = AccountHealth(engine)
    await store.open(MTN, "x")
    assert await store.claim_probe(MTN) is False
    await pass_time(engine)
    claimed = await asyncio.gather(*(store.claim_probe(MTN) for _ in range(6)))
    assert sum(claimed) == 1
    # It stays closed for all while it is probed.
    assert (await store.read()).health[MTN].open_until is not None
    assert await store.probed(MTN, alive=True) == 0
    assert (await store.read()).health[MTN].open_until is None
    assert await store.probed(MTN, alive=True) is None


async def test_it_stays_away_for_longer_each_time(engine: AsyncEngine) -> None:
    store = AccountHealth(engine)
    seen = [await store.open(MTN, "x")]
    for _ in range(4):
        await pass_time(engine)
        assert await store.claim_probe(MTN)
        seen.append(await store.probed(MTN, alive=False))
    assert seen == [15, 30, 60, 120, 120]
    assert await store.probed(MTN, alive=True) == 0
    # It failed again just after it opened.
    assert await store.open(MTN, "x") == 120
    await store.probed(MTN, alive=True)
    async with engine.begin() as connection:
        await connection.execute(text("update account_health set changed_at = now() - interval '10 minutes'"))
    assert await store.open(MTN, "x") == 15
