"""Kinds of work that may be owed, and the doorbell that tells workers of them."""

import asyncio
from enum import StrEnum
from typing import Protocol
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

_log = structlog.get_logger(__name__)


class Doorbell(Protocol):
    """Notifies workers that there is work of a kind. A ring may be lost, doubled or late."""

    def ring(self, kind: str) -> None:
        """Ring soon; never blocks and never raises."""
        ...


class Work(StrEnum):
    """Kinds of work."""

    COLLECT = "collect"
    CALLBACKS = "callbacks"
    VERIFY = "verify"
    SETTLE = "settle"
    TEXTS_IN = "texts_in"
    TEXTS_OUT = "texts_out"
    REMINDERS = "nudges"
    REFUND = "refund"
    REVERSALS = "reversals"
    STAFF_ACTS = "staff_acts"
    PAYOUTS = "payouts"
    MAILS = "mails"
    VIDEOS = "videos"
    EXPORTS = "exports"
    ALERTS = "alerts"


class RqDoorbell:
    """Notifies workers by an RQ job that carries a kind and no data.

    The first ring is sent at once, then at most one a window, and none while the last job waits in the queue: the
    worker that takes it finds all work of the kind. So a burst of orders costs a handful of jobs. A ring that fails is
    logged: the sweeper finds the work without it.
    """

    def __init__(self, url: str, queue: str, *, window_seconds: float = 0.2) -> None:
        connection = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._queue = Queue(queue, connection=connection, serializer=JSONSerializer)
        self._window = window_seconds
        self._again: dict[str, bool] = {}
        self._last: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, kind: str) -> None:
        """Ring soon; never blocks and never raises."""
        if kind in self._again:
            self._again[kind] = True
            return
        self._again[kind] = False
        task = asyncio.get_running_loop().create_task(self._ring(kind))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ring(self, kind: str) -> None:
        while True:
            try:
                await asyncio.to_thread(self._enqueue, kind)
            except (RedisError, OSError) as error:
                _log.warning("doorbell_not_rung", kind=kind, error=type(error).__name__)
            await asyncio.sleep(self._window)
            if not self._again[kind]:
                del self._again[kind]
                return
            self._again[kind] = False

    def _enqueue(self, kind: str) -> None:
        last = self._last.get(kind)
        if last is not None and self._queue.get_job_position(last) is not None:
            return
        self._last[kind] = uuid4().hex
        self._queue.enqueue(
            "gateway.runtime.worker.answer_doorbell",
            kind,
            job_id=self._last[kind],
            ttl=60,
            result_ttl=0,
            failure_ttl=86_400,
            job_timeout=60,
        )
