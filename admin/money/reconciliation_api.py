"""`/api/admin/differences` and `/statements`: statements of operators against the book, for programs."""

from dataclasses import asdict
from datetime import date, datetime
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import api_me
from admin.answers import SIGNED_IN, TAG, Listing, act_problem, proven
from admin.approvals.api import Request, request_reply
from admin.approvals.asking import read_params
from admin.approvals.staff_acts import APPROVALS
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, endpoint
from payments.reconciliation.differences import Difference
from payments.reconciliation.rules import Repair
from payments.requests import Act, ActRefused, Right


class DifferenceLine(ApiModel):
    """A difference between a statement and the book."""

    id: int
    provider: str
    kind: str
    amount: int = Field(description="By how much the operator holds more than the book says.")
    currency: str
    wallet: str
    detail: str
    found_at: datetime
    status: str
    offered: list[str]
    reference: UUID | None
    resolution: str | None
    note: str | None
    resolved_by: str | None


class Differences(ApiModel):
    """Differences, the oldest first."""

    differences: list[DifferenceLine]


class DifferenceGroup(ApiModel):
    """Open differences that are decided alike."""

    key: str = Field(description="The subject of a request about all of them.")
    provider: str
    kind: str
    wallet: str
    currency: str
    day: date
    count: int
    amount: int
    asked: int = Field(description="So many are in a request that waits.")


class DifferenceGroups(ApiModel):
    """Groups of open differences, the oldest day first."""

    groups: list[DifferenceGroup]


class ImportedStatement(ApiModel):
    """A statement that was imported. Its id is the subject of a request to take it back."""

    id: UUID
    provider: str
    name: str
    lines: int
    imported_by: str
    imported_at: datetime
    undone_at: datetime | None
    open: int = Field(description="Its open differences.")


class Statements(ApiModel):
    """The latest imports."""

    statements: list[ImportedStatement]


class Resolution(InputModel):
    """What somebody decides about a difference."""

    repair: Repair
    reason: Line = Field(max_length=500)
    operator_reference: Line | None = Field(None, max_length=64)


def difference_of(held: Difference) -> DifferenceLine:
    """A difference as the API tells it."""
    return DifferenceLine(
        id=held.id,
        provider=held.provider,
        kind=held.kind.value,
        amount=held.amount_minor,
        currency=held.currency,
        wallet=held.wallet.value,
        detail=held.detail,
        found_at=held.found_at,
        status=held.status,
        offered=[repair.value for repair in held.offered],
        reference=held.reference,
        resolution=held.resolution,
        note=held.note,
        resolved_by=held.resolved_by,
    )


class DifferencePath(InputModel):
    """The difference that is asked about."""

    number: int = Field(ge=1, lt=2**63)


@endpoint(query=Listing, returns={200: Differences}, problems=SIGNED_IN, tag=TAG)
async def differences(request: web.Request, *, query: Listing) -> Reply:
    """List differences between statements and the book."""
    await api_me(request, Right.READ_MONEY)
    held = await request.app[PAYMENTS].reconciler.differences(open_only=not query.all)
    return Reply(200, Differences(differences=[difference_of(one) for one in held]))


@endpoint(returns={200: DifferenceGroups}, problems=SIGNED_IN, tag=TAG)
async def groups(request: web.Request) -> Reply:
    """List open differences by what is decided alike."""
    await api_me(request, Right.READ_MONEY)
    held = [
        DifferenceGroup(
            key=line.group.key,
            provider=line.group.provider,
            kind=line.group.kind.value,
            wallet=line.group.wallet,
            currency=line.group.currency,
            day=line.group.day,
            count=line.many,
            amount=line.amount_minor,
            asked=line.asked,
        )
        for line in await request.app[PAYMENTS].reconciler.groups()
    ]
    return Reply(200, DifferenceGroups(groups=held))


@endpoint(returns={200: Statements}, problems=SIGNED_IN, tag=TAG)
async def statements(request: web.Request) -> Reply:
    """List the latest statements that were imported."""
    await api_me(request, Right.READ_MONEY)
    held = [ImportedStatement(**asdict(file)) for file in await request.app[PAYMENTS].reconciler.files()]
    return Reply(200, Statements(statements=held))


@endpoint(path=DifferencePath, body=Resolution, returns={201: Request}, problems=(*SIGNED_IN, 404, 409), tag=TAG)
async def resolve(request: web.Request, *, path: DifferencePath, body: Resolution) -> Reply:
    """Ask for a decision about a difference.

    Nothing is booked before a second person agrees. A group of differences is asked about by POST
    /api/admin/requests, with its key as the subject.
    """
    who = await proven(request)
    params = read_params(Act.RECONCILE, {"repair": body.repair.value, "operator_reference": body.operator_reference})
    try:
        made = await request.app[APPROVALS].ask(Act.RECONCILE, str(path.number), params, body.reason, who.email)
    except ActRefused as error:
        raise act_problem(error) from None
    return Reply(201, await request_reply(request, who, made), {"Location": f"/api/admin/requests/{made}"})


def setup(app: web.Application) -> None:
    """Serve them. The application needs PAYMENTS and APPROVALS."""
    app.router.add_get("/api/admin/differences", differences)
    app.router.add_get("/api/admin/differences/groups", groups)
    app.router.add_get("/api/admin/statements", statements)
    app.router.add_post("/api/admin/differences/{number}", resolve)
