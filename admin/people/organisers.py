"""Organisers by page and by API: the platform makes, stops and measures them; their own people read how they stand."""

from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, flash, form, page, say, see_other, show
from admin.access.rules import Role
from admin.answers import staff_endpoint
from admin.people.keep_organisers import Organisation, Organisers
from admin.people.people import PEOPLE, InvitationMade, answered, made_of, see_invited
from admin.people.rules import NAME_LENGTH_MAX, SLUG_LENGTH_MAX, Fault, PeopleRefused
from admin.people.store import OrganiserLine, People
from gateway.contests.quotas import QUOTA_MAX, Quota
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.http.pages import PAGES
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.values.numbers import whole_number
from gateway.values.organiser import OrganiserState
from payments.requests import Right

PAGE: Final = "/admin/organisers"
API: Final = "/api/admin/organisers"
_DIGITS_MAX: Final = 9
ORGANISERS: web.AppKey[Organisers] = web.AppKey("organisers", Organisers)


class OrganiserLines(ApiModel):
    """Organisers by name."""

    organisers: list[OrganiserLine]


class NewOrganiser(InputModel):
    """An organiser and its first owner."""

    slug: Line = Field(max_length=SLUG_LENGTH_MAX, description="Small letters, digits and single hyphens.")
    name: Line = Field(max_length=NAME_LENGTH_MAX)
    owner_email: Line = Field(max_length=254)
    language: Line = Field(DEFAULT_LANGUAGE, max_length=3, description="Of the mail: fr or en.")


class OrganiserMade(ApiModel):
    """The organiser is made, and its owner invited."""

    slug: str
    invitation: InvitationMade


class OrganiserPath(InputModel):
    """The organiser that is meant."""

    organiser: Line = Field(max_length=100)


class NewState(InputModel):
    """How far an organiser may go from now on."""

    state: OrganiserState
    reason: Line = Field(max_length=500, description="Its owners read it.")


class Freeze(InputModel):
    """Freeze an organiser, or let it go on."""

    frozen: bool
    reason: Line = Field(max_length=500)


class Frozen(ApiModel):
    """Whether an organiser is frozen."""

    organiser: str
    frozen: bool


class NewQuotas(InputModel):
    """How much an organiser may have; what is left out stays."""

    quotas: dict[Quota, Annotated[int, Field(ge=0, le=QUOTA_MAX)]] = Field(min_length=1)


@staff_endpoint(Right.READ_ORDERS, returns={200: OrganiserLines})
async def listed(request: web.Request, me: Me) -> Reply:
    """List organisers.

    The platform's people see all of them, others their own.
    """
    return Reply(200, OrganiserLines(organisers=await request.app[PEOPLE].organisers(me.scope)))


@staff_endpoint(
    Right.MANAGE_ORGANISERS, proof=True, body=NewOrganiser, returns={201: OrganiserMade}, problems=(409, 422)
)
async def make(request: web.Request, me: Me, *, body: NewOrganiser) -> Reply:
    """Make an organiser and invite its first owner."""
    language = body.language if body.language in request.config_dict[PAGES].languages else DEFAULT_LANGUAGE
    act = request.app[PEOPLE].open_organiser(me.email, body.slug, body.name, body.owner_email, language)
    return Reply(201, OrganiserMade(slug=body.slug, invitation=made_of(await answered(act))))


@staff_endpoint(Right.READ_ORDERS, path=OrganiserPath, returns={200: Organisation}, problems=(404,))
async def one(request: web.Request, me: Me, *, path: OrganiserPath) -> Reply:
    """Show an organiser: its state, and how much it has of what there are quotas for."""
    return Reply(200, await answered(request.app[ORGANISERS].one(path.organiser, me.scope)))


@staff_endpoint(
    Right.STOP_ORGANISERS,
    proof=True,
    path=OrganiserPath,
    body=NewState,
    returns={200: Organisation},
    problems=(404, 422),
)
async def set_state(request: web.Request, me: Me, *, path: OrganiserPath, body: NewState) -> Reply:
    """Limit an organiser, freeze it, or let it go on.

    Limited: what runs goes on and counts; no contest is published, nobody is invited, and the platform alone asks for
    payouts. Frozen: no order is taken, no payer is asked, nothing is paid out, and its people may only read; what was
    asked before is confirmed, counted or refunded. Its owners are told by mail.
    """
    await answered(request.app[ORGANISERS].set_state(me.email, path.organiser, body.state, body.reason))
    return Reply(200, await answered(request.app[ORGANISERS].one(path.organiser, me.scope)))


@staff_endpoint(
    Right.STOP_ORGANISERS, proof=True, path=OrganiserPath, body=Freeze, returns={200: Frozen}, problems=(404, 422)
)
async def freeze(request: web.Request, me: Me, *, path: OrganiserPath, body: Freeze) -> Reply:
    """Freeze an organiser, or let it go on, as its state has it."""
    state = OrganiserState.FROZEN if body.frozen else OrganiserState.ACTIVE
    await answered(request.app[ORGANISERS].set_state(me.email, path.organiser, state, body.reason))
    return Reply(200, Frozen(organiser=path.organiser, frozen=body.frozen))


