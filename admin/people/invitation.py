"""Where the link of an invitation leads: name and password, then the second factor.

Reading the page does nothing, so that programs which look at links in mails use none up.
"""

from typing import Final

from aiohttp import web

from admin.access.auth_api import keep
from admin.access.guard import (
    ACCESS,
    FACTOR,
    Form,
    client_of,
    from_elsewhere,
    say,
    see_other,
    show,
    without_referrer,
)
from admin.access.rules import PASSWORD_LENGTH_MIN, PasswordFault, password_fault
from admin.people.people import PEOPLE
from admin.people.rules import Fault, PeopleRefused
from admin.people.store import InvitationLine
from gateway.http.forms import read_form
from gateway.http.pages import PAGES

PAGE: Final = "/admin/invitation/{token}"


async def invitation_page(request: web.Request) -> web.StreamResponse:
    """What one is invited to. 404 for a link that is over."""
    held = await request.app[PEOPLE].invitation(request.match_info["token"])
    return _over(request) if held is None else _shown(request, held)


async def accept(request: web.Request) -> web.StreamResponse:
    """Make the account and sign it in, which opens nothing but the second factor's page where one is wanted."""
    if from_elsewhere(request):
        return say(request, 403, "elsewhere")
    fields = await read_form(request)
    people, access, token = request.app[PEOPLE], request.app[ACCESS], request.match_info["token"]
    held = await people.invitation(token)
    if held is None:
        return _over(request)
    name, password = fields.get("name", ""), fields.get("password", "")
    if fault := password_fault(password, held.email):
        return _shown(request, held, fault=fault, fields=fields)
    hashed = await access.sign_in.hashed(password)
    language = request.config_dict[PAGES].language_of(request)
    try:
        member = await people.accept(token, name, hashed, language)
    except PeopleRefused as error:
        return _over(request) if error.fault is Fault.LINK_OVER else _shown(request, held, error.fault, fields)
    response = see_other(FACTOR)
    keep(request, response, await access.sign_in.open(member, client_of(request)))
    return without_referrer(response)


def _shown(
    request: web.Request, held: InvitationLine, fault: PasswordFault | Fault | None = None, fields: Form | None = None
) -> web.Response:
    response = show(
        request,
        None,
        "access/invitation.html",
        status=200 if fault is None else 422,
        invitation=held,
        fault=fault,
        name=(fields or {}).get("name", ""),
        shortest=PASSWORD_LENGTH_MIN,
    )
    return without_referrer(response)


def _over(request: web.Request) -> web.Response:
    return without_referrer(say(request, 404, "link_over"))


def setup(app: web.Application) -> None:
    """Serve it. The application needs ACCESS, PEOPLE and mounted pages."""
    app.router.add_get(PAGE, invitation_page)
    app.router.add_post(PAGE, accept)
