"""Refunds, payments that wait for a person, and voiding a window, by page and by API."""

from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me, page, query_of, show
from admin.access.moment import contests_of
from admin.answers import AsOf, Listing, staff_endpoint, unknown
from admin.approvals.api import RequestPath, request_reply
from admin.approvals.asking import read_params, with_zone
from admin.approvals.pages import tables
from admin.orders.store import ORDERS, HeldLine
from admin.orders.story import OrderRefund
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.orders.rules import Channel
from gateway.values.money import Money
from payments.disbursement.refunds.voids import VoidLine
from payments.disbursement.rules import OutgoingState
from payments.requests import Act, Right

ON_THEIR_WAY: Final = (OutgoingState.MANUAL.value, OutgoingState.DUE.value, OutgoingState.SENT.value)
ENDED: Final = (OutgoingState.DONE.value, OutgoingState.VOID.value)


class Refunds(ApiModel):
    """Refunds: those that wait for a person first."""

    refunds: list[OrderRefund]


class Window(InputModel):
    """A window of orders: its first instant is in, its last is out."""

    contest: Line = Field(max_length=100)
    from_: datetime = Field(alias="from")
    to: datetime
    channel: Line | None = Field(None, max_length=20)
    operator: Line | None = Field(None, max_length=40)


class Preview(ApiModel):
    """What an act would do now."""

    preview: dict[str, Any]


class Progress(ApiModel):
    """How far a voided window is."""

    status: str
    lines: list[VoidLine]


class HeldLines(ApiModel):
    """Paid orders that wait for a person, the oldest first."""

    held: list[HeldLine]


@staff_endpoint(Right.READ_ORDERS, query=Listing, returns={200: Refunds})
async def refunds(request: web.Request, me: Me, *, query: Listing) -> Reply:
    """List refunds on their way, or with `all` those that ended."""
    held = await request.app[ORDERS].refunds(me.scope, statuses=ENDED if query.all else ON_THEIR_WAY, at=query.as_of)
    return Reply(200, Refunds(refunds=held))


@page(Right.READ_ORDERS)
async def refunds_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Refunds on their way, those that wait for a person first; with `?all=1` those that ended."""
    ended = request.query.get("all") == "1"
    held = await request.app[ORDERS].refunds(me.scope, statuses=ENDED if ended else ON_THEIR_WAY, at=me.as_of)
    return show(request, me, "admin_refunds.html", refunds=held, everything=ended)


@staff_endpoint(Right.READ_ORDERS, query=AsOf, returns={200: HeldLines})
async def held(request: web.Request, me: Me, *, query: AsOf) -> Reply:
    """List paid orders that wait for a person."""
    return Reply(200, HeldLines(held=await request.app[ORDERS].held(me.scope, query.as_of)))


@page(Right.READ_ORDERS)
async def held_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Paid orders that wait for a person."""
    return show(request, me, "admin_held.html", held=await request.app[ORDERS].held(me.scope, me.as_of))


@staff_endpoint(Right.VOID_WINDOW, body=Window, returns={200: Preview}, problems=(404, 409))
async def void_preview(request: web.Request, me: Me, *, body: Window) -> Reply:
    """Tell what voiding a window would take back now."""
    ends = {"from": body.from_.isoformat(), "to": body.to.isoformat()}
    params = read_params(Act.VOID_WINDOW, {**ends, "channel": body.channel, "operator": body.operator})
    return Reply(200, Preview(preview=dict(await request.app[PAYMENTS].voids.preview(body.contest, params, me.scope))))


@staff_endpoint(Right.READ_ORDERS, path=RequestPath, returns={200: Progress}, problems=(404,))
async def void_progress(request: web.Request, me: Me, *, path: RequestPath) -> Reply:
    """Tell how far a voided window is."""
    asked = await request_reply(request, me, path.request_id)
    lines = await request.app[PAYMENTS].voids.progress(path.request_id, me.scope)
    if not lines:
        raise unknown("window", path.request_id)
    return Reply(200, Progress(status=asked.status, lines=lines))


@page(Right.VOID_WINDOW)
async def void(request: web.Request, me: Me) -> web.StreamResponse:
    """Choose a window, look at what it would take back, ask for it."""
    payments, query = request.app[PAYMENTS], query_of(request)
    slug, preview = query.get("contest", ""), None
    if slug:
        preview = await payments.voids.preview(slug, read_params(Act.VOID_WINDOW, with_zone(query, me.zone)), me.scope)
    return show(
        request,
        me,
        "admin_void.html",
        contests=contests_of(request, me.scope),
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
    app.router.add_get("/api/admin/refunds", refunds)
    app.router.add_get("/api/admin/held", held)
    app.router.add_post("/api/admin/voids/preview", void_preview)
    app.router.add_get("/api/admin/voids/{requestId}", void_progress)
    app.router.add_get("/admin/refunds", refunds_page)
    app.router.add_get("/admin/held", held_page)
    app.router.add_get("/admin/void", void)
