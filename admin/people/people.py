"""Who may sign in, by page and by API: invited, given another role, ended."""

from collections.abc import Awaitable
from typing import Final, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, flash, form, page, see_once, see_other, show
from admin.access.rules import Role, may_grant, may_reset_factor
from admin.answers import read_id, staff_endpoint
from admin.people.rules import Fault, PeopleRefused
from admin.people.store import InvitationLine, Invited, NewInvitation, People, PersonLine
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.http.pages import PAGES
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.http.problems import Problem
from payments.requests import Right

PAGE: Final = "/admin/people"
API: Final = "/api/admin/people"
PEOPLE: web.AppKey[People] = web.AppKey("people", People)
_EMAIL_LENGTH_MAX: Final = 254
_STATUS_OF: Final = {
    Fault.NOT_FOUND: 404,
    Fault.NOT_YOURS_TO_GIVE: 403,
    Fault.OWNERS_TO_GIVE: 403,
    Fault.YOURSELF: 403,
    Fault.NOT_YOURS_TO_RESET: 403,
    Fault.LINK_OVER: 404,
}
_CLASHES: Final = frozenset({Fault.HAS_ACCOUNT, Fault.SLUG_TAKEN, Fault.NO_FACTOR, Fault.RESET_ASKED, Fault.NO_MAIL})
T = TypeVar("T")


class Staff(ApiModel):
    """Who may sign in, and who is invited."""

    people: list[PersonLine]
    invitations: list[InvitationLine]


class Invitation(InputModel):
    """Who is invited to do what."""

    email: Line = Field(max_length=_EMAIL_LENGTH_MAX)
    role: Role
    organiser: Line | None = Field(None, max_length=100, description="Slug; without it, your own organiser.")
    contest: Line | None = Field(None, max_length=100, description="For an auditor: the only contest they read.")
    language: Line = Field(DEFAULT_LANGUAGE, max_length=3, description="Of the mail: fr or en.")


class InvitationMade(ApiModel):
    """Invited."""

    id: UUID
    email: str
    mailed: bool = Field(description="Whether a mail is on its way.")
    link: str | None = Field(description="Where no mail is sent: hand it over yourself. Shown only now.")


class InvitationPath(InputModel):
    """The invitation that is meant."""

    invitation: UUID


class PersonPath(InputModel):
    """The person who is meant."""

    person: UUID


class Change(InputModel):
    """What becomes different; what is left out stays."""

    role: Role | None = None
    contest: Line | None = Field(None, max_length=100, description="With the role auditor: the only contest they read.")
    active: bool | None = Field(None, description="False ends their access and their sessions.")


class Withdrawn(ApiModel):
    """The invitation no longer works."""

    withdrawn: bool = True


def problem_of(error: PeopleRefused) -> Problem:
    """The API's answer to what is refused."""
    status = 409 if error.fault in _CLASHES else _STATUS_OF.get(error.fault, 422)
    title = error.fault.value.replace("_", " ").capitalize()
    return Problem(status, title, "Nothing was changed.", kind=f"/problems/{error.fault.value}")


async def answered(act: Awaitable[T]) -> T:
    """What an act gives. Problem for what is refused."""
    try:
        return await act
    except PeopleRefused as error:
        raise problem_of(error) from None


def made_of(invited: Invited) -> InvitationMade:
    """An invitation as the API shows it once."""
    return InvitationMade(id=invited.invitation, email=invited.email, mailed=invited.link is None, link=invited.link)


@staff_endpoint(Right.MANAGE_STAFF, returns={200: Staff})
async def listed(request: web.Request, me: Me) -> Reply:
    """List who may sign in, and who is invited."""
    people = request.app[PEOPLE]
    return Reply(200, Staff(people=await people.people(me.scope), invitations=await people.invitations(me.scope)))


@staff_endpoint(Right.MANAGE_STAFF, proof=True, body=Invitation, returns={201: InvitationMade}, problems=(409, 422))
async def invite(request: web.Request, me: Me, *, body: Invitation) -> Reply:
    """Invite somebody by e-mail.

    The link works once, for 72 hours. An earlier invitation of the same address is withdrawn.
    """
    language = body.language if body.language in request.config_dict[PAGES].languages else DEFAULT_LANGUAGE
    new = NewInvitation(body.email, body.role, body.organiser, body.contest, language)
    return Reply(201, made_of(await answered(request.app[PEOPLE].invite(me.email, new))))


@staff_endpoint(
    Right.MANAGE_STAFF, proof=True, path=InvitationPath, returns={200: InvitationMade}, problems=(404, 409, 422)
)
async def send_again(request: web.Request, me: Me, *, path: InvitationPath) -> Reply:
    """Send an invitation again.

    With another link; the earlier one no longer works.
    """
    return Reply(200, made_of(await answered(request.app[PEOPLE].send_again(me.email, path.invitation))))


@staff_endpoint(Right.MANAGE_STAFF, path=InvitationPath, returns={200: Withdrawn}, problems=(404, 422))
async def withdraw(request: web.Request, me: Me, *, path: InvitationPath) -> Reply:
    """Withdraw an invitation."""
    await answered(request.app[PEOPLE].withdraw(me.email, path.invitation))
    return Reply(200, Withdrawn())


