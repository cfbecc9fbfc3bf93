"""What is old goes, a batch at a time; what is young or still to be handled stays. Months are made ahead."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.carrier import IncomingText
from channels.messages.outbox import SentMessage
from channels.messages.rules import Routes
from gateway.http.health import Concern
from gateway.runtime.connections import Connections
from gateway.runtime.figures import FigureStore
from gateway.runtime.gateway import check_partitions
from gateway.runtime.owed_work import OwedWork
from gateway.runtime.settings import Settings
from gateway.storage.engine import make_engine
from gateway.storage.purging import LANGUAGE_DAYS, DailyPurge, Kept, purge
from gateway.storage.upkeep import make_partitions, months_ahead, read_months_ahead, read_upkeep
from tests.engines import Database
from tests.rigs.money_rig import MoneyRig, opened

KEPT = Kept()
DAY = timedelta(days=1)
UPDATES_KEPT, UNFINISHED_KEPT = KEPT.updates * DAY, KEPT.sessions * DAY
# What was handled, and how long ago.
UPDATES = {1: UPDATES_KEPT + DAY, 2: UPDATES_KEPT + 2 * DAY, 3: UPDATES_KEPT - DAY, 4: None}
LONG, LATELY = UNFINISHED_KEPT + DAY, UNFINISHED_KEPT - DAY
# When a dialogue came so far, and when it was handled.
UNFINISHED = {
    b"long ago": (LONG, LONG),
    b"long ago, of no caller": (LONG, None),
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


async def run(auto: AsyncEngine, **more: Any) -> int | None:
    return await purge(auto, KEPT, pause=0, **more)


async def test_a_language_that_was_chosen_long_ago_goes(auto: AsyncEngine) -> None:
    await run(auto)
    async with auto.connect() as connection:
        for days in (-1, 1):
            age = timedelta(days=LANGUAGE_DAYS + days)
            statement = "insert into chosen_languages values ($1, 'en', now() - $2::interval)"
            await connection.exec_driver_sql(statement, (str(days).encode(), age))
        assert await run(auto) == 1
        kept = await connection.exec_driver_sql("select phone_index from chosen_languages")
        assert [bytes(index) for index in kept.scalars()] == [b"-1"]


async def test_notifications_about_videos_go_with_the_updates(auto: AsyncEngine) -> None:
    await run(auto)
    async with auto.connect() as connection:
        for days in (-1, 1):
            age = timedelta(days=KEPT.updates + days)
            statement = "insert into video_notifications values ('upload', $1, '{}', now() - $2::interval)"
            await connection.exec_driver_sql(statement, (str(days), age))
        assert await run(auto) == 1
        kept = await connection.exec_driver_sql("select key from video_notifications")
        assert list(kept.scalars()) == ["-1"]


async def test_what_is_old_goes_and_the_rest_stays(auto: AsyncEngine) -> None:
    assert await run(auto) == 4
    assert await left(auto) == ({3, 4}, {b"texted lately", b"lately", b"again lately", b"waits"})
    assert await run(auto) == 0


async def test_the_oldest_go_first_a_batch_at_a_time(auto: AsyncEngine) -> None:
    seen: list[tuple[str, int]] = []
    assert await run(auto, batch=1, progress=lambda what, done: seen.append((what, done))) == 4
    assert seen == [
        ("telegram_updates", 1),
        ("telegram_updates", 2),
        ("unfinished_dialogues", 1),
        ("unfinished_dialogues", 2),
    ]


async def test_a_locked_row_is_left_for_the_next_time(auto: AsyncEngine, database: Database) -> None:
    holder = await asyncpg.connect(database.owner_url)
    try:
        async with holder.transaction():
            await holder.execute("select 1 from telegram_updates where update_id = 1 for update")
            assert await run(auto) == 3
    finally:
        await holder.close()
    assert await run(auto) == 1


async def test_one_process_purges_at_a_time(auto: AsyncEngine) -> None:
    done = await asyncio.gather(*(purge(auto, KEPT, batch=1, pause=0.05) for _ in range(2)))
    assert sorted(done, key=str) == [4, None]


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    yield made
    await made.close()


async def let_pass(database: Database, days: int) -> None:
    """As if everything had been recorded so long ago."""
    owner = await asyncpg.connect(database.superuser_url)
    for change in (
        "messages_out set created_at = created_at - $1::interval, sent_at = sent_at - $1::interval",
        "messages_in set received_at = received_at - $1::interval, handled_at = handled_at - $1::interval",
        "delivery_reports set received_at = received_at - $1::interval",
        "staff_sessions set expires_at = expires_at - $1::interval",
    ):
        await owner.execute(f"update {change}", timedelta(days=days))
    await owner.close()


async def talk(rig: MoneyRig) -> None:
    """A receipt and a reply, sent and reported, and a text without an answer."""
    for text_id in ("answered", "waits"):
        await rig.inbox.store(IncomingText("africastalking", text_id, "+2250501020304", "98", "AIDE", None))
    (answered,) = await rig.inbox.due(1)
    await rig.inbox.answered(answered, "answered", (uuid4(), "fr", {"lines": ["bonjour"]}))
    for sent in await rig.outbox.claim_due(10, Routes(("africastalking",))):
        await rig.outbox.record_sent([SentMessage(sent.id, 1, "sent", "africastalking", str(sent.id))])
        await rig.outbox.store_report("africastalking", str(sent.id), "Success", "+2250501020304", None)


async def test_sent_texts_lose_words_and_numbers_and_no_receipt_is_sent_twice(
    rig: MoneyRig, database: Database
) -> None:
    order = await rig.counted()
    await talk(rig)
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    assert await run(auto) == 0
    await let_pass(database, KEPT.texts + 1)
    assert await run(auto) == 5, "a text in, a reply, a receipt, two reports"
    (kept,) = await rig.rows("select * from messages_out")
    assert (kept.kind, kept.params, kept.recipient_index, kept.recipient_cipher) == ("receipt", {}, None, None)
    assert [row.carrier_id for row in await rig.rows("select carrier_id from messages_in")] == ["waits"]
    assert await run(auto) == 0
    assert await rig.broken() == {}
    assert (await rig.views.order(order.vote_id)) is not None
    figures = {(f.name, *f.labels.values()): f.value for f in await FigureStore(rig.engine, OwedWork(auto)).figures()}
    assert figures["spotlight_upkeep_age_seconds", "purge"] < 60
    assert figures["spotlight_table_bytes", "payments"] > 0
    assert "payments_2" not in str(figures)


async def test_a_family_of_sessions_goes_as_a_whole(rig: MoneyRig, database: Database) -> None:
    owner = await asyncpg.connect(database.superuser_url)
    await owner.execute(
        "insert into staff (id, email, password_hash, role) values ($1, 'a@b.test', 'x', 'support')", uuid4()
    )
    for family, ages in ((uuid4(), (40, 35)), (uuid4(), (40, 5))):
        for age in ages:
            await owner.execute(
                "insert into staff_sessions (id, staff_id, family, refresh_hash, expires_at)"
                " select gen_random_uuid(), id, $1, gen_random_uuid()::text::bytea, now() - $2::interval from staff"
                " where email = 'a@b.test'",
                family,
                age * DAY,
            )
    await owner.close()
    assert await run(rig.engine.execution_options(isolation_level="AUTOCOMMIT")) == 2
    assert await rig.one("select count(*) from staff_sessions") == 2


async def months(database: Database) -> list[str]:
    owner = await asyncpg.connect(database.owner_url)
    rows = await owner.fetch(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'callbacks'::regclass order by 1"
    )
    await owner.close()
    return [row[0] for row in rows]


async def test_months_of_callbacks_go_when_all_are_judged(rig: MoneyRig, database: Database) -> None:
    owner = await asyncpg.connect(database.owner_url)
    for name, first, last in (
        ("callbacks_2025_01", "2025-01-01", "2025-02-01"),
        ("callbacks_2025_02", "2025-02-01", "2025-03-01"),
    ):
        await owner.execute(
            f"create table {name} partition of callbacks for values from ('{first} 00:00+00') to ('{last} 00:00+00')"
        )
    await owner.execute(
        "insert into callbacks (received_at, provider, method, headers, body_hash, remote, record_id)"
        " values ('2025-02-10', 'mtn_momo', 'POST', '{}', '', '', gen_random_uuid())"
    )
    await owner.close()
    present = await months(database)
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    assert await run(auto) == 1
    assert await months(database) == [name for name in present if name != "callbacks_2025_01"]
    async with rig.engine.begin() as connection:
        await connection.execute(text("update callbacks set handled_at = now()"))
        # Not even who asks for more gets a young month.
        gone = (await connection.execute(text("select drop_callbacks(-1000)"))).scalars().all()
    assert list(gone) == ["callbacks_2025_02"]


async def test_the_day_s_purge_runs_once_in_all_processes(rig: MoneyRig, database: Database) -> None:
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    first, second = (DailyPurge(database.app_url, auto, KEPT) for _ in range(2))
    await first.start()
    assert first._task is not None
    await first._task
    await second.start()
    assert second._task is None
    await first.aclose()


@pytest.mark.parametrize(
    ("names", "ahead"),
    [
        ([], -1),
        (["votes_2026_11"], 0),
        (["votes_2026_10", "votes_2026_12"], -1),
        (["votes_2026_11", "votes_2026_12", "votes_2027_01", "votes_2027_03"], 2),
    ],
)
def test_months_ahead_are_months_in_a_row(names: list[str], ahead: int) -> None:
    assert months_ahead(names, "votes", date(2026, 11, 22)) == ahead


async def test_months_that_cannot_be_made_are_reported(rig: MoneyRig, database: Database) -> None:
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    assert set((await read_months_ahead(rig.engine)).values()) == {3}
    owner = await asyncpg.connect(database.owner_url)
    last = (await months(database))[-1]
    await owner.execute(f"drop table {last}; create table {last} (id int); revoke all on {last} from spotlight_app")
    await owner.execute("revoke execute on function make_partitions(integer) from spotlight_app")
    await owner.close()
    with pytest.raises(DBAPIError):
        await make_partitions(auto)
    assert (await read_months_ahead(rig.engine))["callbacks"] == 2
    async with rig.engine.connect() as connection:
        partitions = (await read_upkeep(connection))["partitions"]
    assert (partitions.age, partitions.error) == (None, "ProgrammingError")


async def test_readiness_shows_missing_months_and_ends_when_today_has_none(
    settings: Settings, database: Database
) -> None:
    owner = await asyncpg.connect(database.owner_url)
    async with Connections(settings, name="spotlight test") as connections:
        await check_partitions(connections.engine)
        *_, today, _, _, last = await months(database)
        for gone in (last, (await months(database))[-2]):
            await owner.execute(f"drop table {gone}")
        with pytest.raises(Concern, match="callbacks"):
            await check_partitions(connections.engine)
        await owner.execute(f"drop table {today}")
        with pytest.raises(LookupError, match="callbacks"):
            await check_partitions(connections.engine)
    await owner.close()
