"""Each event counts once, whatever order it is seen in, and however often the reading stops."""

from typing import Any

import asyncpg

from gateway.storage.purging import MINUTE_DAYS, Kept, purge
from payments.rollups import reader
from payments.rollups.store import EVENTS, Rollups
from tests.rigs.money_rig import MoneyRig

_EVENT = """
insert into payment_events (id, reference, from_status, to_status, seen, actor) overriding system value
values ($1, $2, 'settled', 'held', 'suspect', 'settler')
"""


async def test_each_event_counts_once(database: Any, monkeypatch: Any) -> None:
    rig = await MoneyRig(database.app_url).open()
    rollups = Rollups(rig.engine)
    order = await rig.counted()
    await rig.late(number="+2250501020306")
    rows = await rig.one("select (select count(*) from payment_events) + (select count(*) from postings)")
    assert await rollups.catch_up() == rows
    assert await rollups.catch_up() == 0
    whole = "select votes, amount_minor, orders, asked, paid, returned from rollup_hours where facet = 'all'"
    assert [tuple(row) for row in await rig.rows(whole)] == [(5, 500, 2, 2, 1, 1)]
    assert {row.key for row in await rig.rows("select key from rollup_minutes where facet = 'prefix'")} == {"CI 05"}
    # An event whose transaction takes longer than a later one's.
    last = await rig.one("select max(id) from payment_events")
    held, fast = await asyncpg.connect(database.superuser_url), await asyncpg.connect(database.superuser_url)
    undone = held.transaction()
    await undone.start()
    await held.execute(_EVENT, last + 1, order.payment_reference)
    await fast.execute(_EVENT, last + 3, order.payment_reference)
    assert await rollups.catch_up() == 1
    assert await rollups.catch_up() == 0
    await undone.commit()
    assert await rollups.catch_up() == 1
    assert await rig.one("select cast(sum(held) as int) from rollup_hours where facet = 'channel'") == 2
    # Killed in the middle of a batch, and begun again.
    monkeypatch.setattr(reader, "BATCH", 2)
    seen: list[tuple[str, int]] = []

    def stop(source: str, number: int, _: int) -> None:
        seen.append((source, number))
        if len(seen) == 2:
            raise KeyboardInterrupt

    try:
        await rollups.rebuild(stop)
    except KeyboardInterrupt:
        assert seen == [("payment_events", 2), ("payment_events", 4)]
    found = await rig.broken()
    assert not {name for name in found if name.startswith("S")}, found
    await rollups.catch_up()
    assert await reader.Reader(rig.engine, EVENTS).seen() == last + 3
    found = await rig.broken()
    assert not {name for name in found if name.startswith("S")}, found
    for connection in (held, fast):
        await connection.close()
    await rig.close()


async def test_the_minutes_of_long_ago_go_and_the_hours_stay_right(database: Any) -> None:
    rig = await MoneyRig(database.app_url).open()
    await rig.counted()
    owner = await asyncpg.connect(database.superuser_url)
    await owner.execute("set session_replication_role = replica")
    await owner.execute(f"update payment_events set at = at - interval '{MINUTE_DAYS + 2} days'")
    await rig.counted(number="+2250501020306")
    await Rollups(rig.engine).catch_up()
    hours = await rig.one("select count(*) from rollup_hours")
    facets = "select facet from rollup_minutes where at < now() - interval '1 day' group by 1"
    assert len(await rig.rows(facets)) == 5
    assert await purge(rig.engine.execution_options(isolation_level="AUTOCOMMIT"), Kept(), batch=2, pause=0)
    assert [row.facet for row in await rig.rows(facets)] == ["all"]
    assert (await rig.one("select count(*) from rollup_hours")) == hours
    assert not {name for name in await rig.broken() if name.startswith("S")}
    # An hour whose minutes are gone is compared with what happened in it.
    await owner.execute(
        "update rollup_hours set votes = votes + 1 where facet = 'candidate' and at < now() - interval '1d'"
    )
    assert {name[:2] for name in await rig.broken() if name.startswith("S")} == {"S2"}
    await owner.close()
    await rig.close()
