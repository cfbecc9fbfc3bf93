"""Where the ranking is served: as JSON, as a stream, and as pages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from aiohttp import hdrs, web
from markupsafe import Markup
from pydantic import Field, RootModel
from yarl import URL

from gateway.contests.brand import style_of
from gateway.contests.contest import Contest, ContestState, Phase
from gateway.contests.pictures.photos import photos_of
from gateway.contests.rounds import ROUNDS_MAX
from gateway.contests.sharing import share_of
from gateway.http.background import run_beside
from gateway.http.callers import PUBLIC_URL
from gateway.http.endpoint import InputModel, described
from gateway.http.limits import StreamCap
from gateway.http.pages import NO_ADDRESS, PAGES, Composed, not_found, render, unknown
from gateway.http.problems import Problem
from gateway.http.static_files import STATIC_CACHE
from leaderboard import view_model
from leaderboard.feed import ENTRIES_MAX, Answer, Board, Boards
from leaderboard.ranking import Ranked, Ranking
from leaderboard.small import SmallBoards, page_wanted, stand_of
from leaderboard.view_model import Confirming, Delayed, Part, RankingBody, Successes, Update

LIMIT_DEFAULT: Final = 100
_LIMIT_WANTED: Final = f"a whole number from 1 to {ENTRIES_MAX}"
_ROUND_WANTED: Final = f"a whole number from 1 to {ROUNDS_MAX}"
EXAMPLE_QUANTITY: Final = 5
QUERY_LENGTH_MAX: Final = 60
RETRY_AFTER_SECONDS: Final = "10"
# Finished pages that a process holds, some 45 kB each; the one made longest ago goes first.
PAGES_KEPT: Final = 500
# Kept by readers only to be asked about again: what it shows may be a second old.
PAGE_CACHE: Final = "no-cache"

ContestPart = Callable[[Contest, str], Markup]
"""Makes a part of a contest's page in a language; empty where there is nothing to show."""
CONTEST_PARTS: web.AppKey[list[ContestPart]] = web.AppKey("contest_parts", list)
"""What other packages show on the page of every open contest, such as the form to vote."""


class Published(Protocol):
    """Contests and rankings as they are published: read from memory, a second old at most."""

    def contests(self) -> tuple[Contest, ...]:
        """Every published contest."""
        ...

    def contest(self, slug: str) -> Contest | None:
        """A contest by its slug."""
        ...

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        """Contests that share an SMS short code."""
        ...

    def ranking(self, slug: str) -> Ranking:
        """The ranking as last published. KeyError for an unknown contest."""
        ...

    def ranking_in(self, slug: str, number: int) -> Ranking | None:
        """The ranking of a round that has begun; None where there is none such."""
        ...

    def now(self) -> datetime:
        """UTC."""
        ...


PUBLISHED: web.AppKey[Published] = web.AppKey("published", Published)


class BoardPath(InputModel):
    """The contest that is asked about."""

    slug: str = Field(description="The contest's slug, as in its address.")


class BoardQuery(InputModel):
    """How much of the board, and of which round."""

    limit: int = Field(LIMIT_DEFAULT, ge=1, le=ENTRIES_MAX, description="How many places.")
    round: int | None = Field(None, ge=1, le=ROUNDS_MAX, description="A round that has begun; by default the last one.")


class BoardStreamQuery(InputModel):
    """How much of the board at first."""

    limit: int = Field(ENTRIES_MAX, ge=1, le=ENTRIES_MAX, description="How many places the first event holds.")


class RankingDocument(RootModel[RankingBody]):
    """The ranking as it is now."""


class BoardEvent(RootModel[RankingBody | Update | Successes | Delayed | Confirming]):
    """The data of an event: a ranking at first, an Update for each change, Successes beside it, Delayed when
    rankings are delayed and when they no longer are, Confirming while votes wait for their operator's answer."""


@dataclass(frozen=True, slots=True)
class Card:
    """A contest in the list of contests."""

    contest: Contest
    ranking: Ranking
    phase: Phase
    window: tuple[datetime, datetime]

    @property
    def leader(self) -> Ranked | None:
        """Who is alone in front; None before the first vote and in a tie."""
        in_front = [entry for entry in self.ranking.entries[:2] if entry.rank == 1]
        return in_front[0] if len(in_front) == 1 and in_front[0].votes else None


