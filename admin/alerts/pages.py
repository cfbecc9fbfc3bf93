"""Where an organiser's alerts go, and the latest of them, by page and by API."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import Field, ValidationError

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.alerts.rules import DESTINATIONS_MAX, AlertChannel, AlertFault, AlertKind, DestinationRefused
from admin.alerts.send import Alerting
from admin.alerts.store import ALERTS, AlertsView, DestinationMade, NewDestination, SentAlert
from admin.answers import staff_endpoint
from channels.telegram.linking import link_address
from gateway.http.endpoint import InputModel, Line, Reply
from gateway.http.problems import Problem
from gateway.values.webhook import AddressFault
from payments.requests import ActRefused, Right, Why, subject_id

ALERTING: web.AppKey[Alerting] = web.AppKey("alerting", Alerting)
OWN: Final = "/admin/alerts"
PAGE: Final = f"{OWN}/{{organiser}}"
API: Final = "/api/admin/organisers/{organiser}/alerts"
# What the form offers, in minutes.
GAPS: Final = (0, 1, 5, 15, 60)
T = TypeVar("T")


_DETAILS: Final[Mapping[AlertFault | AddressFault, str]] = {
    AlertFault.NO_KIND: "say what alerts are wanted about",
    AlertFault.NO_MEMBER: "only a member who may read about all that the alerts are about gets them by mail",
    AlertFault.NO_MAIL: "no mail leaves this installation",
    AlertFault.NO_BOT: "this installation has no Telegram bot",
    AlertFault.TOO_MANY: f"an organiser has at most {DESTINATIONS_MAX} destinations",
    AlertFault.UNREADABLE: "this cannot be read",
    AddressFault.UNREADABLE: "this is no address",
    AddressFault.NOT_HTTPS: "the address must begin with https://",
    AddressFault.NO_NAME: "the address must name a public server, not its number",
    AddressFault.PORT: "the port must be 443, or 1024 or higher",
    AddressFault.CREDENTIALS: "the address must have no name and password before its server",
}


class OrganiserPath(InputModel):
    """The organiser that is meant."""

    organiser: Line = Field(max_length=100, description="The organiser's slug.")


class NamedDestination(InputModel):
    """The destination that is meant."""

    destination: UUID


@staff_endpoint(Right.READ_CONTESTS, path=OrganiserPath, returns={200: AlertsView}, problems=(404,))
async def listed(request: web.Request, me: Me, *, path: OrganiserPath) -> Reply:
    """List where alerts go, and the latest of them."""
    return Reply(200, await request.app[ALERTS].view(path.organiser, me.scope))


@staff_endpoint(
    Right.EDIT_CONTEST,
    proof=True,
    path=OrganiserPath,
    body=NewDestination,
    returns={201: DestinationMade},
    problems=(404, 422),
)
async def add(request: web.Request, me: Me, *, path: OrganiserPath, body: NewDestination) -> Reply:
    """Add a destination of alerts.

    `mail`: a member reads them. `telegram`: the chat gets them that sends the `code` to the bot within 30 minutes, as
    `/alerts CODE`. `webhook`: a server gets them as JSON, signed with the `secret` after Standard Webhooks; what is not
    answered by a 2xx is sent again for more than a day. A destination to which nothing arrived for a day is stopped.
    """
    return Reply(201, await _answered(request.app[ALERTS].add(path.organiser, body, me.scope, me.email)))


@staff_endpoint(
    Right.EDIT_CONTEST,
    proof=True,
    path=OrganiserPath,
    body=NamedDestination,
    returns={200: AlertsView},
    problems=(404,),
)
async def remove(request: web.Request, me: Me, *, path: OrganiserPath, body: NamedDestination) -> Reply:
    """Remove a destination of alerts."""
    await request.app[ALERTS].remove(path.organiser, body.destination, me.scope, me.email)
    return Reply(200, await request.app[ALERTS].view(path.organiser, me.scope))


@staff_endpoint(
    Right.EDIT_CONTEST,
    proof=True,
    path=OrganiserPath,
    body=NamedDestination,
    returns={200: AlertsView},
    problems=(404,),
)
async def resume(request: web.Request, me: Me, *, path: OrganiserPath, body: NamedDestination) -> Reply:
    """Send to a destination again that was stopped."""
    await request.app[ALERTS].resume(path.organiser, body.destination, me.scope, me.email)
    return Reply(200, await request.app[ALERTS].view(path.organiser, me.scope))


@staff_endpoint(
    Right.EDIT_CONTEST, path=OrganiserPath, body=NamedDestination, returns={200: SentAlert}, problems=(404, 409)
)
async def test(request: web.Request, me: Me, *, path: OrganiserPath, body: NamedDestination) -> Reply:
    """Send a test to a destination, once; what was answered."""
    sent = await _test(request, me, path.organiser, body.destination)
    view = await request.app[ALERTS].view(path.organiser, me.scope)
    return Reply(200, next(one for one in view.alerts if one.id == sent))


@page(Right.READ_CONTESTS)
async def own_page(request: web.Request, me: Me) -> web.StreamResponse:
    """To the page of one's own organiser; from the platform, to the list of all."""
    slug = await request.app[ALERTS].own(me.scope)
    return see_other("/admin/organisers" if slug is None else PAGE.format(organiser=slug))


