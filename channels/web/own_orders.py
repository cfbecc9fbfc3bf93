"""The orders of one browser, in a cookie: a voter who closed the page finds the order again and does not pay twice.

The cookie holds what the addresses of the orders' pages hold, and is kept as long as money may be missing.
"I was debited" asks the operator about such an order at once. The order's unguessable id is the only key:
numbers are neither asked for nor shown, so that no one learns whether a stranger has voted.
"""

from functools import partial
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web

from channels.voting_service import VOTING_SERVICE
from channels.web.views import language_in, message, show_order
from channels.web.vote_requests import read_vote_id
from gateway.contests.contest import Contest
from gateway.http.limits import LIMITS
from gateway.http.pages import PAGES, money, render
from gateway.http.problems import Problem
from gateway.orders.rules import VoteRequest
from gateway.storage.engine import DatabaseUnavailable
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus
from payments.rescue.rules import DISPUTABLE, OfOrder, Rescue

COOKIE: Final = "orders"
COOKIE_SECONDS: Final = 24 * 3600
ORDERS_MAX: Final = 3
_BETWEEN: Final = "."
_log = structlog.get_logger(__name__)


def ids_in(cookie: str) -> tuple[UUID, ...]:
    """The orders that a cookie names, newest first; anything else in it is ignored."""
    found = (read_vote_id(word) for word in cookie[:200].split(_BETWEEN)[:ORDERS_MAX])
    return tuple(dict.fromkeys(vote_id for vote_id in found if vote_id is not None))


def keep(request: web.Request, response: web.StreamResponse, vote_id: UUID) -> None:
    """Let the browser remember this order."""
    held = ids_in(request.cookies.get(COOKIE, ""))
    newest = dict.fromkeys((vote_id, *held))
    response.set_cookie(
        COOKIE,
        _BETWEEN.join(str(one) for one in list(newest)[:ORDERS_MAX]),
        max_age=COOKIE_SECONDS,
        samesite="Lax",
        secure=request.secure,
        httponly=True,
    )


async def kept(request: web.Request, contest: Contest) -> list[OrderView]:
    """The orders of this browser in a contest, newest first. None while the service does not answer: the page
    stands without them."""
    service = request.app[VOTING_SERVICE]
    try:
        found = [await service.order(vote_id) for vote_id in ids_in(request.cookies.get(COOKIE, ""))]
    except DatabaseUnavailable as error:
        _log.warning("own_orders_not_read", error=str(error))
        return []
    return [order for order in found if order is not None and order.contest_slug == contest.slug]


def waiting(orders: list[OrderView]) -> OrderView | None:
    """The newest that waits for its payment."""
    return next((order for order in orders if order.status is PublicStatus.PENDING), None)


async def like_one_waiting(request: web.Request, vote_request: VoteRequest) -> OrderView | None:
    """An order of this browser that waits and equals this vote request."""
    if not request.cookies.get(COOKIE):
        return None
    return next((order for order in await kept(request, vote_request.contest) if is_like(order, vote_request)), None)


def is_like(order: OrderView, vote_request: VoteRequest) -> bool:
    """Whether an order waits for the payment of just this vote request."""
    return (
        order.status is PublicStatus.PENDING
        and order.contest_slug == vote_request.contest.slug
        and (order.candidate_code, order.quantity) == (vote_request.candidate_code, vote_request.quantity)
        and order.payer_masked == (vote_request.payer.masked() if vote_request.payer else "")
        and vote_request.method in (None, order.method)
    )


async def which(request: web.Request) -> web.Response:
    """The orders of this browser in a contest, and where else to ask. 404."""
    contest = request.app[VOTING_SERVICE].contest(request.match_info["slug"])
    if contest is None:
        return message(request, 404, "no_candidate")
    orders = await kept(request, contest)
    return render(request, "debited.html", default_language=contest.language, contest=contest, orders=orders)


async def ask(request: web.Request) -> web.Response:
    """What became of this order's payment, by the operator's word of now. 404, 429."""
    order = await _order(request)
    if isinstance(order, web.Response):
        return order
    service, language = request.app[VOTING_SERVICE], _language(request, order)
    found = await service.rescue(OfOrder(order.vote_id), language)
    now = await service.order(order.vote_id) or order
    notice = _words(partial(request.app[PAGES].say, language), found, money(order.amount, language))
    return show_order(request, now, notice=notice, disputable=found.outcome in DISPUTABLE)


async def ticket(request: web.Request) -> web.Response:
    """Open a ticket about this order. 404, 429."""
    order = await _order(request)
    if isinstance(order, web.Response):
        return order
    language = _language(request, order)
    number = await request.app[VOTING_SERVICE].open_ticket(OfOrder(order.vote_id), language)
    say = partial(request.app[PAGES].say, language)
    return show_order(request, order, notice=say("debited.noted") if number is None else _ticket(say, number))


async def back(request: web.Request) -> web.Response:
    """These addresses opened with GET: the order's own page."""
    query = f"?{request.query_string}" if request.query_string else ""
    raise web.HTTPSeeOther(f"/votes/{request.match_info['vote_id']}{query}")


async def _order(request: web.Request) -> OrderView | web.Response:
    try:
        await request.app[LIMITS].write(request)
    except Problem as fault:
        return message(request, fault.status, "too_many", None, fault.headers)
    vote_id = read_vote_id(request.match_info["vote_id"])
    order = None if vote_id is None else await request.app[VOTING_SERVICE].order(vote_id)
    return message(request, 404, "no_vote") if order is None else order


def _language(request: web.Request, order: OrderView) -> str:
    contest = request.app[VOTING_SERVICE].contest(order.contest_slug)
    return request.app[PAGES].language_of(request, language_in(contest))


def _words(say: "partial[str]", found: Rescue, amount: str) -> str:
    notice = say(f"debited.{found.outcome.value}", amount=amount)
    return f"{notice} {_ticket(say, found.ticket)}" if found.ticket else notice


def _ticket(say: "partial[str]", number: str) -> str:
    return say("debited.ticket", ticket=number)


def setup(app: web.Application) -> None:
    """Serve the pages. The application needs VOTING_SERVICE, LIMITS and mounted PAGES."""
    app.router.add_get("/c/{slug}/debited", which)
    for word, handler in (("debited", ask), ("ticket", ticket)):
        app.router.add_post(f"/votes/{{vote_id}}/{word}", handler)
        app.router.add_get(f"/votes/{{vote_id}}/{word}", back)
