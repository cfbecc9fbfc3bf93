"""Turns at an account: the rate is reached and never exceeded, in order, by all processes together."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.storage.redis_link import connect
from gateway.storage.shared_pace import SharedPaces
from gateway.storage.shared_rate import OwnTurns, SharedRate, Ways

RATE = 40
SLOWER = 36


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url, timeout_seconds=1)
    yield client
    # One that still hands on what came of its turns would open another connection.
    granters = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_grant"]
    for task in granters:
        task.cancel()
    await asyncio.gather(*granters, return_exceptions=True)
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
        given, _ = await rates[number % 2].reserve("mtn_momo", RATE, apart, 1 + number % 7) or ([], 0)
        assert len(given) == 1 + number % 7
        turns += [turn / 1_000_000 for turn in given]
    assert turns == sorted(turns)
    assert most_in_a_second(turns) == RATE
    assert turns[-1] - turns[0] == pytest.approx((len(turns) - 1) // RATE * 1.01, abs=1.02)


@dataclass
class Counting:
    """An operator that counts calls when they arrive, on ways that take up to 80 ms longer than the shortest."""

    arrived: list[float] = field(default_factory=list)
    draw: Random = field(default_factory=lambda: Random(2026))

    async def ask(self, rate: SharedRate) -> None:
        answered = await rate.wait_turn("mtn_momo", RATE)
        await asyncio.sleep(0.001 + self.draw.choice((0, 0, 0, 0.01, 0.04, 0.08)))
        self.arrived.append(time.monotonic())
        await asyncio.sleep(0.02)
        answered()


async def test_an_operator_never_counts_too_many_though_calls_take_unequal_ways(redis: "Redis") -> None:
    operator = Counting()
    rates = [SharedRate(redis, "status", evenly=True, answered=True) for _ in range(2)]
    tasks = [asyncio.create_task(operator.ask(rates[number % 2])) for number in range(500)]
    await asyncio.sleep(3.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most_in_a_second(operator.arrived) <= RATE
    # The first seconds go slowly, and a busy machine is late: how much of an allowance is used is measured elsewhere.
    assert len(operator.arrived) > 1.5 * RATE


async def test_one_account_has_one_allowance_at_any_rate(redis: "Redis") -> None:
    """While it is closed it is asked once a second; when it opens, that question counts."""
    rate = SharedRate(redis, "status")
    (first,) = (await rate.reserve("mtn_momo", 1, 0.0, 1) or ([], 0))[0]
    turns, _ = await rate.reserve("mtn_momo", 10, 0.0, 10) or ([], 0)
    assert turns[8] - first < 500_000
    assert turns[9] - first == 1_010_000


@pytest.mark.parametrize(
    ("answers", "allowed"),
    [
        # How long it took and when it came: by how much longer than the fastest one lately.
        ([(0.3, 2), (0.1, 3), (0.25, 12), (0.2, 31)], [0.0, 0.0, 0.15, 0.1]),
        # The fastest is forgotten.
        ([(0.1, 2), (0.2, 20), (0.2, 40), (0.2, 60), (0.3, 80)], [0.0, 0.1, 0.1, 0.1, 0.1]),
        # One may have been very late, all of them may not.
        ([(0.1, 2), (0.5, 3), (0.5, 4), (0.5, 5)], [0.0, 0.3, 0.045, 0.045]),
        # After a pause connections are opened again.
        ([(0.1, 2), (0.1, 40), (0.1, 41), (0.1, 42)], [0.0, 0.3, 0.3, 0.0]),
    ],
)
def test_what_is_allowed_for_the_way_of_a_call(answers: list[tuple[float, float]], allowed: list[float]) -> None:
    ways = Ways(first=2)
    assert [ways.answered(0.5, at) for at in (0, 1)] == [0.3, 0.3]
    assert [ways.answered(seconds, at) for seconds, at in answers] == pytest.approx(allowed)
    assert ways.unanswered(answers[-1][1] + 1) == 0.045
    assert ways.unanswered(answers[-1][1] + 31) == 0.3


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


async def test_turns_that_are_due_need_no_round_of_the_loop_each(
    redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        return None

    monkeypatch.setattr(SharedRate, "reserve", away)
    rate, rounds = SharedRate(redis, "turns"), 0
    waiting = asyncio.gather(*(rate.wait_turn("mtn_momo", 1_000) for _ in range(400)))
    while not waiting.done():
        await asyncio.sleep(0)
        rounds += 1
    assert rounds < 100


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


async def test_a_call_to_slow_down_holds_in_every_process(redis: "Redis") -> None:
    paces = SharedPaces(redis)
    slowed, other = SharedRate(redis, "status", paces=paces), SharedRate(redis, "prompts")
    paces.slow("mtn_momo")
    assert slowed.left("mtn_momo", RATE) == SLOWER
    await paces.settle()
    # The other process hears of it with its first turns, and goes by it from the next on.
    assert other.left("mtn_momo", RATE) == RATE
    await other.reserve("mtn_momo", RATE, 0.0, 1)
    assert other.left("mtn_momo", RATE) == SLOWER
    assert other.left("mtn_momo@cm", RATE) == RATE
    turns = await reserved(slowed, 0.0, RATE + 1)
    assert most_in_a_second(turns) == SLOWER
    assert turns[-1] - turns[0] == pytest.approx(1.01, abs=0.001)


async def reserved(rate: SharedRate, apart: float, many: int) -> list[float]:
    """Seconds of Redis's clock."""
    found = await rate.reserve("mtn_momo", RATE, apart, many)
    assert found is not None
    return [turn / 1_000_000 for turn in found[0]]


