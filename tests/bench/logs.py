"""P20 and P21: the public logs, by themselves and beside settlement."""

import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.orders.fraud import FRAUD_OFF
from gateway.runtime.demo_orders import make_orders
from gateway.storage.engine import make_engine
from gateway.storage.vault import Vault
from leaderboard.log.build import LogBuilder
from leaderboard.log.keys import LogKeys
from payments.settlement.count import FEE_PLANS, plans_of
from payments.settlement.settle import BATCH, Settlement
from tests.bench.measure import Inexact, Result
from tests.bench.world import LOAD_CORE, SERVER_CORE, World, keep_to
from tests.rigs.rig import PUBLIC_URL, SECRET_KEY, Rig

ORDERS = 60_000
PAIRS = 24
# Settled before: plans are made, and the builder has something to do at once.
FIRST = 2


def _builder(engine: AsyncEngine) -> LogBuilder:
    return LogBuilder(engine, Vault(SECRET_KEY), LogKeys.of(PUBLIC_URL, (SECRET_KEY,)))


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
        started = time.perf_counter()
        appended = await _builder(rig.engine).build()
        seconds = time.perf_counter() - started
        entries = await rig.one("select count(*) from tally_entries")
        if appended != entries + len(contests):
            raise Inexact(f"{entries} entries, {appended} leaves")
    finally:
        await owner.close()
        await rig.close()
    return [Result("P20", "leaves of the public log", appended / seconds, 5_000, 10_000, unit=" /s")]


async def p21(world: World) -> list[Result]:
    """Settlement while the log is built beside it, to settlement alone. Each has a core of its own, with its process
    in PostgreSQL, and what it waits for that core is left out: what is compared is what one costs the other by locks,
    the log of PostgreSQL and memory, and not the share of a processor."""
    votes = (FIRST + 2 * PAIRS) * BATCH
    turns: dict[str, list[_Turn]] = {"beside": [], "alone": []}
    async with world.fresh(100) as backlog, _building(backlog.app_url) as (begin, rest):
        await backlog.place_orders(votes)
        async with backlog.rig.engine.begin() as connection:
            await connection.execute(text("update payments set status = 'confirmed', confirmed_at = now()"))
        owner = await asyncpg.connect(backlog.superuser_url)
        await owner.execute("vacuum analyze payments")
        await owner.close()
        async with _settling(backlog.app_url) as settle:
            for _ in range(FIRST):
                await settle()
            for pair in range(PAIRS):
                # What comes second finds fuller tables.
                for name in ("alone", "beside") if pair % 2 else ("beside", "alone"):
                    if name == "beside":
                        begin()
                    turns[name].append(await settle())
                    if name == "beside":
                        await rest()
        leaves = await backlog.rig.one("select count(*) from log_leaves where seq is not null")
        entries = await backlog.rig.one("select count(*) from tally_entries")
        if entries != votes or not 0 < leaves <= entries:
            raise Inexact(f"{entries} entries, {leaves} leaves")
    what = "settlement beside the log's builder, to alone"
    detail: dict[str, object] = {"leaves": leaves}
    for part in ("own", "ran", "wall"):
        detail |= {
            f"{part}_ms_{name}": round(1000 * statistics.median(getattr(one, part) for one in of), 1)
            for name, of in turns.items()
        }
    pairs = [alone.own / beside.own for beside, alone in zip(turns["beside"], turns["alone"], strict=True)]
    detail["quartiles"] = [round(one, 3) for one in statistics.quantiles(pairs)]
    return [Result("P21", what, statistics.median(pairs), 0.97, 0.99, detail=detail)]


@dataclass(frozen=True)
class _Turn:
    """Seconds of a batch: in all, of them on a processor, and of them ready for one that others had."""

    wall: float
    ran: float
    waited: float

    @property
    def own(self) -> float:
        """Without what others had the processor for."""
        return self.wall - self.waited


@asynccontextmanager
async def _settling(app_url: str) -> AsyncIterator[Callable[[], Awaitable[_Turn]]]:
    """What settles a batch. This process and its connection are on the servers' core meanwhile."""
    engine = make_engine(app_url, pool_size=1)
    settlement = Settlement(engine, FRAUD_OFF)
    async with engine.connect() as connection:
        server = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    keep_to(SERVER_CORE, server)

    async def settle() -> _Turn:
        before, started = _scheduled(server, os.getpid()), time.perf_counter()
        batch = await settlement.settle_batch(BATCH)
        wall, after = time.perf_counter() - started, _scheduled(server, os.getpid())
        if batch is None or len(batch.counted) != BATCH:
            raise Inexact(f"{BATCH} due, and another number counted")
        return _Turn(wall, after[0] - before[0], after[1] - before[1])

    keep_to(SERVER_CORE)
    try:
        yield settle
    finally:
        keep_to(LOAD_CORE)
        await engine.dispose()


def _scheduled(*pids: int) -> tuple[float, float]:
    """Seconds that these processes were on a processor, and ready for one, as Linux counts them. Where one is woken
    while the other still works on the same core, that counts as both, beside and alone alike."""
    known = [Path(f"/proc/{pid}/schedstat").read_text().split() for pid in pids]
    return sum(int(one[0]) for one in known) / 1e9, sum(int(one[1]) for one in known) / 1e9


@asynccontextmanager
async def _building(app_url: str) -> AsyncIterator[tuple[Callable[[], None], Callable[[], Awaitable[Any]]]]:
    """A builder in a process of its own: what lets it begin, and what waits until it rests."""
    context = multiprocessing.get_context("spawn")
    wanted, resting, ended = context.Event(), context.Event(), context.Event()
    process = context.Process(target=_build, args=(app_url, wanted, resting, ended))
    process.start()

    def begin() -> None:
        resting.clear()
        wanted.set()

    async def rest() -> None:
        wanted.clear()
        if not await asyncio.to_thread(resting.wait, 60):
            raise Inexact("the builder does not rest")

    try:
        await rest()
        yield begin, rest
    finally:
        ended.set()
        wanted.set()
        await asyncio.to_thread(process.join, 30)


def _build(app_url: str, wanted: Event, resting: Event, ended: Event) -> None:
    keep_to(LOAD_CORE)

    async def run() -> None:
        engine = make_engine(app_url, pool_size=1)
        builder = _builder(engine)
        while not ended.is_set():
            if wanted.is_set():
                await builder.build()
            else:
                resting.set()
                await asyncio.to_thread(wanted.wait, 1)
        await engine.dispose()

    uvloop.run(run())
