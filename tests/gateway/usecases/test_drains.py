"""What a doorbell means, and what the sweeper does without one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from gateway.ports.work import Work
from gateway.usecases.drains import Drains
from gateway.usecases.sweep import sweep
from tests.gateway.rig import SilentDoorbell


def steps(**given: list[int]) -> tuple[dict[Work, Callable[[], Awaitable[int]]], dict[Work, int]]:
    """Steps that do so much at each call, then nothing; and how often each was called."""
    calls = dict.fromkeys(Work, 0)

    def make(work: Work) -> Callable[[], Awaitable[int]]:
        left = list(given.get(work.value, []))

        async def step() -> int:
            calls[work] += 1
            await asyncio.sleep(0)
            return left.pop(0) if left else 0

        return step

    return {work: make(work) for work in Work}, calls


async def test_drains_until_nothing_is_due_and_goes_on_with_what_follows() -> None:
    made, calls = steps(verify=[500, 200], settle=[700])
    assert await Drains(made, SilentDoorbell()).drain(Work.VERIFY) == 700
    for _ in range(10):
        await asyncio.sleep(0)
    assert calls[Work.VERIFY] == 3
    assert calls[Work.SETTLE] >= 1
    assert calls[Work.TEXTS_OUT] >= 1


async def test_a_failing_follower_does_not_fail_the_drain() -> None:
    made, _ = steps(verify=[1])

    async def broken() -> int:
        raise ConnectionError("the database is away")

    made[Work.SETTLE] = broken
    assert await Drains(made, SilentDoorbell()).drain(Work.VERIFY) == 1
    await asyncio.sleep(0.01)


async def test_a_ring_during_a_drain_makes_it_look_once_more() -> None:
    made, calls = steps(settle=[1])
    drains = Drains(made, SilentDoorbell())
    first = asyncio.create_task(drains.drain(Work.SETTLE))
    await asyncio.sleep(0)
    assert await drains.drain(Work.SETTLE) == 0
    assert await first == 1
    assert calls[Work.SETTLE] >= 2


class Owed:
    """What is owed, for a sweeper."""

    def __init__(self, found: Mapping[Work, float], *, locked: bool = False) -> None:
        self.found, self.locked = found, locked

    async def owed(self) -> Mapping[Work, float]:
        return self.found

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[bool]:
        yield not self.locked


async def test_a_worker_does_what_it_finds() -> None:
    made, calls = steps()
    doorbell = SilentDoorbell()
    await sweep(owed=Owed({Work.SETTLE: 0.1}), drains=Drains(made, doorbell), doorbell=doorbell, does_work=True)
    assert (calls[Work.SETTLE], doorbell.rung) == (1, [])


async def test_a_gateway_rings_first_and_helps_when_nobody_answers() -> None:
    made, calls = steps()
    doorbell = SilentDoorbell()
    owed = Owed({Work.COLLECT: 0.5, Work.SETTLE: 11.0})
    await sweep(owed=owed, drains=Drains(made, doorbell), doorbell=doorbell, does_work=False)
    assert doorbell.rung == [Work.COLLECT]
    assert (calls[Work.COLLECT], calls[Work.SETTLE]) == (0, 1)


async def test_one_kind_that_fails_does_not_stop_the_others() -> None:
    made, calls = steps()

    async def broken() -> int:
        raise ValueError("a row that nobody understands")

    made[Work.COLLECT] = broken
    doorbell = SilentDoorbell()
    owed = Owed({Work.COLLECT: 0.1, Work.SETTLE: 0.1})
    await sweep(owed=owed, drains=Drains(made, doorbell), doorbell=doorbell, does_work=True)
    assert calls[Work.SETTLE] == 1


async def test_only_one_process_sweeps() -> None:
    made, calls = steps()
    doorbell = SilentDoorbell()
    owed = Owed({Work.SETTLE: 99.0}, locked=True)
    await sweep(owed=owed, drains=Drains(made, doorbell), doorbell=doorbell, does_work=True)
    assert calls[Work.SETTLE] == 0
