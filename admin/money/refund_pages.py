"""Refunds on their way, payments that wait for a person, and voiding a window."""

from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from admin.access.guard import Me, page, query_of, show
from admin.approvals.asking import read_params, with_zone
from admin.approvals.pages import tables
from admin.orders.store import ORDERS
from admin.services import PAYMENTS
from channels.voting_service import VOTING_SERVICE
from gateway.orders.rules import Channel
from gateway.values.money import Money
from payments.disbursement.rules import OutgoingState
from payments.requests import Act, ActRefused, Right, Why

ON_THEIR_WAY: Final = (OutgoingState.MANUAL.value, OutgoingState.DUE.value, OutgoingState.SENT.value)
ENDED: Final = (OutgoingState.DONE.value, OutgoingState.VOID.value)


@page(Right.READ_ORDERS)
async def refunds(request: web.Request, me: Me) -> web.StreamResponse:
    """Refunds on their way, those that wait for a person first; with `?all=1` those that ended."""
    ended = request.query.get("all") == "1"
    held = await request.app[ORDERS].refunds(me.scope, statuses=ENDED if ended else ON_THEIR_WAY)
    return show(request, me, "admin_refunds.html", refunds=held, everything=ended)


@page(Right.READ_ORDERS)
async def held(request: web.Request, me: Me) -> web.StreamResponse:
    """Paid orders that wait for a person."""
    return show(request, me, "admin_held.html", held=await request.app[ORDERS].held(me.scope))


@page(Right.VOID_WINDOW)
async def void(request: web.Request, me: Me) -> web.StreamResponse:
    """Choose a window, look at what it would take back, ask for it."""
    payments, service = request.app[PAYMENTS], request.app[VOTING_SERVICE]
    own = [contest for contest in service.contests() if me.scope in (None, contest.organiser_id)]
    query = query_of(request)
    slug, preview = query.get("contest", ""), None
    if slug and slug not in {contest.slug for contest in own}:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    if slug:
        preview = await payments.voids.preview(slug, read_params(Act.VOID_WINDOW, with_zone(query)))
    return show(
        request,
        me,
        "admin_void.html",
        contests=own,
        channels=[channel.value for channel in Channel],
        accounts=payments.accounts,
        chosen=query,
        preview=preview,
        tables=[] if preview is None else tables(preview),
        now=datetime.now(UTC),
        money_of=Money,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get("/admin/refunds", refunds)
    app.router.add_get("/admin/held", held)
    app.router.add_get("/admin/void", void)
