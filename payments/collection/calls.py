"""Calls in progress side by side in one process."""

import asyncio
from collections.abc import Coroutine


class CallsInProgress:
    """Starts calls and counts those that ended. `batch`: so many ended calls end a wait."""

    def __init__(self, batch: int | None = None) -> None:
        self._batch = batch
        self._running: set[asyncio.Task[None]] = set()
        self._ended: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    def __bool__(self) -> bool:
        """Whether any call is in progress."""
        return bool(self._running)

    @property
    def idle(self) -> bool:
        """Whether no call is in progress, and none ended that was not counted."""
        return not self._running and not self._ended

    def start(self, call: Coroutine[None, None, None]) -> None:
        """Begin a call."""
        task = asyncio.get_running_loop().create_task(call)
        self._running.add(task)
        task.add_done_callback(self._note_ended)

    def _note_ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._ended.append(task)
        if not self._running or (self._batch is not None and len(self._ended) >= self._batch):
            self._news.set()

    def count_ended(self) -> int:
        """How many ended since the last count. Raises what one of them raised."""
        ended, self._ended = self._ended, []
        errors = [error for task in ended if not task.cancelled() and (error := task.exception()) is not None]
        if errors:
            raise errors[0]
        return len(ended)

    async def wait(self, seconds: float) -> None:
        """Return when all calls in progress ended, or a batch of them, or after this time."""
        if not self._running:
            return
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def aclose(self, seconds: float = 0.0) -> None:
        """Let calls end for so long, then cancel them."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
