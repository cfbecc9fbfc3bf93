"""What a job of the queue waits for."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gateway.runtime import worker
from gateway.runtime.owed_work import Drains, Pace
from gateway.runtime.settings import Settings
from gateway.runtime.worker import WorkThread
from gateway.storage.doorbell import Work
from tests.rigs.rig import SilentDoorbell


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in a thread of its own, as a worker's does."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


def opened(loop: asyncio.AbstractEventLoop, drains: Drains) -> WorkThread:
    """A thread whose loop and drains are these."""
    thread = WorkThread(Settings.model_construct())
    thread._open.set_result((loop, drains, asyncio.Event()))
    return thread


def test_a_job_waits_for_a_drain_that_ends_soon(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "JOB_SECONDS_MAX", 30)
    left = [3]

    async def step() -> int:
        return left.pop() if left else 0

    drains = Drains({work: step for work in Work}, SilentDoorbell(), paces={Work.REMINDERS: Pace(0.0)})
    assert opened(loop, drains).drain(Work.REMINDERS) == 3


def test_a_job_waits_for_a_drain_that_is_in_progress(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "JOB_SECONDS_MAX", 30)
    called, answered, again = threading.Event(), asyncio.Event(), threading.Event()
    ends: list[bool] = []

    async def collect() -> int:
        again.set() if called.is_set() else called.set()
        await answered.wait()
        return 0

    thread = opened(loop, Drains({Work.COLLECT: collect}, SilentDoorbell()))
    jobs = [threading.Thread(target=lambda: ends.append(thread.drain(Work.COLLECT) == 0)) for _ in range(2)]
    jobs[0].start()
    assert called.wait(10)
    jobs[1].start()
    jobs[1].join(0.05)
    assert jobs[1].is_alive()
    loop.call_soon_threadsafe(answered.set)
    for job in jobs:
        job.join(10)
    assert ends == [True, True]
    assert again.is_set()


def test_a_job_that_waited_long_enough_leaves_its_drain_in_progress(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "JOB_SECONDS_MAX", 0.01)
    called, answered, recorded = threading.Event(), asyncio.Event(), threading.Event()

    async def collect() -> int:
        called.set()
        await answered.wait()
        recorded.set()
        return 0

    async def judge() -> int:
        return 0

    drains = Drains({work: judge for work in Work} | {Work.COLLECT: collect}, SilentDoorbell())
    thread = opened(loop, drains)
    assert thread.drain(Work.COLLECT) == 0
    assert called.wait(10)
    assert thread.drain(Work.CALLBACKS) == 0
    assert drains.stuck(0.0) == {Work.COLLECT}
    loop.call_soon_threadsafe(answered.set)
    assert recorded.wait(10)
