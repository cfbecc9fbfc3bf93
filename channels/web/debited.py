"""I was debited, on the web: asked of the operator now, for an order whose page one holds.

The order's unguessable id is the only key. Numbers are neither asked for nor told, so that nobody learns
whether a stranger has voted.
"""

from functools import partial

from aiohttp import web

from channels.voting_service import VOTING_SERVICE
from channels.web import own_orders
from channels.web.showing import language_in, message, show_order
from channels.web.vote_requests import read_vote_id
from gateway.http.limits import RateLimits
from gateway.http.pages import PAGES, render
from gateway.http.problems import Problem
from payments.collection.order_views import OrderView
from payments.rescue.rules import DISPUTABLE, OfOrder, Rescue


class DebitedPages:
    """The handlers. A payment is asked about once in some seconds however often this is sent; `limits`
    counts what one address sends."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits

    async def which(self, request: web.Request) -> web.Response:
        """The orders of this browser in a contest, and where else to ask. 404."""
        contest = request.app[VOTING_SERVICE].contest(request.match_info["slug"])
        if contest is None:
            return message(request, 404, "no_candidate")
        orders = await own_orders.kept(request, contest)
        return render(request, "debited.html", default_language=contest.language, contest=contest, orders=orders)

    async def ask(self, request: web.Request) -> web.Response:
        """What became of this order's payment, by the operator's word of now. 404, 429."""
        order = await self._order(request)
        if isinstance(order, web.Response):
            return order
        service, language = request.app[VOTING_SERVICE], _language(request, order)
        found = await service.rescue(OfOrder(order.vote_id), language)
        now = await service.order(order.vote_id) or order
        told = _words(partial(request.app[PAGES].say, language), found, order)
        return show_order(request, now, told=told, disputable=found.outcome in DISPUTABLE)

    async def ticket(self, request: web.Request) -> web.Response:
        """Have a person look at this order. 404, 429."""
        order = await self._order(request)
        if isinstance(order, web.Response):
            return order
        language = _language(request, order)
        number = await request.app[VOTING_SERVICE].open_ticket(OfOrder(order.vote_id), language)
        say = partial(request.app[PAGES].say, language)
        return show_order(request, order, told=say("debited.noted") if number is None else _ticket(say, number))

    async def back(self, request: web.Request) -> web.Response:
        """Whoever reads these addresses without asking anew: the order's own page."""
        query = f"?{request.query_string}" if request.query_string else ""
        raise web.HTTPSeeOther(f"/votes/{request.match_info['vote_id']}{query}")

    async def _order(self, request: web.Request) -> OrderView | web.Response:
        try:
            await self._limits.write(request)
        except Problem as fault:
            return message(request, fault.status, "too_many", None, fault.headers)
        vote_id = read_vote_id(request.match_info["vote_id"])
        order = None if vote_id is None else await request.app[VOTING_SERVICE].order(vote_id)
        return message(request, 404, "no_vote") if order is None else order


def _language(request: web.Request, order: OrderView) -> str:
    contest = request.app[VOTING_SERVICE].contest(order.contest_slug)
    return request.app[PAGES].language_of(request, language_in(contest))


def _words(say: "partial[str]", found: Rescue, order: OrderView) -> str:
    told = say(f"debited.{found.outcome.value}", amount=order.amount.spoken())
    return f"{told} {_ticket(say, found.ticket)}" if found.ticket else told


def _ticket(say: "partial[str]", number: str) -> str:
    return say("debited.ticket", ticket=number)


def setup(app: web.Application, limits: RateLimits) -> None:
    """Serve the pages. The application needs VOTING_SERVICE and mounted PAGES."""
    handlers = DebitedPages(limits)
    app.router.add_get("/c/{slug}/debited", handlers.which)
    for word, handler in (("debited", handlers.ask), ("ticket", handlers.ticket)):
        app.router.add_post(f"/votes/{{vote_id}}/{word}", handler)
        app.router.add_get(f"/votes/{{vote_id}}/{word}", handlers.back)
