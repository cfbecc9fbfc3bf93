"""`/api/admin/refunds`, `/held` and `/voids`: money that goes back, for programs."""

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me
from admin.answers import Listing, model_of, staff_endpoint, unknown
from admin.approvals.api import RequestPath, request_reply
from admin.approvals.asking import read_params
from admin.money.refund_pages import ENDED, ON_THEIR_WAY
from admin.orders.store import ORDERS, HeldLine
from admin.orders.story import OrderRefund
from admin.services import PAYMENTS
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from payments.requests import Act, Right


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


class VoidLine(ApiModel):
    """How far a voided window is, in one currency. Amounts are minor units."""

    currency: str
    payments: int
    done: int = Field(description="So many payments were looked at.")
    skipped: int = Field(description="So many of them had left the count before.")
    votes: int
    votes_done: int
    money_minor: int
    money_done_minor: int
    refunded: int = Field(description="Payers who have their money.")
    manual: int = Field(description="Refunds that wait for a person.")


class Progress(ApiModel):
    """How far a voided window is."""

    status: str
    lines: list[VoidLine]


class HeldLines(ApiModel):
    """Paid orders that wait for a person, the oldest first."""

    held: list[HeldLine]


@staff_endpoint(Right.READ_ORDERS, query=Listing, returns={200: Refunds})
async def refunds(request: web.Request, who: Me, *, query: Listing) -> Reply:
    """List refunds on their way, or with `all` those that ended."""
    held = await request.app[ORDERS].refunds(who.scope, statuses=ENDED if query.all else ON_THEIR_WAY)
    return Reply(200, Refunds(refunds=held))


@staff_endpoint(Right.READ_ORDERS, returns={200: HeldLines})
async def held(request: web.Request, who: Me) -> Reply:
    """List paid orders that wait for a person."""
    return Reply(200, HeldLines(held=await request.app[ORDERS].held(who.scope)))


@staff_endpoint(Right.VOID_WINDOW, body=Window, returns={200: Preview}, problems=(404, 409))
async def void_preview(request: web.Request, who: Me, *, body: Window) -> Reply:
    """Tell what voiding a window would take back now."""
    contest = request.app[VOTING_SERVICE].contest(body.contest)
    if contest is None or who.scope not in (None, contest.organiser_id):
        raise unknown("contest", body.contest)
    ends = {"from": body.from_.isoformat(), "to": body.to.isoformat()}
    params = read_params(Act.VOID_WINDOW, {**ends, "channel": body.channel, "operator": body.operator})
    return Reply(200, Preview(preview=dict(await request.app[PAYMENTS].voids.preview(body.contest, params))))


@staff_endpoint(Right.READ_ORDERS, path=RequestPath, returns={200: Progress}, problems=(404,))
async def void_progress(request: web.Request, who: Me, *, path: RequestPath) -> Reply:
    """Tell how far a voided window is."""
    asked = await request_reply(request, who, path.request_id)
    lines = [model_of(VoidLine, line) for line in await request.app[PAYMENTS].voids.progress(path.request_id)]
    if not lines:
        raise unknown("window", path.request_id)
    return Reply(200, Progress(status=asked.status, lines=lines))


def setup(app: web.Application) -> None:
    """Serve them. The application needs ORDERS, PAYMENTS and VOTING_SERVICE."""
    app.router.add_get("/api/admin/refunds", refunds)
    app.router.add_get("/api/admin/held", held)
    app.router.add_post("/api/admin/voids/preview", void_preview)
    app.router.add_get("/api/admin/voids/{requestId}", void_progress)