class Leaderboard:
    """The handlers, holding the pages made last: one for each contest, language and page of its ranking."""

    def __init__(self, published: Published, boards: Boards, cap: StreamCap, bot: Callable[[], str]) -> None:
        self._published = published
        self._boards = boards
        self._cap = cap
        self._bot = bot
        self._pages: dict[tuple[str, str, int], tuple[tuple[object, ...], Composed]] = {}
        self._rounds: dict[tuple[str, int], Board] = {}
        self._small = SmallBoards()

    @described(
        path=BoardPath,
        query=BoardQuery,
        returns={200: RankingDocument, 304: None},
        headers={"If-None-Match": "ETag of the ranking that is held: 304 while it is still so."},
        problems=(404, 422),
        tag="leaderboard",
    )
    async def ranking(self, request: web.Request) -> web.Response:
        """Read the ranking.

        Any site may ask. It is at most a second old; `version` counts the tally entries of the contest. Where a contest
        has rounds it is that of the last one that has begun; earlier ones stay readable. 404 for a round that has not
        begun. While the ranking is hidden, `hidden` says since when, and there are no figures;
        `sealed` in it says that the public log goes on encrypted. `formula` is there where a jury decides a part.
        """
        try:
            board, limit = self._existing(request), LIMIT_DEFAULT
            if request.query_string:
                limit, board = _read_limit(request, LIMIT_DEFAULT), self._of_round(request, board)
        except Problem as fault:
            return _public(fault)
        answer = board.answer(limit)
        known = request.headers.get(hdrs.IF_NONE_MATCH)
        if known is not None and (known == answer.etag or _has(request, answer)):
            return web.Response(status=304, headers=answer.headers_unchanged)
        return web.Response(body=answer.body, headers=answer.headers)

    @described(
        path=BoardPath,
        query=BoardStreamQuery,
        returns={200: BoardEvent},
        headers={"Last-Event-ID": "The last version received: nothing is sent again while it is the newest."},
        problems=(404, 422, 503),
        tag="leaderboard",
        media="text/event-stream",
    )
    async def events(self, request: web.Request) -> web.StreamResponse:
        """Follow the ranking.

        A stream: `leaderboard:initial` with the whole Ranking, then `leaderboard:update` with what
        changed, as absolute votes by candidate code, and `vote:success` with the votes just counted;
        `leaderboard:delayed` when the ranking may be up to five seconds old, and when it no longer is;
        `leaderboard:confirming` with how many votes are being confirmed, when that changes.
        The id of each event is the version. 503 when as many are watching as can be served, or too many from
        one address: ask for the ranking itself meanwhile.
        """
        try:
            board = self._existing(request)
            if self._boards.full:
                why, headers = "Ask for the ranking itself meanwhile.", {"Retry-After": RETRY_AFTER_SECONDS}
                return _public(Problem(503, "Too many viewers", why, headers=headers))
            places = _read_limit(request, ENTRIES_MAX)
            with self._cap.place(request):
                return await self._boards.watch(request, board, places)
        except Problem as fault:
            return _public(fault)

    async def contests(self, request: web.Request) -> web.Response:
        """The page that lists the contests, those that are open first."""
        published = self._published
        order = [Phase.OPEN, Phase.COMING, Phase.CLOSED]
        listed = [contest for contest in published.contests() if contest.listed]
        now = published.now()
        cards = [Card(c, self._ranking(c.slug), _phase(c, published), c.window_at(now)) for c in listed]
        cards.sort(key=lambda card: (order.index(card.phase), card.window[1]))
        return render(request, "contests.html", cache=PAGE_CACHE, cards=cards)

    async def page(self, request: web.Request) -> web.Response:
        """A contest's public page, made once for each change of its ranking."""
        published, pages, slug = self._published, request.app[PAGES], request.match_info["slug"]
        contest, board = published.contest(slug), self._board(slug)
        if contest is None or board is None:
            return not_found(request)
        language = pages.language_of(request, contest.language)
        phase, etag, bot = _phase(contest, published), board.answer(ENTRIES_MAX).etag, self._bot()
        if "round" in request.query:
            return self._past(request, contest, language)
        number, query = _read_view(request)
        number = min(number, view_model.pages_of(board.ranking, board.ranking.entries))
        if query and view_model.is_many(board.ranking):  # each reader's own: made for that reader alone
            part = view_model.part_of(board.ranking, contest, phase, number, query)
            made = self._made(request, contest, board, phase, part, language)
            return pages.answer(request, made, cache=PAGE_CACHE)
        now = published.now()
        # The time that is left is written in minutes.
        minute = None if phase is Phase.CLOSED else now.replace(second=0, microsecond=0)
        made_from = (contest, phase, etag, bot, contest.nominated_at(now), minute)
        kept = self._pages.get((slug, language, number))
        if kept is None or kept[0] != made_from:
            part = view_model.part_of(board.ranking, contest, phase, number)
            made = self._made(request, contest, board, phase, part, language)
            self._pages.pop((slug, language, number), None)
            if len(self._pages) >= PAGES_KEPT:
                del self._pages[next(iter(self._pages))]
            kept = self._pages[slug, language, number] = made_from, made
        return pages.answer(request, kept[1], cache=PAGE_CACHE)

    async def small(self, request: web.Request) -> web.Response:
        """Ten places of the ranking in an answer of 2,048 bytes, for the weakest phones. 404."""
        published, slug = self._published, request.match_info["slug"]
        contest, board = published.contest(slug), self._board(slug)
        if contest is None or board is None:
            return not_found(request)
        return self._small.answer(request, contest, board, stand_of(contest, published.now()))

    def _past(self, request: web.Request, contest: Contest, language: str) -> web.Response:
        """The page of an earlier round; of the last one, the contest's own."""
        pages, number = request.app[PAGES], _read_round(request)
        shown = contest.round_shown
        ranking = None if number is None else self._published.ranking_in(contest.slug, number)
        if ranking is None or shown is None:
            return not_found(request)
        if number == shown.number:
            raise web.HTTPFound(f"/c/{contest.slug}")
        page, query = _read_view(request)
        part = view_model.part_of(ranking, contest, Phase.CLOSED, page, query)
        values = {
            "contest": contest,
            "ranking": ranking,
            "part": part,
            "rows": part.rows,
            "over": next(one.closes_at for one in contest.rounds if one.number == number),
            "rounds": view_model.rounds_of(contest),
            "percent": view_model.percent,
            "now": self._published.now(),
        }
        seen: dict[str, str | int] = {"round": ranking.round, "q": part.query, "page": part.page}
        address = URL.build(query={name: value for name, value in seen.items() if value})
        return pages.answer(request, pages.compose("round.html", language, values, address), cache=PAGE_CACHE)

    async def categories(self, request: web.Request) -> web.Response:
        """The boards of a contest's categories, one below the other; of an earlier round where one is asked for. 404
        where there are none."""
        published, slug = self._published, request.match_info["slug"]
        contest, board = published.contest(slug), self._board(slug)
        if contest is None or board is None or not contest.categories:
            return not_found(request)
        ranking, phase = board.ranking, _phase(contest, published)
        if "round" in request.query:
            number = _read_round(request)
            found = None if number is None else published.ranking_in(slug, number)
            if found is None:
                return not_found(request)
            if found.round != ranking.round:
                ranking, phase = found, Phase.CLOSED
        faces = photos_of(contest)
        return render(
            request,
            "categories.html",
            cache=PAGE_CACHE,
            default_language=contest.language,
            pictures={face.origin for face in faces.values()},
            contest=contest,
            ranking=ranking,
            boards=view_model.by_category(ranking, contest, phase),
            rounds=view_model.rounds_of(contest),
            whole=f"/c/{slug}" + (f"?round={ranking.round}" if ranking.round != board.ranking.round else ""),
            evicted=ranking.evicted,
            now=published.now(),
            faces=faces,
            percent=view_model.percent,
        )

    def _made(
        self, request: web.Request, contest: Contest, board: Board, phase: Phase, part: Part, language: str
    ) -> Composed:
        """The page with this part of the ranking."""
        pages, faces = request.app[PAGES], photos_of(contest)
        # Where several share a short code, the keyword decides.
        now = self._published.now()
        window = contest.window_at(now)
        turn = None if phase is Phase.CLOSED else window[0] if phase is Phase.COMING else window[1]
        alone = len(self._published.contests_by_short_code(contest.short_code)) < 2
        values = {
            "contest": contest,
            "ranking": board.ranking,
            "confirming": board.confirming,
            "phase": phase,
            "nominations": contest.nominated_at(now),
            "called_off": contest.state is ContestState.ARCHIVED and now < contest.closes_at,
            "suspended": contest.suspended and phase is not Phase.CLOSED,
            "how": view_model.how_to_vote(contest, "VOTE" if alone else contest.keyword, EXAMPLE_QUANTITY),
            "example_amount": contest.price.times(EXAMPLE_QUANTITY),
            "percent": view_model.percent,
            "part": part,
            "rows": part.rows,
            "share": share_of(request.app.get(PUBLIC_URL, ""), contest, None, partial(pages.say, language), language),
            "parts": _parts(request, contest, language) if phase is Phase.OPEN else [],
            "window": window,
            "now": now,
            "turn": turn,
            "left": "" if turn is None else view_model.time_left(turn, now, pages.say(language, "board.units")),
            "rounds": view_model.rounds_of(contest),
            "bot": self._bot(),
            "delayed": self._boards.delayed,
            "faces": faces,
        }
        address = NO_ADDRESS if part.live else URL.build(query={"q": part.query, "page": part.page})
        return pages.compose("board.html", language, values, address, pictures={face.origin for face in faces.values()})

    def _existing(self, request: web.Request) -> Board:
        """The board of the address. Problem 404."""
        board = self._board(request.match_info["slug"])
        if board is None:
            raise unknown(request, "contest")
        return board

    def _of_round(self, request: web.Request, board: Board) -> Board:
        """The board of the round that is asked for. Problem 404, 422."""
        if "round" not in request.query:
            return board
        number, slug = _read_round(request), board.ranking.contest
        if number is None:
            raise Problem(422, "Invalid request", errors=[{"loc": ["query", "round"], "msg": _ROUND_WANTED}])
        ranking = self._published.ranking_in(slug, number)
        if ranking is None:
            raise Problem(
                404, "Unknown round", "No such round of this contest has begun.", kind="/problems/unknown_round"
            )
        if ranking.round == board.ranking.round:
            return board
        held = self._rounds.get((slug, number))
        if held is None or held.ranking is not ranking:
            held = self._rounds[slug, number] = Board(ranking)
        return held

    def _board(self, slug: str) -> Board | None:
        if self._published.contest(slug) is None:
            return None
        board = self._boards.find(slug)
        if board is None:
            self._boards.update(self._published.ranking(slug))
            board = self._boards.find(slug)
        return board

    def _ranking(self, slug: str) -> Ranking:
        board = self._board(slug)
        return self._published.ranking(slug) if board is None else board.ranking


