"""The board for the weakest phones: ten places, the code to dial for each, in one answer of 2,048 bytes at most.

The page has no script, style or picture, and is well-formed XML, as browsers of WAP 2.0 read it.
"""

import gzip
import html
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final
from unicodedata import category

from aiohttp import hdrs, web
from markupsafe import Markup
from yarl import URL

from gateway.contests.contest import Contest, ContestState, Phase
from gateway.contests.sharing import dial_link, star_code
from gateway.http.callers import is_https
from gateway.http.middleware import SERVER
from gateway.http.pages import PAGES, STRICT_TRANSPORT, Pages
from gateway.http.static_files import accepts_gzip
from leaderboard.feed import JSON_CACHE, Board
from leaderboard.ranking import Ranked

BYTES_MAX: Final = 2_048
# What the headers of the answer may take of them.
HEADER_BYTES_MAX: Final = 480
PLACES: Final = 10
# Pages beyond are made for each reader alone.
PAGES_KEPT: Final = 10
# What is tried until the page fits: bytes of the contest's name, of a candidate's, and characters of a star code
# beyond which the candidate's own code stands there, to be typed on the first screen.
_WIDTHS: Final = ((90, 60, 18), (60, 40, 18), (45, 30, 18), (36, 22, 18), (30, 14, 18), (60, 24, 0))
# Old phones have no glyph for it.
_THIN_SPACE, _SPACE = "\u202f", "\u00a0"
_JOINER: Final = "\u200d"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a contest stands. `window`: from when to when votes are sold, see `Contest.window_at`."""

    phase: Phase
    window: tuple[datetime, datetime]
    called_off: bool


def stand_of(contest: Contest, now: datetime) -> Stand:
    """Where it stands at this instant."""
    phase, archived = contest.phase_at(now), contest.state is ContestState.ARCHIVED
    shown = Phase.CLOSED if phase is Phase.ARCHIVED else phase
    return Stand(shown, contest.window_at(now), archived and now < contest.closes_at)


def shortened(name: str, most: int) -> Markup:
    """A name as HTML of at most so many bytes, cut between characters as readers see them, with `…` where it is
    cut."""
    whole = _text(name)
    if len(whole.encode()) <= most:
        return whole
    kept, size, allowed = Markup(), 0, most - len("…".encode())
    for character in _characters(name):
        part = _text(character)
        size += len(part.encode())
        if size > allowed:
            break
        kept += part
    return kept.rstrip() + "…"


def _text(plain: str) -> Markup:
    """As HTML between tags, where quotation marks stand for themselves."""
    return Markup(html.escape(plain, quote=False))  # noqa: S704 - was escaped


def _characters(text: str) -> list[str]:
    """Letters with the marks that belong to them; what a joiner connects is one."""
    found: list[str] = []
    for letter in text:
        if found and (category(letter).startswith("M") or letter == _JOINER or found[-1].endswith(_JOINER)):
            found[-1] += letter
        else:
            found.append(letter)
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """A place on the page. `star_code`: empty where no vote is sold for them by phone."""

    rank: str
    code: str
    name: Markup
    votes: int
    star_code: str
    star_link: str


def lines_of(contest: Contest, shown: tuple[Ranked, ...], most: int, code_most: int) -> list[Line]:
    """The places as lines, with names of at most `most` bytes and star codes of at most `code_most`
    characters: 0 where no votes are sold now."""
    found = []
    for entry in shown:
        candidate = contest.candidate(entry.code)
        sold = candidate is not None and candidate.eligible
        code = star_code(contest, candidate) if sold else ""
        code = code if len(code) <= code_most else ""
        rank = f"{entry.rank}." if entry.votes else "-"
        found.append(Line(rank, entry.code, shortened(entry.name, most), entry.votes, code, dial_link(code)))
    return found


@dataclass(frozen=True, slots=True)
class Small:
    """The page as it is sent: plain and packed."""

    language: str
    body: bytes
    packed: bytes
    etag: str


class SmallBoards:
    """Makes the pages, and holds those made last."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, int], tuple[tuple[object, ...], Small]] = {}

    def answer(self, request: web.Request, contest: Contest, board: Board, stand: Stand) -> web.Response:
        """The page of the places that are asked for: the last ones for a page beyond. Every reader of an address gets
        the same, so that caches may keep it."""
        pages, ranking = request.app[PAGES], board.ranking
        language = pages.shared_language(request, contest.language)
        number = min(page_wanted(request), max(1, -(-len(ranking.entries) // PLACES)))
        key, made_from = (contest.slug, language, number), (contest, ranking, stand, board.delayed, board.confirming)
        kept = self._kept.get(key)
        if kept is None or kept[0] != made_from:
            kept = made_from, small_page(pages, contest, board, stand, language, number)
            if number <= PAGES_KEPT:
                self._kept[key] = kept
        return _answer(request, kept[1])


def small_page(pages: Pages, contest: Contest, board: Board, stand: Stand, language: str, number: int) -> Small:
    """The page with the longest names that fit."""
    ranking, first = board.ranking, (number - 1) * PLACES
    shown = ranking.entries[first : first + PLACES]
    own = pages.shared_language(None, contest.language)
    on_sale = stand.phase is Phase.OPEN and not contest.suspended
    for of_contest, of_candidate, code_most in _WIDTHS:
        values = {
            "contest": contest,
            "name": shortened(contest.name, of_contest),
            "round_name": shortened(ranking.round_name, of_candidate),
            "total": ranking.total_votes,
            "hidden": ranking.hidden,
            "stand": stand,
            "delayed": board.delayed,
            "confirming": board.confirming,
            "dial_code": contest.dial_code if on_sale else "",
            "dial_link": dial_link(contest.dial_code),
            "lines": lines_of(contest, shown, of_candidate, code_most if on_sale else 0),
            "before": _query(number - 1, language, own) if number > 1 else "",
            "after": _query(number + 1, language, own) if first + PLACES < len(ranking.entries) else "",
        }
        made = pages.compose("small.html", language, values, URL.build(query={"page": number} if number > 1 else {}))
        body = made.body.replace(_THIN_SPACE.encode(), _SPACE.encode())
        if len(body) <= BYTES_MAX - HEADER_BYTES_MAX:
            break
    return Small(language, body, gzip.compress(body, 6, mtime=0), f'"{blake2b(body, digest_size=6).hexdigest()}"')


def page_wanted(request: web.Request) -> int:
    """Which page of a ranking is asked for, from 1; anything else is the first."""
    text = request.query.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 6 else 1


def _query(number: int, language: str, own: str) -> str:
    """The address of another page in this language."""
    return "?" + URL.build(query=({"lang": language} if language != own else {}) | {"page": number}).raw_query_string


def _answer(request: web.Request, page: Small) -> web.Response:
    headers = {
        hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
        hdrs.CONTENT_LANGUAGE: page.language,
        hdrs.CACHE_CONTROL: JSON_CACHE,
        hdrs.ETAG: page.etag,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        # With it, nothing is added to the answer: the id of a request would be sent by caches to others.
        hdrs.SERVER: SERVER,
    }
    if is_https(request):
        headers[hdrs.STRICT_TRANSPORT_SECURITY] = STRICT_TRANSPORT
    if any(tag.value in ("*", page.etag[1:-1]) for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if accepts_gzip(request):
        return web.Response(body=page.packed, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})
    return web.Response(body=page.body, headers=headers)
