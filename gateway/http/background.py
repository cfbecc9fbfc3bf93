"""Loops that run for as long as an application serves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

from aiohttp import web


def run_beside(
    app: web.Application, run: Callable[[], Coroutine[None, None, None]], end: Callable[[], Awaitable[None]]
) -> None:
    """Run a loop from the start of an application to its cleanup. `end`: called at the shutdown before, while
    requests are still open."""

    async def running(_: web.Application) -> AsyncIterator[None]:
        loop = asyncio.create_task(run())
        yield
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop

    async def ending(_: web.Application) -> None:
        await end()

    app.cleanup_ctx.append(running)
    app.on_shutdown.append(ending)
