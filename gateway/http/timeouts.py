"""Timeouts of requests, by one timer for all of them: one each would cost every request.

Cancelling works as in `asyncio.timeout`: the task is cancelled once, and uncancelled when it has noticed.
"""

import asyncio
import time
from typing import Any, Final

CHECK_SECONDS: Final = 0.5

_Task = asyncio.Task[Any]


class RequestTimeouts:
    """The requests that this process answers now, each with the moment at which it is ended."""

    def __init__(self, check_seconds: float = CHECK_SECONDS) -> None:
        self._check_seconds = check_seconds
        self._until: dict[_Task, float] = {}
        self._ended: set[_Task] = set()
        # The loop that looks after them; none while there are none.
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, task: _Task, until: float) -> None:
        """Give the current task until this moment of `time.monotonic`."""
        self._until[task] = until
        loop = task.get_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(self._check_seconds, self._check, loop)

    def expired(self, task: _Task) -> bool:
        """Whether the task was cancelled by its timeout and by nothing else; if so, it is uncancelled."""
        if task not in self._ended:
            return False
        self._ended.discard(task)
        task.uncancel()
        return True

    def end(self, task: _Task) -> None:
        """Forget a task that has its answer."""
        self._until.pop(task, None)
        if self._ended:
            self.expired(task)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for task in [task for task, until in self._until.items() if until <= now]:
            del self._until[task]
            if task.get_loop() is loop:
                self._ended.add(task)
                task.cancel()
        if self._until:
            loop.call_later(self._check_seconds, self._check, loop)
        else:
            self._loop = None
