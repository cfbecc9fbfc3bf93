"""When the ranking of a contest is hidden until its result is announced, by page and by API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, Field

from admin.access.guard import Form, Me, form, page, see_done, show
from admin.answers import as_utc, staff_endpoint
from admin.approvals.pages import OPEN_REQUESTS
from admin.approvals.rules import expired
from admin.approvals.staff_acts import APPROVALS
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.contests.store import STAFF_CONTESTS
from channels.voting_service import VOTING_SERVICE
from gateway.contests.blackout import BlackoutRefused
from gateway.contests.contest import Contest
from gateway.http.endpoint import ApiModel, InputModel, Reply
from gateway.http.problems import Problem
from gateway.values.time_zones import local
from leaderboard.log.seals import Seal
from payments.requests import Act, Right

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/announcement"
API: Final = f"{CONTESTS_API}/{{slug}}/blackout"
_INSTANT: Final = "%Y-%m-%dT%H:%M"
_FIELDS: Final = ("begins", "announcement")
_TEXTS: Final = {
    "past": "the ranking cannot be hidden from a moment that is over",
    "begun": "the ranking is hidden already: only the plan of the announcement can change",
    "order": "the announcement has to be later than now and than the moment from which the ranking is hidden",
    "none": "the ranking is not hidden",
    "sealed": "the public log is sealed: two persons announce, ask for the act `announce` at /api/admin/requests",
}
_Instant = Annotated[AwareDatetime, AfterValidator(as_utc)]


class BlackoutPlan(InputModel):
    """From when the ranking is hidden."""

    begins_at: _Instant | None = Field(None, description="Without it: from now, or as it began.")
    announcement_at: _Instant | None = Field(
        None,
        description="When the announcement is planned; voters read it. The ranking stays hidden until you announce.",
    )
    sealed: bool | None = Field(
        None,
        description="Whether the public log goes on meanwhile, with encrypted entries. Then two persons announce, by "
        "the act `announce`. Without it: not, or as it began.",
    )


class BlackoutState(ApiModel):
    """When the ranking is hidden, all empty where it never was."""

    hidden: bool = Field(description="Whether the public sees no figures now.")
    begins_at: datetime | None
    announcement_at: datetime | None
    announced_at: datetime | None
    sealed: bool = Field(description="Whether entries of the public log are encrypted while the ranking is hidden.")
    seals: list[Seal] = Field(description="The keys under which entries were or are encrypted, the latest first.")


@staff_endpoint(Right.READ_CONTESTS, path=ContestPath, returns={200: BlackoutState}, problems=(404,))
async def read(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Read when the ranking of a contest is hidden."""
    held = await request.app[STAFF_CONTESTS].held(path.slug, me.scope)
    return Reply(200, await _state(request, me, held.contest))


