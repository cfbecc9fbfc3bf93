"""How fast operators are asked: many prompts at once at a slow one, turns at one with a rate, and questions within an
allowance."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import text

from gateway.storage.redis_link import connect
from gateway.storage.shared_rate import SharedRate
from payments.collection.collect import PLACES
from tests.bench.measure import Inexact, Result, interleave, medians, ratio
from tests.bench.world import LOAD_CORE, World, answers, spawn
from tests.free_port import free_port

LATENCY_MS = 300
ORDERS = 12 * PLACES
TURNS_PER_SECOND = 50
WAITING = 2_000
TURN_SECONDS = 4.0
# MTN's allowance, and its answers by and large.
QUESTIONS_PER_SECOND = 10
QUESTION_MS = 80
VOTES_PER_SECOND = 50
QUESTION_SECONDS = 5.0
# After a pause the ways to the operator are not known yet.
WARM_UP_SECONDS = 3.5


@asynccontextmanager
async def slow_operator(world: World, *arguments: int) -> AsyncIterator[httpx.AsyncClient]:
    port, log = free_port(), world.home / "operator.log"
    options = [str(argument) for argument in arguments or (LATENCY_MS,)]
    process = spawn("tests.bench.slow_operator", str(port), *options, environment={}, log=log, core=LOAD_CORE)
    try:
        await answers(f"http://127.0.0.1:{port}/seen", log)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


async def p13(world: World) -> list[Result]:
    """Prompts by a real worker to an operator that takes 300 ms for each, 256 of them in progress."""
    most = 0
    async with slow_operator(world) as operator:

        async def product() -> float:
            nonlocal most
            await operator.delete("/seen")
            seen = await _ask_all(world, operator)
            if seen["references"] != ORDERS or seen["doubled"]:
                raise Inexact(f"{ORDERS} orders, the operator saw {seen}")
            most = max(most, seen["most"])
            return ORDERS / float(seen["seconds"])

        async def floor() -> float:
            started = time.perf_counter()
            for number in range(3):
                await operator.post("/collection/v1_0/requesttopay", headers={"X-Reference-Id": str(number)})
            return PLACES * 3 / (time.perf_counter() - started)

        rates = await interleave({"product": product, "in_flight_by_latency": floor}, "in_flight_by_latency")
    detail = {**medians(rates), "most_in_progress": most}
    what = "prompts to a 300 ms operator, to in flight by latency"
    return [Result("P13", what, ratio(rates, "product", "in_flight_by_latency"), 0.6, 0.85, detail=detail)]


async def _ask_all(world: World, operator: httpx.AsyncClient) -> dict[str, Any]:
    async with world.fresh(12) as fresh:
        await fresh.place_orders(ORDERS)
        async with fresh.worker("real", MTN_MOMO_BASE_URL=str(operator.base_url).rstrip("/")) as ring:
            async with fresh.rig.engine.begin() as connection:
                await connection.execute(text("update payments set next_check_at = now()"))
            ring("collect")
            deadline = time.monotonic() + 60
            while await fresh.rig.one("select count(*) from payments where status = 'pending'") < ORDERS:
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.1)
            seen: dict[str, Any] = (await operator.get("/seen")).json()
            return seen


async def p14(world: World) -> list[Result]:
    """Turns at an account of 50 prompts a second, with 2,000 orders waiting."""

    async def turns() -> float:
        redis = connect(world.redis_url, timeout_seconds=1)
        rate = SharedRate(redis, f"bench-{time.monotonic_ns()}", evenly=True)
        got: list[tuple[float, int]] = []

        async def one(number: int) -> None:
            await rate.wait_turn("mtn_momo", TURNS_PER_SECOND)
            got.append((time.monotonic(), number))

        tasks = [asyncio.create_task(one(number)) for number in range(WAITING)]
        await asyncio.sleep(TURN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await redis.aclose()
        moments = [moment for moment, _ in got]
        if [number for _, number in got] != list(range(len(got))):
            raise Inexact("turns were not served first in, first out")
        if (most := _most_in_a_second(moments)) > TURNS_PER_SECOND:
            raise Inexact(f"{most} turns in one second")
        return (len(moments) - 1) / (moments[-1] - moments[0])

    async def allowed() -> float:
        return float(TURNS_PER_SECOND)

    rates = await interleave({"turns": turns, "allowed": allowed}, "allowed")
    what = "turns of 50 a second, 2,000 waiting, never one too many"
    return [Result("P14", what, ratio(rates, "turns", "allowed"), 0.95, 0.98, detail=medians(rates))]


async def p18(world: World) -> list[Result]:
    """Status questions of a real worker, at an operator that allows ten a second, with 50 votes a second waiting."""

    async def product() -> float:
        async with slow_operator(world, QUESTION_MS, QUESTIONS_PER_SECOND) as operator:
            return await _questions(world, operator)

    async def allowed() -> float:
        return float(QUESTIONS_PER_SECOND)

    rates = await interleave({"product": product, "allowed": allowed}, "allowed")
    what = "status questions, 50 votes/s waiting, no 429, to the allowance"
    return [Result("P18", what, ratio(rates, "product", "allowed"), 0.95, 0.99, detail=medians(rates))]


async def _questions(world: World, operator: httpx.AsyncClient) -> float:
    """Questions a second, once the first have been asked."""
    many = round(VOTES_PER_SECOND * (QUESTION_SECONDS + WARM_UP_SECONDS + 5))
    async with world.fresh(12) as fresh:
        await fresh.place_orders(many)
        async with fresh.worker("real", MTN_MOMO_BASE_URL=str(operator.base_url).rstrip("/")) as ring:
            async with fresh.rig.engine.begin() as connection:
                await connection.execute(
                    text(
                        "update payments p set status = 'pending', sent_at = now(),"
                        " next_check_at = now() + make_interval(secs => n.number / cast(:rate as float)) from ("
                        " select reference, row_number() over (order by reference) as number from payments) n"
                        " where n.reference = p.reference"
                    ),
                    {"rate": VOTES_PER_SECOND},
                )
            ring("verify")
            await asyncio.sleep(QUESTION_SECONDS + WARM_UP_SECONDS)
            asked: dict[str, Any] = (await operator.get("/asked")).json()
    if asked["refused"]:
        raise Inexact(f"{asked['refused']} questions were too many, {_most_in_a_second(asked['moments'])} in a second")
    moments: list[float] = [moment for moment in asked["moments"] if moment >= asked["moments"][0] + WARM_UP_SECONDS]
    # Whole seconds of the allowance: within one the questions may come unevenly.
    whole = (len(moments) - 1) // QUESTIONS_PER_SECOND * QUESTIONS_PER_SECOND
    return whole / (moments[whole] - moments[0])


def _most_in_a_second(moments: list[float]) -> int:
    most, first = 0, 0
    for number, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, number - first + 1)
    return most
