"""What is sent around: the picture of a page, and its address as a QR code."""

import asyncio
import io
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

import segno
from aiohttp import hdrs, web
from markupsafe import Markup

from channels.voting_service import VOTING_SERVICE
from channels.web.card import OUR_LOOK, CardLook, CardText, draw_card
from gateway.contests.brand import Brand, BrandPicture
from gateway.contests.contest import Candidate, Contest
from gateway.contests.pictures.keep_brands import Brands
from gateway.contests.sharing import page_path, star_code
from gateway.http.callers import PUBLIC_URL
from gateway.http.pages import PAGES, Pages, money, not_found
from gateway.values.colours import parts_of

CARDS_KEPT: Final = 128
LOGOS_KEPT: Final = 32
# The address of a picture carries the contest's version: a day is never too long.
CARD_CACHE: Final = "public, max-age=86400"
QR_CACHE: Final = "public, max-age=86400"
_QUIET_ZONE: Final = 2


@lru_cache(maxsize=1024)
def qr_inline(address: str) -> Markup:
    """The address as a QR code, for the middle of a page. Black on white in either theme."""
    return Markup(  # noqa: S704 - drawn by segno from modules, no text in it
        _qr(address).svg_inline(border=_QUIET_ZONE, light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    )


@lru_cache(maxsize=1024)
def qr_file(address: str) -> bytes:
    """The address as a QR code, as a picture of its own for posters."""
    out = io.BytesIO()
    _qr(address).save(out, kind="svg", scale=10, border=4, light="#fff", svgclass=None, lineclass=None)
    return out.getvalue()


def _qr(address: str) -> segno.QRCode:
    # M: a quarter of a poster's code may be torn or hidden by a logo.
    return segno.make_qr(address, error="m")


def card_text(pages: Pages, base_url: str, contest: Contest, candidate: Candidate | None, language: str) -> CardText:
    """The words on the picture of a page."""
    price = pages.say(language, "share.price", price=money(contest.price, language))
    code = star_code(contest, candidate)
    dial = pages.say(language, "share.dial", code=code) if code else ""
    site = urlsplit(base_url).netloc
    if candidate is None:
        return CardText(pages.say(language, "share.card_contest"), contest.name, price, "", dial, site)
    below = f"{contest.name} · {price}"
    return CardText(pages.say(language, "share.card_candidate"), candidate.name, below, candidate.code, dial, site)


def _tag(body: bytes) -> str:
    return blake2b(body, digest_size=8).hexdigest()


def _drawn(text: CardText, look: CardLook) -> tuple[str, bytes]:
    body = draw_card(text, look)
    return _tag(body), body


class SharedPictures:
    """The handlers, and the pictures drawn last. One is drawn at a time, in a thread. `brands`: has the logos."""

    def __init__(self, brands: Brands | None = None) -> None:
        self._brands = brands
        self._logos: dict[str, bytes] = {}
        self._drawn = lru_cache(maxsize=CARDS_KEPT)(_drawn)
        self._drawing = asyncio.Lock()

    async def card(self, request: web.Request) -> web.Response:
        """The picture of a contest's or a candidate's page, PNG. 304 to who has it, 404."""
        found = find(request)
        if found is None:
            return not_found(request)
        contest, candidate = found
        pages = request.app[PAGES]
        asked = request.query.get("lang", "")  # not Accept-Language: all readers get the same picture
        language = asked if asked in pages.languages else contest.language
        text = card_text(pages, request.app.get(PUBLIC_URL, ""), contest, candidate, language)
        async with self._drawing:
            tag, body = await asyncio.to_thread(self._drawn, text, await self._look(contest.brand))
        return _file(request, tag, body, "image/png", CARD_CACHE)

    async def _look(self, brand: Brand) -> CardLook:
        """What a brand makes of a card. Raises OSError while its logo cannot be read."""
        colour = parts_of(brand.on_dark) if brand.accent else OUR_LOOK.colour
        if self._brands is None or brand.logo is None:
            return CardLook(colour)
        return CardLook(colour, await self._logo(self._brands, brand.logo), brand.logo.needs_white)

    async def _logo(self, brands: Brands, logo: BrandPicture) -> bytes:
        """The file, read once; empty where it was replaced a moment ago."""
        held = self._logos.pop(logo.address, None)
        if held is None:
            held = await brands.file(logo, logo.width) or b""
        if held:
            self._logos[logo.address] = held
        if len(self._logos) > LOGOS_KEPT:
            del self._logos[next(iter(self._logos))]
        return held

    async def qr(self, request: web.Request) -> web.Response:
        """The QR code of a contest's or a candidate's page, SVG. 304 to who has it, 404."""
        found = find(request)
        if found is None:
            return not_found(request)
        body = qr_file(request.app.get(PUBLIC_URL, "") + page_path(*found))
        return _file(request, _tag(body), body, "image/svg+xml", QR_CACHE)


def find(request: web.Request) -> tuple[Contest, Candidate | None] | None:
    """The contest of an address, and the candidate where it names one; None for who is not there."""
    contest = request.app[VOTING_SERVICE].contest(request.match_info["slug"])
    if contest is None:
        return None
    code = request.match_info.get("code")
    if code is None:
        return contest, None
    candidate = contest.candidate(code)
    return None if candidate is None else (contest, candidate)


def _file(request: web.Request, tag: str, body: bytes, kind: str, cache: str) -> web.Response:
    headers = {hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: cache, "X-Content-Type-Options": "nosniff"}
    if any(known.value in ("*", tag) for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    # Other pages and programs show these pictures: that is what they are for.
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return web.Response(body=body, content_type=kind, headers=headers)


def setup(app: web.Application, brands: Brands | None = None) -> None:
    """Serve the pictures. The application needs VOTING_SERVICE and mounted PAGES. `brands`: has the logos."""
    pictures = SharedPictures(brands)
    for page in ("/c/{slug}", "/c/{slug}/{code:[0-9]{2,6}}"):
        app.router.add_get(f"{page}/card.png", pictures.card)
        app.router.add_get(f"{page}/qr.svg", pictures.qr)