@staff_endpoint(
    Right.EDIT_CONTEST,
    path=ContestPath,
    body=BlackoutPlan,
    returns={200: BlackoutState},
    problems=(404, 409, 422),
)
async def hide(request: web.Request, me: Me, *, path: ContestPath, body: BlackoutPlan) -> Reply:
    """Hide the ranking from the public until the result is announced.

    Votes are sold and counted meanwhile, and the back office shows all figures.
    """
    store = request.app[STAFF_CONTESTS]
    try:
        moments = (body.begins_at, body.announcement_at)
        contest = await store.hide(path.slug, *moments, me.scope, me.email, sealed=body.sealed)
    except BlackoutRefused as refused:
        raise _refused(refused) from None
    return Reply(200, await _state(request, me, contest))


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, returns={200: BlackoutState}, problems=(404, 409))
async def announce(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Announce the result: the ranking is shown again.

    Of a ranking that is hidden only later, the plan is withdrawn. While the public log is sealed, two persons announce:
    ask for the act `announce`.
    """
    try:
        contest = await request.app[STAFF_CONTESTS].announce(path.slug, me.scope, me.email)
    except BlackoutRefused as refused:
        raise _refused(refused) from None
    return Reply(200, await _state(request, me, contest))


@page(Right.EDIT_CONTEST)
async def announcement(request: web.Request, me: Me) -> web.StreamResponse:
    """When the ranking is hidden. 404."""
    contest = (await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)).contest
    return await _show(request, me, contest, _typed(contest, request.app[VOTING_SERVICE].now()))


@form(Right.EDIT_CONTEST)
async def act(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Hide the ranking or announce the result; where that cannot be, say why."""
    store, slug = request.app[STAFF_CONTESTS], request.match_info["slug"]
    contest = (await store.held(slug, me.scope)).contest
    try:
        if fields.get("step") == "announce":
            before = contest.hidden_at(request.app[VOTING_SERVICE].now())
            await store.announce(slug, me.scope, me.email)
            return see_done(request, me, PAGE.format(slug=slug), "announced" if before else "shown")
        begins, planned = (_instant(fields.get(name, ""), contest) for name in _FIELDS)
        sealed = None if contest.hidden_at(request.app[VOTING_SERVICE].now()) else fields.get("sealed") == "1"
        await store.hide(slug, begins, planned, me.scope, me.email, sealed=sealed)
    except ValueError:
        return await _show(request, me, contest, fields, fault="instant", status=422)
    except BlackoutRefused as refused:
        return await _show(request, me, contest, fields, fault=refused.fault.value, status=409)
    return see_done(request, me, PAGE.format(slug=slug), "hidden")


def _instant(typed: str, contest: Contest) -> datetime | None:
    """What was typed by the contest's clocks; None for nothing. ValueError for what is no instant."""
    if not typed.strip():
        return None
    held = None if contest.blackout is None else contest.blackout.begins_at
    if held is not None and typed == f"{local(held, contest.time_zone):{_INSTANT}}":
        return held
    read = datetime.fromisoformat(typed)
    return as_utc(read if read.tzinfo else read.replace(tzinfo=ZoneInfo(contest.time_zone)))


def _typed(contest: Contest, now: datetime) -> Mapping[str, str]:
    """The form as it is at first: with the blackout that is not over."""
    held = contest.blackout
    if held is None or not (held.hides_at(now) or held.coming_at(now)):
        return {}
    moments = (held.begins_at, held.announcement_at)
    return {"sealed": "1" if held.sealed else ""} | {
        name: f"{local(moment, contest.time_zone):{_INSTANT}}" if moment else ""
        for name, moment in zip(_FIELDS, moments, strict=True)
    }


async def _state(request: web.Request, me: Me, contest: Contest) -> BlackoutState:
    held, now = contest.blackout, request.app[VOTING_SERVICE].now()
    return BlackoutState(
        hidden=contest.hidden_at(now),
        begins_at=None if held is None else held.begins_at,
        announcement_at=None if held is None else held.announcement_at,
        announced_at=None if held is None else held.announced_at,
        sealed=held is not None and held.sealed,
        seals=[*await request.app[STAFF_CONTESTS].seals(contest.id, me.scope)],
    )


def _refused(refused: BlackoutRefused) -> Problem:
    return Problem(409, "Not hidden so", f"{_TEXTS[refused.fault.value]}. Nothing was changed.")


async def _show(
    request: web.Request, me: Me, contest: Contest, typed: Mapping[str, str], *, fault: str = "", status: int = 200
) -> web.Response:
    now = request.app[VOTING_SERVICE].now()
    held = contest.blackout
    waiting = await request.app[APPROVALS].requests.listed(me.scope, statuses=OPEN_REQUESTS, acts=[Act.ANNOUNCE])
    return show(
        request,
        me,
        "contests/announcement.html",
        status=status,
        contest=contest,
        phase=contest.phase_at(now),
        dark=contest.hidden_at(now),
        coming=held is not None and held.coming_at(now),
        typed={name: typed.get(name, "") for name in (*_FIELDS, "sealed")},
        seals=await request.app[STAFF_CONTESTS].seals(contest.id, me.scope),
        waiting=[one for one in waiting if one.subject == contest.slug and not expired(one, now)],
        fault=fault,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs STAFF_CONTESTS, APPROVALS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, read)
    app.router.add_put(API, hide)
    app.router.add_delete(API, announce)
    app.router.add_get(PAGE, announcement)
    app.router.add_post(PAGE, act)
