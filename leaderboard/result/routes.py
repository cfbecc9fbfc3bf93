"""Where the result of a contest is read: as a page, as JSON, and on paper. Any site may read what is signed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from aiohttp import hdrs, web
from pydantic import Field

from gateway.contests.contest import Contest
from gateway.http.callers import PUBLIC_URL
from gateway.http.endpoint import ApiModel, InputModel, described
from gateway.http.pages import PAGES, money, not_found, number, render, unknown
from gateway.values.money import Money
from leaderboard import view_model
from leaderboard.result.document import Board, ResultDocument, board_of
from leaderboard.result.public import State, Version, over_by, shown_versions, state_of
from leaderboard.result.store import CertifiedResults
from leaderboard.routes import PUBLISHED

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PAGE: Final = "public, max-age=0, s-maxage=5"
_SHORTLY: Final = "public, max-age=5"
_ANY_SITE: Final = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
PDF_TYPE: Final = "application/pdf"
# Of each ranking; the document has all.
PLACES_MAX: Final = 100
# Documents, answers and papers that a process holds, each.
_KEPT: Final = 20
K = TypeVar("K")
V = TypeVar("V")


class ResultPath(InputModel):
    """The contest that is asked about."""

    slug: str = Field(description="The contest's slug, as in its address.")


class ResultVersion(ApiModel):
    """A certified result."""

    number: int
    sha256: str = Field(description="Of its document, in hexadecimal.")
    made_at: datetime
    reason: str = Field(description="Why it replaced the one before; empty for the first.")
    leaf: int | None = Field(description="The leaf of the public log that names it, from 0; null until it does.")


class ResultAnswer(ApiModel):
    """The result of a contest, as far as it is."""

    contest: str
    state: State
    versions: list[ResultVersion] = Field(description="What was certified, the newest first.")
    document: ResultDocument | None = Field(description="The newest of them; its exact text is `result/N.json`.")
    boards: list[Board] = Field(description="While nothing is certified: the rankings of rounds that are over.")


class ResultPages:
    """The handlers, holding what was made last: what is signed never changes."""

    def __init__(self, results: CertifiedResults) -> None:
        self._results = results
        self._papers: dict[tuple[UUID, int, str, bool], bytes] = {}
        self._documents: dict[tuple[UUID, int], ResultDocument] = {}
        self._answers: dict[UUID, tuple[list[Version], bytes]] = {}

    @described(
        path=ResultPath,
        returns={200: ResultAnswer},
        headers={"Accept": "`application/json` alone: as JSON; else a page."},
        problems=(404,),
        tag="leaderboard",
    )
    async def result(self, request: web.Request) -> web.Response:
        """Read the result of a contest.

        Certified: what two persons signed. Before: in which state it is, and the rankings of rounds that are over.
        While figures are hidden there are none.
        """
        accepted = request.headers.get(hdrs.ACCEPT, "")
        as_json = "application/json" in accepted and "text/html" not in accepted
        contest = request.app[PUBLISHED].contest(request.match_info["slug"])
        if contest is None:
            return unknown(request, "contest").response() if as_json else not_found(request)
        versions = await self._shown(request, contest)
        newest = await self._read(contest, versions[0]) if versions else None
        if not as_json:
            return await self._page(request, contest, versions, newest)
        held = self._answers.get(contest.id)
        if held is None or newest is None or held[0] != versions:
            found = ResultAnswer(
                contest=contest.slug,
                state=state_of(contest, versions, request.app[PUBLISHED].now()),
                versions=[ResultVersion.model_validate(one) for one in versions],
                document=newest,
                boards=[] if newest else await self._over(request, contest),
            )
            held = versions, (await asyncio.to_thread(found.model_dump_json, by_alias=True)).encode()
            _keep(self._answers, contest.id, held)
        headers = {**_ANY_SITE, hdrs.CACHE_CONTROL: _SHORTLY, hdrs.VARY: hdrs.ACCEPT}
        return web.Response(body=held[1], content_type="application/json", headers=headers)

    async def version(self, request: web.Request) -> web.Response:
        """The page of one of the certified results. 404."""
        contest, versions, one = await self._one(request)
        if contest is None or one is None:
            return not_found(request)
        if one is versions[0]:
            raise web.HTTPFound(f"/c/{contest.slug}/result")
        return await self._page(request, contest, versions, await self._read(contest, one))

    async def document(self, request: web.Request) -> web.Response:
        """The text of a certified result, byte by byte as its SHA-256 has it. 404."""
        contest, _, one = await self._one(request)
        if contest is None or one is None:
            return _missing(request)
        headers = {**_ANY_SITE, hdrs.CACHE_CONTROL: _FOR_EVER, hdrs.ETAG: f'"{one.sha256}"'}
        body = (await self._results.text(contest.id, one.number)).encode()
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def paper(self, request: web.Request) -> web.Response:
        """A certified result as PDF, the newest one or that of a number. 404."""
        contest, versions, one = await self._one(request)
        if contest is None or one is None:
            return not_found(request)
        language = request.app[PAGES].language_of(request, contest.language)
        key = (contest.id, one.number, language, one is versions[0])
        if key not in self._papers:
            made = await self._printed(request, contest, await self._read(contest, one), versions, language)
            _keep(self._papers, key, made)
        name = f"{contest.slug}-result-{one.number}.pdf"
        headers = {
            hdrs.CACHE_CONTROL: _PAGE,
            hdrs.VARY: "Accept-Language, Cookie",
            hdrs.CONTENT_LANGUAGE: language,
            hdrs.CONTENT_DISPOSITION: f'inline; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=self._papers[key], content_type=PDF_TYPE, headers=headers)

    async def _page(
        self, request: web.Request, contest: Contest, versions: Sequence[Version], shown: ResultDocument | None
    ) -> web.Response:
        published = request.app[PUBLISHED]
        now, counted = published.now(), published.ranking(contest.slug)
        replaced = None if shown is None else _after(versions, shown.number)
        behind = 0 if shown is None or replaced or counted.hidden else counted.version - shown.entries
        response = render(
            request,
            "result.html",
            cache=_PAGE,
            default_language=contest.language,
            contest=contest,
            state=state_of(contest, versions, now).value,
            versions=versions,
            one=shown,
            own=None if shown is None else next(one for one in versions if one.number == shown.number),
            replaced=replaced,
            behind=behind,
            boards=shown.boards if shown else await self._over(request, contest),
            places_max=PLACES_MAX,
            percent=view_model.percent,
            money_of=Money,
        )
        response.headers[hdrs.VARY] += f", {hdrs.ACCEPT}"
        return response

    async def _shown(self, request: web.Request, contest: Contest) -> list[Version]:
        """What was certified and may be read now."""
        return shown_versions(contest, await self._results.versions(contest.id), request.app[PUBLISHED].now())

    async def _one(self, request: web.Request) -> tuple[Contest | None, list[Version], Version | None]:
        """The contest and the version of the address, the newest one where it names none."""
        contest = request.app[PUBLISHED].contest(request.match_info["slug"])
        versions = [] if contest is None else await self._shown(request, contest)
        wanted = request.match_info.get("number")
        found = (one for one in versions if wanted is None or one.number == int(wanted))
        return contest, versions, next(found, None)

    async def _read(self, contest: Contest, version: Version) -> ResultDocument:
        key = contest.id, version.number
        if key not in self._documents:
            text = await self._results.text(*key)
            _keep(self._documents, key, await asyncio.to_thread(ResultDocument.model_validate_json, text))
        return self._documents[key]

    async def _over(self, request: web.Request, contest: Contest) -> list[Board]:
        """The rankings of rounds that are over, before anything is certified."""
        now = request.app[PUBLISHED].now()
        ends = (one.closes_at for one in contest.rounds)
        if contest.window_at(now)[1] > now and all(end > now for end in ends):
            return []
        rankings = await self._results.rankings(contest)
        return [board_of(contest, one) for one in over_by(contest, rankings, now)]

    async def _printed(
        self,
        request: web.Request,
        contest: Contest,
        result: ResultDocument,
        versions: Sequence[Version],
        language: str,
    ) -> bytes:
        from leaderboard.result.paper import certified_paper  # a tenth of a second, for few processes

        pages, zone = request.app[PAGES], contest.time_zone

        def say(key: str, /, **values: object) -> str:
            return pages.say(language, f"result.{key}", **values)

        own = next(one for one in versions if one.number == result.number)
        after = _after(versions, result.number)
        gone = (
            ""
            if after is None
            else say("replaced", moment=pages.moment(after.made_at, zone, language=language), reason=after.reason)
        )
        facts = _facts(result, say, partial(number, language=language), language)
        address = f"{request.app.get(PUBLIC_URL, '')}/c/{contest.slug}/result"
        facts.append((say("check"), say("check_at", address=address)))
        signed = [
            say(
                "signed",
                name=one.name,
                organisation=one.organisation or "Spotlight",
                moment=pages.moment(one.at, zone, language=language),
            )
            for one in result.signed_by
        ]
        made = partial(certified_paper, result, own.sha256, signed, facts, say, partial(number, language=language))
        return await asyncio.to_thread(made, gone)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    """Keep it in the place of the oldest."""
    if key not in kept and len(kept) >= _KEPT:
        del kept[next(iter(kept))]
    kept[key] = value


def _facts(result: ResultDocument, say: Any, write: Any, language: str) -> list[tuple[str, str]]:  # noqa: ANN401 - as pages fill them in
    """What stands under the rankings on paper."""
    sums = ", ".join(money(Money(amount, currency), language) for currency, amount in result.amounts.items())
    return [
        (say("counted"), say("counted_text", votes=write(result.votes), amount=sums, entries=write(result.entries))),
        (say("open"), say("open_none")),
        (say("log"), say("log_text", lines=write(result.log.size), words=" · ".join(result.log.words))),
        (say("root"), result.log.root),
        (say("rules"), say("rules_text", version=write(result.rules.version), sha256=result.rules.sha256)),
        (say("tie_break"), say(f"tie_break_{result.tie_break}")),
    ]


def _after(versions: Sequence[Version], wanted: int) -> Version | None:
    """The version that took the place of another one."""
    return next((one for one in versions if one.number == wanted + 1), None)


def _missing(request: web.Request) -> web.Response:
    answer = unknown(request, "result").response()
    answer.headers.update(_ANY_SITE)
    return answer


def setup(app: web.Application, results: CertifiedResults) -> None:
    """Serve them. The application needs PUBLISHED and mounted pages of this package."""
    handlers, numbered = ResultPages(results), "/c/{slug}/result/{number:[1-9][0-9]{0,3}}"
    app.router.add_get("/c/{slug}/result", handlers.result)
    app.router.add_get("/c/{slug}/result.pdf", handlers.paper)
    app.router.add_get(f"{numbered}.json", handlers.document)
    app.router.add_get(f"{numbered}.pdf", handlers.paper)
    app.router.add_get(numbered, handlers.version)
