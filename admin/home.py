"""The first page of staff, and the streams of what moves on it and on a contest's own page."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web
from markupsafe import Markup

from admin.access.guard import HOME, Me, menu_of, page, part_of_page, see_other, show
from admin.access.moment import contests_of
from admin.access.pages import MY_PAGE
from admin.figures.evening import evening, running
from admin.figures.live import LIVE
from admin.figures.rules import Waiting, by_urgency
from admin.figures.store import FIGURES
from admin.orders.store import ORDERS, Waits
from gateway.contests.contest import Contest
from payments.requests import Right

EVENING: Final = "figures/moving.html"


@page(Right.READ_CONTESTS)
async def home(request: web.Request, me: Me) -> web.StreamResponse:
    """How the evening goes and what waits; without orders to read, the first page of their menu."""
    if not me.may(Right.READ_ORDERS):
        pages = [page for group in menu_of(me.rights).values() for page in group]
        return see_other(pages[0][0] if pages else MY_PAGE)
    return show(request, me, "figures/home.html", **await _home(request, me))


async def _home(request: web.Request, me: Me) -> dict[str, Any]:
    contests = running(contests_of(request, me.scope))
    waiting = await request.app[ORDERS].waiting(me.scope, me.as_of)
    return {
        "evening": await evening(request, me, contests),
        "contests": contests,
        "waits": await _waits(request, me, contests, waiting),
        "begins": me.may(Right.EDIT_CONTEST) and not contests,
    }


async def _waits(request: web.Request, me: Me, contests: Sequence[Contest], waiting: Waits) -> Sequence[Waiting]:
    """What waits for a person who may do something about it."""
    by_hand = sum(one.count for one in waiting.refunds if one.status == "manual")
    found = [
        Waiting("held", waiting.held, "/admin/held", bad=True),
        Waiting("refunds_manual", by_hand, "/admin/refunds", bad=True),
    ]
    if not me.as_of:
        for slug, name, many in await request.app[FIGURES].unlogged(me.scope, [one.id for one in contests]):
            found.append(Waiting("unlogged", many, f"/admin/contests/{slug}/tally", bad=True, contest=name))
    if me.may(Right.READ_BOOK):
        found.append(Waiting("differences", sum(waiting.differences.values()), "/admin/reconciliation", bad=True))
    found += [
        Waiting("tickets", waiting.tickets, "/admin/tickets"),
        Waiting("requests", waiting.requests, "/admin/requests"),
    ]
    if me.may(Right.MODERATE):
        for slug, name, many in await request.app[FIGURES].to_review(me.scope, [one.id for one in contests]):
            found.append(Waiting("to_review", many, f"/admin/contests/{slug}/candidates", contest=name))
    return by_urgency(found)


@page(Right.READ_ORDERS)
async def live(request: web.Request, me: Me) -> web.StreamResponse:
    """The moving part of the first page, as a stream."""

    async def part() -> Markup:
        contests = running(contests_of(request, me.scope))
        waiting = await request.app[ORDERS].waiting(me.scope)
        values = {"evening": await evening(request, me, contests), "contests": contests}
        return part_of_page(request, me, EVENING, **values, waits=await _waits(request, me, contests, waiting))

    return await _stream(request, me, part)


@page(Right.READ_ORDERS)
async def live_contest(request: web.Request, me: Me) -> web.StreamResponse:
    """The moving part of a contest's first page, as a stream. 404."""
    contest = await request.app[FIGURES].contest(request.match_info["slug"], me.scope)

    async def part() -> Markup:
        made = await evening(request, me, [contest])
        return part_of_page(request, me, EVENING, evening=made, contests=[contest], waits=None)

    return await _stream(request, me, part)


async def _stream(request: web.Request, me: Me, part: Callable[[], Awaitable[Markup]]) -> web.StreamResponse:
    # The past does not move.
    return web.Response(status=204) if me.as_of else await request.app[LIVE].stream(request, part)


def setup(app: web.Application) -> None:
    """Serve them. The application needs FIGURES, LIVE, ORDERS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(HOME, home)
    app.router.add_get("/admin/live", live, allow_head=False)
    app.router.add_get("/admin/contests/{slug}/live", live_contest, allow_head=False)
    app.on_shutdown.append(app[LIVE].close)
