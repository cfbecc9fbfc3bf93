"""`/api/admin/requests`: acts that staff ask for and agree to, for programs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me
from admin.answers import AsOf, Listing, check_proof, model_of, staff_endpoint, unknown
from admin.approvals.asking import decide, needs_proof, read_act, read_params
from admin.approvals.pages import OPEN_REQUESTS
from admin.approvals.staff_acts import APPROVALS
from admin.orders.store import ORDERS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from payments.requests import Act, ActRefused, Right, Why

_OF_PAYMENTS: Final = frozenset({Act.REFUND_PAYMENT, Act.RELEASE_HELD, Act.REFUSE_HELD})


class NewRequest(InputModel):
    """What is asked for."""

    act: Act
    subject: Line = Field(
        max_length=200,
        description="A payment (its reference, vote, receipt or order code), a refund's reference, a contest's slug, "
        "a callback's id, a difference or a group of them, an import.",
    )
    reason: Line = Field(max_length=500)
    params: dict[str, Line | int | bool | None] = Field(
        default_factory=dict, description="What the act wants besides: `from`, `to`, `operator_reference` …"
    )


class RequestListing(Listing):
    """Which requests."""

    acts: Line = Field("", max_length=200, description="Only requests of these acts, with commas between.")


class Decision(InputModel):
    """The second person's decision."""

    approve: bool


class Request(ApiModel):
    """An act that was asked for."""

    id: UUID
    act: str
    subject: str
    status: str
    reason: str
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    params: dict[str, Any]
    preview: dict[str, Any] = Field(description="What it would do, as of when it was asked for.")


class Requests(ApiModel):
    """Requests, the newest first."""

    requests: list[Request]


class RequestPath(InputModel):
    """The request that is asked about."""

    request_id: UUID


@staff_endpoint(Right.READ_ORDERS, query=RequestListing, returns={200: Requests}, problems=(409,))
async def requests(request: web.Request, who: Me, *, query: RequestListing) -> Reply:
    """List acts that were asked for."""
    acts = [read_act(word.strip()) for word in query.acts.split(",") if word.strip()]
    held = await request.app[APPROVALS].requests.listed(
        who.scope, statuses=() if query.all else OPEN_REQUESTS, acts=acts, at=query.as_of
    )
    return Reply(200, Requests(requests=[model_of(Request, one) for one in held]))


@staff_endpoint(Right.READ_ORDERS, path=RequestPath, query=AsOf, returns={200: Request}, problems=(404,))
async def one_request(request: web.Request, who: Me, *, path: RequestPath, query: AsOf) -> Reply:
    """Show one act that was asked for."""
    return Reply(200, await request_reply(request, who, path.request_id, query.as_of))


async def request_reply(request: web.Request, who: Me, request_id: UUID, at: datetime | None = None) -> Request:
    """A request as its asker or decider may see it. Problem 404."""
    held = await request.app[APPROVALS].requests.read(request_id, who.scope, at)
    if held is None:
        raise unknown("request", request_id)
    return model_of(Request, held)


async def ask(
    request: web.Request, who: Me, act: Act, subject: str, reason: str, params: Mapping[str, object]
) -> Reply:
    """Ask for an act and answer with the request that it became. Raises ActRefused."""
    made = await request.app[APPROVALS].ask(act, subject, read_params(act, params), reason, who.email)
    return Reply(201, await request_reply(request, who, made), {"Location": f"/api/admin/requests/{made}"})


@staff_endpoint(Right.READ_ORDERS, body=NewRequest, returns={201: Request}, problems=(404, 409))
async def new_request(request: web.Request, who: Me, *, body: NewRequest) -> Reply:
    """Ask for an act.

    Nothing is done before a second person agrees, but for acts that need none.
    """
    if needs_proof(body.act):
        check_proof(who)
    subject = body.subject.strip()
    if body.act in _OF_PAYMENTS:
        found = await request.app[ORDERS].payment_named(subject, who.scope)
        if found is None:
            raise ActRefused(Why.UNKNOWN, f"no payment has the reference, vote, receipt or order code {subject!r}")
        subject = str(found)
    return await ask(request, who, body.act, subject, body.reason, body.params)


@staff_endpoint(Right.DECIDE, proof=True, path=RequestPath, body=Decision, returns={200: Request}, problems=(404, 409))
async def decision(request: web.Request, who: Me, *, path: RequestPath, body: Decision) -> Reply:
    """Agree to a request, or turn it down.

    By another person than the one who asked, within 24 hours. A request that is `approved` is still being done.
    """
    outcome = await decide(request.app[APPROVALS], who, path.request_id, approve=body.approve)
    written = await request_reply(request, who, path.request_id)
    return Reply(200, written.model_copy(update={"outcome": written.outcome or outcome.text}))


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS and ORDERS."""
    app.router.add_get("/api/admin/requests", requests)
    app.router.add_post("/api/admin/requests", new_request)
    app.router.add_get("/api/admin/requests/{requestId}", one_request)
    app.router.add_post("/api/admin/requests/{requestId}/decision", decision)
