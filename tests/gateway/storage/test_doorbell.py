"""Doorbells through RQ: none is lost, and none is put behind one that still waits."""

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from structlog.testing import capture_logs

from gateway.storage.doorbell import RqDoorbell
from tests.free_port import free_port

WINDOW = 0.01
NAME = "doorbells"


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    """As a worker sees it."""
    with Redis.from_url(redis_url) as connection:
        yield Queue(NAME, connection=connection, serializer=JSONSerializer)


@pytest.fixture
def doorbell(redis_url: str) -> RqDoorbell:
    return RqDoorbell(redis_url, NAME, window_seconds=WINDOW)


def waiting(queue: Queue) -> list[str]:
    """The kinds that wait, the first in line first."""
    return [job.args[0] for job in queue.get_jobs()]


async def rung(doorbell: RqDoorbell, *kinds: str) -> None:
    for kind in kinds:
        doorbell.ring(kind)
    await asyncio.gather(*doorbell._tasks)


async def test_a_burst_is_one_job_a_kind(doorbell: RqDoorbell, queue: Queue) -> None:
    for _ in range(5):
        await rung(doorbell, *["collect", "settle"] * 20)
    assert sorted(waiting(queue)) == ["collect", "settle"]


async def test_a_ring_after_it_was_taken_rings_again(doorbell: RqDoorbell, queue: Queue) -> None:
    for _ in range(3):
        await rung(doorbell, "collect")
        assert waiting(queue) == ["collect"]
        queue.pop_job_id()
        assert waiting(queue) == []


async def test_rung_again_when_redis_has_forgotten(doorbell: RqDoorbell, queue: Queue) -> None:
    await rung(doorbell, "collect")
    queue.connection.flushdb()
    await rung(doorbell, "collect")
    assert waiting(queue) == ["collect"]


async def test_another_process_rings_for_itself(doorbell: RqDoorbell, queue: Queue, redis_url: str) -> None:
    await rung(doorbell, "collect")
    await rung(RqDoorbell(redis_url, NAME, window_seconds=WINDOW), "collect")
    assert waiting(queue) == ["collect", "collect"]


async def test_without_redis_it_is_logged_and_no_more() -> None:
    with capture_logs() as logged:
        await rung(RqDoorbell(f"redis://127.0.0.1:{free_port()}/0", NAME, window_seconds=WINDOW), "collect")
    assert [line["event"] for line in logged] == ["doorbell_not_rung"]
