"""A task that takes too long is cancelled; one that something else cancels, or that is in time, is left alone."""

import asyncio
import time
from typing import Any

import pytest

from gateway.http.timeouts import RequestTimeouts


def begin(timeouts: RequestTimeouts, seconds: float) -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    timeouts.begin(task, time.monotonic() + seconds)
    return task


async def wait(timeouts: RequestTimeouts, seconds: float, takes: float) -> str:
    task = begin(timeouts, seconds)
    try:
        await asyncio.sleep(takes)
    except asyncio.CancelledError:
        if not timeouts.expired(task):
            raise
        return "expired"
    finally:
        timeouts.end(task)
    return "done"


async def test_many_at_once_each_by_its_own_limit() -> None:
    timeouts = RequestTimeouts(0.01)
    found = await asyncio.gather(
        *(asyncio.create_task(wait(timeouts, seconds, 0.15)) for seconds in (0.03, 5, 0.05, 5)),
    )
    assert found == ["expired", "done", "expired", "done"]


async def test_the_task_goes_on_afterwards() -> None:
    async def twice() -> tuple[str, str, int]:
        first, second = await wait(timeouts, 0.02, 5), await wait(timeouts, 5, 0.02)
        task = asyncio.current_task()
        assert task is not None
        return first, second, task.cancelling()

    timeouts = RequestTimeouts(0.01)
    assert await asyncio.create_task(twice()) == ("expired", "done", 0)


async def test_a_task_that_another_cancels_is_cancelled() -> None:
    timeouts = RequestTimeouts(0.01)
    task = asyncio.create_task(wait(timeouts, 5, 5))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_does_not_mind_being_cancelled_is_not_cancelled_later() -> None:
    async def stubborn() -> int:
        task = begin(timeouts, 0.02)
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            pass
        finally:
            timeouts.end(task)
        await asyncio.sleep(0.05)
        return task.cancelling()

    timeouts = RequestTimeouts(0.01)
    assert await asyncio.create_task(stubborn()) == 0


def test_each_loop_has_its_timer() -> None:
    timeouts = RequestTimeouts(0.01)
    for _ in range(2):
        assert asyncio.run(wait(timeouts, 0.02, 5)) == "expired"


async def test_the_timer_rests_while_no_request_is_in_progress() -> None:
    timeouts = RequestTimeouts(0.01)
    await asyncio.create_task(wait(timeouts, 1, 0.02))
    await asyncio.sleep(0.05)
    assert timeouts._loop is None