async def brand_style(request: web.Request) -> web.Response:
    """The colours of a contest's pages, as a stylesheet. 404 where it has none of its own."""
    contest = request.app[PUBLISHED].contest(request.match_info["slug"])
    style = "" if contest is None else style_of(contest.brand)
    if contest is None or not style:
        raise web.HTTPNotFound
    newest = request.query.get("v") == contest.brand.tag
    headers = {hdrs.CACHE_CONTROL: STATIC_CACHE if newest else PAGE_CACHE, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=style, content_type="text/css", headers=headers)


def _parts(request: web.Request, contest: Contest, language: str) -> list[Markup]:
    return [made for made in (make(contest, language) for make in request.app[CONTEST_PARTS]) if made]


def _phase(contest: Contest, published: Published) -> Phase:
    phase = contest.phase_at(published.now())
    return Phase.CLOSED if phase is Phase.ARCHIVED else phase


def _read_view(request: web.Request) -> tuple[int, str]:
    """Which page of the ranking, from 1, and what is searched for in it; anything else is the first."""
    return page_wanted(request), " ".join(request.query.get("q", "").split())[:QUERY_LENGTH_MAX]


def _read_round(request: web.Request) -> int | None:
    """Which round is asked for; None for what is no number of one."""
    text = request.query["round"]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= ROUNDS_MAX else None