@staff_endpoint(
    Right.MANAGE_STAFF, proof=True, path=PersonPath, body=Change, returns={200: PersonLine}, problems=(404, 422)
)
async def change(request: web.Request, me: Me, *, path: PersonPath, body: Change) -> Reply:
    """Give somebody another role, or end their access.

    It acts at once. A person changes neither themselves nor a person with a right that they lack.
    """
    act = request.app[PEOPLE].change(me.email, path.person, role=body.role, contest=body.contest, active=body.active)
    return Reply(200, await answered(act))


@page(Right.MANAGE_STAFF)
async def people_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Everybody, who is invited, and the form that invites."""
    return await people_shown(request, me)


async def people_shown(
    request: web.Request,
    me: Me,
    *,
    fault: Fault | None = None,
    fields: Form | None = None,
) -> web.Response:
    """The page, with the invitation that was just made, or why nothing was changed."""
    people = request.app[PEOPLE]
    organisers = await people.organisers(None) if me.member.organiser_id is None else []
    return show(
        request,
        me,
        "access/people.html",
        status=_page_status(fault),
        people=await people.people(me.scope),
        invitations=await people.invitations(me.scope),
        organisers=organisers,
        contests=await people.contests(me.scope),
        roles=[role.value for role in Role if _may_ever_grant(me, role)],
        may_change=lambda line: line.id != me.member.id and may_grant(me.member, line.role, line.organiser_id),
        may_reset=lambda line: may_reset_factor(me.member, line.id, line.organiser_id),
        roles_for=lambda line: [role.value for role in Role if may_grant(me.member, role, line.organiser_id)],
        by_mail=people.by_mail,
        fault=fault,
        made=flash(request, me),
        fields=fields or {},
    )


def see_invited(request: web.Request, me: Me, address: str, made: Invited) -> web.Response:
    """Go to a page that says once whom an invitation was made for, with the link where no mail is sent."""
    return see_once(request, me, address, email=made.email, **({"link": made.link} if made.link else {}))


def _may_ever_grant(me: Me, role: Role) -> bool:
    """Whether they may give a role somewhere: the platform's people do so in every organiser."""
    own = me.member.organiser_id
    return may_grant(me.member, role, own) or (own is None and may_grant(me.member, role, UUID(int=0)))


def _page_status(fault: Fault | None) -> int:
    return 200 if fault is None else _STATUS_OF.get(fault, 422)


def _role_of(fields: Form) -> Role:
    try:
        return Role(fields.get("role", ""))
    except ValueError:
        raise PeopleRefused(Fault.NOT_YOURS_TO_GIVE) from None


@form(Right.MANAGE_STAFF, proof=True)
async def invite_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Invite somebody; the link is shown where no mail is sent."""
    spoken = request.config_dict[PAGES].languages
    language = fields.get("language", "")
    try:
        new = NewInvitation(
            fields.get("email", "")[:_EMAIL_LENGTH_MAX],
            _role_of(fields),
            fields.get("organiser") or None,
            fields.get("contest") or None,
            language if language in spoken else DEFAULT_LANGUAGE,
        )
        return see_invited(request, me, PAGE, await request.app[PEOPLE].invite(me.email, new))
    except PeopleRefused as error:
        return await people_shown(request, me, fault=error.fault, fields=fields)


@form(Right.MANAGE_STAFF, proof=True)
async def invitation_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Send an invitation again, or withdraw it."""
    people = request.app[PEOPLE]
    try:
        invitation = meant(request, "invitation")
        if fields.get("step") == "again":
            return see_invited(request, me, PAGE, await people.send_again(me.email, invitation))
        await people.withdraw(me.email, invitation)
    except PeopleRefused as error:
        return await people_shown(request, me, fault=error.fault)
    return see_other(PAGE)


@form(Right.MANAGE_STAFF, proof=True)
async def change_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Another role, the end of access, or access again."""
    people, step = request.app[PEOPLE], fields.get("step")
    try:
        person = meant(request, "person")
        if step == "role":
            await people.change(me.email, person, role=_role_of(fields), contest=fields.get("contest") or None)
        else:
            await people.change(me.email, person, active=step == "open")
    except PeopleRefused as error:
        return await people_shown(request, me, fault=error.fault)
    return see_other(PAGE)


def meant(request: web.Request, name: str) -> UUID:
    """The id in the address. Raises PeopleRefused."""
    found = read_id(request, name)
    if found is None:
        raise PeopleRefused(Fault.NOT_FOUND)
    return found


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS, PEOPLE and mounted pages."""
    router = app.router
    router.add_get(API, listed)
    router.add_post(f"{API}/invitations", invite)
    router.add_post(f"{API}/invitations/{{invitation}}/resend", send_again)
    router.add_delete(f"{API}/invitations/{{invitation}}", withdraw)
    router.add_patch(f"{API}/{{person}}", change)
    router.add_get(PAGE, people_page)
    for address, act in (
        (f"{PAGE}/invitations", invite_by_page),
        (f"{PAGE}/invitations/{{invitation}}", invitation_by_page),
        (f"{PAGE}/{{person}}", change_by_page),
    ):
        router.add_post(address, act)
        # Where a form leads whose sender had to sign in again.
        router.add_get(address, people_page)
