"""`/api/auth/…`: sign in, stay signed in, sign out. Tokens travel in the body for programs, and in
cookies that no script can read for browsers."""

import asyncio
import functools
from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import Field, ValidationError

from admin.access.guard import (
    ACCESS,
    CONTINUE,
    SIGN_IN,
    Me,
    api_me,
    client_of,
    counted_address,
    declares,
    from_elsewhere,
    safe_next,
    see_other,
    who,
)
from admin.access.rules import ACCESS_LIFE, Member, Reuse
from admin.access.sign_in import Attempt, Factor, Opened, Refusal, SignInRefused
from admin.access.tokens import AUTH_PATH
from gateway.http.endpoint import JSON_TYPE, ApiModel, InputModel, Line, Reply, endpoint, invalid, read_body
from gateway.http.problems import Problem
from payments.requests import Right

TAG: Final = "back office: sign-in"
_TRY_AGAIN_SECONDS: Final = "1"
OTHER_TAB_SECONDS: Final = 1.5
# What a handler opened; or that it ended a session.
_OPENED: web.RequestKey[Opened] = web.RequestKey("opened", Opened)
_ENDED: web.RequestKey[bool] = web.RequestKey("ended", bool)


class Login(InputModel):
    """Who signs in."""

    email: Line = Field(max_length=254)
    password: str = Field(max_length=1_000)
    code: str = Field("", max_length=60, description="Of the second factor, where one is set up; or a recovery code.")


class Renewal(InputModel):
    """What a program shows to stay signed in; a browser shows its cookie."""

    refresh_token: str | None = Field(None, max_length=200)


_RENEWAL: Final = {JSON_TYPE: Renewal.model_json_schema()}


class Person(ApiModel):
    """Who is signed in."""

    email: str
    name: str
    role: str
    rights: list[str] = Field(description="Empty until a second factor is set up, where one is wanted.")
    has_factor: bool = Field(description="Whether a second factor is set up.")


class SignedIn(ApiModel):
    """Signed in."""

    access_token: str = Field(description="For `Authorization: Bearer`.")
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Seconds that the access token lasts.")
    refresh_token: str = Field(description="Good once, for seven days: `POST /api/auth/refresh`.")
    person: Person


class SignedOut(ApiModel):
    """Signed out."""

    signed_out: bool = Field(description="False when there was no session.")


class Proof(InputModel):
    """What proves again who it is."""

    code: str = Field(max_length=1_000, description="Of the second factor; the password where none is set up.")


class Proven(ApiModel):
    """Proven: acts about money are open for five minutes."""

    proven: bool = True


_REFUSALS: Final = {
    Refusal.CREDENTIALS: (
        "Sign-in refused",
        "The e-mail address or the password is wrong.",
        "sign_in_refused",
    ),
    Refusal.FACTOR_MISSING: (
        "Second factor missing",
        "The password is right. Send it again with the code of your second factor, or a recovery code.",
        "second_factor_missing",
    ),
    Refusal.FACTOR_WRONG: (
        "Second factor refused",
        "This code is wrong, or was used before. A code works once: wait for the next one.",
        "second_factor_refused",
    ),
}


def refused(refusal: SignInRefused) -> Problem:
    """What was wrong, as far as who asks may know; 429 when it was not even looked at."""
    if refusal.wait_seconds:
        return Problem(
            429,
            "Too many requests",
            "Too many failed sign-ins. Come back later.",
            kind="/problems/too_many_requests",
            headers={hdrs.RETRY_AFTER: str(refusal.wait_seconds)},
        )
    title, detail, kind = _REFUSALS[refusal.why]
    return Problem(401, title, detail, kind=f"/problems/{kind}")


def person_of(member: Member, rights: frozenset[Right]) -> Person:
    """A member as the API shows them."""
    return Person(
        email=member.email,
        name=member.name,
        role=member.role.value,
        rights=sorted(right.value for right in rights),
        has_factor=member.has_factor,
    )


def attempt_of(
    request: web.Request, email: str, password: str, factor: Factor, *, second_step: bool = False
) -> Attempt:
    """A sign-in with where it comes from. `second_step`: the question that `factor` answers stands for the password."""
    access = request.app[ACCESS]
    device, address = access.tokens.device_of(request, email), counted_address(request, access)
    asked = factor.asked if second_step else None
    return Attempt(email, password, factor, client_of(request), address, device, asked)


async def from_ours(request: web.Request) -> None:
    """A page of another site must not sign its reader in to another account. Programs send neither header."""
    browser = "Sec-Fetch-Site" in request.headers or hdrs.ORIGIN in request.headers
    if browser and from_elsewhere(request):
        raise Problem(403, "Sent from elsewhere", kind="/problems/sent_from_elsewhere")