async def test_reported_by_two_processes_it_slows_down_once(redis: "Redis") -> None:
    several = [SharedPaces(redis) for _ in range(3)]
    for paces in several:
        paces.slow("mtn_momo")
        paces.slow("mtn_momo")
        await paces.settle()
    assert {paces.left("mtn_momo", 100) for paces in several} == {90}
    fourth = SharedRate(redis, "status")
    await fourth.reserve("mtn_momo", 100, 0.0, 1)
    assert fourth.left("mtn_momo", 100) == 90


async def test_evenly_spread_turns_are_further_apart(redis: "Redis") -> None:
    paces = SharedPaces(redis)
    rate = SharedRate(redis, "prompts", evenly=True, paces=paces)
    paces.slow("mtn_momo")
    await paces.settle()
    turns = await reserved(rate, 1.01 / RATE, 5)
    assert turns[4] - turns[0] == pytest.approx(4 * 1.01 / SLOWER, abs=0.001)


async def test_without_redis_one_process_slows_down_by_itself() -> None:
    away = connect("redis://127.0.0.1:9/0", timeout_seconds=0.2)
    paces = SharedPaces(away)
    rate = SharedRate(away, "status", paces=paces)
    with capture_logs() as lines:
        paces.slow("mtn_momo")
        await paces.settle()
    assert [line["event"] for line in lines] == ["account_slowed", "pace_kept_alone"]
    assert rate.left("mtn_momo", RATE) == SLOWER
    turns = await given([rate], 100, SLOWER // 2 + 1)
    assert turns[-1][0] - turns[0][0] >= 1.0
    await away.aclose()


async def test_the_rate_comes_back_by_steps(redis: "Redis") -> None:
    now = [1_000.0]
    paces = SharedPaces(redis, lambda: now[0])
    paces.slow("mtn_momo")
    await paces.settle()
    left = []
    for _ in range(4):
        left.append(paces.left("mtn_momo", 80))
        now[0] += 2
    assert left == [72, 72, 72, 80]


def test_own_turns_of_a_part_of_the_rate() -> None:
    own = OwnTurns(4, 0.0, lambda: 100.0)
    assert own.reserve(3, 0.5) == [100.0, 100.0, pytest.approx(101.01)]
    assert own.reserve(1, 0.1) == [pytest.approx(102.02)]
