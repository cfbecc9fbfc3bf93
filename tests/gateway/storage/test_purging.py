"""Old updates and old dialogues go, a batch at a time; what is young or still to be handled stays."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.engine import make_engine
from gateway.storage.purging import UNFINISHED_KEPT, UPDATES_KEPT, purge
from tests.engines import Database

DAY = timedelta(days=1)
# What was handled, and how long ago.
UPDATES = {1: UPDATES_KEPT + DAY, 2: UPDATES_KEPT + 2 * DAY, 3: UPDATES_KEPT - DAY, 4: None}
LONG, LATELY = UNFINISHED_KEPT + DAY, UNFINISHED_KEPT - DAY
# When a dialogue came so far, and when it was handled.
UNFINISHED = {
    b"long ago": (LONG, LONG),
    b"long ago, by nobody": (LONG, None),
    b"texted lately": (LONG, LATELY),
    b"lately": (LATELY, LATELY),
    b"again lately": (LATELY, LONG),
    b"waits": (LATELY, None),
}


@pytest.fixture
async def auto(database: Database) -> AsyncIterator[AsyncEngine]:
    """The service's own role, with rows of every age in the tables."""
    owner = await asyncpg.connect(database.owner_url)
    try:
        await fill(owner)
    finally:
        await owner.close()
    engine = make_engine(database.app_url, pool_size=2)
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    await engine.dispose()


async def fill(owner: asyncpg.Connection) -> None:
    contest = await owner.fetchval("select id from contests")
    await owner.executemany(
        "insert into telegram_updates (update_id, chat_id, received_at, body_cipher, handled_at)"
        " values ($1, 1, now() - interval '60 days', '', now() - $2::interval)",
        list(UPDATES.items()),
    )
    await owner.executemany(
        "insert into unfinished_dialogues"
        " (phone_index, contest_id, phone_cipher, candidate_code, language, reached_at, handled_at)"
        " values ($1, $2, '', '07', 'fr', now() - $3::interval, now() - $4::interval)",
        [(phone, contest, *ages) for phone, ages in UNFINISHED.items()],
    )


async def left(auto: AsyncEngine) -> tuple[set[int], set[bytes]]:
    async with auto.connect() as connection:
        updates = await connection.exec_driver_sql("select update_id from telegram_updates")
        dialogues = await connection.exec_driver_sql("select phone_index from unfinished_dialogues")
        return set(updates.scalars()), {bytes(phone) for phone in dialogues.scalars()}


async def test_what_is_old_goes_and_the_rest_stays(auto: AsyncEngine) -> None:
    assert await purge(auto) == 4
    assert await left(auto) == ({3, 4}, {b"texted lately", b"lately", b"again lately", b"waits"})
    assert await purge(auto) == 0


async def test_the_oldest_go_first_a_batch_at_a_time(auto: AsyncEngine) -> None:
    assert await purge(auto, batch=1) == 2
    updates, dialogues = await left(auto)
    assert updates == {1, 3, 4}
    assert len(dialogues) == len(UNFINISHED) - 1


async def test_a_row_that_somebody_holds_is_left_for_the_next_time(auto: AsyncEngine, database: Database) -> None:
    holder = await asyncpg.connect(database.owner_url)
    try:
        async with holder.transaction():
            await holder.execute("select 1 from telegram_updates where update_id = 1 for update")
            assert await purge(auto) == 3
    finally:
        await holder.close()
    assert await purge(auto) == 1
