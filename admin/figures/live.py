"""The evening as it moves: a stream of the part of a page that shows it, made anew every few seconds.

A stream ends after a minute, and the browser comes back: whoever signed out, or lost a right, is refused then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse
from markupsafe import Markup

EVENT: Final = "evening"
HEADERS: Final = MappingProxyType({"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})


@dataclass(slots=True)
class Live:
    """How often and for how many. Seconds: `tick` from one part to the next, `life` of a stream. `streams_max`: open at
    once in this process."""

    tick: float = 4.0
    life: float = 60.0
    streams_max: int = 200
    _open: int = 0
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self, request: web.Request, part: Callable[[], Awaitable[Markup]]) -> web.StreamResponse:
        """Send a part of a page at once, and again whenever it is another one. 204, which tells browsers not to come
        back, where as many are open as may be."""
        if self._open >= self.streams_max or self._closing.is_set():
            return web.Response(status=204)
        self._open += 1
        try:
            first = await part()
            if request.transport is None:  # left meanwhile
                return web.Response()
            response = EventSourceResponse(headers=HEADERS)
            await response.prepare(request)
            async with response:
                await self._send(response, first, part)
        finally:
            self._open -= 1
        return response

    async def _send(self, response: EventSourceResponse, first: Markup, part: Callable[[], Awaitable[Markup]]) -> None:
        loop = asyncio.get_running_loop()
        over, shown = loop.time() + self.life, first
        await response.send(first, event=EVENT, retry=round(self.tick * 1000))
        while loop.time() < over and response.is_connected() and not await self._closes():
            made = await part()
            if made != shown:
                await response.send(made, event=EVENT)
                shown = made

    async def _closes(self) -> bool:
        """Whether all streams end, within a tick."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.tick):
                await self._closing.wait()
        return self._closing.is_set()

    async def close(self, _: web.Application) -> None:
        """End all streams, and begin no more."""
        self._closing.set()


LIVE: web.AppKey[Live] = web.AppKey("live", Live)
