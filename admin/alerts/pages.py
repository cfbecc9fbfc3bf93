"""Where alerts of an organiser and of the platform go, and the latest of them, by page and by API."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import Field, ValidationError

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.alerts.rules import DESTINATIONS_MAX, AlertChannel, AlertFault, AlertKind, DestinationRefused, kinds_of
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
PLATFORM_PAGE: Final = "/admin/platform-alerts"
PLATFORM_API: Final = "/api/admin/alerts"
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


@dataclass(frozen=True, slots=True)
class Place:
    """Whose alerts are served where: those of each organiser, or those of the platform. `path`: what its addresses
    name; `read`, `edit`: the rights that it needs."""

    api: str
    page: str
    path: type[InputModel] | None
    read: Right
    edit: Right


PLACES: Final = (
    Place(API, PAGE, OrganiserPath, Right.READ_CONTESTS, Right.EDIT_CONTEST),
    Place(PLATFORM_API, PLATFORM_PAGE, None, Right.PLATFORM_ALERTS, Right.PLATFORM_ALERTS),
)


def _serve_api(router: web.UrlDispatcher, place: Place) -> None:
    lists = partial(staff_endpoint, place.read, path=place.path, returns={200: AlertsView}, problems=(404,))
    adds = partial(staff_endpoint, place.edit, path=place.path, proof=True)
    changes = partial(adds, body=NamedDestination, returns={200: AlertsView}, problems=(404,))

    @lists()
    async def listed(request: web.Request, me: Me, **_: object) -> Reply:
        """List where alerts go, and the latest of them."""
        return Reply(200, await request.app[ALERTS].view(_organiser(request), me.scope))

    @adds(body=NewDestination, returns={201: DestinationMade}, problems=(404, 422))
    async def add(request: web.Request, me: Me, *, body: NewDestination, **_: object) -> Reply:
        """Add a destination of alerts.

        `mail`: a member reads them. `telegram`: the chat gets them that sends the `code` to the bot within 30 minutes,
        as `/alerts CODE`. `webhook`: a server gets them as JSON, signed with the `secret` after Standard Webhooks; what
        is not answered by a 2xx is sent again for more than a day. A destination to which nothing arrived for a day is
        stopped. Organisers are alerted about `held`, `flagged`, `burst` and `listed`, the platform about the others.
        """
        return Reply(201, await _answered(request.app[ALERTS].add(_organiser(request), body, me.scope, me.email)))

    @changes()
    async def remove(request: web.Request, me: Me, *, body: NamedDestination, **_: object) -> Reply:
        """Remove a destination of alerts."""
        await request.app[ALERTS].remove(_organiser(request), body.destination, me.scope, me.email)
        return Reply(200, await request.app[ALERTS].view(_organiser(request), me.scope))

    @changes()
    async def resume(request: web.Request, me: Me, *, body: NamedDestination, **_: object) -> Reply:
        """Send to a destination again that was stopped."""
        await request.app[ALERTS].resume(_organiser(request), body.destination, me.scope, me.email)
        return Reply(200, await request.app[ALERTS].view(_organiser(request), me.scope))

    @staff_endpoint(place.edit, path=place.path, body=NamedDestination, returns={200: SentAlert}, problems=(404, 409))
    async def test(request: web.Request, me: Me, *, body: NamedDestination, **_: object) -> Reply:
        """Send a test to a destination, once; what was answered."""
        sent = await _test(request, me, body.destination)
        view = await request.app[ALERTS].view(_organiser(request), me.scope)
        return Reply(200, next(one for one in view.alerts if one.id == sent))

    router.add_get(place.api, listed)
    router.add_post(place.api, add)
    router.add_post(f"{place.api}/remove", remove)
    router.add_post(f"{place.api}/resume", resume)
    router.add_post(f"{place.api}/test", test)


def _serve_pages(router: web.UrlDispatcher, place: Place) -> None:
    @page(place.read)
    async def alerts_page(request: web.Request, me: Me) -> web.StreamResponse:
        """Destinations, what was sent to them last, and the form that adds one. 404."""
        return await _show(request, me)

    @form(place.edit, proof=True)
    async def add_by_form(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
        """Add a destination; the page shows its secret or code once."""
        alerts, organiser = request.app[ALERTS], _organiser(request)
        await alerts.view(organiser, me.scope)
        try:
            made = await alerts.add(organiser, _read(fields), me.scope, me.email)
        except DestinationRefused as refused:
            return await _show(request, me, status=422, fields=fields, fault=refused.fault.value)
        return await _show(request, me, made=made)

    @form(place.edit, proof=True)
    async def change(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
        """Test a destination, remove it, or let it go on."""
        alerts, organiser = request.app[ALERTS], _organiser(request)
        await alerts.view(organiser, me.scope)
        destination, about = subject_id(fields.get("destination"), "destination"), (me.scope, me.email)
        match fields.get("step"):
            case "test":
                await _test(request, me, destination)
            case "remove":
                await alerts.remove(organiser, destination, *about)
            case "resume":
                await alerts.resume(organiser, destination, *about)
            case other:
                raise ActRefused(Why.IMPOSSIBLE, f"there is no step {other!r}")
        return see_other(f"{_address(organiser)}#sent")

    router.add_get(place.page, alerts_page)
    router.add_post(place.page, add_by_form)
    router.add_post(f"{place.page}/change", change)
    # Where a form leads whose sender had to sign in again.
    router.add_get(f"{place.page}/change", alerts_page)


@page(Right.READ_CONTESTS)
async def own_page(request: web.Request, me: Me) -> web.StreamResponse:
    """To the page of one's own organiser; from the platform to its own page, or to the list of all organisers."""
    slug = await request.app[ALERTS].own(me.scope)
    if slug is None and not me.may(Right.PLATFORM_ALERTS):
        return see_other("/admin/organisers")
    return see_other(_address(slug))


def _organiser(request: web.Request) -> str | None:
    """Whose alerts the address means; None: the platform's."""
    return request.match_info.get("organiser")


def _address(organiser: str | None) -> str:
    return PLATFORM_PAGE if organiser is None else PAGE.format(organiser=organiser)


async def _test(request: web.Request, me: Me, destination: UUID) -> UUID:
    """Send a test now; its alert."""
    alert = await request.app[ALERTS].test(_organiser(request), destination, me.scope, me.email)
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
    organiser = _organiser(request)
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
        base=_address(organiser),
        may_edit=me.may(Right.EDIT_CONTEST if organiser else Right.PLATFORM_ALERTS),
        kinds=kinds_of(platform=organiser is None),
        gaps=GAPS,
        made=made,
        link=link_address(bot, made.code) if made and made.code else "",
        fields=fields or {},
        fault=fault,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs ALERTS, ALERTING and mounted pages."""
    app.router.add_get(OWN, own_page)
    for place in PLACES:
        _serve_api(app.router, place)
        _serve_pages(app.router, place)
