"""`/api/admin/orders` and what waits: orders, for programs."""

from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me
from admin.access.moment import contests_of
from admin.answers import AsOf, Reason, staff_endpoint, unknown
from admin.orders.pages import countries_of
from admin.orders.store import ORDERS, FoundPayment, Waits
from admin.orders.story import Order
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from payments.requests import Right, reasoned


class Search(AsOf):
    """What is searched for."""

    q: Line = Field(
        min_length=1,
        max_length=80,
        description="Number, receipt, order code, ticket, a reference of ours, or a candidate's name.",
    )


class FoundPayments(ApiModel):
    """Payments, the newest first."""

    payments: list[FoundPayment]


class Numbers(ApiModel):
    """Whole numbers of an order."""

    voter: str | None
    payer: str | None


class OrderPath(InputModel):
    """The order that is asked about."""

    vote_id: UUID


@staff_endpoint(Right.READ_ORDERS, query=AsOf, returns={200: Waits})
async def waiting(request: web.Request, who: Me, *, query: AsOf) -> Reply:
    """Show what waits.

    As of an earlier moment, what waited for a person.
    """
    return Reply(200, await request.app[ORDERS].waiting(who.scope, query.as_of))


@staff_endpoint(Right.READ_ORDERS, body=Search, returns={200: FoundPayments})
async def search(request: web.Request, who: Me, *, body: Search) -> Reply:
    """Find payments.

    By number, receipt, order code, ticket, the reference of a vote, payment or refund, or a candidate's name. Numbers
    come masked.
    """
    contests = contests_of(request, who.scope)
    lines = await request.app[ORDERS].find(body.q, countries_of(request), who.scope, body.as_of, contests=contests)
    return Reply(200, FoundPayments(payments=lines))


@staff_endpoint(Right.READ_ORDERS, path=OrderPath, query=AsOf, returns={200: Order}, problems=(404,))
async def order(request: web.Request, who: Me, *, path: OrderPath, query: AsOf) -> Reply:
    """Show an order and all that happened to it."""
    story = await request.app[ORDERS].story(path.vote_id, who.scope, query.as_of)
    if story is None:
        raise unknown("order", path.vote_id)
    return Reply(200, story)


@staff_endpoint(Right.SEE_NUMBER, proof=True, path=OrderPath, body=Reason, returns={200: Numbers}, problems=(404,))
async def numbers(request: web.Request, who: Me, *, path: OrderPath, body: Reason) -> Reply:
    """Show the whole numbers of an order.

    The reason goes to the audit log first.
    """
    reason = reasoned(body.reason)
    reads = request.app[ORDERS]
    found = await reads.show_number(path.vote_id, who.scope, person=who.email, reason=reason)
    if found is None:
        raise unknown("order", path.vote_id)
    return Reply(200, Numbers(voter=found.get("voter"), payer=found.get("payer")))


def setup(app: web.Application) -> None:
    """Serve them. The application needs ORDERS and VOTING_SERVICE."""
    app.router.add_get("/api/admin/waiting", waiting)
    app.router.add_post("/api/admin/search", search)
    app.router.add_get("/api/admin/orders/{voteId}", order)
    app.router.add_post("/api/admin/orders/{voteId}/numbers", numbers)
