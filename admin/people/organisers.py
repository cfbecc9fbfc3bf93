"""Organisers for those who run the platform, by page and by API."""

from typing import Final

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, form, page, show
from admin.answers import staff_endpoint
from admin.people.people import PEOPLE, InvitationMade, answered, made_of
from admin.people.rules import NAME_LENGTH_MAX, SLUG_LENGTH_MAX, Fault, PeopleRefused
from admin.people.store import Invited, OrganiserLine
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.http.pages import PAGES
from gateway.http.phrases import DEFAULT_LANGUAGE
from payments.requests import Right

PAGE: Final = "/admin/organisers"
API: Final = "/api/admin/organisers"


class Organisers(ApiModel):
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


@staff_endpoint(Right.MANAGE_ORGANISERS, returns={200: Organisers})
async def listed(request: web.Request, me: Me) -> Reply:
    """List organisers."""
    return Reply(200, Organisers(organisers=await request.app[PEOPLE].organisers(me.scope)))


@staff_endpoint(
    Right.MANAGE_ORGANISERS, proof=True, body=NewOrganiser, returns={201: OrganiserMade}, problems=(409, 422)
)
async def make(request: web.Request, me: Me, *, body: NewOrganiser) -> Reply:
    """Make an organiser and invite its first owner."""
    language = body.language if body.language in request.config_dict[PAGES].languages else DEFAULT_LANGUAGE
    act = request.app[PEOPLE].open_organiser(me.email, body.slug, body.name, body.owner_email, language)
    return Reply(201, OrganiserMade(slug=body.slug, invitation=made_of(await answered(act))))


@page(Right.MANAGE_ORGANISERS)
async def organisers_page(request: web.Request, me: Me) -> web.StreamResponse:
    """All organisers, and the form that makes one."""
    return await _shown(request, me)


async def _shown(
    request: web.Request,
    me: Me,
    *,
    fault: Fault | None = None,
    made: Invited | None = None,
    fields: Form | None = None,
) -> web.Response:
    people = request.app[PEOPLE]
    return show(
        request,
        me,
        "access/organisers.html",
        status=200 if fault is None else 422,
        organisers=await people.organisers(me.scope),
        by_mail=people.by_mail,
        fault=fault,
        made=made,
        fields=fields or {},
    )


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
    return await _shown(request, me, made=made)


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS, PEOPLE and mounted pages."""
    app.router.add_get(API, listed)
    app.router.add_post(API, make)
    app.router.add_get(PAGE, organisers_page)
    app.router.add_post(PAGE, make_by_page)
