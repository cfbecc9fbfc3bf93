"""P20: the public logs."""

import time

import asyncpg
from sqlalchemy import text

from gateway.runtime.demo_orders import make_orders
from leaderboard.log.build import LogBuilder
from leaderboard.log.keys import LogKeys
from payments.settlement.count import FEE_PLANS, plans_of
from tests.bench.measure import Inexact, Result
from tests.bench.world import World
from tests.rigs.rig import PUBLIC_URL, SECRET_KEY, Rig

ORDERS = 60_000


async def p20(world: World) -> list[Result]:
    """Leaves that one builder appends and signs in a second, PostgreSQL on the same core."""
    database = world.engines.create_database()
    rig = await Rig(database.app_url).open()
    owner = await asyncpg.connect(database.owner_url)
    try:
        async with rig.engine.connect() as connection:
            contests = list((await connection.execute(text("select id from contests"))).scalars())
            plans = text(f"select {FEE_PLANS}")
            fees = {one: plans_of((await connection.execute(plans, {"contest": one})).one()) for one in contests}
        await make_orders(owner, rig.vault, ORDERS, seed=20, fees=fees, progress=lambda _: None)
        builder = LogBuilder(rig.engine, rig.vault, LogKeys.of(PUBLIC_URL, (SECRET_KEY,)))
        started = time.perf_counter()
        appended = await builder.build()
        seconds = time.perf_counter() - started
        entries = await rig.one("select count(*) from tally_entries")
        if appended != entries + len(contests):
            raise Inexact(f"{entries} entries, {appended} leaves")
    finally:
        await owner.close()
        await rig.close()
    return [Result("P20", "leaves of the public log", appended / seconds, 5_000, 10_000, unit=" /s")]
