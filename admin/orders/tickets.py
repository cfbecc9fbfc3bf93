"""Voters who asked for help: their tickets, and closing one, by page and by API."""

from datetime import datetime
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.answers import AsOf, Reason, model_of, staff_endpoint
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Reply
from payments.requests import Right, reasoned

PAGE: Final = "/admin/tickets"
API: Final = "/api/admin/tickets"


@page(Right.READ_ORDERS)
async def tickets_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Open tickets, the oldest first."""
    held = await request.app[PAYMENTS].tickets.open_tickets(me.scope, me.as_of)
    return show(request, me, "admin_tickets.html", tickets=held)


@form(Right.CLOSE_TICKET)
async def close_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """End a ticket with what was found out."""
    reason = reasoned(fields.get("reason", ""))
    await request.app[PAYMENTS].tickets.close(request.match_info["ticket"], person=me.email, reason=reason)
    return see_other(PAGE)


class Ticket(ApiModel):
    """A voter's request for help."""

    ticket: str = Field(description="Its number, as the voter received it.")
    contest: str
    kind: str
    channel: str
    number: str
    vote_id: UUID | None
    payment_status: str | None = Field(description="What became of the payment that it is about.")
    opened_at: datetime
    note: str


class Tickets(ApiModel):
    """Open tickets, the oldest first."""

    tickets: list[Ticket]


class TicketPath(InputModel):
    """The ticket that is meant."""

    ticket: str = Field(pattern=r"^[1-9][0-9]{0,18}$")


@staff_endpoint(Right.READ_ORDERS, query=AsOf, returns={200: Tickets})
async def tickets(request: web.Request, who: Me, *, query: AsOf) -> Reply:
    """List open tickets."""
    return await _open_tickets(request, who, query.as_of)


async def _open_tickets(request: web.Request, who: Me, at: datetime | None = None) -> Reply:
    held = await request.app[PAYMENTS].tickets.open_tickets(who.scope, at)
    return Reply(200, Tickets(tickets=[model_of(Ticket, one) for one in held]))


@staff_endpoint(Right.CLOSE_TICKET, path=TicketPath, body=Reason, returns={200: Tickets}, problems=(404, 409))
async def close(request: web.Request, who: Me, *, path: TicketPath, body: Reason) -> Reply:
    """End a ticket with what was found out.

    Answers with the tickets that are still open.
    """
    reason = reasoned(body.reason)
    await request.app[PAYMENTS].tickets.close(path.ticket, person=who.email, reason=reason)
    return await _open_tickets(request, who)


def setup(app: web.Application) -> None:
    """Serve them. The application needs PAYMENTS and mounted pages."""
    app.router.add_get(PAGE, tickets_page)
    app.router.add_post(f"{PAGE}/{{ticket}}", close_by_page)
    app.router.add_get(f"{PAGE}/{{ticket}}", tickets_page)
    app.router.add_get(API, tickets)
    app.router.add_post(f"{API}/{{ticket}}/close", close)
