"""Kinds of owed work, and how each is drained: what a doorbell means.

A drain runs until nothing is due or its time is over, then rings again. What a batch leaves behind
is begun at once beside it, so that counting does not wait for the last callback to be judged. Two
rings at once in one process share a drain; two processes are kept apart by the statements.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from gateway.storage.work import Doorbell, Work

DRAIN_SECONDS_MAX: Final = 20.0
_log = structlog.get_logger(__name__)


# Work that another work leaves behind when it did something.
FOLLOWS: Final[Mapping[Work, tuple[Work, ...]]] = {
    Work.COLLECT: (Work.TEXTS_OUT,),
    Work.CALLBACKS: (Work.VERIFY, Work.SETTLE, Work.REFUND, Work.REVERSALS),
    Work.REVERSALS: (Work.VERIFY, Work.TEXTS_OUT),
    Work.VERIFY: (Work.SETTLE, Work.TEXTS_OUT),
    Work.SETTLE: (Work.TEXTS_OUT, Work.REFUND),
    Work.TEXTS_IN: (Work.COLLECT, Work.TEXTS_OUT),
    Work.TEXTS_OUT: (),
    Work.REMINDERS: (Work.TEXTS_OUT,),
    Work.REFUND: (Work.TEXTS_OUT,),
    Work.PAYOUTS: (),
    Work.STAFF_ACTS: (Work.REFUND, Work.CALLBACKS, Work.TEXTS_OUT),
}

Step = Callable[[], Awaitable[int]]


class Drains:
    """One step function a kind: does a batch, returns how much it did.

    `temporary`: errors of servers that come back by themselves, logged in one line."""

    def __init__(
        self,
        steps: Mapping[Work, Step],
        doorbell: Doorbell,
        *,
        temporary: tuple[type[Exception], ...] = (),
    ) -> None:
        self._steps = steps
        self._temporary = temporary
        self._doorbell = doorbell
        self._running: set[Work] = set()
        self._again: set[Work] = set()
        self._step_began: dict[Work, float] = {}
        self._following: set[asyncio.Task[int]] = set()

    async def drain(self, work: Work) -> int:
        """Do what is due of this kind; how much was done. While one is under way, a second call
        only makes the first look once more."""
        if work in self._running:
            self._again.add(work)
            return 0
        self._running.add(work)
        try:
            return await self._drain(work)
        finally:
            self._running.discard(work)
            self._again.discard(work)
            self._step_began.pop(work, None)

    def stuck(self, seconds: float) -> frozenset[Work]:
        """Kinds whose step under way has taken longer than this."""
        now = time.monotonic()
        return frozenset(work for work, began in self._step_began.items() if now - began > seconds)

    async def _drain(self, work: Work) -> int:
        started, done = time.monotonic(), 0
        while True:
            self._again.discard(work)
            self._step_began[work] = time.monotonic()
            did = await self._steps[work]()
            done += did
            if did:
                for follower in FOLLOWS[work]:
                    self._follow(follower)
            elif work not in self._again:
                break
            if time.monotonic() - started > DRAIN_SECONDS_MAX:
                self._doorbell.ring(work)
                break
            await asyncio.sleep(0)
        if done:
            _log.debug("drained", work=work, done=done, seconds=round(time.monotonic() - started, 3))
        return done

    def _follow(self, work: Work) -> None:
        task: asyncio.Task[int] = asyncio.get_running_loop().create_task(self.drain_logged(work))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def drain_logged(self, work: Work) -> int:
        """`drain`, for callers who can do nothing about an error: it is logged, and the work is still
        owed, so the sweeper comes back to it. One kind that fails does not stop the others."""
        try:
            return await self.drain(work)
        except self._temporary as error:
            _log.warning("drain_waits", work=work, error=type(error).__name__)
        except Exception:
            _log.exception("drain_failed", work=work)
        return 0
