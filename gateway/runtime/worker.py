"""The worker: answers doorbells from RQ and finds owed work without them.

The RQ worker runs on the main thread, one queue, without forking. Work itself runs on one event
loop in a second thread, which holds the pools and the operators' clients for the process's life
and sweeps also while Redis is away. A job says only a kind; what is due is found in PostgreSQL.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, wait
from types import FrameType
from typing import Final

import structlog
import uvloop
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from gateway.http.logs import set_up_logs
from gateway.runtime.owed_work import Drains
from gateway.runtime.process import WorkerContainer, freeze_garbage
from gateway.runtime.settings import Settings, SettingsError, load_settings
from gateway.storage.doorbell import Work

# For so long a job waits for its drain, which goes on without it: jobs of other kinds wait behind it. Without a pause
# each ring of a rush would be a job, 4 ms of the processor or more, that finds its kind in progress; the sweeper finds
# other kinds within a second.
JOB_SECONDS_MAX: Final = 2.0
STOP_SECONDS_MAX: Final = 25
_log = structlog.get_logger(__name__)


class WorkThread:
    """The event loop that does the work, in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: Future[tuple[asyncio.AbstractEventLoop, Drains, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="work", daemon=True)

    def start(self) -> None:
        """Open everything; raises what opening raised."""
        self._thread.start()
        self._open.result()

    def drain(self, work: Work) -> int:
        """Drain one kind, called in RQ's thread; how much was done by now. A drain that was in progress is waited for
        as one that begins."""
        loop, drains, _ = self._open.result()
        draining = asyncio.run_coroutine_threadsafe(_drain(drains, work), loop)
        done, _ = wait([draining], JOB_SECONDS_MAX)
        return draining.result() if done else 0

    def stop(self) -> None:
        """Finish the batch in progress, then close."""
        loop, _, stopping = self._open.result()
        loop.call_soon_threadsafe(stopping.set)
        self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        try:
            uvloop.run(self._work())
        except BaseException as error:
            if not self._open.done():
                self._open.set_exception(error)
                return
            # A worker without this thread would answer no doorbell.
            _log.exception("work_thread_lost")
            os._exit(70)

    async def _work(self) -> None:
        async with WorkerContainer(self._settings) as container:
            await container.begin()
            freeze_garbage()
            stopping = asyncio.Event()
            self._open.set_result((asyncio.get_running_loop(), container.drains, stopping))
            async with asyncio.TaskGroup() as tasks:
                fresh = tasks.create_task(container.rankings.directory.keep_fresh())
                watching = tasks.create_task(container.watch.keep_watching())
                sweeping = tasks.create_task(container.keep_sweeping())
                beating = tasks.create_task(container.keep_beating())
                await stopping.wait()
                for task in (fresh, watching, sweeping, beating):
                    task.cancel()


async def _drain(drains: Drains, work: Work) -> int:
    done = await drains.drain_logged(work)
    await drains.rest(work, seconds=JOB_SECONDS_MAX)
    return done


_thread: WorkThread | None = None


def answer_doorbell(kind: str) -> int:
    """The RQ job: drain what is due of this kind. Forged or foreign kinds are refused by name."""
    if _thread is None:
        raise RuntimeError("this job runs in `spotlight worker` only")
    return _thread.drain(Work(kind))


class DoorbellWorker(SimpleWorker):
    """RQ's worker without a fork: its jobs only ring a bell inside this process."""

    stop_requested = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Note the signal. RQ also leaves `work` when Redis is slow, and must then be started again."""
        self.stop_requested = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ leaves it untyped


def _serve(settings: Settings) -> None:
    """Answer doorbells until a signal to stop. Redis may come and go."""
    while True:
        connection = Redis.from_url(settings.redis_url, socket_connect_timeout=2)
        try:
            worker = DoorbellWorker(
                [Queue(settings.queue, connection=connection, serializer=JSONSerializer)],
                connection=connection,
                serializer=JSONSerializer,
                worker_ttl=30,
                maintenance_interval=30,
            )
            worker.work(logging_level="WARNING")
            if worker.stop_requested:
                return
        except (RedisError, OSError) as error:
            _log.warning("doorbell_away", error=type(error).__name__)
        time.sleep(1)


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    """`spotlight worker`."""
    global _thread
    try:
        settings = load_settings()
        set_up_logs(settings.log_level)
        thread = WorkThread(settings)
        thread.start()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    _thread = thread
    # RQ has handlers of its own while it works; these are for the moments between.
    signal.signal(signal.SIGTERM, _leave)
    _log.info("worker_started", queue=settings.queue)
    try:
        _serve(settings)
    finally:
        thread.stop()
        _log.info("worker_stopped")
