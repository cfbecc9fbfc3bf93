"""What search engines may read: `/robots.txt`, and the site map of contests and candidates.

Formats: RFC 9309, https://www.sitemaps.org/protocol.html.
"""

import asyncio
import gzip
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import hdrs, web

from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.contests.sharing import page_path
from gateway.http.callers import PUBLIC_URL
from gateway.http.static_files import accepts_gzip

# The most that one file of a site map may list.
ADDRESSES_MAX: Final = 50_000
# Staff, programs, receipts, orders, private pages, and what is made for one reader.
CLOSED: Final = ("/admin", "/api/", "/verify/", "/votes/", "/nominations/", "/c/*/debited", "/*?q=", "/*&q=")
_CACHE: Final = "public, max-age=3600"
_NAMESPACE: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"


def robots_text(base_url: str) -> str:
    """The file `/robots.txt`. `base_url`: our public address without a last `/`."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in CLOSED), "", f"Sitemap: {base_url}/sitemap.xml"]
    return "\n".join(lines) + "\n"


def addresses(contests: Sequence[Contest]) -> Iterator[str]:
    """Paths of the pages of listed contests, of their results, and of everybody in them whose page may be read."""
    for contest in contests:
        if contest.listed:
            yield page_path(contest)
            yield f"{page_path(contest)}/result"
            yield from (page_path(contest, candidate) for candidate in contest.candidates if candidate.public)


def site_maps(base_url: str, paths: Sequence[str], most: int = ADDRESSES_MAX) -> list[str]:
    """The files: the first is `/sitemap.xml`, an index where there are more, which are `/sitemap-1.xml` and so on."""
    parts = [paths[start : start + most] for start in range(0, len(paths), most)] or [()]
    files = [_file("urlset", "url", [base_url + path for path in part]) for part in parts]
    if len(files) == 1:
        return files
    numbered = [f"{base_url}/sitemap-{number}.xml" for number in range(1, len(files) + 1)]
    return [_file("sitemapindex", "sitemap", numbered), *files]


def _file(root: str, item: str, locations: Sequence[str]) -> str:
    items = "".join(f"<{item}><loc>{escape(one)}</loc></{item}>\n" for one in locations)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">\n{items}</{root}>\n'


class SiteMaps:
    """The handlers, holding the files made last, packed."""

    def __init__(self) -> None:
        self._made_from: tuple[Contest, ...] | None = None
        self._files: list[bytes] = []

    async def serve(self, request: web.Request) -> web.Response:
        """A file of the site map. 404 for a number that there is not."""
        contests = request.app[VOTING_SERVICE].contests()
        if self._made_from != contests:
            made = await asyncio.to_thread(_packed, request.app.get(PUBLIC_URL, ""), contests)
            self._made_from, self._files = contests, made
        number = int(request.match_info.get("number", 0))
        if number >= len(self._files):
            raise web.HTTPNotFound
        body, headers = self._files[number], {hdrs.CACHE_CONTROL: _CACHE, hdrs.VARY: hdrs.ACCEPT_ENCODING}
        if accepts_gzip(request):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        else:
            body = await asyncio.to_thread(gzip.decompress, body)
        return web.Response(body=body, content_type="application/xml", charset="utf-8", headers=headers)


def _packed(base_url: str, contests: Sequence[Contest]) -> list[bytes]:
    return [gzip.compress(one.encode(), 6, mtime=0) for one in site_maps(base_url, list(addresses(contests)))]


async def robots(request: web.Request) -> web.Response:
    """What programs that read the site by themselves leave alone."""
    return web.Response(text=robots_text(request.app.get(PUBLIC_URL, "")), headers={hdrs.CACHE_CONTROL: _CACHE})


def setup(app: web.Application) -> None:
    """Serve them. The application needs VOTING_SERVICE."""
    maps = SiteMaps()
    app.router.add_get("/robots.txt", robots)
    app.router.add_get("/sitemap.xml", maps.serve)
    app.router.add_get("/sitemap-{number:[1-9][0-9]{0,3}}.xml", maps.serve)
