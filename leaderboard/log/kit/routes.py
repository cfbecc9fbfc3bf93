"""Where the recount kit of a contest is downloaded."""

import asyncio
import re
from contextlib import aclosing
from typing import Final

from aiohttp import hdrs, web

from gateway.http.pages import unknown
from leaderboard.log.kit.pack import Kits
from leaderboard.log.routes import withheld
from leaderboard.routes import PUBLISHED

# Pieces that are made at the same time: a kit is compressed, and pages come first.
_AT_ONCE: Final = 2
_SIZE: Final = re.compile(r"[1-9][0-9]{0,17}")


class KitFile:
    """The handler."""

    def __init__(self, kits: Kits) -> None:
        self._kits = kits
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def kit(self, request: web.Request) -> web.StreamResponse:
        """The kit of the newest checkpoint; `?size=` names an earlier one. 404 where there is none, and while entries
        are withheld."""
        contest, size = request.app[PUBLISHED].contest(request.match_info["slug"]), request.query.get("size")
        now = request.app[PUBLISHED].now()
        if contest is not None and contest.withheld_at(now):
            return withheld()
        found = None
        if contest is not None and (size is None or _SIZE.fullmatch(size)):
            hidden = contest.hidden_at(now)
            found = await self._kits.find(contest.id, None if size is None else int(size), hidden=hidden)
        if contest is None or found is None:
            return unknown(request, "log").response()
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: "application/zip",
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="{contest.slug}-{found.size}.zip"',
                hdrs.CACHE_CONTROL: "public, max-age=5",
                hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            }
        )
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        async with aclosing(self._kits.packed(found)) as pieces:
            while True:
                async with self._turns:
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                await response.write(piece)
        await response.write_eof()
        return response


def setup(app: web.Application, kits: Kits) -> None:
    """Serve it. The application needs PUBLISHED."""
    app.router.add_get("/c/{slug}/log/kit.zip", KitFile(kits).kit)