def _read_limit(request: web.Request, default: int) -> int:
    """How many places are wanted. Problem 422."""
    text = request.query.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= ENTRIES_MAX):
        raise Problem(422, "Invalid request", errors=[{"loc": ["query", "limit"], "msg": _LIMIT_WANTED}])
    return int(text)


def _has(request: web.Request, answer: Answer) -> bool:
    return any(tag.value in ("*", answer.etag[1:-1]) for tag in request.if_none_match or ())


def _public(fault: Problem) -> web.Response:
    response = fault.response()
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
    return response


def setup(app: web.Application, boards: Boards, cap: StreamCap | None = None, bot: Callable[[], str] = str) -> None:
    """Serve the ranking. The application needs PUBLISHED and mounted PAGES; the boards' loop runs from
    its start to its shutdown, when all streams are ended. `cap`: counts the streams of each address;
    `bot`: the Telegram bot's address, empty while there is none."""
    app.setdefault(CONTEST_PARTS, [])
    pages = app[PAGES]
    pages.add("leaderboard")
    handlers = Leaderboard(app[PUBLISHED], boards, cap or StreamCap(), bot)
    app.router.add_get("/api/contests/{slug}/leaderboard", handlers.ranking)
    app.router.add_get("/api/contests/{slug}/leaderboard/events", handlers.events, allow_head=False)
    app.router.add_get("/", handlers.contests)
    app.router.add_get("/c/{slug}", handlers.page)
    app.router.add_get("/c/{slug}/b", handlers.small)
    app.router.add_get("/c/{slug}/categories", handlers.categories)
    app.router.add_get("/c/{slug}/brand.css", brand_style)
    run_beside(app, boards.run, boards.close)
