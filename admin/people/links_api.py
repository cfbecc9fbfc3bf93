"""What a link in a mail opens, for programs: an invitation, and another password for one that was lost.

Reading an invitation uses nothing up.
"""

from datetime import datetime
from typing import Final

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.auth_api import TAG, SignedIn, from_ours, opened_reply, with_cookies
from admin.access.guard import ACCESS, client_of, counted_address
from admin.access.rules import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, PasswordFault, Role, password_fault
from admin.access.tokens import AUTH_PATH
from admin.people.people import PEOPLE, answered, problem_of
from admin.people.reset import RESETS
from admin.people.rules import Fault, PeopleRefused
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, endpoint, invalid
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.http.problems import Problem

INVITATION: Final = "/api/invitations/{token}"
RESET: Final = f"{AUTH_PATH}/reset"
_WHY: Final = {
    PasswordFault.TOO_SHORT: f"a password has at least {PASSWORD_LENGTH_MIN} characters",
    PasswordFault.TOO_LONG: f"a password has at most {PASSWORD_LENGTH_MAX} characters",
    PasswordFault.COMMON: "this password is too common",
}


class LinkPath(InputModel):
    """The link that was mailed, by its last part."""

    token: str


class InvitedTo(ApiModel):
    """What somebody is invited to."""

    email: str
    role: Role
    organiser: str | None = Field(description="Slug; null: the platform.")
    contest: str | None = Field(description="Slug of the only contest that an auditor reads.")
    expires_at: datetime


class Acceptance(InputModel):
    """Who accepts."""

    name: Line = Field(max_length=200)
    password: str = Field(max_length=1_000)


class LostPassword(InputModel):
    """Whose password is lost."""

    email: Line = Field(max_length=254)


class ResetAsked(ApiModel):
    """A link is on its way if the address has an account."""

    asked: bool = True


class NewPassword(InputModel):
    """The password from now on."""

    password: str = Field(max_length=1_000)


class PasswordChanged(ApiModel):
    """The password is set, and all sessions are ended."""

    changed: bool = True


@endpoint(path=LinkPath, returns={200: InvitedTo}, problems=(404, 503), tag=TAG)
async def invitation(request: web.Request, *, path: LinkPath) -> Reply:
    """Read an invitation."""
    held = await request.app[PEOPLE].invitation(path.token)
    if held is None:
        raise problem_of(PeopleRefused(Fault.LINK_OVER))
    return Reply(200, InvitedTo.model_validate(held))


@with_cookies
@endpoint(
    path=LinkPath, body=Acceptance, returns={201: SignedIn}, problems=(403, 404, 409, 503), tag=TAG, guard=from_ours
)
async def accept(request: web.Request, *, path: LinkPath, body: Acceptance) -> Reply:
    """Accept an invitation.

    Makes the account and signs it in. Where a second factor is wanted, nothing else opens before it is set up.
    """
    people, access = request.app[PEOPLE], request.app[ACCESS]
    held = await people.invitation(path.token)
    if held is None:
        raise problem_of(PeopleRefused(Fault.LINK_OVER))
    _check(body.password, held.email)
    hashed = await access.sign_in.hashed(body.password)
    member = await answered(people.accept(path.token, body.name, hashed, held.language or DEFAULT_LANGUAGE))
    return opened_reply(request, await access.sign_in.open(member, client_of(request)), 201)


@endpoint(body=LostPassword, returns={202: ResetAsked}, problems=(403, 409, 429, 503), tag=TAG, guard=from_ours)
async def ask_reset(request: web.Request, *, body: LostPassword) -> Reply:
    """Ask for a link to set another password.

    The same answer whether the address has an account or not. 409 where no mail is sent: an administrator helps.
    """
    resets, access = request.app[RESETS], request.app[ACCESS]
    if not resets.by_mail:
        raise Problem(409, "No mail is sent here", "Ask an administrator.", kind="/problems/no_mail")
    wait = await resets.ask(body.email, counted_address(request, access), access.sign_in.now())
    if wait:
        raise Problem(429, "Too many requests", kind="/problems/too_many", headers={hdrs.RETRY_AFTER: str(wait)})
    return Reply(202, ResetAsked())


@endpoint(
    path=LinkPath, body=NewPassword, returns={200: PasswordChanged}, problems=(403, 404, 503), tag=TAG, guard=from_ours
)
async def reset(request: web.Request, *, path: LinkPath, body: NewPassword) -> Reply:
    """Set another password by a link.

    It ends all sessions and signs nobody in; the second factor stays.
    """
    resets = request.app[RESETS]
    held = await resets.find(path.token)
    if held is None:
        raise problem_of(PeopleRefused(Fault.LINK_OVER))
    _check(body.password, held.email)
    await answered(resets.use(path.token, await request.app[ACCESS].sign_in.hashed(body.password)))
    return Reply(200, PasswordChanged())


def _check(password: str, email: str) -> None:
    if fault := password_fault(password, email):
        raise invalid([{"loc": ["body", "password"], "msg": _WHY[fault]}])


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS, PEOPLE and RESETS."""
    app.router.add_get(INVITATION, invitation)
    app.router.add_post(INVITATION, accept)
    app.router.add_post(RESET, ask_reset)
    app.router.add_post(f"{RESET}/{{token}}", reset)
