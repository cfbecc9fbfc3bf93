"""A witness over HTTP: what logs send, and what anybody may read of it."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web

from gateway.http.pages import Pages, render
from leaderboard.log.words import words_of
from leaderboard.witness.folder import Folder
from leaderboard.witness.rules import SIZE_TYPE, Refused, Submission
from leaderboard.witness.sites import Sites
from leaderboard.witness.store import Kept, Seen

LARGEST_REQUEST: Final = 512 * 1024
_SHORTLY: Final = "public, max-age=5"
_TEXT: Final = "text/plain"
_log = structlog.get_logger(__name__)


class Witness:
    """The handlers."""

    def __init__(self, folder: Folder, seen: Seen, sites: Sites) -> None:
        self._folder = folder
        self._sites = sites
        self._seen = seen

    async def add(self, request: web.Request) -> web.Response:
        """Cosign a checkpoint, or say why not."""
        try:
            asked = Submission.read(await _body(request))
            if asked.checkpoint.origin not in self._folder.logs:
                await self._sites.meet(asked.checkpoint.origin)
            asked = asked.trusted(self._folder.logs)
            line = await asyncio.to_thread(self._seen.cosign, asked, self._folder.signer.sign, int(time.time()))
        except Refused as refused:
            _log.info("checkpoint_refused", status=refused.status, reason=str(refused))
            kind = _TEXT if refused.size is None else SIZE_TYPE
            return _answer(refused.body, kind, status=refused.status)
        except (sqlite3.Error, OSError) as error:
            _log.error("witness_cannot_work", error=str(error))
            return _answer("the witness cannot read or write its folder\n", status=HTTPStatus.SERVICE_UNAVAILABLE)
        _log.info("checkpoint_cosigned", log=asked.checkpoint.origin, size=asked.checkpoint.size)
        return _answer(f"{line.line}\n")

    async def checkpoint(self, request: web.Request) -> web.Response:
        """The newest checkpoint of a log. Any site may read it."""
        note = await asyncio.to_thread(self._seen.newest, request.match_info["origin"])
        status = HTTPStatus.NOT_FOUND if note is None else HTTPStatus.OK
        response = _answer(note or "this witness has no checkpoint of the log\n", status=status)
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        response.headers[hdrs.CACHE_CONTROL] = _SHORTLY
        return response

    async def page(self, request: web.Request) -> web.Response:
        """What it saw, in words."""
        logs = [_shown(one) for one in await asyncio.to_thread(self._seen.all)]
        signer = self._folder.signer
        return render(request, "witness.html", logs=logs, name=signer.name, key=signer.key.text)


def create_app(folder: Folder, seen: Seen, sites: Iterable[str] = ()) -> web.Application:
    """The application of a witness. `sites`: whose logs are trusted at first sight. FolderWrong."""
    app = web.Application(client_max_size=LARGEST_REQUEST)
    pages = Pages()
    pages.add("leaderboard.witness")
    pages.mount(app)
    handlers = Witness(folder, seen, Sites(folder, sites))
    app.router.add_post("/add-checkpoint", handlers.add)
    app.router.add_get("/", handlers.page)
    app.router.add_get("/{origin:.+}/checkpoint", handlers.checkpoint)
    return app


async def serve(folder: Folder, sites: Sequence[str], host: str, port: int, ready: Callable[[int], None]) -> None:
    """Work until SIGTERM or SIGINT. `ready`: called with the port once it listens. OSError, sqlite3.Error."""
    seen = Seen(folder.checkpoints)
    runner = web.AppRunner(create_app(folder, seen, sites), access_log=None)
    await runner.setup()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await web.TCPSite(runner, host, port).start()
        ready(runner.addresses[0][1])
        await stopping.wait()
    finally:
        await runner.cleanup()
        seen.close()


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(HTTPStatus.BAD_REQUEST, f"a request has {LARGEST_REQUEST} bytes at most") from None


def _answer(text: str, kind: str = _TEXT, *, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=text.encode(), status=status, headers={hdrs.CONTENT_TYPE: _typed(kind)})


def _typed(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind == _TEXT else kind


def _shown(kept: Kept) -> dict[str, object]:
    return {
        "origin": kept.checkpoint.origin,
        "size": kept.checkpoint.size,
        "words": words_of(kept.checkpoint.root),
        "at": datetime.fromtimestamp(kept.seconds, UTC),
        "contradicted": kept.contradicted,
    }
