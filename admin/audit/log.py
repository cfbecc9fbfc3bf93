"""The audit log of a contest, by page and by API."""

from typing import Final

from aiohttp import web

from admin.access.guard import Me, page, show
from admin.answers import staff_endpoint
from admin.audit.store import Log, Slice
from admin.audit.tally import AUDITS, Before, read_before
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import Reply
from payments.requests import Right

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/log"
API: Final = f"{CONTESTS_API}/{{slug}}/log"


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, query=Before, returns={200: Log}, problems=(404,))
async def log(request: web.Request, me: Me, *, path: ContestPath, query: Before) -> Reply:
    """Tell who did what to a contest, its candidates, its orders and its money."""
    _, found = await request.app[AUDITS].log(path.slug, me.scope, Slice(query.as_of, query.cursor))
    return Reply(200, found)


@page(Right.READ_ORDERS)
async def log_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Who did what, the latest first. 404."""
    part = Slice(me.as_of, read_before(request))
    contest, found = await request.app[AUDITS].log(request.match_info["slug"], me.scope, part)
    phase = contest.phase_at(request.app[VOTING_SERVICE].now())
    return show(request, me, "audit/log.html", contest=contest, phase=phase, log=found, first=part.before is None)


def setup(app: web.Application) -> None:
    """Serve them. The application needs AUDITS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, log)
    app.router.add_get(PAGE, log_page)
