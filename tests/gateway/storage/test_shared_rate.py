"""Turns at an account: the rate is reached and never exceeded, in order, by all processes together."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.storage.redis_link import connect
from gateway.storage.shared_pace import SharedPaces
from gateway.storage.shared_rate import OwnTurns, SharedRate

RATE = 40


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url, timeout_seconds=1)
    yield client
    await client.aclose()


def most_in_a_second(moments: list[float]) -> int:
    most, first = 0, 0
    for number, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, number - first + 1)
    return most


async def given(rates: list[SharedRate], waiting: int, turns: int, per_second: int = RATE) -> list[tuple[float, int]]:
    """The first turns, each with the number of who got it."""
    got: list[tuple[float, int]] = []
    enough = asyncio.Event()

    async def one(number: int) -> None:
        await rates[number % len(rates)].wait_turn("mtn_momo", per_second)
        got.append((time.monotonic(), number))
        if len(got) >= turns:
            enough.set()

    tasks = [asyncio.create_task(one(number)) for number in range(waiting)]
    await enough.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return got[:turns]


@pytest.mark.parametrize("evenly", [True, False])
async def test_never_too_many_in_any_second_and_hardly_too_few(redis: "Redis", evenly: bool) -> None:
    turns = await given([SharedRate(redis, "prompts", evenly=evenly)], 2_000, 2 * RATE + 1)
    moments = [moment for moment, _ in turns]
    assert most_in_a_second(moments) <= RATE
    # What lies between the first turn and the one after two whole windows; a busy machine is late, not early.
    assert 2.0 <= moments[-1] - moments[0] <= 3.0


@pytest.mark.parametrize("apart", [0.0, 1.01 / RATE])
async def test_turns_of_two_processes_are_turns_of_one_rate(redis: "Redis", apart: float) -> None:
    rates = [SharedRate(redis, "prompts") for _ in range(2)]
    turns: list[float] = []
    for number in range(40):
        assert len(await rates[number % 2].reserve("mtn_momo", RATE, apart, 1 + number % 7) or ()) == 1 + number % 7
        newest = await redis.lrange(f"rate:prompts:mtn_momo:{RATE}", 0, number % 7)
        turns += [int(turn) / 1_000_000 for turn in reversed(newest)]
    assert turns == sorted(turns)
    assert most_in_a_second(turns) == RATE
    assert turns[-1] - turns[0] == pytest.approx((len(turns) - 1) // RATE * 1.01, abs=1.02)


async def test_first_come_first_served(redis: "Redis") -> None:
    turns = await given([SharedRate(redis, "prompts")], 500, 60, per_second=200)
    assert [number for _, number in turns] == list(range(60))


async def test_two_processes_get_alike(redis: "Redis") -> None:
    rates = [SharedRate(redis, "prompts", evenly=True) for _ in range(2)]
    turns = await given(rates, 200, 100, per_second=200)
    assert 35 <= sum(number % 2 for _, number in turns) <= 65


async def test_who_gave_up_takes_no_turn(redis: "Redis") -> None:
    rate = SharedRate(redis, "status")
    await rate.wait_turn("mtn_momo", 1)
    impatient = asyncio.create_task(rate.wait_turn("mtn_momo", 1))
    patient = asyncio.create_task(rate.wait_turn("mtn_momo", 1))
    await asyncio.sleep(0)
    impatient.cancel()
    started = time.monotonic()
    await patient
    assert time.monotonic() - started < 1.5


async def test_accounts_do_not_wait_for_each_other(redis: "Redis") -> None:
    rate = SharedRate(redis, "status")
    await rate.wait_turn("mtn_momo", 1)
    waiting = asyncio.create_task(rate.wait_turn("mtn_momo", 1))
    async with asyncio.timeout(0.9):
        await rate.wait_turn("mtn_momo@cm", 1)
    assert not waiting.done()
    waiting.cancel()


async def test_without_redis_each_process_keeps_half() -> None:
    away = connect("redis://127.0.0.1:9/0", timeout_seconds=0.2)
    turns = await given([SharedRate(away, "prompts", evenly=True)], 100, RATE // 2 + 1)
    assert turns[-1][0] - turns[0][0] >= 1.0
    await away.aclose()


async def test_no_rate_is_a_mistake(redis: "Redis") -> None:
    with pytest.raises(ValueError, match="no rate"):
        await SharedRate(redis, "prompts").wait_turn("mtn_momo", 0)


def test_own_turns_by_the_clock() -> None:
    now = [100.0]
    burst = OwnTurns(3, 0.0, lambda: now[0])
    assert burst.reserve(4) == [100.0, 100.0, 100.0, pytest.approx(101.01)]
    even = OwnTurns(3, 0.5, lambda: now[0])
    assert even.reserve(3) == [100.0, 100.5, 101.0]
    now[0] = 200.0
    assert even.reserve(1) == [200.0]


async def test_who_is_told_to_slow_down_does_so_in_every_process(redis: "Redis") -> None:
    paces = SharedPaces(redis)
    told, other = SharedRate(redis, "status", paces=paces), SharedRate(redis, "prompts")
    paces.slow("mtn_momo")
    assert told.left("mtn_momo", RATE) == RATE // 2
    await paces.settle()
    # The other process hears of it with its first turns, and goes by it from the next on.
    assert other.left("mtn_momo", RATE) == RATE
    await other.reserve("mtn_momo", RATE, 0.0, 1)
    assert other.left("mtn_momo", RATE) == RATE // 2
    assert other.left("mtn_momo@cm", RATE) == RATE
    turns = await told.reserve("mtn_momo", RATE, 0.0, RATE + 1)
    assert turns is not None
    assert most_in_a_second(turns) == RATE // 2
    assert turns[-1] - turns[0] == pytest.approx(2 * 1.01, abs=0.001)


async def test_told_by_two_processes_it_is_halved_once(redis: "Redis") -> None:
    several = [SharedPaces(redis) for _ in range(3)]
    for paces in several:
        paces.slow("mtn_momo")
        paces.slow("mtn_momo")
        await paces.settle()
    assert {paces.left("mtn_momo", 100) for paces in several} == {50}
    fourth = SharedRate(redis, "status")
    await fourth.reserve("mtn_momo", 100, 0.0, 1)
    assert fourth.left("mtn_momo", 100) == 50


async def test_evenly_spread_turns_are_further_apart(redis: "Redis") -> None:
    paces = SharedPaces(redis)
    rate = SharedRate(redis, "prompts", evenly=True, paces=paces)
    paces.slow("mtn_momo")
    await paces.settle()
    turns = await rate.reserve("mtn_momo", RATE, 1.01 / RATE, 5)
    assert turns is not None
    assert turns[4] - turns[0] == pytest.approx(4 * 2 * 1.01 / RATE, abs=0.001)


async def test_without_redis_one_process_slows_down_by_itself() -> None:
    away = connect("redis://127.0.0.1:9/0", timeout_seconds=0.2)
    paces = SharedPaces(away)
    rate = SharedRate(away, "status", paces=paces)
    with capture_logs() as lines:
        paces.slow("mtn_momo")
        await paces.settle()
    assert [line["event"] for line in lines] == ["account_slowed", "pace_kept_alone"]
    assert rate.left("mtn_momo", RATE) == RATE // 2
    turns = await given([rate], 100, RATE // 4 + 1)
    assert turns[-1][0] - turns[0][0] >= 1.0
    await away.aclose()


async def test_the_rate_comes_back_by_steps(redis: "Redis") -> None:
    now = [1_000.0]
    paces = SharedPaces(redis, lambda: now[0])
    paces.slow("mtn_momo")
    await paces.settle()
    left = []
    for _ in range(6):
        left.append(paces.left("mtn_momo", 80))
        now[0] += 20
    assert left == [40, 40, 40, 50, 70, 80]


def test_own_turns_of_a_part_of_the_rate() -> None:
    own = OwnTurns(4, 0.0, lambda: 100.0)
    assert own.reserve(3, 0.5) == [100.0, 100.0, pytest.approx(101.01)]
    assert own.reserve(1, 0.1) == [pytest.approx(102.02)]
