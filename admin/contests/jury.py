"""The jury of a contest, by page and by API: its members, their points, and the ranking that these give with votes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, form, page, query_of, see_done, show
from admin.answers import model_of, read_id, staff_endpoint
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.juries import JURIES, JUROR_NAME_MAX, Jury
from admin.contests.pages import PAGE as CONTESTS_PAGE
from gateway.contests.contest import Contest
from gateway.contests.jury import SHEET_MAX, Sheet, SheetFault, SheetRefused, SheetStatus, in_force, judged, parts_of
from gateway.contests.rounds import ROUNDS_MAX
from gateway.contests.rules import POINTS_MAX
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.http.pages import PAGES
from gateway.http.problems import Problem
from gateway.values.numbers import whole_number
from leaderboard.final import FinalRanking
from leaderboard.jury import shown_share
from leaderboard.view_model import percent
from payments.requests import ActRefused, Right, Why

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/jury"
API: Final = f"{CONTESTS_API}/{{slug}}/jury"
_TEXTS: Final[Mapping[SheetFault, str]] = {
    SheetFault.NO_JURY: "votes alone decide: give the jury a share first, before votes are counted",
    SheetFault.NOT_PUBLISHED: "the contest is not published, or has not opened",
    SheetFault.ROUND: "the contest has no such round that has begun",
    SheetFault.CATEGORY: "nobody stands in this category in this round",
    SheetFault.CANDIDATES: "a sheet names each candidate of its round and category and no other",
    SheetFault.POINTS: f"points are 0 to {POINTS_MAX}",
    SheetFault.JUROR: "there is no such juror",
    SheetFault.TOO_MANY: "there are too many",
    SheetFault.NAME: "a juror has a name that can be read",
    SheetFault.NAME_HELD: "a juror of this name is there",
    SheetFault.DECIDED: "this sheet was decided about",
    SheetFault.OWN: "another person than the one who entered them confirms points",
    SheetFault.HAS_SHEETS: "points of this juror were entered: they stay",
    SheetFault.CERTIFIED: "the result is certified: its jury stays as it is",
}


class JurorName(InputModel):
    """What a member of the jury is called."""

    name: Line = Field(max_length=JUROR_NAME_MAX)


class JurorView(ApiModel):
    """A member of the jury."""

    number: int = Field(description="By which the public log names them; their name is not in it.")
    name: str


class NewSheet(InputModel):
    """A juror's points for a round and a category."""

    round: int = Field(0, ge=0, le=ROUNDS_MAX, description="0 where the contest has none.")
    category: Line = Field("", max_length=100, description="Empty for candidates without one.")
    juror: int = Field(ge=1, le=10_000)
    points: dict[str, Annotated[int, Field(ge=0, le=POINTS_MAX)]] = Field(
        max_length=SHEET_MAX, description="By the candidate's code, for each who stands there."
    )


class SheetView(ApiModel):
    """A juror's points. Those of a round, category and juror that were confirmed last count."""

    id: UUID
    round: int
    category: str
    juror: int
    points: dict[str, int]
    status: SheetStatus
    entered_by: str
    entered_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    number: int | None = Field(description="In the contest, in the order of confirmation; the public log has it.")
    leaf: int | None = Field(description="Its index in the public log, once that has it.")


class PlaceView(ApiModel):
    """A candidate's place. Shares and score in hundredths of a percent, rounded for reading alone."""

    rank: int | None = Field(description="Empty for who was evicted.")
    code: str
    name: str
    votes: int
    points: int
    vote_share: int
    jury_share: int
    score: int
    reinstated: bool


class RankingView(ApiModel):
    """The ranking of a round and a category."""

    round: int
    category: str | None = Field(description="Empty text: of those without one; null: all together.")
    places: list[PlaceView]


class JuryView(ApiModel):
    """The jury of a contest."""

    jury_percent: int | None
    points_max: int = POINTS_MAX
    jurors: list[JurorView]
    sheets: list[SheetView] = Field(description="All that were ever entered, the last one first.")
    rankings: list[RankingView] = Field(description="As votes and confirmed points give them now.")


class JurorPath(ContestPath):
    """The member of the jury that is meant."""

    number: int = Field(ge=1, le=10_000)


class Removed(ApiModel):
    """The juror is no longer there."""

    removed: bool = True


class SheetPath(ContestPath):
    """The sheet that is meant."""

    sheet: UUID


