"""Sharing trips: every caller gets its own answer, and one bad member spoils no other."""

import asyncio

import pytest
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.storage.coalescer import Coalescer, Overloaded


class Trips:
    """Doubles numbers, slowly; refuses thirteen."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, items: list[int]) -> list[int | BaseException]:
        self.batches.append(items)
        await self.go.wait()
        if 13 in items:
            raise ValueError("thirteen")
        return [ArithmeticError("zero") if item == 0 else item * 2 for item in items]


async def test_an_idle_coalescer_adds_nothing() -> None:
    trips = Trips()
    assert await Coalescer(trips).do(4) == 8
    assert trips.batches == [[4]]


async def test_batches_apart_gather_who_comes_meanwhile_until_they_are_enough() -> None:
    trips = Trips()
    coalescer: Coalescer[int, int] = Coalescer(trips, batch_max=10, lanes=2, apart=60.0, enough=3)
    assert await coalescer.do(1) == 2
    callers = [coalescer.start(2), coalescer.start(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert trips.batches == [[1]]
    callers += [coalescer.start(4), coalescer.start(5)]
    assert await asyncio.gather(*callers) == [4, 6, 8, 10]
    assert trips.batches == [[1], [2, 3, 4, 5]]


async def test_batches_apart_wait_no_longer_than_that() -> None:
    trips = Trips()
    coalescer: Coalescer[int, int] = Coalescer(trips, lanes=2, apart=0.01)
    assert [await coalescer.do(n) for n in (1, 2)] == [2, 4]
    assert await asyncio.gather(*map(coalescer.do, (3, 4))) == [6, 8]
    assert [item for batch in trips.batches for item in batch] == [1, 2, 3, 4]


async def test_behind_a_batch_of_several_the_next_one_waits_longer() -> None:
    trips = Trips()
    coalescer: Coalescer[int, int] = Coalescer(trips, batch_max=10_000, apart=0.01, apart_most=60.0, enough=10_000)
    assert [await coalescer.do(n) for n in (1, 2)] == [2, 4]
    await asyncio.gather(*map(coalescer.do, range(100, 6_100)))
    late = coalescer.start(3)
    await asyncio.sleep(0.05)
    assert not late.done()
    assert [len(batch) for batch in trips.batches] == [1, 1, 6_000]


async def test_behind_a_large_batch_the_next_one_waits_no_longer_than_the_most() -> None:
    trips = Trips()
    coalescer: Coalescer[int, int] = Coalescer(trips, batch_max=10_000, apart=0.01, apart_most=0.02)
    await asyncio.gather(*map(coalescer.do, range(100, 6_100)))
    assert await asyncio.wait_for(coalescer.do(3), 20.0) == 6
    assert [len(batch) for batch in trips.batches] == [6_000, 1]


async def test_an_item_that_may_wait_goes_with_the_next_one() -> None:
    trips = Trips()
    coalescer: Coalescer[int, int] = Coalescer(trips)
    late = coalescer.start(1, within=60.0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert trips.batches == []
    assert await coalescer.do(2) == 4
    assert await late == 2
    assert trips.batches == [[1, 2]]


async def test_an_item_that_may_wait_goes_alone_when_no_other_comes() -> None:
    assert await Coalescer(Trips()).start(4, within=0.01) == 8


async def test_who_arrives_meanwhile_leaves_together() -> None:
    trips = Trips()
    trips.go.clear()
    coalescer: Coalescer[int, int] = Coalescer(trips, batch_max=3)
    callers = [asyncio.create_task(coalescer.do(n)) for n in range(1, 8)]
    for _ in range(3):
        await asyncio.sleep(0)
    trips.go.set()
    assert await asyncio.gather(*callers) == [2, 4, 6, 8, 10, 12, 14]
    assert max(len(batch) for batch in trips.batches) == 3
    assert [item for batch in trips.batches for item in batch] == list(range(1, 8))


async def test_a_failed_batch_runs_member_by_member() -> None:
    trips = Trips()
    coalescer: Coalescer[int, int] = Coalescer(trips)
    results = await asyncio.gather(*(coalescer.do(n) for n in (1, 13, 2)), return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], ValueError)
    assert results[2] == 4


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (ConnectionRefusedError(), 1),
        (TimeoutError(), 1),
        (PoolTimeoutError(), 1),
        (OperationalError("", {}, Exception()), 1),
        (DBAPIError("", {}, Exception()), 1),
        (RedisError(), 1),
        (DataError("", {}, Exception()), 201),
        (IntegrityError("", {}, Exception()), 201),
    ],
)
async def test_a_server_that_is_away_fails_a_batch_once(error: Exception, calls: int) -> None:
    made = 0

    async def work(items: list[int]) -> list[int]:
        nonlocal made
        made += 1
        raise error

    coalescer: Coalescer[int, int] = Coalescer(work)
    results = await asyncio.gather(*(coalescer.do(n) for n in range(200)), return_exceptions=True)
    assert results == [error] * 200
    assert made == calls


async def test_a_member_may_fail_alone() -> None:
    coalescer: Coalescer[int, int] = Coalescer(Trips())
    results = await asyncio.gather(*(coalescer.do(n) for n in (1, 0, 2)), return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], ArithmeticError)
    assert results[2] == 4


async def test_a_caller_who_left_does_not_stop_the_others() -> None:
    trips = Trips()
    trips.go.clear()
    coalescer: Coalescer[int, int] = Coalescer(trips)
    gone, stays = asyncio.create_task(coalescer.do(1)), asyncio.create_task(coalescer.do(2))
    await asyncio.sleep(0.01)
    gone.cancel()
    trips.go.set()
    assert await stays == 4


async def test_too_many_waiting_are_turned_away() -> None:
    trips = Trips()
    trips.go.clear()
    coalescer: Coalescer[int, int] = Coalescer(trips, waiting_max=2)
    travelling = asyncio.create_task(coalescer.do(1))
    await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(coalescer.do(n)) for n in (2, 3)]
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await coalescer.do(4)
    trips.go.set()
    assert await asyncio.gather(travelling, *waiting) == [2, 4, 6]


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("callers", [1, 2, 3, 8])
async def test_who_was_answered_and_comes_again_at_once_is_carried(lanes: int, callers: int) -> None:
    coalescer: Coalescer[int, int] = Coalescer(Trips(), lanes=lanes)

    async def one_after_the_other(number: int) -> int:
        for _ in range(50):
            assert await coalescer.do(number) == 2 * number
        return number

    async with asyncio.timeout(5):
        assert await asyncio.gather(*(one_after_the_other(n) for n in range(1, callers + 1)))
