"""Where logs are served, as C2SP tlog-tiles has it. Any site may read them."""

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import hdrs, web

from gateway.contests.contest import Contest, Phase
from gateway.http.pages import not_found, render, unknown
from gateway.http.problems import Problem
from gateway.http.static_files import accepts_gzip
from leaderboard.log.store import PublicLogs
from leaderboard.log.tiles import ENTRIES, read_path
from leaderboard.routes import PUBLISHED

_GZIP: Final = 31
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PAGE: Final = "public, max-age=0, s-maxage=5"
_SHORTLY: Final = "public, max-age=5"
_ANY_SITE: Final = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}


class LogFiles:
    """The handlers."""

    def __init__(self, logs: PublicLogs, witnesses: Mapping[str, str]) -> None:
        self._logs = logs
        self._witnesses = witnesses

    async def page(self, request: web.Request) -> web.Response:
        """What the log is, how far it has come, and how to check it. 404."""
        contest = _contest(request)
        if contest is None:
            return not_found(request)
        now = request.app[PUBLISHED].now()
        return render(
            request,
            "log.html",
            cache=_PAGE,
            default_language=contest.language,
            contest=contest,
            stand=await self._logs.stand(contest.id),
            sealed=contest.sealed_at(now),
            withheld=contest.withheld_at(now),
            over=contest.phase_at(now) in (Phase.CLOSED, Phase.ARCHIVED),
            witnesses=self._witnesses,
        )

    async def checkpoint(self, request: web.Request) -> web.Response:
        """The newest checkpoint. 404 before there is one."""
        contest = _contest(request)
        note = None if contest is None else await self._logs.checkpoint(contest.id)
        return _missing(request) if note is None else _text(note)

    async def keys(self, request: web.Request) -> web.Response:
        """Every key that signed checkpoints, one a line, the newest first. 404 before there is one."""
        contest = _contest(request)
        keys = [] if contest is None else await self._logs.keys(contest.id)
        return _text("".join(f"{key}\n" for key in keys)) if keys else _missing(request)

    async def tile(self, request: web.Request) -> web.Response:
        """A tile or a bundle of entries. 404 where the log has it not, or not yet: while figures are hidden, hashes are
        served, and no entries from which votes could be counted, unless they are sealed."""
        contest, tile = _contest(request), read_path(f"tile/{request.match_info['path']}")
        if contest and tile and tile.level == ENTRIES and contest.withheld_at(request.app[PUBLISHED].now()):
            return withheld()
        found = None if contest is None or tile is None else await self._logs.tile(contest.id, tile)
        if found is None or tile is None:
            return _missing(request)
        headers = {**_ANY_SITE, hdrs.CACHE_CONTROL: _FOR_EVER}
        # Hashes do not get smaller.
        if tile.level == ENTRIES:
            headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
            if accepts_gzip(request):
                packer = zlib.compressobj(wbits=_GZIP)
                found = packer.compress(found) + packer.flush()
                headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=found, content_type="application/octet-stream", headers=headers)

    async def rules(self, request: web.Request) -> web.Response:
        """The document of a version of the rules, byte by byte as its leaf's hash has it. 404."""
        contest, version = _contest(request), int(request.match_info["version"])
        found = None if contest is None else await self._logs.rules(contest.id, version)
        if found is None:
            return _missing(request)
        headers = {**_ANY_SITE, hdrs.CACHE_CONTROL: _FOR_EVER}
        return web.Response(body=found.encode(), content_type="application/json", headers=headers)


def setup(app: web.Application, logs: PublicLogs, witnesses: Mapping[str, str] = MappingProxyType({})) -> None:
    """Serve them. The application needs PUBLISHED. `witnesses`: by name, where each shows what it saw."""
    handlers = LogFiles(logs, witnesses)
    app.router.add_get("/c/{slug}/log", handlers.page)
    app.router.add_get("/c/{slug}/log/checkpoint", handlers.checkpoint)
    app.router.add_get("/c/{slug}/log/vkey", handlers.keys)
    app.router.add_get("/c/{slug}/log/tile/{path:.+}", handlers.tile)
    app.router.add_get("/c/{slug}/log/rules/{version:[1-9][0-9]{0,8}}.json", handlers.rules)


def withheld() -> web.Response:
    """Entries are asked for that are withheld."""
    why = "Entries are served again once the result is announced; checkpoint and hashes are served meanwhile."
    answer = Problem(404, "Entries are hidden", why, kind="/problems/log_hidden").response()
    answer.headers.update(_ANY_SITE)
    return answer


def _contest(request: web.Request) -> Contest | None:
    return request.app[PUBLISHED].contest(request.match_info["slug"])


def _missing(request: web.Request) -> web.Response:
    answer = unknown(request, "log").response()
    answer.headers.update(_ANY_SITE)
    return answer


def _text(body: str) -> web.Response:
    headers = {**_ANY_SITE, hdrs.CACHE_CONTROL: _SHORTLY}
    return web.Response(text=body, content_type="text/plain", charset="utf-8", headers=headers)
