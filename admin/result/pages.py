"""What stands against certifying a result, and those that were certified: by page and by API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me, page, show
from admin.answers import Reason, staff_endpoint
from admin.approvals.api import Request, ask
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.result.rules import Open
from admin.result.store import CERTIFYING, Readiness
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import ApiModel, Reply
from payments.requests import Act, Right

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/result"
API: Final = f"{CONTESTS_API}/{{slug}}/result"
# Where staff go on with a line, and the right that the page there needs; `{}` is the contest.
_NEXT: Final[Mapping[Open, tuple[str, Right]]] = {
    Open.DRAFT: ("/admin/contests/{}", Right.READ_CONTESTS),
    Open.VOTING: ("/admin/contests/{}", Right.READ_CONTESTS),
    Open.PENDING: ("/admin/contests/{}/orders?state=open", Right.READ_ORDERS),
    Open.HELD: ("/admin/contests/{}/orders?state=held", Right.READ_ORDERS),
    Open.REQUESTS: ("/admin/requests", Right.READ_ORDERS),
    Open.DIFFERENCES: ("/admin/reconciliation", Right.READ_BOOK),
    Open.JURY: ("/admin/contests/{}/jury", Right.READ_ORDERS),
    Open.LOG: ("/c/{}/log", Right.READ_CONTESTS),
}


class OpenLine(ApiModel):
    """A line of what must be none."""

    what: Open
    done: bool
    many: int = Field(description="How many there are, where they are counted.")
    until: datetime | None = Field(description="When it is over by itself, where that is known.")


class CertifiedVersion(ApiModel):
    """A certified result."""

    number: int
    sha256: str = Field(description="Of its document, in hexadecimal.")
    made_at: datetime
    reason: str = Field(description="Why it replaced the one before; empty for the first.")


class ResultState(ApiModel):
    """How far a contest is from a certified result."""

    ready: bool = Field(description="Whether nothing stands against certifying.")
    lines: list[OpenLine]
    request: UUID | None = Field(description="What waits for its second person, or is being done.")
    certified: list[CertifiedVersion] = Field(description="The newest first.")
    behind: int = Field(description="Lines of the count that came after the newest of them.")


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: ResultState}, problems=(404,))
async def read(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Read what stands against certifying the result of a contest, and what was certified."""
    found = await _read(request, me, path.slug)
    return Reply(
        200,
        ResultState(
            ready=found.ready,
            lines=[OpenLine.model_validate(line) for line in found.lines],
            request=None if found.waiting is None else found.waiting.id,
            certified=[CertifiedVersion.model_validate(one) for one in found.versions],
            behind=found.behind,
        ),
    )


@staff_endpoint(
    Right.CERTIFY, proof=True, path=ContestPath, body=Reason, returns={201: Request}, problems=(404, 409, 422)
)
async def certify(request: web.Request, me: Me, *, path: ContestPath, body: Reason) -> Reply:
    """Ask to certify the result of a contest.

    Another person signs it by agreeing. The reason is published where the result replaces an earlier one.
    """
    return await ask(request, me, Act.CERTIFY_RESULT, path.slug, body.reason, {})


@page(Right.READ_ORDERS)
async def result_page(request: web.Request, me: Me) -> web.StreamResponse:
    """What stands against certifying, the form that asks for it, and what was certified. 404."""
    found = await _read(request, me, request.match_info["slug"])
    contest = found.contest
    return show(
        request,
        me,
        "result/result.html",
        contest=contest,
        phase=contest.phase_at(request.app[VOTING_SERVICE].now()),
        found=found,
        next_of={what: place.format(contest.slug) for what, (place, right) in _NEXT.items() if me.opens(right)},
    )


async def _read(request: web.Request, me: Me, slug: str) -> Readiness:
    return await request.app[CERTIFYING].readiness(slug, me.scope, request.app[VOTING_SERVICE].now())


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, CERTIFYING, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, read)
    app.router.add_post(API, certify)
    app.router.add_get(PAGE, result_page)