@staff_endpoint(
    Right.MANAGE_ORGANISERS,
    proof=True,
    path=OrganiserPath,
    body=NewQuotas,
    returns={200: Organisation},
    problems=(404, 422),
)
async def set_quotas(request: web.Request, me: Me, *, path: OrganiserPath, body: NewQuotas) -> Reply:
    """Set how much an organiser may have.

    What is there already stays, also where it is more.
    """
    await answered(request.app[ORGANISERS].set_quotas(me.email, path.organiser, body.quotas))
    return Reply(200, await answered(request.app[ORGANISERS].one(path.organiser, me.scope)))


@page(Right.READ_ORDERS)
async def one_page(request: web.Request, me: Me) -> web.StreamResponse:
    """An organiser: its state, its quotas, and for the platform's people what changes them. 404."""
    return await _one(request, me)


async def _one(request: web.Request, me: Me, fault: Fault | None = None) -> web.Response:
    try:
        shown = await request.app[ORGANISERS].one(request.match_info["organiser"], me.scope)
    except PeopleRefused:
        return say(request, 404, "no_organiser", me)
    status = 200 if fault is None else 422
    return show(
        request, me, "access/organiser.html", status=status, one=shown, states=list(OrganiserState), fault=fault
    )


@form(Right.STOP_ORGANISERS, proof=True)
async def state_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Limit an organiser, freeze it, or let it go on."""
    slug = request.match_info["organiser"]
    try:
        state = OrganiserState(fields.get("state", ""))
    except ValueError:
        return say(request, 400, "unreadable", me)
    try:
        await request.app[ORGANISERS].set_state(me.email, slug, state, fields.get("reason", ""))
    except PeopleRefused:
        return say(request, 404, "no_organiser", me)
    return see_other(f"{PAGE}/{slug}")


@form(Right.MANAGE_ORGANISERS, proof=True)
async def quotas_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Set how much an organiser may have."""
    slug, most = request.match_info["organiser"], {}
    for quota in Quota:
        if typed := fields.get(quota.value, "").strip():
            if (number := whole_number(typed, _DIGITS_MAX)) is None:
                return await _one(request, me, Fault.NO_QUOTA)
            most[quota] = number
    try:
        await request.app[ORGANISERS].set_quotas(me.email, slug, most)
    except PeopleRefused as error:
        return await _one(request, me, error.fault)
    return see_other(f"{PAGE}/{slug}")


@page(Right.READ_ORDERS)
async def organisers_page(request: web.Request, me: Me) -> web.StreamResponse:
    """All organisers, and the form that makes one."""
    return await _shown(request, me)


async def _shown(
    request: web.Request,
    me: Me,
    *,
    fault: Fault | None = None,
    fields: Form | None = None,
) -> web.Response:
    people = request.app[PEOPLE]
    return show(
        request,
        me,
        "access/organisers.html",
        status=200 if fault is None else 422,
        organisers=await people.organisers(me.scope),
        invited=await _invited(people, me),
        by_mail=people.by_mail,
        fault=fault,
        made=flash(request, me),
        fields=fields or {},
    )


async def _invited(people: People, me: Me) -> dict[str, str]:
    """Who is invited as an owner and has not answered while the link works, by the organiser's slug."""
    if not me.may(Right.MANAGE_STAFF):
        return {}
    lines = await people.invitations(me.scope)
    return {one.organiser: one.email for one in lines if one.organiser and one.role is Role.OWNER and not one.over}


@form(Right.MANAGE_ORGANISERS, proof=True)
async def make_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Make an organiser, or invite the first owner of one that has none."""
    people, spoken = request.app[PEOPLE], request.config_dict[PAGES].languages
    wanted = fields.get("language", "")
    language = wanted if wanted in spoken else DEFAULT_LANGUAGE
    slug, owner = fields.get("slug", ""), fields.get("owner", "")[:254]
    try:
        if fields.get("step") == "owner":
            made = await people.invite_first_owner(me.email, slug, owner, language)
        else:
            made = await people.open_organiser(me.email, slug, fields.get("name", ""), owner, language)
    except PeopleRefused as error:
        return await _shown(request, me, fault=error.fault, fields=fields)
    return see_invited(request, me, PAGE, made)


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS, ORGANISERS, PEOPLE and mounted pages."""
    router = app.router
    router.add_get(API, listed)
    router.add_post(API, make)
    router.add_get(f"{API}/{{organiser}}", one)
    router.add_put(f"{API}/{{organiser}}/state", set_state)
    router.add_post(f"{API}/{{organiser}}/freeze", freeze)
    router.add_put(f"{API}/{{organiser}}/quotas", set_quotas)
    router.add_get(f"{PAGE}/{{organiser}}", one_page)
    for address, act in (
        (f"{PAGE}/{{organiser}}/state", state_by_page),
        (f"{PAGE}/{{organiser}}/quotas", quotas_by_page),
    ):
        router.add_post(address, act)
        # Where a form leads whose sender had to sign in again.
        router.add_get(address, one_page)
    app.router.add_get(PAGE, organisers_page)
    app.router.add_post(PAGE, make_by_page)
