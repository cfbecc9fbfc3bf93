"""The result of a contest and the winner's certificate on paper, by page and by API."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import web

from admin.access.guard import Me, page
from admin.contests.api import ContestPath
from admin.exports.files import API, PAGE, PDF_TYPE, Nothing, file_at, whole_file
from admin.exports.result import Result, Results
from admin.orders.listed import LISTED
from channels.voting_service import VOTING_SERVICE
from gateway.http.callers import PUBLIC_URL
from gateway.http.pages import PAGES, number
from payments.requests import ActRefused, Right, Why

RESULTS: Final[web.AppKey[Results]] = web.AppKey("results", Results)


async def _read(request: web.Request, me: Me, slug: str) -> Result:
    contest = await request.app[LISTED].contest(slug, me.scope)
    return await request.app[RESULTS].read(contest, me.scope, request.app[VOTING_SERVICE].now())


def _writing(request: web.Request, me: Me, result: Result) -> tuple[Callable[..., str], Callable[[int], str], str, str]:
    """How the reader's language says, and writes numbers; when voting was over, and who makes the paper now."""
    pages, contest = request.config_dict[PAGES], result.contest
    language = pages.language_of(request)

    def say(name: str, **values: object) -> str:
        return pages.say(language, f"admin_result.{name}", **values)

    moment = partial(pages.moment, zone=contest.time_zone, language=language)
    made = say("made", who=me.email, at=moment(datetime.now(UTC)))
    return say, partial(number, language=language), moment(contest.closes_at), made


async def _result(request: web.Request, me: Me, slug: str) -> web.StreamResponse:
    from admin.exports.papers import result_paper  # a tenth of a second, for few processes

    result = await _read(request, me, slug)
    say, write, closed, made = _writing(request, me, result)
    data = await asyncio.to_thread(
        result_paper, result, say, write, say("closed", at=closed), made, request.app.get(PUBLIC_URL, "")
    )
    return await whole_file(request, me, result.contest, "result.pdf", PDF_TYPE, data)


async def _certificate(request: web.Request, me: Me, slug: str) -> web.StreamResponse:
    from admin.exports.papers import certificate  # as there

    result = await _read(request, me, slug)
    if result.undecided:
        raise ActRefused(Why.IMPOSSIBLE, f"{result.undecided} orders of {slug} are not decided yet")
    if result.unjudged:
        raise ActRefused(Why.IMPOSSIBLE, f"points of the jury of {slug} are not confirmed yet")
    if not result.winners:
        raise ActRefused(Why.IMPOSSIBLE, f"no vote for {slug} was counted")
    say, write, closed, made = _writing(request, me, result)
    data = await asyncio.to_thread(
        certificate, result, say, write, say("closed", at=closed), made, request.app.get(PUBLIC_URL, "")
    )
    return await whole_file(request, me, result.contest, "certificate.pdf", PDF_TYPE, data)


async def _result_by_api(request: web.Request, me: Me, path: ContestPath, _: Nothing) -> web.StreamResponse:
    return await _result(request, me, path.slug)


async def _certificate_by_api(request: web.Request, me: Me, path: ContestPath, _: Nothing) -> web.StreamResponse:
    return await _certificate(request, me, path.slug)


@page(Right.READ_CONTESTS)
async def result_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The result as PDF. 404, 409."""
    return await _result(request, me, request.match_info["slug"])


@page(Right.READ_CONTESTS)
async def certificate_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The winner's certificate as PDF. 404, 409."""
    return await _certificate(request, me, request.match_info["slug"])


def setup(app: web.Application) -> None:
    """Serve them. The application needs EXPORTS, LISTED, RESULTS, VOTING_SERVICE and mounted pages."""
    words = """Export the result of a contest that is over, as PDF.

    While orders are undecided it is called provisional, and tells how many.
    """
    won = """Export the certificate of who won, as PDF.

    A page for each who stands first. Only of a contest that is over and of which nothing is undecided.
    """
    router = app.router
    result = file_at(Right.READ_CONTESTS, words, media=PDF_TYPE, refusals=(409,))
    winner = file_at(Right.READ_CONTESTS, won, media=PDF_TYPE, refusals=(409,))
    router.add_get(f"{API}/result.pdf", result(_result_by_api))
    router.add_get(f"{API}/certificate.pdf", winner(_certificate_by_api))
    router.add_get(f"{PAGE}/result.pdf", result_page)
    router.add_get(f"{PAGE}/certificate.pdf", certificate_page)
