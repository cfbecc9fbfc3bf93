"""The search, and an order with its whole story."""

from typing import Final

from aiohttp import web

from admin.access.guard import Form, Me, form, page, say, see_other, show
from admin.access.moment import contests_of
from admin.answers import read_id
from admin.orders.store import ORDERS
from admin.orders.story import TICKET, Order, sum_and_reference
from channels.voting_service import VOTING_SERVICE
from payments.requests import ActRefused, Right, reasoned

_WORD_LENGTH_MAX: Final = 80


def countries_of(request: web.Request) -> list[str]:
    """Where the contests of this service are."""
    return sorted({contest.country for contest in request.app[VOTING_SERVICE].contests()})


@page(Right.READ_ORDERS)
async def search(request: web.Request, me: Me) -> web.StreamResponse:
    """The payments that moved last, and where to search."""
    lines = [] if me.as_of else await request.app[ORDERS].latest(me.scope)
    return show(request, me, "admin_search.html", q="", lines=lines)


@form(Right.READ_ORDERS)
async def found(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Payments by number, receipt, order code, ticket, reference or candidate's name. By a form, so that a number
    stands in no address, no history and no log."""
    word = fields.get("q", "").strip()[:_WORD_LENGTH_MAX]
    if not word:
        return see_other("/admin/search")
    contests = contests_of(request, me.scope)
    lines = await request.app[ORDERS].find(word, countries_of(request), me.scope, me.as_of, contests=contests)
    return show(request, me, "admin_search.html", q=word, lines=lines)


async def story_of(request: web.Request, me: Me) -> Order | None:
    """The order that an address names."""
    vote_id = read_id(request, "vote_id")
    return None if vote_id is None else await request.app[ORDERS].story(vote_id, me.scope, me.as_of)


@page(Right.READ_ORDERS)
async def order(request: web.Request, me: Me) -> web.StreamResponse:
    """An order: what it is, what may be done, and all that happened. 404."""
    story = await story_of(request, me)
    return say(request, 404, "no_order", me) if story is None else _order(request, me, story)


@form(Right.SEE_NUMBER, proof=True)
async def number(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """The order with its whole numbers, after the reason is in the audit log."""
    story = await story_of(request, me)
    if story is None:
        return say(request, 404, "no_order", me)
    try:
        reason = reasoned(fields.get("reason", ""))
    except ActRefused:
        return _order(request, me, story, status=422, wrong="no_reason")
    numbers = await request.app[ORDERS].show_number(story.vote_id, me.scope, person=me.email, reason=reason)
    return _order(request, me, story, numbers=numbers or {})


@page(Right.READ_ORDERS)
async def of_payment(request: web.Request, me: Me) -> web.StreamResponse:
    """The order of a payment or a refund. 404."""
    reference = read_id(request, "reference")
    found = [] if reference is None else await request.app[ORDERS].find(str(reference), (), me.scope)
    return see_other(f"/admin/orders/{found[0].vote_id}") if found else say(request, 404, "no_order", me)


def _order(
    request: web.Request,
    me: Me,
    story: Order,
    *,
    status: int = 200,
    wrong: str = "",
    numbers: object = None,
) -> web.Response:
    # The newest of each payment: a refund closes one.
    tickets = {line.about: line.number for line in story.story if line.kind == TICKET and line.now == "open"}
    return show(
        request,
        me,
        "admin_order.html",
        status=status,
        order=story,
        wrong=wrong,
        numbers=numbers or {},
        open_tickets=tickets,
        evidence=sum_and_reference,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs ORDERS, VOTING_SERVICE and mounted pages."""
    app.router.add_get("/admin/search", search)
    app.router.add_post("/admin/search", found)
    app.router.add_get("/admin/orders/{vote_id}", order)
    app.router.add_get("/admin/payments/{reference}", of_payment)
    app.router.add_post("/admin/orders/{vote_id}", number)
