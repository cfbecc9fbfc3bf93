"""Pages where a lost password is replaced: ask for a link, then follow it."""

from typing import Final

from aiohttp import hdrs, web

from admin.access.guard import (
    ACCESS,
    SIGN_IN,
    Form,
    counted_address,
    flash,
    from_elsewhere,
    say,
    see_once,
    see_other,
    show,
    without_referrer,
)
from admin.access.rules import PASSWORD_LENGTH_MIN, PasswordFault, password_fault
from admin.people.resets import OpenReset, Resets
from admin.people.rules import PeopleRefused
from gateway.http.forms import read_form

PAGE: Final = "/admin/reset"
RESETS: web.AppKey[Resets] = web.AppKey("resets", Resets)


async def ask_page(request: web.Request) -> web.StreamResponse:
    """Where a link is asked for."""
    return _ask(request)


async def ask(request: web.Request) -> web.StreamResponse:
    """Send a link. The same answer whether the address has an account or not."""
    if from_elsewhere(request):
        return say(request, 403, "elsewhere")
    fields: Form = await read_form(request)
    resets, access = request.app[RESETS], request.app[ACCESS]
    if not resets.by_mail:
        return _ask(request)
    email = fields.get("email", "")[:254]
    wait = await resets.ask(email, counted_address(request, access), access.sign_in.now())
    return _ask(request, wait=wait) if wait else see_once(request, None, PAGE, asked=email)


def _ask(request: web.Request, *, wait: int = 0) -> web.Response:
    values = {"by_mail": request.app[RESETS].by_mail, "wait": wait, "asked": flash(request, None).get("asked")}
    response = show(request, None, "access/reset.html", status=429 if wait else 200, **values)
    if wait:
        response.headers[hdrs.RETRY_AFTER] = str(wait)
    return response


async def link_page(request: web.Request) -> web.StreamResponse:
    """Where a link leads. 404 for one that is over."""
    held = await request.app[RESETS].find(request.match_info["token"])
    return _over(request) if held is None else _password(request, held)


async def use(request: web.Request) -> web.StreamResponse:
    """Set the password, then to the sign-in."""
    if from_elsewhere(request):
        return say(request, 403, "elsewhere")
    fields = await read_form(request)
    resets, token = request.app[RESETS], request.match_info["token"]
    held = await resets.find(token)
    if held is None:
        return _over(request)
    password = fields.get("password", "")
    if fault := password_fault(password, held.email):
        return _password(request, held, fault)
    try:
        await resets.use(token, await request.app[ACCESS].sign_in.hashed(password))
    except PeopleRefused:
        return _over(request)
    return without_referrer(see_other(f"{SIGN_IN}?changed=1"))


def _password(request: web.Request, held: OpenReset, fault: PasswordFault | None = None) -> web.Response:
    values = {"email": held.email, "fault": fault, "shortest": PASSWORD_LENGTH_MIN}
    return without_referrer(show(request, None, "access/new_password.html", status=422 if fault else 200, **values))


def _over(request: web.Request) -> web.Response:
    return without_referrer(say(request, 404, "link_over"))


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS, RESETS and mounted pages."""
    app.router.add_get(PAGE, ask_page)
    app.router.add_post(PAGE, ask)
    app.router.add_get(f"{PAGE}/{{token}}", link_page)
    app.router.add_post(f"{PAGE}/{{token}}", use)
