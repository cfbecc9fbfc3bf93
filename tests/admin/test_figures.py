"""Figures as read from PostgreSQL and as shown to Prometheus."""

from typing import Any

from admin.figures import exposed
from gateway.storage.figures import PostgresFigures
from gateway.storage.owed import PostgresOwed
from tests.gateway.rig import Rig
from tests.gateway.scripted_provider import paid


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
    store = PostgresFigures(rig.engine, PostgresOwed(rig.engine.execution_options(isolation_level="AUTOCOMMIT")))
    figures = await store.figures()
    shown = {(f.name, tuple(sorted(f.labels.values()))): f.value for f in exposed(figures)}
    assert shown["spotlight_votes_counted", ("star",)] == 5
    assert shown["spotlight_money_counted_minor", ("XOF", "star")] == 500
    assert shown["spotlight_payments_unfinished", ("created", "mtn_momo")] == 1
    assert shown["spotlight_owed_work_age_seconds", ("collect",)] >= 0
    assert shown["spotlight_texts_waiting", ("due",)] == 1
    assert not any("0599" in str(f) for f in exposed(figures))
    await rig.close()
