"""What is measured: one function a goal, each beside its floor."""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

import asyncpg
import httpx
import orjson
import psutil

from sandbox.crowd.plan import Group
from tests.bench.callbacks import p4, p8
from tests.bench.live import p9
from tests.bench.load import closed_loop, open_loop, request
from tests.bench.logs import p20, p21
from tests.bench.measure import Arm, Inexact, Result, interleave, medians, ratio
from tests.bench.prompts import p13, p14, p18
from tests.bench.rebuild import p15
from tests.bench.world import World
from tests.rigs.evening import Evening

SECONDS = 2.0
# Where a goal is near its floor: shorter arms, and more of them, so that a machine that is slow for a second
# is slow for one pair out of many.
SHORT_SECONDS = 0.8
SHORT_ROUNDS = 9
CONNECTIONS = 48
CROWD_OF_CALLERS = 500
# So many wait for an answer at once when a host shouts "vote now"; see __init__.py for fewer and more.
BUYERS = 256


def _form(path: str, **fields: str) -> bytes:
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()
    return request("POST", path, body, Content_Type="application/x-www-form-urlencoded")


_callers = itertools.count()


def _hops(path: str) -> Iterator[bytes]:
    """Dialogues of three hops, up to the screen before the confirmation, by ever new callers. No caller
    types before the screen is there, so other callers' hops come between those of one."""
    while True:
        crowd = [next(_callers) for _ in range(CROWD_OF_CALLERS)]
        for text in ("", "07", "07*5"):
            for caller in crowd:
                yield _form(
                    path,
                    sessionId=f"ATUid_{caller:x}",
                    phoneNumber=f"+22505{caller % 100_000_000:08d}",
                    networkCode="61205",
                    serviceCode="*789#",
                    text=text,
                )


def _orders(path: str, start: int) -> Iterator[bytes]:
    for caller in itertools.count(start):
        body = orjson.dumps(
            {
                "contest": "star",
                "candidateCode": f"{caller % 12 + 1:02d}",
                "quantity": 5,
                "paymentMethod": "MTN_MOBILE_MONEY",
                "voterPhone": f"+22505{caller % 100_000_000:08d}",
            }
        )
        yield request("POST", path, body, Content_Type="application/json", Idempotency_Key=f"bench-{caller}")


async def p1(world: World) -> list[Result]:
    """A USSD hop through the whole product, closed loop."""

    def arm(port: int, path: str) -> Arm:
        async def run() -> float:
            load = await closed_loop("127.0.0.1", port, _hops(path), seconds=SHORT_SECONDS, connections=CONNECTIONS)
            if set(load.statuses) != {200}:
                raise Inexact(f"answers {load.statuses}")
            return load.rate

        return run

    arms = {
        "product": arm(world.gateway_port, "/ussd/africastalking"),
        "good_floor": arm(world.floors_port, "/hop-good"),
        "naive_floor": arm(world.floors_port, "/hop-naive"),
    }
    rates = await interleave(arms, "good_floor", SHORT_ROUNDS)
    await world.dialogues_noted()
    detail = medians(rates)
    return [
        Result("P1", "USSD hop, to one coalesced trip", ratio(rates, "product", "good_floor"), 0.5, 0.7, detail=detail),
        Result("P1", "USSD hop, to one pipeline each", ratio(rates, "product", "naive_floor"), 1.2, 1.8),
    ]


async def p2(world: World) -> list[Result]:
    """USSD hops by the clock, whatever becomes of the answers: none lost, and how long they take."""
    results = []
    for rate, must, good in ((2_000, 25, 10), (5_000, 60, 20)):
        waits = []
        for _ in range(3):
            load = await open_loop(
                "127.0.0.1", world.gateway_port, _hops("/ussd/africastalking"), rate=rate, seconds=SECONDS
            )
            if load.statuses != {200: load.sent}:
                raise Inexact(f"{load.sent} sent, answers {load.statuses}")
            waits.append(statistics.quantiles(load.waits, n=100)[98] * 1000)
        what = f"USSD open loop, {rate:,} hops a second, p99"
        results.append(Result("P2", what, statistics.median(waits), must, good, lower=True, unit=" ms"))
        await world.dialogues_noted()
    return results


async def p3(world: World) -> list[Result]:
    """An order over HTTP, durable when answered."""
    started = itertools.count(0, 10_000_000)
    placed = 0

    async def product() -> float:
        nonlocal placed
        requests = _orders("/api/votes/initiate", next(started))
        load = await closed_loop("127.0.0.1", world.gateway_port, requests, seconds=SHORT_SECONDS, connections=BUYERS)
        if set(load.statuses) != {201}:
            raise Inexact(f"answers {load.statuses}")
        placed += load.answers
        # Nothing is collected here; left lying, the gateway's own sweeper would begin to.
        await world.forget_orders()
        return load.rate

    async def floor() -> float:
        requests = _orders("/insert", next(started))
        load = await closed_loop("127.0.0.1", world.floors_port, requests, seconds=SHORT_SECONDS, connections=BUYERS)
        return load.rate

    before = await world.count("votes")
    rates = await interleave({"product": product, "insert": floor}, "insert", SHORT_ROUNDS)
    if (written := await world.count("votes") - before) != placed:
        raise Inexact(f"{placed} orders answered, {written} written")
    return [
        Result(
            "P3",
            "order over HTTP, to one raw insert each",
            ratio(rates, "product", "insert"),
            1,
            2,
            detail=medians(rates),
        )
    ]


