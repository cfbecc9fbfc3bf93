"""The overlay that a broadcaster puts over the picture: a page for OBS, vMix and the like, and what it draws."""

from functools import partial
from typing import Final

import orjson
from aiohttp import hdrs, web

from gateway.contests.contest import Contest
from gateway.contests.pictures.photos import photos_of
from gateway.http.background import run_beside
from gateway.http.pages import PAGES, Pages, not_found
from leaderboard.overlay.live import OnAir
from leaderboard.overlay.rules import Picture
from leaderboard.routes import PUBLISHED

PAGE: Final = "/c/{slug}/overlay"
KEY: Final = "key"
ON_AIR: web.AppKey[OnAir] = web.AppKey("on_air", OnAir)


def link(address: str, slug: str, key: str) -> str:
    """The overlay's link. `address`: of our pages."""
    return f"{address.rstrip('/')}{PAGE.format(slug=slug)}?{KEY}={key}"


async def page(request: web.Request) -> web.Response:
    """The overlay of a contest, in its language. 404 without the key of its link."""
    contest = await _opened(request)
    if contest is None:
        return not_found(request)
    pages = request.app[PAGES]
    language = pages.language_for(contest.language)
    values = {
        "contest": contest,
        "picture": orjson.dumps(await _picture(request, contest, pages)).decode(),
        "address": f"{request.path}/picture?{request.rel_url.raw_query_string}",
    }
    pictures = {photo.origin for photo in photos_of(contest).values()}
    made = pages.compose("overlay.html", language, values, pictures=pictures)
    response = pages.answer(request, made)
    # The studio shows it within its own page.
    policy = response.headers["Content-Security-Policy"].replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


async def picture(request: web.Request) -> web.Response:
    """What the overlay draws now. 404 without the key of its link."""
    contest = await _opened(request)
    if contest is None:
        raise web.HTTPNotFound
    body = orjson.dumps(await _picture(request, contest, request.app[PAGES]))
    headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_TYPE: "application/json"}
    return web.Response(body=body, headers=headers)


async def _opened(request: web.Request) -> Contest | None:
    """The contest of the address, when the key opens its overlay. Raises DatabaseUnavailable."""
    contest = request.app[PUBLISHED].contest(request.match_info["slug"])
    if contest is None or not await request.app[ON_AIR].opens(contest, request.query.get(KEY, "")):
        return None
    return contest


async def _picture(request: web.Request, contest: Contest, pages: Pages) -> Picture:
    say = partial(pages.say, pages.language_for(contest.language))
    return await request.app[ON_AIR].picture(contest, say)


async def _nothing_to_end() -> None:
    """The loop runs beside the requests until the application ends."""


def setup(app: web.Application, on_air: OnAir) -> None:
    """Serve overlays. The application needs PUBLISHED and mounted PAGES that have those of `leaderboard`."""
    app[ON_AIR] = on_air
    app.router.add_get(PAGE, page)
    app.router.add_get(f"{PAGE}/picture", picture)
    run_beside(app, on_air.run, _nothing_to_end)
