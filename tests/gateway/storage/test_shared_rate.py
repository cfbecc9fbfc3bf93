"""Turns at an account: the rate is reached and never exceeded, in order, by all processes together."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.storage.redis_link import connect
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
