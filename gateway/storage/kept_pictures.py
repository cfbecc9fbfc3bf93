"""Pictures of a store far away, the ones that were shown lately in memory: a contest's page asks for the same few."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from typing import Final

from gateway.storage.pictures import Held, Pictures

BYTES_MAX: Final = 32 * 1024 * 1024
# What another process deleted is shown for so long at most.
SECONDS_MAX: Final = 600.0


class KeptPictures:
    """Another store, asked once for a picture, however many readers want it at once. A picture that is not there is
    asked for each time. `bytes_max`: of all that is kept; `seconds_max`: how long each is."""

    def __init__(self, store: Pictures, bytes_max: int = BYTES_MAX, seconds_max: float = SECONDS_MAX) -> None:
        self._store = store
        self._bytes_max = bytes_max
        self._seconds_max = seconds_max
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._asked: dict[str, asyncio.Task[bytes | None]] = {}

    def address(self, stem: str) -> str:
        """The other store's."""
        return self._store.address(stem)

    def stem(self, address: str) -> str | None:
        """The other store's."""
        return self._store.stem(address)

    async def put(self, key: str, body: bytes) -> None:
        """Into the other store; it is kept when it is asked for."""
        await self._store.put(key, body)

    async def get(self, key: str) -> bytes | None:
        """From memory, else from the other store."""
        until, body = self._kept.get(key, (0.0, b""))
        if until > time.monotonic():
            self._kept.move_to_end(key)
            return body
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(_heard)
        # A reader who leaves takes the answer from nobody else.
        return await asyncio.shield(task)

    async def _ask(self, key: str) -> bytes | None:
        mine = asyncio.current_task()
        try:
            body = await self._store.get(key)
            if self._asked.get(key) is mine:
                self._keep(key, body)
            return body
        finally:
            if self._asked.get(key) is mine:
                del self._asked[key]

    def _keep(self, key: str, body: bytes | None) -> None:
        self._forget(key)
        if body is None or len(body) > self._bytes_max:
            return
        self._kept[key] = time.monotonic() + self._seconds_max, body
        self._bytes += len(body)
        while self._bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        _, body = self._kept.pop(key, (0.0, b""))
        self._bytes -= len(body)

    async def delete(self, keys: Iterable[str]) -> None:
        """From memory and from the other store; who asks meanwhile keeps nothing."""
        named = list(keys)
        await self._store.delete(named)
        for key in named:
            self._forget(key)
            self._asked.pop(key, None)

    def held(self) -> AsyncIterator[Held]:
        """What the other store holds."""
        return self._store.held()

    async def aclose(self) -> None:
        """Close the other store."""
        await self._store.aclose()


def _heard(task: "asyncio.Task[bytes | None]") -> None:
    """A failure of which all readers left is nobody's."""
    if not task.cancelled():
        task.exception()
