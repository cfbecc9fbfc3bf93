"""The studio of a contest, by page and by API: what its overlay shows over a broadcaster's picture."""

from datetime import datetime
from typing import Final

from aiohttp import web
from pydantic import Field, ValidationError
from yarl import URL

from admin.access.guard import Form, Me, form, page, see_done, see_other, show
from admin.answers import staff_endpoint
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.contests.store import STAFF_CONTESTS
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.contests.rounds import ROUNDS_MAX
from gateway.http.callers import PUBLIC_URL
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, invalid
from leaderboard.overlay.routes import ON_AIR, link
from leaderboard.overlay.rules import DELAY_MAX, LOWER_PLACES_MAX, PLACES_MAX, Change, Overlay, View
from leaderboard.view_model import rounds_of
from payments.requests import ActRefused, Right, Why

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/studio"
API: Final = f"{CONTESTS_API}/{{slug}}/overlay"


class OverlayChange(InputModel):
    """What is to change; what is left out stays as it is."""

    view: View | None = None
    places: int | None = Field(
        None, ge=1, le=PLACES_MAX, description=f"How many candidates; a lower third shows {LOWER_PLACES_MAX} at most."
    )
    category: Line | None = Field(None, max_length=100, description="One category only; empty: all together.")
    round: int | None = Field(None, ge=0, le=ROUNDS_MAX, description="A round that has begun; 0: always the last one.")
    delay_seconds: int | None = Field(None, ge=0, le=DELAY_MAX, description="How old figures are when they are shown.")
    freeze: bool | None = Field(None, description="Keep the figures that are on air; false: let them move again.")
    blackout: bool | None = Field(None, description="Show no figures, but that the result is to come.")
    renew: bool = Field(False, description="Make another link: the one before opens nothing any more.")


class OverlayState(ApiModel):
    """What the overlay of a contest shows."""

    view: View
    places: int
    category: str
    round: int
    delay_seconds: int
    frozen_at: datetime | None
    blackout_since: datetime | None
    link: str = Field(description="For OBS, vMix and the like; it needs no sign-in.")


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, returns={200: OverlayState}, problems=(404, 409))
async def read(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Read what the overlay shows, and its link."""
    contest = await _published(request, me, path.slug)
    return Reply(200, _state(request, contest, await request.app[ON_AIR].read(contest, me.scope)))


@staff_endpoint(
    Right.EDIT_CONTEST, path=ContestPath, body=OverlayChange, returns={200: OverlayState}, problems=(404, 409, 422)
)
async def change(request: web.Request, me: Me, *, path: ContestPath, body: OverlayChange) -> Reply:
    """Change what the overlay shows.

    It is on air within a second.
    """
    contest = await _published(request, me, path.slug)
    if wrong := _unknown(contest, body):
        raise invalid([{"loc": ["body", name], "msg": "the contest has none such"} for name in wrong])
    return Reply(200, _state(request, contest, await _change(request, me, contest, body)))


@page(Right.EDIT_CONTEST)
async def studio(request: web.Request, me: Me) -> web.StreamResponse:
    """What the overlay shows, and what can be done with it. 404."""
    held = await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)
    return await _show(request, me, held.contest)


@form(Right.EDIT_CONTEST)
async def act(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Change what the overlay shows, or say that it cannot show that."""
    contest = await _published(request, me, request.match_info["slug"])
    try:
        wanted = OverlayChange.model_validate(
            {name: fields[name] for name in OverlayChange.model_fields if name in fields}
        )
    except ValidationError:
        wanted = None
    if wanted is None or _unknown(contest, wanted):
        return await _show(request, me, contest, wrong=True, status=422)
    await _change(request, me, contest, wanted)
    back = PAGE.format(slug=contest.slug)
    # What is on air is seen by itself.
    return see_other(back) if wanted.places is None else see_done(request, me, back, "saved")


async def _published(request: web.Request, me: Me, slug: str) -> Contest:
    """A contest of theirs that has a ranking. Raises ActRefused."""
    contest = (await request.app[STAFF_CONTESTS].held(slug, me.scope)).contest
    if request.app[VOTING_SERVICE].contest(slug) is None:
        raise ActRefused(Why.IMPOSSIBLE, "publish the contest first")
    return contest


def _unknown(contest: Contest, wanted: OverlayChange) -> list[str]:
    """Fields that name what the contest does not have."""
    unknown = []
    if wanted.category and wanted.category not in contest.categories:
        unknown.append("category")
    if wanted.round and wanted.round not in {one.number for one in rounds_of(contest)}:
        unknown.append("round")
    return unknown


async def _change(request: web.Request, me: Me, contest: Contest, wanted: OverlayChange) -> Overlay:
    return await request.app[ON_AIR].change(contest, Change(**wanted.model_dump()), me.scope, me.email)


def _link(request: web.Request, contest: Contest, overlay: Overlay) -> str:
    key = request.app[ON_AIR].key(contest.id, overlay.link_number)
    return link(request.app.get(PUBLIC_URL) or str(request.url.origin()), contest.slug, key)


def _state(request: web.Request, contest: Contest, overlay: Overlay) -> OverlayState:
    return OverlayState(
        view=overlay.view,
        places=overlay.places,
        category=overlay.category,
        round=overlay.round,
        delay_seconds=overlay.delay_seconds,
        frozen_at=None if overlay.frozen is None else overlay.frozen.at,
        blackout_since=overlay.blackout_since,
        link=_link(request, contest, overlay),
    )


async def _show(
    request: web.Request, me: Me, contest: Contest, *, wrong: bool = False, status: int = 200
) -> web.Response:
    sold = request.app[VOTING_SERVICE].contest(contest.slug) is not None
    overlay = await request.app[ON_AIR].read(contest, me.scope)
    response = show(
        request,
        me,
        "contests/studio.html",
        status=status,
        contest=contest,
        phase=contest.phase_at(request.app[VOTING_SERVICE].now()),
        sold=sold,
        state=_state(request, contest, overlay),
        preview=URL(_link(request, contest, overlay)).raw_path_qs,
        wrong=wrong,
        views=[*View],
        rounds=rounds_of(contest),
        places_max=PLACES_MAX,
        lower_places_max=LOWER_PLACES_MAX,
        delay_max=DELAY_MAX,
    )
    # The overlay is shown within the page.
    response.headers["Content-Security-Policy"] += "; frame-src 'self'"
    return response


def setup(app: web.Application) -> None:
    """Serve them. The application needs ON_AIR, STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, read)
    app.router.add_patch(API, change)
    app.router.add_get(PAGE, studio)
    app.router.add_post(PAGE, act)
