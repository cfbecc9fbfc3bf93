"""A look for due work begins where something is left: what is done is not read again while a snapshot keeps it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from channels.messages.outbox import _DUE
from gateway.storage.queue_head import READ_ALL_SECONDS, READ_SECONDS, TEXTS_OUT, QueueHead
from tests.rigs.rig import Rig

EVER = datetime.fromisoformat("2000-01-01T00:00Z")
MANY = 3_000
OWE = """
insert into messages_out (id, kind, key, language, params, chat_id, next_try_at)
select gen_random_uuid(), 'receipt', gen_random_uuid()::text, 'fr', '{}', 7, now() - n * interval '1 second'
from generate_series(1, :many) n
"""
DONE = "update messages_out set status = 'sent', next_try_at = null"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    rig = await Rig(database.app_url).open()
    yield rig
    await rig.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def change(rig: Rig, statement: str, **values: object) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def age(rig: Rig, head: QueueHead) -> float:
    """How long ago the oldest piece was due, in seconds."""
    since = await head.since(rig.engine)
    return ((await rig.now()) - since).total_seconds()


async def test_it_is_the_oldest_piece_until_that_is_done(rig: Rig, clock: Clock) -> None:
    head = QueueHead(TEXTS_OUT, clock)
    assert 5 <= await age(rig, head) < 10
    await change(rig, OWE, many=25)
    clock.now += READ_SECONDS
    assert 25 <= await age(rig, head) < 30
    await change(rig, DONE)
    assert 25 <= await age(rig, head) < 30
    clock.now += READ_SECONDS
    assert 5 <= await age(rig, head) < 10


async def test_it_goes_no_further_back_with_each_reading(rig: Rig, clock: Clock) -> None:
    head = QueueHead(TEXTS_OUT, clock)
    await head.since(rig.engine)
    for _ in range(8):
        clock.now += READ_SECONDS
        assert await age(rig, head) < 10


async def test_what_was_written_as_long_due_is_found_within_a_minute(rig: Rig, clock: Clock) -> None:
    head = QueueHead(TEXTS_OUT, clock)
    await head.since(rig.engine)
    await change(rig, OWE, many=3_600)
    await change(rig, "delete from messages_out where next_try_at > now() - interval '59 minutes'")
    clock.now += READ_SECONDS
    assert await age(rig, head) < 10
    clock.now += READ_ALL_SECONDS
    assert await age(rig, head) > timedelta(minutes=59).total_seconds()


async def test_a_look_does_not_read_what_a_snapshot_keeps(rig: Rig, clock: Clock) -> None:
    await change(rig, OWE, many=MANY)
    async with rig.engine.connect() as backup:
        await backup.execute(text("set transaction isolation level repeatable read"))
        assert (await backup.execute(text("select count(*) from messages_out"))).scalar() == MANY
        await change(rig, DONE)
        since = await QueueHead(TEXTS_OUT, clock).since(rig.engine)
        all_read, read = await pages(rig, EVER), await pages(rig, since)
        assert (await backup.execute(text("select count(*) from messages_out where status = 'due'"))).scalar() == MANY
    assert all_read > MANY / 10
    assert read < all_read / 10


async def pages(rig: Rig, since: datetime) -> int:
    """Pages that a look for texts reads."""
    values = {"limit": 64, "in_doubt": False, "since": since}
    async with rig.engine.connect() as connection:
        explained = text(f"explain (analyze, buffers, format json) {_DUE.statement.text}")
        found: Any = (await connection.execute(explained, values)).scalar_one()
        plan = found if isinstance(found, list) else orjson.loads(found)
        await connection.rollback()
    hits: int = plan[0]["Plan"]["Shared Hit Blocks"]
    return hits