async def p5_p6(world: World) -> list[Result]:
    """Stored callbacks that are proof, to counted votes, by a real RQ worker."""

    def settle(candidates: int) -> Arm:
        async def run() -> float:
            size = 7_500
            async with world.fresh(candidates) as fresh:
                await fresh.store_proofs(size)
                counted, seconds = await fresh.work_off(size)
            if counted != size:
                raise Inexact(f"{size} paid, {counted} counted")
            return size / seconds

        return run

    async def floor() -> float:
        return await _append(world.database_url, 4_000)

    rates = await interleave({"one": settle(1), "many": settle(500), "append": floor}, "append")
    return [
        Result(
            "P5",
            "callbacks to counted votes, to one append each",
            ratio(rates, "many", "append"),
            0.6,
            2,
            detail=medians(rates),
        ),
        Result("P6", "the same, all for one candidate, to 500 candidates", ratio(rates, "one", "many"), 0.85, 0.95),
    ]


async def _append(database_url: str, rows: int) -> float:
    """One-row append-only inserts, sixteen connections, a commit each."""
    pool = await asyncpg.create_pool(database_url, min_size=16, max_size=16)
    numbers = iter(range(rows))

    async def client() -> None:
        for number in numbers:
            await pool.execute("insert into floor_entries (seq, code, amount) values ($1, '07', 500)", number)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(16)))
    seconds = time.perf_counter() - started
    await pool.close()
    return rows / seconds


async def p10(world: World) -> list[Result]:
    """The ranking as JSON, and the answer that it has not changed."""
    url = f"http://127.0.0.1:{world.gateway_port}/api/contests/star/leaderboard"
    async with httpx.AsyncClient() as client:
        etag = (await client.get(url)).headers["etag"]

    def arm(port: int, raw: bytes, status: int) -> Arm:
        async def run() -> float:
            server = world.process_on(port)
            before = _cpu_seconds(server)
            load = await closed_loop("127.0.0.1", port, itertools.repeat(raw), seconds=2, connections=16, depth=8)
            if set(load.statuses) != {status}:
                raise Inexact(f"answers {load.statuses}")
            # The load may be the slower side: the server's own time is what an answer costs.
            return load.answers / (_cpu_seconds(server) - before)

        return run

    path = "/api/contests/star/leaderboard"
    rates = await interleave(
        {
            "ranking": arm(world.gateway_port, request("GET", path), 200),
            "bare": arm(world.floors_port, request("GET", "/bare"), 200),
            "unchanged": arm(world.gateway_port, request("GET", path, If_None_Match=etag), 304),
            "bare_304": arm(world.floors_port, request("GET", "/unchanged"), 304),
        },
        "bare",
    )
    return [
        Result(
            "P10",
            "leaderboard, to a bare handler (server time)",
            ratio(rates, "ranking", "bare"),
            0.6,
            0.8,
            detail=medians(rates),
        ),
        Result(
            "P10", "not modified, to a bare handler (server time)", ratio(rates, "unchanged", "bare_304"), 0.7, 0.95
        ),
    ]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def p11(world: World) -> list[Result]:
    """A thousand viewers of the stream: what a delivery costs, and what it does to the others."""
    from tests.bench.viewers import watch

    shots = [await watch(world) for _ in range(3)]
    cost = statistics.median(shot.product_us / shot.floor_us for shot in shots)
    late = statistics.median(shot.late_ms for shot in shots)
    others = statistics.median(shot.others_ms for shot in shots)
    # Only the first viewers take memory anew: those of later shots fill what the first ones gave back.
    kilobytes = max(shot.kilobytes for shot in shots)
    detail = {"viewers": shots[0].viewers, "floor_us": round(statistics.median(s.floor_us for s in shots), 2)}
    return [
        Result("P11", "SSE delivery, to one bare loop", cost, 2, 1.3, lower=True, detail=detail),
        Result("P11", "SSE change to viewer, p99", late, 250, 150, lower=True, unit=" ms"),
        Result("P11", "other requests meanwhile, p99", others, 30, 15, lower=True, unit=" ms"),
        Result("P11", "memory a viewer", kilobytes, 25, 16, lower=True, unit=" kB"),
    ]


async def p16_p17(world: World) -> list[Result]:
    """The finale, in its short form: votes from the one-dial string to the receipt and the page, everything real."""
    found = world.home / "finale.json"
    options = ("--rates", "100,200,300", "--seconds", "10", "--results", str(found))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.finale", *options)
    if await process.wait() != 0:
        raise Inexact("the finale did not come to its end")
    return [Result(**fields) for fields in orjson.loads(found.read_bytes())]


async def p19(world: World) -> list[Result]:
    """Honest votes that fraud rules hold, of a generated evening of 2,000 voters with cheats."""
    database = world.engines.create_database()
    rig = await Evening(database.app_url, owner_url=database.owner_url).open()
    try:
        found = await rig.crowd(voters=2_000, seconds=3_600.0, seed=19)
    finally:
        await rig.close()
    honest = [found[group] for group in (Group.HONEST, Group.FAN)]
    paid, held = (sum(figures) for figures in zip(*honest, strict=True))
    caught = ", ".join(f"{group} {found[group][1]} of {found[group][0]}" for group in (Group.BURST, Group.BLOCK))
    share = 100 * held / paid
    return [Result("P19", "honest votes held", share, 0.1, 0.0, lower=True, unit=" %", detail={"caught": caught})]


GOALS = {
    "P1": p1,
    "P2": p2,
    "P3": p3,
    "P4": p4,
    "P5": p5_p6,
    "P6": p5_p6,
    "P8": p8,
    "P9": p9,
    "P10": p10,
    "P11": p11,
    "P13": p13,
    "P14": p14,
    "P15": p15,
    "P16": p16_p17,
    "P17": p16_p17,
    "P18": p18,
    "P19": p19,
    "P20": p20,
    "P21": p21,
}
