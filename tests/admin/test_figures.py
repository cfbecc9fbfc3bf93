"""Figures as read from PostgreSQL and as shown to Prometheus."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import SQLAlchemyError

from channels.messages.outbox import SentMessage
from channels.messages.rules import Routes
from gateway.runtime.figures import FigureStore
from gateway.runtime.owed_work import OwedWork
from gateway.storage.purging import PURGE
from gateway.storage.upkeep import alone
from payments.accounts.health import AccountHealth
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


async def test_votes_money_and_backlog(database: Any) -> None:
    rig = await Rig(database.app_url).open()
    counted = await rig.placed()
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.callback(counted, b'{"status": "SUCCESSFUL"}')
    await rig.judge()
    await rig.verify()
    await rig.settle_all()
    await rig.placed(number="+2250599000001")
    owed = OwedWork(rig.engine.execution_options(isolation_level="AUTOCOMMIT"))
    await owed.beat("host worker 1")
    store = FigureStore(rig.engine, owed)
    figures = await store.figures()
    shown = {(f.name, tuple(sorted(f.labels.values()))): f.value for f in figures}
    assert shown["spotlight_votes_counted", ("star",)] == 5
    assert shown["spotlight_money_counted_minor", ("XOF", "star")] == 500
    assert shown["spotlight_payments_unfinished", ("created", "mtn_momo")] == 1
    assert shown["spotlight_owed_work_age_seconds", ("collect",)] >= 0
    assert shown["spotlight_workers", ()] == 1
    assert shown["spotlight_texts_waiting", ("due",)] == 1
    assert not any("599000001" in str(f) for f in figures)
    await rig.close()


async def test_what_became_of_texts(database: Any) -> None:
    rig = await Rig(database.app_url).open()
    for number in range(5):
        await rig.placed(number=f"+22505010203{number:02d}")
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    due = await rig.outbox.claim_due(10, Routes(("africastalking", "kannel")))
    assert len(due) == 5
    error = "africastalking refuses us: InsufficientBalance"
    await rig.outbox.record_sent(
        [
            SentMessage(due[0].id, 1, "sent", "africastalking", "m0", parts=2, cost="XOF 24.0000"),
            SentMessage(due[1].id, 1, "sent", "africastalking", "m1", parts=1),
            SentMessage(due[2].id, 1, "sent", "kannel", "m2", parts=1),
            SentMessage(due[3].id, 1, "unknown", "africastalking", error="did not answer", retry_seconds=600),
            SentMessage(due[4].id, 1, "due", "kannel", error=error, retry_seconds=0),
        ]
    )
    await rig.outbox.store_report("africastalking", "m0", "Success", "", None)
    await rig.outbox.store_report("africastalking", "m1", "Failed", "", "DeliveryFailure")
    store = FigureStore(rig.engine, OwedWork(rig.engine.execution_options(isolation_level="AUTOCOMMIT")))
    shown = {(f.name, tuple(sorted(f.labels.values()))): f.value for f in await store.figures()}
    assert shown["spotlight_texts_tried", ("africastalking", "delivered")] == 1
    assert shown["spotlight_texts_tried", ("africastalking", "undelivered")] == 1
    assert shown["spotlight_texts_tried", ("africastalking", "unknown")] == 1
    assert shown["spotlight_texts_tried", ("kannel", "on_its_way")] == 1
    assert shown["spotlight_text_parts", ("africastalking",)] == 3
    assert shown["spotlight_carrier_refuses_us", ("InsufficientBalance", "africastalking")] == 1
    assert shown["spotlight_texts_waiting", ("due",)] == 1
    await rig.close()


async def test_questions_that_wait_and_accounts_that_fail(database: Any) -> None:
    rig = await Rig(database.app_url).open()
    orders = [await rig.placed(number=f"+22505010204{number:02d}") for number in range(3)]
    await rig.collect()
    await rig.callback(orders[0], b'{"status": "SUCCESSFUL"}')
    await rig.callback(orders[1], b'{"status": "FAILED"}')
    await rig.judge()
    health = AccountHealth(rig.engine)
    for account in ("mtn_momo", "orange_money"):
        await health.open(account, "collection: 503")
    await health.probed("orange_money", alive=True)
    owed = OwedWork(rig.engine.execution_options(isolation_level="AUTOCOMMIT"))
    store = FigureStore(rig.engine, owed, {"mtn_momo": 10, "orange_money": 5})

    async def shown() -> dict[tuple[str, ...], float]:
        return {(f.name, *f.labels.values()): f.value for f in await store.figures()}

    figures = await shown()
    assert figures["spotlight_payments_being_counted", "star"] == 2
    assert figures["spotlight_verification_backlog_seconds", "mtn_momo"] == 0.2
    assert figures["spotlight_verification_backlog_seconds", "orange_money"] == 0
    assert figures["spotlight_account_closed", "mtn_momo"] == 1
    assert figures["spotlight_account_closed", "orange_money"] == 0
    rig.provider.query_script = [paid()]
    await rig.verify()
    assert (await shown())["spotlight_payments_being_counted", "star"] == 2
    await rig.settle_all()
    figures = await shown()
    assert figures["spotlight_payments_being_counted", "star"] == 0
    assert figures["spotlight_verification_backlog_seconds", "mtn_momo"] == 0
    await rig.close()


async def test_how_tables_grow_and_what_upkeep_has_done(database: Any) -> None:
    rig = await Rig(database.app_url).open()
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    store = FigureStore(rig.engine, OwedWork(auto))

    async def shown() -> dict[tuple[str, ...], float]:
        return {(f.name, *f.labels.values()): f.value for f in await store.figures()}

    before = await shown()
    assert ("spotlight_upkeep_age_seconds", PURGE) not in before
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(
        "insert into callbacks (record_id, received_at, provider, method, headers, body, body_hash, remote)"
        " select gen_random_uuid(), now() + n % 2 * interval '1 month', 'mtn_momo', 'POST', '{}', 'x',"
        " decode(md5(n::text), 'hex'), '' from generate_series(1, 2000) n; analyze callbacks"
    )
    (last,) = await owner.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'callbacks'::regclass"
        " order by 1 desc limit 1"
    )
    await owner.execute(f"drop table {last['name']}")
    await owner.close()
    async with alone(auto, PURGE, 1):
        pass
    with pytest.raises(SQLAlchemyError):
        async with alone(auto, PURGE, 1):
            raise SQLAlchemyError
    after = await shown()
    # Of all months together, and of each table by itself.
    assert after["spotlight_table_rows", "callbacks"] == 2000
    assert after["spotlight_table_bytes", "callbacks"] - before["spotlight_table_bytes", "callbacks"] > 2000 * 50
    assert after["spotlight_table_bytes", "votes"] == before["spotlight_table_bytes", "votes"]
    months = {table: after["spotlight_partition_months_ahead", table] for table in ("votes", "payments", "callbacks")}
    assert months == {"votes": 3, "payments": 3, "callbacks": 2}
    # A failure does not make it younger.
    assert 0 <= after["spotlight_upkeep_age_seconds", PURGE] < 60
    await rig.close()