class SheetDecision(InputModel):
    """The second person's decision."""

    approve: bool


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: JuryView}, problems=(404,))
async def read(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Read the jury of a contest, its points, and the ranking that these and the votes give."""
    jury = await request.app[JURIES].of(path.slug, me.scope)
    return Reply(
        200,
        JuryView(
            jury_percent=jury.contest.jury_percent,
            jurors=[model_of(JurorView, one) for one in jury.jurors],
            sheets=[model_of(SheetView, one) for one in jury.sheets],
            rankings=[_ranking(one) for one in jury.rankings],
        ),
    )


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, body=JurorName, returns={201: JurorView}, problems=(404, 409))
async def new_juror(request: web.Request, me: Me, *, path: ContestPath, body: JurorName) -> Reply:
    """Add a member of the jury.

    Their number is theirs for ever.
    """
    try:
        juror = await request.app[JURIES].add_juror(path.slug, body.name, me.scope, me.email)
    except SheetRefused as refused:
        raise _problem(refused) from None
    return Reply(201, model_of(JurorView, juror))


@staff_endpoint(Right.EDIT_CONTEST, path=JurorPath, body=JurorName, returns={200: JurorView}, problems=(404, 409))
async def rename(request: web.Request, me: Me, *, path: JurorPath, body: JurorName) -> Reply:
    """Correct a juror's name.

    As long as no result is certified. Earlier names stay on record; the number stays too.
    """
    try:
        juror = await request.app[JURIES].rename_juror(path.slug, path.number, body.name, me.scope, me.email)
    except SheetRefused as refused:
        raise _problem(refused) from None
    return Reply(200, model_of(JurorView, juror))


@staff_endpoint(Right.EDIT_CONTEST, path=JurorPath, returns={200: Removed}, problems=(404, 409))
async def remove(request: web.Request, me: Me, *, path: JurorPath) -> Reply:
    """Remove a juror of whom no points were ever entered.

    As long as no result is certified. Their number is given to no other one.
    """
    try:
        await request.app[JURIES].remove_juror(path.slug, path.number, me.scope, me.email)
    except SheetRefused as refused:
        raise _problem(refused) from None
    return Reply(200, Removed())


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, body=NewSheet, returns={201: SheetView}, problems=(404, 409))
async def new_sheet(request: web.Request, me: Me, *, path: ContestPath, body: NewSheet) -> Reply:
    """Enter a juror's points.

    They count and are published once another person confirms them.
    """
    place = (body.round, body.category, body.juror)
    try:
        sheet = await request.app[JURIES].enter(path.slug, place, body.points, me.scope, me.email)
    except SheetRefused as refused:
        raise _problem(refused) from None
    return Reply(201, model_of(SheetView, sheet))


@staff_endpoint(
    Right.EDIT_CONTEST,
    proof=True,
    path=SheetPath,
    body=SheetDecision,
    returns={200: SheetView},
    problems=(404, 409),
)
async def decision(request: web.Request, me: Me, *, path: SheetPath, body: SheetDecision) -> Reply:
    """Confirm a juror's points, or refuse them.

    Confirmed by another person than the one who entered them, they are in the public log within seconds and are
    changed by a new sheet alone.
    """
    juries = request.app[JURIES]
    try:
        await juries.decide(path.slug, path.sheet, me.scope, me.email, agree=body.approve)
    except SheetRefused as refused:
        raise _problem(refused) from None
    sheets = (await juries.of(path.slug, me.scope)).sheets
    return Reply(200, model_of(SheetView, next(one for one in sheets if one.id == path.sheet)))


@page(Right.READ_ORDERS)
async def jury_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The jury, its points, and the form for a sheet that was chosen. 404."""
    jury = await request.app[JURIES].of(request.match_info["slug"], me.scope)
    return _show(request, me, jury, query_of(request))


@form(Right.EDIT_CONTEST, lines=True)
async def act(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Add, rename or remove a juror, or enter a sheet; where that cannot be, say why. 404 for an unknown juror."""
    juries, slug = request.app[JURIES], request.match_info["slug"]
    step, name, number = fields.get("step"), fields.get("name", ""), whole_number(fields.get("juror", "")) or 0
    try:
        if step == "juror":
            await juries.add_juror(slug, name, me.scope, me.email)
            return see_done(request, me, PAGE.format(slug=slug), "juror_added")
        if step == "rename":
            await juries.rename_juror(slug, number, name, me.scope, me.email)
            return see_done(request, me, PAGE.format(slug=slug), "juror_renamed")
        if step == "remove":
            await juries.remove_juror(slug, number, me.scope, me.email)
            return see_done(request, me, PAGE.format(slug=slug), "juror_removed")
        place, points = _typed_sheet((await juries.of(slug, me.scope)).contest, fields)
        await juries.enter(slug, place, points, me.scope, me.email)
    except SheetRefused as refused:
        jury = await juries.of(slug, me.scope)
        status = 422 if refused.fault in (SheetFault.POINTS, SheetFault.NAME) else 409
        return _show(request, me, jury, fields, fault=refused.fault.value, status=status)
    return see_done(request, me, PAGE.format(slug=slug), "points_entered")


@form(Right.EDIT_CONTEST, proof=True)
async def decide(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Confirm or refuse a sheet; where that cannot be, say why. 404."""
    juries, slug, sheet = request.app[JURIES], request.match_info["slug"], read_id(request, "sheet")
    if sheet is None:
        raise ActRefused(Why.UNKNOWN, "there is no such sheet")
    agree = fields.get("step") == "confirm"
    try:
        await juries.decide(slug, sheet, me.scope, me.email, agree=agree)
    except SheetRefused as refused:
        jury = await juries.of(slug, me.scope)
        return _show(request, me, jury, {}, fault=refused.fault.value, status=409)
    return see_done(request, me, PAGE.format(slug=slug), "points_confirmed" if agree else "points_refused")


def _typed_sheet(contest: Contest, fields: Form) -> tuple[tuple[int, str, int], dict[str, int]]:
    """The sheet that was typed. Raises SheetRefused for points that are no whole number."""
    part, juror = _part(fields), whole_number(fields.get("juror", ""))
    points = {one.code: whole_number(fields.get(f"points_{one.code}", "")) for one in judged(contest, *part)}
    if any(given is None for given in points.values()):
        raise SheetRefused(SheetFault.POINTS)
    return (*part, juror or 0), {code: given for code, given in points.items() if given is not None}


def _part(fields: Form) -> tuple[int, str]:
    """The round and category that were chosen: `1 Category`."""
    number, _, category = fields.get("part", "").partition(" ")
    return whole_number(number) or 0, category


def _ranking(one: FinalRanking) -> RankingView:
    places = [
        PlaceView(
            rank=place.rank,
            code=place.code,
            name=place.name,
            votes=place.votes,
            points=place.points,
            vote_share=shown_share(place.vote_share),
            jury_share=shown_share(place.jury_share),
            score=shown_share(place.score),
            reinstated=place.reinstated,
        )
        for place in one.places
    ]
    return RankingView(round=one.round, category=one.category, places=places)


def _problem(refused: SheetRefused) -> Problem:
    return Problem(409, "Points not taken", f"{_TEXTS[refused.fault]}. Nothing was changed.")


def _show(
    request: web.Request, me: Me, jury: Jury, fields: Form, *, fault: str = "", status: int = 200
) -> web.Response:
    contest, parts, language = jury.contest, parts_of(jury.contest, jury.now), request.app[PAGES].language_of(request)
    chosen = _part(fields) if "part" in fields else parts[0] if parts else (0, "")
    juror = next((one for one in jury.jurors if one.number == whole_number(fields.get("juror", ""))), None)
    counting = in_force(jury.sheets)
    held = next((one for one in counting if juror and one.place == (*chosen, juror.number)), None)
    waiting = [one for one in jury.sheets if one.status is SheetStatus.WAITING]
    return show(
        request,
        me,
        "contests/jury.html",
        status=status,
        contest=contest,
        phase=contest.phase_at(jury.now),
        jury=jury,
        parts_judged=parts,
        chosen=chosen,
        juror=juror,
        people=judged(contest, *chosen) if chosen in parts else [],
        typed=_typed(held, fields),
        waiting=waiting,
        counting=counting,
        decided=[one for one in jury.sheets if one not in waiting],
        rankings=[one for one in jury.rankings if one.round == chosen[0] and one.category in (None, chosen[1])],
        names={one.code: one.name for one in contest.candidates},
        rounds={one.number: one.name for one in contest.rounds},
        percent=lambda part: percent(shown_share(part) / 10_000, language),
        fault=fault,
        points_max=POINTS_MAX,
        name_max=JUROR_NAME_MAX,
    )


def _typed(held: Sheet | None, fields: Form) -> Mapping[str, str]:
    """What stands in the form by code: what was typed, else what counts of this juror now."""
    counts = {} if held is None else {code: str(given) for code, given in held.points.items()}
    return counts | {
        name.removeprefix("points_"): typed for name, typed in fields.items() if name.startswith("points_")
    }


def setup(app: web.Application) -> None:
    """Serve them. The application needs JURIES and mounted pages."""
    router = app.router
    router.add_get(API, read)
    router.add_post(f"{API}/jurors", new_juror)
    router.add_patch(f"{API}/jurors/{{number}}", rename)
    router.add_delete(f"{API}/jurors/{{number}}", remove)
    router.add_post(f"{API}/sheets", new_sheet)
    router.add_post(f"{API}/sheets/{{sheet}}/decision", decision)
    router.add_get(PAGE, jury_page)
    router.add_post(PAGE, act)
    router.add_post(f"{PAGE}/{{sheet}}", decide)
    # Where a form leads whose sender had to sign in again.
    router.add_get(f"{PAGE}/{{sheet}}", jury_page)
