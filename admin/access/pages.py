"""Pages around being signed in: signing in, the second factor, one's own sessions and password."""

from typing import Final
from uuid import UUID

import pyotp
import segno
from aiohttp import hdrs, web
from markupsafe import Markup

from admin.access.auth_api import attempt_of, keep
from admin.access.guard import (
    ACCESS,
    FACTOR,
    HOME,
    SIGN_IN,
    Form,
    Me,
    form,
    from_elsewhere,
    page,
    read_form,
    safe_next,
    say,
    see_other,
    show,
    who,
)
from admin.access.rules import PASSWORD_LENGTH_MIN, PasswordFault
from admin.access.sign_in import SignInRefused

MY_PAGE: Final = "/admin/me"
_ISSUER: Final = "Spotlight"


async def sign_in_page(request: web.Request) -> web.StreamResponse:
    """Where staff sign in."""
    back = safe_next(request.query.get("next"))
    if await who(request) is not None:
        return see_other(back)
    return _sign_in(request, back)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Open a session and go to where it was wanted; the page again with one sentence otherwise."""
    if from_elsewhere(request):
        return say(request, 403, "elsewhere")
    fields = await read_form(request)
    access, back, email = request.app[ACCESS], safe_next(fields.get("next")), fields.get("email", "")[:254]
    attempt = attempt_of(request, email, fields.get("password", ""), fields.get("code", ""))
    opened = await access.sign_in.sign_in(attempt)
    if isinstance(opened, SignInRefused):
        return _sign_in(request, back, email, opened)
    response = see_other(FACTOR if access.sign_in.wants_factor(opened.session.member) else back)
    keep(request, response, opened)
    return response


def _sign_in(request: web.Request, back: str, email: str = "", refused: SignInRefused | None = None) -> web.Response:
    status = 200 if refused is None else 429 if refused.wait_seconds else 401
    changed = "changed" in request.query
    values = {"back": back, "email": email, "refused": refused, "changed": changed}
    response = show(request, None, "admin_sign_in.html", status=status, **values)
    if refused is not None and refused.wait_seconds:
        response.headers[hdrs.RETRY_AFTER] = str(refused.wait_seconds)
    return response


@form(unfinished=True)
async def sign_out(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """End this session."""
    access = request.app[ACCESS]
    await access.sign_in.end(me.session)
    response = see_other(SIGN_IN)
    access.tokens.clear(response)
    return response


@page(unfinished=True)
async def factor_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Set up the second factor: a key for the phone, proven by a code of it."""
    if me.member.has_factor:
        return see_other(MY_PAGE)
    return await _factor(request, me)


@form(unfinished=True, proof=True)
async def factor(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Begin, or prove with a code."""
    sign_in = request.app[ACCESS].sign_in
    if fields.get("step") == "begin":
        await sign_in.begin_factor(me.member)
        return see_other(FACTOR)
    if not await sign_in.confirm_factor(me.session, fields.get("code", "")):
        return await _factor(request, me, wrong=True)
    return see_other(HOME)


async def _factor(request: web.Request, me: Me, *, wrong: bool = False) -> web.Response:
    access = request.app[ACCESS]
    secret = await access.sign_in.begun_secret(me.member)
    qr = None
    if secret is not None:
        address = pyotp.TOTP(secret).provisioning_uri(name=me.email, issuer_name=_ISSUER)
        qr = Markup(  # noqa: S704 - drawn by segno from modules, no text in it
            segno.make(address, error="m").svg_inline(
                border=4, light="#fff", omitsize=True, svgclass="qr", lineclass=None
            )
        )
    spaced = None if secret is None else " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
    return show(
        request,
        me,
        "admin_factor.html",
        status=422 if wrong else 200,
        secret=spaced,
        qr=qr,
        wrong=wrong,
        wanted=access.sign_in.factor_wanted,
    )


@page()
async def my_page(request: web.Request, me: Me) -> web.StreamResponse:
    """One's own sessions, password and second factor."""
    return await _mine(request, me)


async def _mine(
    request: web.Request, me: Me, fault: PasswordFault | SignInRefused | None = None, *, changed: bool = False
) -> web.Response:
    return show(
        request,
        me,
        "admin_me.html",
        status=200 if fault is None else 422,
        sessions=await request.app[ACCESS].sign_in.accounts.sessions(me.member.id),
        fault=fault.value if isinstance(fault, PasswordFault) else "refused" if fault else None,
        changed=changed,
        shortest=PASSWORD_LENGTH_MIN,
    )


@form()
async def change_mine(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Another password, or the end of one other session or of all others."""
    sign_in, which = request.app[ACCESS].sign_in, fields.get("session")
    if which is None:
        fault = await sign_in.change_password(me.session, fields.get("current", ""), fields.get("new", ""))
        return await _mine(request, me, fault, changed=fault is None)
    if which == "others":
        await sign_in.end_others(me.session)
        return see_other(MY_PAGE)
    try:
        await sign_in.end_one(me.session, UUID(which))
    except ValueError:
        return say(request, 400, "unreadable", me)
    return see_other(MY_PAGE)


async def to_home(_: web.Request) -> web.StreamResponse:
    """What only takes forms is left by a GET, such as another language's link."""
    return see_other(HOME)


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS and mounted pages."""
    app.router.add_get(SIGN_IN, sign_in_page)
    app.router.add_post(SIGN_IN, sign_in)
    app.router.add_post("/admin/sign-out", sign_out)
    app.router.add_get(FACTOR, factor_page)
    app.router.add_post(FACTOR, factor)
    app.router.add_get(MY_PAGE, my_page)
    app.router.add_post(MY_PAGE, change_mine)
    app.router.add_get("/admin/sign-out", to_home)