def with_cookies(handler: Handler) -> Handler:
    """The same endpoint, whose answer brings the cookies of what it opened or ended."""

    @functools.wraps(handler)
    async def serve(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        if _OPENED in request:
            keep(request, response, request[_OPENED])
        elif _ENDED in request:
            request.app[ACCESS].tokens.clear(response)
        return response

    return serve


def keep(request: web.Request, response: web.StreamResponse, opened: Opened) -> None:
    """Keep a session in the browser, which is known again for its account."""
    tokens = request.app[ACCESS].tokens
    tokens.keep(response, opened.session, opened.refresh_token)
    tokens.know_device(request, response, opened.session.member.email)


def opened_reply(request: web.Request, opened: Opened, status: int = 200) -> Reply:
    """The answer that opens a session, under `with_cookies`."""
    access, member = request.app[ACCESS], opened.session.member
    request[_OPENED] = opened
    signed_in = SignedIn(
        access_token=access.tokens.access(opened.session),
        expires_in=int(ACCESS_LIFE.total_seconds()),
        refresh_token=opened.refresh_token,
        person=person_of(member, access.sign_in.rights(member)),
    )
    return Reply(status, signed_in)


@with_cookies
@endpoint(body=Login, returns={200: SignedIn}, problems=(401, 403, 429, 503), tag=TAG, guard=from_ours)
async def login(request: web.Request, *, body: Login) -> Reply:
    """Sign in.

    The same 401 (`/problems/sign_in_refused`) whether the address or the password is wrong. Where the password is right
    and the second factor is missing or wrong: 401 with `/problems/second_factor_missing` or
    `/problems/second_factor_refused`. After five failures in a row account and address wait: 429 with Retry-After.
    """
    opened = await request.app[ACCESS].sign_in.sign_in(
        attempt_of(request, body.email, body.password, Factor(body.code))
    )
    if isinstance(opened, SignInRefused):
        raise refused(opened)
    return opened_reply(request, opened)


@with_cookies
@endpoint(
    returns={200: SignedIn},
    problems=(401, 403, 409, 503),
    tag=TAG,
    sends=_RENEWAL,
    optional=True,
    guard=from_ours,
)
async def refresh(request: web.Request) -> Reply:
    """Stay signed in.

    A program sends `{"refreshToken": "…"}`, a browser its cookie and no body. The token is used up: the
    next one is in the answer. One that was used before ends the whole session, unless the same client
    brings it twice within seconds: 409, use the answer that came first.
    """
    renewed = await _renewed(request, await _shown_token(request))
    if renewed is Reuse.TWO_TABS:
        raise Problem(
            409,
            "Renewed at this moment",
            "Another request was faster; use its answer.",
            kind="/problems/renewed_at_this_moment",
            headers={hdrs.RETRY_AFTER: _TRY_AGAIN_SECONDS},
        )
    if not isinstance(renewed, Opened):
        raise Problem(401, "Not signed in", kind="/problems/not_signed_in")
    return opened_reply(request, renewed)


@with_cookies
@endpoint(returns={200: SignedOut}, problems=(403, 503), tag=TAG, sends=_RENEWAL, optional=True, guard=from_ours)
async def logout(request: web.Request) -> Reply:
    """Sign out.

    Ends the session of the access token, or of the refresh token in the body or the cookie. A missing
    session is no error.
    """
    known = await who(request)
    request[_ENDED] = True
    shown = known or await _renewed(request, await _shown_token(request))
    if not isinstance(shown, Me | Opened):
        return Reply(200, SignedOut(signed_out=False))
    await request.app[ACCESS].sign_in.end(shown.session)
    return Reply(200, SignedOut(signed_out=True))


@declares(None)
@endpoint(body=Proof, returns={200: Proven}, problems=(401, 403, 429, 503), tag=TAG)
async def confirm(request: web.Request, *, body: Proof) -> Reply:
    """Prove again who it is.

    Acts about money are refused (403, `/problems/proof_wanted`) when this is more than five minutes ago.
    """
    known = await api_me(request)
    refusal = await request.app[ACCESS].sign_in.prove(known.session, body.code)
    if refusal is not None:
        raise refused(refusal)
    return Reply(200, Proven())


async def go_on(request: web.Request) -> web.StreamResponse:
    """Renew a browser's session and send it back to where it was, with what it posted."""
    tokens, back = request.app[ACCESS].tokens, safe_next(request.query.get("next"))
    token = tokens.refresh_of(request)
    renewed = await _renewed(request, token)
    if isinstance(renewed, Opened) or renewed is Reuse.TWO_TABS:
        if renewed is Reuse.TWO_TABS:
            # The other tab's cookies are on their way. If they were lost, this comes again until the token counts as
            # stolen, and a browser follows twenty redirections at most.
            await asyncio.sleep(OTHER_TAB_SECONDS)
        response = web.Response(status=307, headers={hdrs.LOCATION: back, hdrs.CACHE_CONTROL: "no-store"})
        if isinstance(renewed, Opened):
            tokens.keep(response, renewed.session, renewed.refresh_token)
        return response
    response = see_other(f"{SIGN_IN}?next={quote(back, safe='/')}")
    if token:
        tokens.clear(response)
    return response


async def _renewed(request: web.Request, token: str) -> Opened | Reuse | None:
    return await request.app[ACCESS].sign_in.refresh(token, client_of(request)) if token else None


async def _shown_token(request: web.Request) -> str:
    """The refresh token in the body, or in the cookie where there is no body. Problem 400, 413, 415, 422."""
    if request.body_exists:
        body = await read_body(request)
        try:
            given = Renewal.model_validate_json(body or b"{}").refresh_token
        except ValidationError:
            raise invalid([{"loc": ["body", "refreshToken"], "msg": "a text is wanted"}]) from None
        if given is not None:
            return given
    return request.app[ACCESS].tokens.refresh_of(request)


@declares(None)
@endpoint(returns={200: Person}, problems=(401, 403, 503), tag=TAG)
async def me(request: web.Request) -> Reply:
    """Show who is signed in."""
    known = await api_me(request)
    return Reply(200, person_of(known.member, known.rights))


def setup(app: web.Application) -> None:
    """Serve `/api/auth/…`. The application needs ACCESS."""
    app.router.add_post(f"{AUTH_PATH}/login", login)
    app.router.add_post(f"{AUTH_PATH}/refresh", refresh)
    app.router.add_post(f"{AUTH_PATH}/logout", logout)
    app.router.add_post(f"{AUTH_PATH}/confirm", confirm)
    app.router.add_get("/api/admin/me", me)
    app.router.add_get(CONTINUE, go_on, allow_head=False)
    app.router.add_post(CONTINUE, go_on)
