"""The tally of a contest, by page, by API and as a file."""

from typing import Final

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Me, page, show
from admin.answers import AsOf, staff_endpoint
from admin.audit.store import Audits, Slice, Tally
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import Reply
from gateway.values.numbers import whole_number
from payments.requests import Right

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/tally"
API: Final = f"{CONTESTS_API}/{{slug}}/tally"
AUDITS: web.AppKey[Audits] = web.AppKey("audits", Audits)


class Before(AsOf):
    """Which part of a list, and as of when."""

    cursor: int | None = Field(None, ge=1, lt=2**62, description="As the part before it named it.")


def read_before(request: web.Request) -> int | None:
    """The number in a page's address behind which its list goes on; None for anything else."""
    return whole_number(request.query.get("before", ""), 18)


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, query=Before, returns={200: Tally}, problems=(404,))
async def tally(request: web.Request, me: Me, *, path: ContestPath, query: Before) -> Reply:
    """Tell what was counted, by candidate and entry by entry.

    Every vote that was counted, or taken back, is an entry with the next number.
    """
    _, found = await request.app[AUDITS].tally(path.slug, me.scope, Slice(query.as_of, query.cursor))
    return Reply(200, found)


@page(Right.READ_ORDERS)
async def tally_page(request: web.Request, me: Me) -> web.StreamResponse:
    """What was counted, by candidate and entry by entry. 404."""
    part = Slice(me.as_of, read_before(request))
    contest, found = await request.app[AUDITS].tally(request.match_info["slug"], me.scope, part)
    phase = contest.phase_at(request.app[VOTING_SERVICE].now())
    return show(request, me, "audit/tally.html", contest=contest, phase=phase, tally=found, first=part.before is None)


@page(Right.READ_ORDERS)
async def tally_file(request: web.Request, me: Me) -> web.StreamResponse:
    """Every entry as CSV, in the order of counting, as long as it is. 404."""
    slug = request.match_info["slug"]
    lines = request.app[AUDITS].tally_csv(slug, me.scope, me.as_of)
    first = await anext(lines)
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/csv; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="spotlight-{slug}-tally.csv"',
            hdrs.CACHE_CONTROL: "no-store",
        }
    )
    await response.prepare(request)
    await response.write(first.encode())
    async for line in lines:
        await response.write(line.encode())
    await response.write_eof()
    return response


def setup(app: web.Application) -> None:
    """Serve them. The application needs AUDITS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, tally)
    app.router.add_get(PAGE, tally_page)
    app.router.add_get(f"{PAGE}.csv", tally_file)
