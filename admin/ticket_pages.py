"""Voters who asked for help: their tickets, and ending one."""

from typing import Final

from aiohttp import web

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.approvals.request_pages import refused
from admin.desk import DESK
from payments.requests import ActRefused, Right, reasoned

PATH: Final = "/admin/tickets"


@page(Right.READ_ORDERS)
async def tickets(request: web.Request, me: Me) -> web.StreamResponse:
    """Open tickets, the oldest first."""
    held = await request.app[DESK].tickets.open_tickets(me.scope)
    return show(request, me, "admin_tickets.html", tickets=held)


@form(Right.CLOSE_TICKET)
async def close(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """End a ticket with what was found out."""
    try:
        reason = reasoned(fields.get("reason", ""))
        await request.app[DESK].tickets.close(request.match_info["ticket"], person=me.email, reason=reason)
    except ActRefused as error:
        return refused(request, me, error)
    return see_other(PATH)


def setup(app: web.Application) -> None:
    """Serve them. The application needs DESK and mounted pages."""
    app.router.add_get(PATH, tickets)
    app.router.add_post(f"{PATH}/{{ticket}}", close)
    app.router.add_get(f"{PATH}/{{ticket}}", tickets)
