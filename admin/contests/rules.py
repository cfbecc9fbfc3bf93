"""The versions of a contest's rules, by page and by API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me, page, show
from admin.answers import AsOf, staff_endpoint
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.contests.store import STAFF_CONTESTS
from channels.voting_service import VOTING_SERVICE
from gateway.contests.versions import RulesVersion
from gateway.http.endpoint import ApiModel, Reply
from payments.requests import Right

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/rules"
API: Final = f"{CONTESTS_API}/{{slug}}/rules"


class RulesVersionView(ApiModel):
    """A version of a contest's rules."""

    version: int
    document: dict[str, Any] = Field(description="The rules, as /c/{slug}/rules/{version}.json has them.")
    sha256: str = Field(description="Of the text of that address, in hexadecimal digits.")
    valid_from: datetime
    made_by: str
    votes: int = Field(description="So many votes count that were placed under it.")


class RulesVersionList(ApiModel):
    """Every version, the newest first."""

    versions: list[RulesVersionView]


@staff_endpoint(Right.READ_CONTESTS, path=ContestPath, query=AsOf, returns={200: RulesVersionList}, problems=(404,))
async def versions(request: web.Request, me: Me, *, path: ContestPath, query: AsOf) -> Reply:
    """List the versions of a contest's rules.

    Each change of a rule of a published contest makes one; a vote goes by the one under which it was placed.
    """
    _, found = await request.app[STAFF_CONTESTS].rules(path.slug, me.scope)
    found = _by(found, query.as_of)
    shown = [
        RulesVersionView(
            version=one.version,
            document=dict(one.document),
            sha256=one.sha256.hex(),
            valid_from=one.valid_from,
            made_by=one.made_by,
            votes=one.votes,
        )
        for one in found
    ]
    return Reply(200, RulesVersionList(versions=shown))


@page(Right.READ_CONTESTS)
async def versions_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The versions, one under the other, in words. 404."""
    contest, found = await request.app[STAFF_CONTESTS].rules(request.match_info["slug"], me.scope)
    phase = contest.phase_at(request.app[VOTING_SERVICE].now())
    held = _by(found, me.as_of)
    return show(request, me, "contests/contest_rules.html", contest=contest, phase=phase, versions=held)


def _by(versions: Sequence[RulesVersion], at: datetime | None) -> list[RulesVersion]:
    """The versions that there were at an instant; None: now."""
    return [one for one in versions if at is None or one.valid_from <= at]


def setup(app: web.Application) -> None:
    """Serve them. The application needs STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, versions)
    app.router.add_get(PAGE, versions_page)
