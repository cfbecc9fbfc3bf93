"""Pages around being signed in: signing in, the second factor, one's own sessions and password."""

from typing import Final, Literal
from uuid import UUID

import pyotp
import segno
from aiohttp import hdrs, web
from markupsafe import Markup

from admin.access.auth_api import attempt_of, keep
from admin.access.browsers import browser_of
from admin.access.guard import (
    ACCESS,
    ASKED_FIELD,
    FACTOR,
    HOME,
    PASSKEY_FIELD,
    SIGN_IN,
    Form,
    Me,
    ask_new_passkey,
    ask_passkey,
    factor_of,
    flash,
    form,
    from_elsewhere,
    page,
    safe_next,
    say,
    see_once,
    see_other,
    show,
    who,
)
from admin.access.moment import forget_moment
from admin.access.rules import PASSWORD_LENGTH_MIN, PasswordFault
from admin.access.sign_in import Refusal, SignInRefused, Step
from gateway.http.forms import read_form
from gateway.values.names import is_readable, spaced, strange_sign

MY_PAGE: Final = "/admin/me"
NAME_LENGTH_MAX: Final = 120
CODES: Final = f"{MY_PAGE}/codes"
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
    factor, second = factor_of(request, fields, fields.get("code", "")), "step" in fields
    if second:
        if factor.asked is None:
            return _sign_in(request, back, over=True)
        email = factor.asked.email
    attempt = attempt_of(request, email, fields.get("password", ""), factor, second_step=second)
    opened = await access.sign_in.sign_in(attempt)
    if isinstance(opened, SignInRefused):
        if opened.step is not None:
            return await _second_step(request, back, opened, opened.step)
        return _sign_in(request, back, email, opened)
    response = see_other(FACTOR if access.sign_in.wants_factor(opened.session.member) else back)
    keep(request, response, opened)
    return response


async def _second_step(request: web.Request, back: str, refused: SignInRefused, step: Step) -> web.Response:
    """The page that asks for the second factor alone, once the password was right."""
    key = await ask_passkey(request, step.member, step.password)
    wrong = refused.why is Refusal.FACTOR_WRONG
    values = {"back": back, "wrong": wrong, "key": key, "email": step.member.email}
    return show(request, None, "access/second_step.html", status=401, **values)


def _sign_in(
    request: web.Request, back: str, email: str = "", refused: SignInRefused | None = None, *, over: bool = False
) -> web.Response:
    status = 200 if refused is None else 429 if refused.wait_seconds else 401
    changed = "changed" in request.query
    values = {"back": back, "email": email, "refused": refused, "changed": changed, "over": over}
    response = show(request, None, "access/sign_in.html", status=status, **values)
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
    forget_moment(response)
    return response


@page(unfinished=True)
async def factor_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Set up the second factor: a key for the phone, proven by a code of it; or a passkey."""
    if await request.app[ACCESS].sign_in.has_app(me.member):
        return see_other(MY_PAGE)
    return await _factor(request, me)


@form(unfinished=True, proof=True)
async def factor(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Begin, prove with a code, or add a passkey. With the first factor come recovery codes."""
    access, step = request.app[ACCESS], fields.get("step")
    sign_in = access.sign_in
    if step == "begin":
        await sign_in.begin_factor(me.member)
        return see_other(FACTOR)
    if step == "passkey":
        asked = access.tokens.asked(fields.get(ASKED_FIELD, ""))
        if not await sign_in.add_passkey(me.session, fields.get(PASSKEY_FIELD, ""), asked, fields.get("name", "")):
            return say(request, 422, "no_passkey", me)
    elif not await sign_in.confirm_factor(me.session, fields.get("code", "")):
        return await _factor(request, me, wrong=True)
    if me.member.has_factor:
        return see_other(MY_PAGE)
    return await _codes(request, me)


async def _codes(request: web.Request, me: Me) -> web.Response:
    """New recovery codes, shown once."""
    codes = await request.app[ACCESS].sign_in.factors.make_codes(me.member)
    return see_once(request, me, CODES, codes=" ".join(codes))


@page()
async def codes_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The codes that were just made; without any, one's own page."""
    codes = flash(request, me).get("codes", "").split()
    return show(request, me, "access/codes.html", codes=codes) if codes else see_other(MY_PAGE)


@form(proof=True)
async def make_codes(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """New recovery codes; those of before no longer work."""
    return await _codes(request, me) if me.member.has_factor else see_other(FACTOR)


@form(proof=True)
async def remove_passkey(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Forget a passkey, but not the last factor."""
    factors = request.app[ACCESS].sign_in.factors
    try:
        passkey = UUID(request.match_info["passkey"])
    except ValueError:
        return say(request, 404, "unreadable", me)
    if not await factors.remove_passkey(me.member, passkey, me.session.family):
        return say(request, 409, "last_factor", me)
    return see_other(MY_PAGE)


async def _factor(request: web.Request, me: Me, *, wrong: bool = False) -> web.Response:
    access = request.app[ACCESS]
    secret = await access.sign_in.begun_secret(me.member)
    qr = address = None
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
        "access/factor.html",
        status=422 if wrong else 200,
        secret=spaced,
        qr=qr,
        address=address,
        wrong=wrong,
        wanted=access.sign_in.factor_wanted,
        key=await ask_new_passkey(request, me.member),
    )


@page()
async def my_page(request: web.Request, me: Me) -> web.StreamResponse:
    """One's own sessions, password and second factor."""
    return await _mine(request, me)


async def _mine(
    request: web.Request, me: Me, fault: PasswordFault | SignInRefused | Literal["name"] | None = None
) -> web.Response:
    sign_in = request.app[ACCESS].sign_in
    return show(
        request,
        me,
        "access/me.html",
        status=200 if fault is None else 422,
        sessions=await sign_in.accounts.sessions(me.member.id),
        passkeys=await sign_in.factors.passkeys(me.member.id),
        browser=browser_of,
        codes_left=await sign_in.factors.codes_left(me.member.id),
        has_app=await sign_in.has_app(me.member),
        key=await ask_new_passkey(request, me.member),
        address=sign_in.site.origin,
        fault="refused" if isinstance(fault, SignInRefused) else fault,
        changed="changed" in flash(request, me),
        shortest=PASSWORD_LENGTH_MIN,
    )


@form()
async def change_mine(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Another name or password, or the end of one other session or of all others."""
    sign_in, which = request.app[ACCESS].sign_in, fields.get("session")
    if "name" in fields:
        name = spaced(fields["name"])
        if len(name) > NAME_LENGTH_MAX or not is_readable(name) or strange_sign(name):
            return await _mine(request, me, "name")
        await sign_in.accounts.set_name(me.member, name)
        return see_other(MY_PAGE)
    if which is None:
        fault = await sign_in.change_password(me.session, fields.get("current", ""), fields.get("new", ""))
        return see_once(request, me, MY_PAGE, changed="1") if fault is None else await _mine(request, me, fault)
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
    app.router.add_post(CODES, make_codes)
    app.router.add_post(f"{MY_PAGE}/passkeys/{{passkey}}", remove_passkey)
    app.router.add_get("/admin/sign-out", to_home)
    app.router.add_get(CODES, codes_page)
    # Where a form leads whose sender had to sign in again.
    app.router.add_get(f"{MY_PAGE}/passkeys/{{passkey}}", my_page)