@page(Right.READ_CONTESTS)
async def alerts_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Destinations, what was sent to them last, and the form that adds one. 404."""
    return await _show(request, me)


@form(Right.EDIT_CONTEST, proof=True)
async def add_by_form(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Add a destination; the page shows its secret or code once."""
    alerts, organiser = request.app[ALERTS], request.match_info["organiser"]
    await alerts.view(organiser, me.scope)
    try:
        made = await alerts.add(organiser, _read(fields), me.scope, me.email)
    except DestinationRefused as refused:
        return await _show(request, me, status=422, fields=fields, fault=refused.fault.value)
    return await _show(request, me, made=made)


@form(Right.EDIT_CONTEST, proof=True)
async def change(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Test a destination, remove it, or let it go on."""
    alerts, organiser = request.app[ALERTS], request.match_info["organiser"]
    await alerts.view(organiser, me.scope)
    destination, about = subject_id(fields.get("destination"), "destination"), (me.scope, me.email)
    match fields.get("step"):
        case "test":
            await _test(request, me, organiser, destination)
        case "remove":
            await alerts.remove(organiser, destination, *about)
        case "resume":
            await alerts.resume(organiser, destination, *about)
        case other:
            raise ActRefused(Why.IMPOSSIBLE, f"there is no step {other!r}")
    return see_other(f"{PAGE.format(organiser=organiser)}#sent")


async def _test(request: web.Request, me: Me, organiser: str, destination: UUID) -> UUID:
    """Send a test now; its alert."""
    alert = await request.app[ALERTS].test(organiser, destination, me.scope, me.email)
    await request.app[ALERTING].send_now(alert)
    return alert


def _read(fields: Form) -> NewDestination:
    """What a form sent. Raises DestinationRefused."""
    kinds = [kind for kind in AlertKind if f"kind_{kind}" in fields]
    if not kinds:
        raise DestinationRefused(AlertFault.NO_KIND)
    given: dict[str, Any] = {name: fields.get(name, "") for name in ("channel", "gap_minutes")}
    address = fields.get("member" if given["channel"] == AlertChannel.MAIL else "url", "")
    given |= {"kinds": kinds, "address": address, "contest": fields.get("contest") or None}
    try:
        return NewDestination.model_validate(given)
    except ValidationError:
        raise DestinationRefused(AlertFault.UNREADABLE) from None


async def _answered(act: Awaitable[T]) -> T:
    """What an act gives. Problem for a destination that is refused."""
    try:
        return await act
    except DestinationRefused as refused:
        kind = f"/problems/{refused.fault.value}"
        raise Problem(422, "Destination refused", _DETAILS[refused.fault], kind=kind) from None


async def _show(
    request: web.Request,
    me: Me,
    *,
    status: int = 200,
    made: DestinationMade | None = None,
    fields: Form | None = None,
    fault: str = "",
) -> web.Response:
    organiser = request.match_info["organiser"]
    view = await request.app[ALERTS].view(organiser, me.scope)
    bot = request.app[ALERTING].senders.bot_address()
    return show(
        request,
        me,
        "alerts/alerts.html",
        status=status,
        view=view,
        choices=await request.app[ALERTS].choices(organiser, me.scope, me.email),
        channels=list(AlertChannel),
        kinds=list(AlertKind),
        gaps=GAPS,
        made=made,
        link=link_address(bot, made.code) if made and made.code else "",
        fields=fields or {},
        fault=fault,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs ALERTS, ALERTING and mounted pages."""
    router = app.router
    router.add_get(API, listed)
    router.add_post(API, add)
    router.add_post(f"{API}/remove", remove)
    router.add_post(f"{API}/resume", resume)
    router.add_post(f"{API}/test", test)
    router.add_get(OWN, own_page)
    router.add_get(PAGE, alerts_page)
    router.add_post(PAGE, add_by_form)
    router.add_post(f"{PAGE}/change", change)
    # Where a form leads whose sender had to sign in again.
    router.add_get(f"{PAGE}/change", alerts_page)
