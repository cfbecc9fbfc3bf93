"""What several handlers of the voters' pages answer with: an order's page, and one clear sentence."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from aiohttp import web

from channels.buying import is_mistyped
from channels.voting_service import VOTING_SERVICE
from channels.web.views import order_values
from gateway.contests.contest import Candidate, Contest
from gateway.contests.sharing import Share, share_of
from gateway.http.callers import PUBLIC_URL
from gateway.http.logs import bind_vote
from gateway.http.pages import PAGES, render
from payments.collection.order_views import OrderView

NO_REFERRER: Final = "no-referrer"


def language_in(contest: Contest | None) -> str:
    """The language of a reader of this contest who names none."""
    return "fr" if contest is None else contest.language


def shared(request: web.Request, contest: Contest, candidate: Candidate, language: str) -> Share:
    """How friends are told of a candidate."""
    pages = request.app[PAGES]
    say = partial(pages.say, language, "share.candidate_text", contest=contest.name, name=candidate.name)
    return share_of(request.app.get(PUBLIC_URL, ""), contest, candidate, say, language)


def show_order(
    request: web.Request, order: OrderView, *, told: str | None = None, disputable: bool = False
) -> web.Response:
    """The page of an order. `told`: what its reader asked about it; `disputable`: a person is offered."""
    service = request.app[VOTING_SERVICE]
    bind_vote(order.vote_id)
    contest = service.contest(order.contest_slug)
    candidate = None if contest is None else contest.candidate(order.candidate_code)
    language = request.app[PAGES].language_of(request, language_in(contest))
    response = render(
        request,
        "order.html",
        default_language=language_in(contest),
        share=None if contest is None or candidate is None else shared(request, contest, candidate, language),
        told=told,
        disputable=disputable,
        **order_values(order, contest, service.now(), service.rails),
    )
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


def message(
    request: web.Request,
    status: int,
    about: str,
    contest: Contest | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A page with one clear sentence."""
    response = render(
        request,
        "voter_message.html",
        status=status,
        default_language=language_in(contest),
        about=about,
        contest=contest,
    )
    response.headers.update(headers or {})
    return response


def no_candidate(request: web.Request) -> web.Response:
    """404: the address names nobody, or has a slip in its code."""
    contest, code = request.app[VOTING_SERVICE].contest(request.match_info["slug"]), request.match_info.get("code", "")
    mistyped = contest is not None and is_mistyped(contest, code)
    return message(request, 404, "mistyped" if mistyped else "no_candidate", contest if mistyped else None)
