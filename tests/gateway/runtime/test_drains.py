"""What a doorbell means, and what the sweeper does without one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from gateway.runtime.owed_work import PACES, USUAL, Drains, OwedWork, Pace, keep_beating, keep_sweeping, to_do
from gateway.storage.doorbell import Work
from payments.collection.store import APART_SECONDS
from tests.rigs.rig import SilentDoorbell


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


@pytest.mark.parametrize("work", Work)
async def test_a_batch_of_any_kind_is_followed_by_the_next(work: Work) -> None:
    made, calls = steps(**{work.value: [20, 20]})
    assert await Drains(made, SilentDoorbell()).drain(work) == 40
    assert calls[work] == 3


@pytest.mark.parametrize(("did", "pauses"), [(63, 1), (64, 0)])
async def test_the_step_after_one_that_was_not_full_begins_later(
    did: int, pauses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = steps(texts_out=[did])
    waits, usual = list[float](), asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await usual(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    drains = Drains(made, SilentDoorbell(), paces={Work.TEXTS_OUT: Pace(600.0, 64)})
    assert await drains.drain(Work.TEXTS_OUT) == did
    assert len([seconds for seconds in waits if 0 < seconds <= 600]) == pauses


def test_what_a_voter_waits_for_in_a_rush() -> None:
    wait = {work: PACES.get(work, USUAL).apart for work in Work}
    assert wait[Work.COLLECT] <= 0.25
    assert APART_SECONDS + wait[Work.CALLBACKS] + wait[Work.VERIFY] + wait[Work.SETTLE] <= 1.0
    assert wait[Work.TEXTS_OUT] <= 1.0


async def test_who_rests_goes_on_when_nothing_of_these_kinds_is_drained_or_its_time_is_over() -> None:
    made, _ = steps()
    end = asyncio.Event()

    async def long() -> int:
        await end.wait()
        return 0

    made[Work.SETTLE] = long
    drains = Drains(made, SilentDoorbell())
    await drains.rest(Work.SETTLE, seconds=60)
    draining = asyncio.create_task(drains.drain(Work.SETTLE))
    await asyncio.sleep(0)
    await drains.rest(Work.CALLBACKS, seconds=60)
    await drains.rest(Work.SETTLE, seconds=0)
    resting = asyncio.create_task(drains.rest(Work.CALLBACKS, Work.SETTLE, seconds=60))
    await asyncio.sleep(0)
    assert not resting.done()
    end.set()
    await asyncio.gather(draining, resting)


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


class Owed(OwedWork):
    """What is owed, for a sweeper."""

    def __init__(self, found: Mapping[Work, float], *, alive: bool = False) -> None:
        self.found, self.alive = found, alive
        self.beats: list[str] = []
        self.beaten = asyncio.Event()

    async def owed(self) -> Mapping[Work, float]:
        return self.found

    async def worker_alive(self) -> bool:
        return self.alive

    async def beat(self, worker: str) -> None:
        self.beats.append(worker)
        self.beaten.set()


async def sweep(*, owed: Owed, drains: Drains, doorbell: SilentDoorbell, does_work: bool) -> None:
    """One pass, to the end of what it finds."""
    for work in await to_do(owed, doorbell, does_work=does_work):
        await drains.drain_logged(work)


async def test_a_worker_does_what_it_finds() -> None:
    made, calls = steps()
    doorbell = SilentDoorbell()
    await sweep(owed=Owed({Work.SETTLE: 0.1}), drains=Drains(made, doorbell), doorbell=doorbell, does_work=True)
    assert (calls[Work.SETTLE], doorbell.rung) == (1, [])


async def test_a_gateway_rings_first_and_helps_when_no_worker_answers() -> None:
    made, calls = steps()
    doorbell = SilentDoorbell()
    owed = Owed({Work.COLLECT: 0.5, Work.SETTLE: 11.0})
    await sweep(owed=owed, drains=Drains(made, doorbell), doorbell=doorbell, does_work=False)
    assert doorbell.rung == [Work.COLLECT]
    assert (calls[Work.COLLECT], calls[Work.SETTLE]) == (0, 1)


async def test_a_gateway_leaves_work_that_waits_for_something_else_to_the_worker() -> None:
    made, calls = steps()
    doorbell = SilentDoorbell()
    owed = Owed({Work.VERIFY: 300.0, Work.SETTLE: 0.1}, alive=True)
    await sweep(owed=owed, drains=Drains(made, doorbell), doorbell=doorbell, does_work=False)
    assert set(doorbell.rung) == {Work.VERIFY, Work.SETTLE}
    assert set(calls.values()) == {0}


async def test_one_kind_that_takes_long_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = steps()
    never, asked, settled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        asked.set()
        await never.wait()
        return 0

    async def settle() -> int:
        settled.set()
        return 0

    made |= {Work.VERIFY: slow, Work.SETTLE: settle}
    monkeypatch.setattr("gateway.runtime.owed_work.EVERY_SECONDS", 0.01)
    owed = Owed({Work.VERIFY: 1.0})
    drains = Drains(made, SilentDoorbell())
    everything: dict[str, Any] = {"doorbell": SilentDoorbell(), "does_work": True, "chores": {}, "temporary": ()}
    sweeping = asyncio.create_task(keep_sweeping(owed=owed, drains=drains, **everything))
    async with asyncio.timeout(5):
        await asked.wait()
        owed.found = {Work.VERIFY: 2.0, Work.SETTLE: 0.1}
        await settled.wait()
    assert drains.stuck(0.0) == {Work.VERIFY}
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    assert drains.stuck(0.0) == frozenset()


async def test_a_worker_says_that_it_works_unless_a_step_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.runtime.owed_work.BEAT_SECONDS", 0.01)
    monkeypatch.setattr("gateway.runtime.owed_work.STUCK_SECONDS", 0.2)
    made, _ = steps()
    hangs = asyncio.Event()

    async def hanging() -> int:
        await hangs.wait()
        return 0

    made[Work.COLLECT] = hanging
    owed, drains = Owed({}), Drains(made, SilentDoorbell())
    beating = asyncio.create_task(keep_beating(owed, drains, "host worker 1", temporary=()))
    await owed.beaten.wait()
    draining = asyncio.create_task(drains.drain(Work.COLLECT))
    await asyncio.sleep(0.25)
    silent = len(owed.beats)
    await asyncio.sleep(0.1)
    assert len(owed.beats) == silent
    hangs.set()
    await draining
    owed.beaten.clear()
    async with asyncio.timeout(5):
        await owed.beaten.wait()
    beating.cancel()
    assert set(owed.beats) == {"host worker 1"}


async def test_one_kind_that_fails_does_not_stop_the_others() -> None:
    made, calls = steps()

    async def broken() -> int:
        raise ValueError("an unreadable row")

    made[Work.COLLECT] = broken
    doorbell = SilentDoorbell()
    owed = Owed({Work.COLLECT: 0.1, Work.SETTLE: 0.1})
    await sweep(owed=owed, drains=Drains(made, doorbell), doorbell=doorbell, does_work=True)
    assert calls[Work.SETTLE] == 1
