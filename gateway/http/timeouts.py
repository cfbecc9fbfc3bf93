"""Timeouts of requests, by one timer for all of them: one each would cost every request.

Cancelling works as in `asyncio.timeout`: the task is cancelled once, and uncancelled when it has noticed.
"""

import asyncio
from typing import Any, Final

CHECK_SECONDS: Final = 0.5

_Task = asyncio.Task[Any]


class RequestTimeouts:
    """The requests that this process answers now, each with the moment at which it is ended."""

    def __init__(self, check_seconds: float = CHECK_SECONDS) -> None:
        self._check_seconds = check_seconds
        self._until: dict[_Task, float] = {}
        self._ended: set[_Task] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> _Task:
        """Give the current task so many seconds from now on."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("requests are answered in tasks")
        self._until[task] = loop.time() + seconds
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            self._timer = loop.call_later(self._check_seconds, self._check, loop)
        return task

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
        now = loop.time()
        for task in [task for task, until in self._until.items() if until <= now]:
            del self._until[task]
            if task.get_loop() is loop:
                self._ended.add(task)
                task.cancel()
        self._timer = loop.call_later(self._check_seconds, self._check, loop) if self._until else None
