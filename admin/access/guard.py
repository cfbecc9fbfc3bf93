"""Who asks, and whether they may: in front of every page and address of the back office.

The rights are read with the session at each request. A page whose access token is over sends the
browser through `/api/auth/continue`, which knows the refresh token, and back, with whatever it posted.
"""

import asyncio
import functools
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4, uuid5

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from markupsafe import Markup

from admin.access.moment import chosen_moment, contests_of, keep_moment, zone_of
from admin.access.passkeys import creation, question
from admin.access.rules import Member
from admin.access.sent_forms import SentForms
from admin.access.sign_in import Factor, SignIn
from admin.access.store import Client, LiveSession
from admin.access.tokens import Tokens
from admin.access.words import Reasons, operator_of, word_of
from gateway.contests.quotas import QuotaReached
from gateway.http.callers import comes_from_us, storable
from gateway.http.endpoint import DECLARED
from gateway.http.forms import plain, read_files, read_form, read_upload
from gateway.http.pages import PAGES, render
from gateway.http.problems import Problem
from gateway.storage.engine import ReadOnly
from gateway.values.money import Money
from gateway.values.network import subject_of
from gateway.values.organiser import Deed, allows
from gateway.values.time_zones import FALLBACK, local, offset
from payments.ledger.book import MoneyRefused
from payments.requests import ActRefused, Right, Scope, Why

CONTINUE: Final = "/api/auth/continue"
HOME: Final = "/admin"
SIGN_IN: Final = "/admin/sign-in"
FACTOR: Final = "/admin/factor"
FORM_FIELD: Final = "form"
PROOF_FIELD: Final = "proof"
PASSKEY_FIELD: Final = "passkey"
ASKED_FIELD: Final = "asked"
ONCE_FIELD: Final = "once"
# Whoever looks at the past changes nothing meanwhile.
READING: Final = frozenset({Right.READ_CONTESTS, Right.READ_ORDERS, Right.READ_MONEY, Right.READ_BOOK})
_OF_PROOF: Final = (PROOF_FIELD, PASSKEY_FIELD, ASKED_FIELD, FORM_FIELD)
_READING: Final = (hdrs.METH_GET, hdrs.METH_HEAD)
_BEARER: Final = "Bearer "
# How long a form that was sent again waits for the one that was sent first.
_LOOKS: Final = 30
_LOOK_SECONDS: Final = 0.1
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", ""})

MENU: Final[Mapping[str, tuple[tuple[str, str, Right], ...]]] = {
    "contests": (
        (HOME, "home", Right.READ_ORDERS),
        ("/admin/contests", "contests", Right.READ_CONTESTS),
        ("/admin/brand", "brand", Right.EDIT_CONTEST),
        ("/admin/alerts", "alerts", Right.READ_CONTESTS),
    ),
    "orders": (
        ("/admin/search", "search", Right.READ_ORDERS),
        ("/admin/requests", "requests", Right.READ_ORDERS),
        ("/admin/refunds", "refunds", Right.READ_ORDERS),
        ("/admin/held", "held", Right.READ_ORDERS),
        ("/admin/tickets", "tickets", Right.READ_ORDERS),
        ("/admin/void", "void", Right.VOID_WINDOW),
    ),
    "money": (
        ("/admin/book", "book", Right.READ_BOOK),
        ("/admin/reconciliation", "reconciliation", Right.READ_BOOK),
        ("/admin/payouts", "payouts", Right.READ_MONEY),
        ("/admin/ledger", "ledger", Right.READ_MONEY),
    ),
    "people": (
        ("/admin/people", "people", Right.MANAGE_STAFF),
        ("/admin/organisers", "organisers", Right.READ_ORDERS),
    ),
}
"""The menu by group: address, phrase and the right that each page needs."""


@dataclass(frozen=True, slots=True)
class Access:
    """What signing in works with. `loopback_counts`: failed sign-ins from this very machine make it wait too; not in
    the demo, where all of them come from there."""

    sign_in: SignIn
    tokens: Tokens
    forms: SentForms
    loopback_counts: bool = True


ACCESS: web.AppKey[Access] = web.AppKey("access", Access)


@dataclass(frozen=True, slots=True)
class Me:
    """Who is signed in. `bearer`: a program that brought its token itself; `zone`: whose clocks their pages show;
    `as_of`: the moment of the past that their pages show, None: now."""

    session: LiveSession
    rights: frozenset[Right]
    proven: bool
    bearer: bool = False
    zone: str = FALLBACK
    as_of: datetime | None = None

    @property
    def member(self) -> Member:
        """The account."""
        return self.session.member

    @property
    def stopped(self) -> bool:
        """Whether they may read and change nothing: their organiser is frozen. Their own account stays theirs."""
        return not allows(self.member.organiser_state, Deed.CHANGE)

    @property
    def email(self) -> str:
        """How acts are recorded."""
        return self.session.member.email

    @property
    def scope(self) -> Scope:
        """Whose contests they see."""
        return self.session.member.scope

    def may(self, right: str) -> bool:
        """Whether they may use a right now, by its name: for templates."""
        return self.opens(right) and not (self.stopped and Right(right) not in READING)

    def opens(self, right: str) -> bool:
        """Whether pages that need a right are shown to them, if only to read."""
        return Right(right) in self.rights


# Who asks, looked up once for a request.
_KNOWN: web.RequestKey[Me | None] = web.RequestKey("known", Me)
Form = Mapping[str, str]
ServePage = Callable[..., Awaitable[web.StreamResponse]]
"""Takes the request, who asks, and what a form sent."""
_STATUS_OF: Final[Mapping[Why, int]] = {
    Why.UNKNOWN: 404,
    Why.NO_REASON: 422,
    Why.NO_PERSON: 403,
    Why.NOT_ALLOWED: 403,
    Why.FROZEN: 403,
    Why.LIMITED: 403,
    Why.OWN_REQUEST: 403,
}


def client_of(request: web.Request) -> Client:
    """Where a request comes from."""
    pages = request.config_dict[PAGES]
    reads = not request.path.startswith("/api/")
    language = pages.language_of(request) if reads else None
    return Client(request.remote or "", storable(request.headers.get(hdrs.USER_AGENT, "")), language)


def counted_address(request: web.Request, access: Access) -> str | None:
    """Whom the address of a sign-in counts for; None where it does not count."""
    remote = request.remote or ""
    return None if remote in _LOOPBACK and not access.loopback_counts else subject_of(remote)


def safe_next(address: str | None) -> str:
    """Where to go after signing in: an address of the back office, whatever was asked for."""
    if not address or not address.isascii() or not address.isprintable() or "\\" in address:
        return HOME
    try:
        parts = urlsplit(address)
    except ValueError:
        return HOME
    ours = parts.path == HOME or parts.path.startswith(HOME + "/")
    return address if ours and not parts.scheme and not parts.netloc else HOME


def from_elsewhere(request: web.Request) -> bool:
    """Whether anything but a page of ours sent this. Every browser that staff may use sends one of both headers."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site != "same-origin"
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is None or not comes_from_us(request, origin)


async def who(request: web.Request) -> Me | None:
    """Who asks, by `Authorization: Bearer` or by cookie; None without a session."""
    if _KNOWN in request:
        return request[_KNOWN]
    access, header = request.app[ACCESS], request.headers.get(hdrs.AUTHORIZATION, "")
    bearer = header.startswith(_BEARER)
    token = header.removeprefix(_BEARER) if bearer else access.tokens.access_of(request)
    family = access.tokens.read_access(token) if token else None
    session = None if family is None else await access.sign_in.accounts.live_session(family)
    me = None
    if session is not None:
        me = Me(session, access.sign_in.rights(session.member), access.sign_in.proven(session), bearer)
    request[_KNOWN] = me
    return me


def declares(right: Right | None) -> Callable[[Handler], Handler]:
    """Write on a handler what its address needs, where a test of all addresses finds it; None: being signed in."""

    def wrap(handler: Handler) -> Handler:
        setattr(handler, DECLARED, right)
        return handler

    return wrap


def api_call(right: Right | None) -> Callable[[ServePage], Handler]:
    """A handler of the API that reads and answers by itself, for those who have a right; it takes who asks besides.
    Problem 401, 403."""

    def wrap(serve: ServePage) -> Handler:
        @functools.wraps(serve)
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                return await serve(request, await api_me(request, right))
            except ReadOnly:
                raise problem_of_frozen() from None
            except QuotaReached as error:
                raise problem_of_quota(error) from None

        return declares(right)(handler)

    return wrap


def page(right: Right | None = None, *, unfinished: bool = False) -> Callable[[ServePage], Handler]:
    """A page for those who have a right; None: for everybody who is signed in. `unfinished`: also for those
    who have to set up their second factor first. A refusal that it raises is a page that says why."""

    def wrap(serve: ServePage) -> Handler:
        @functools.wraps(serve)
        async def handler(request: web.Request) -> web.StreamResponse:
            me = await _let_in(request, right, unfinished)
            return await _served(serve, request, me) if isinstance(me, Me) else me

        return declares(right)(handler)

    return wrap


def form(
    right: Right | None = None,
    *,
    unfinished: bool = False,
    proof: bool = False,
    file: bool = False,
    files: int = 0,
    lines: bool = False,
    document: int = 0,
) -> Callable[[ServePage], Handler]:
    """What takes the fields of a form that one of our pages sent, for those who have a right. `proof`: from those
    who proved lately who they are; others are asked, and what they sent goes on. `file`: takes the name and the
    content of one file besides; `files`: takes an iterator of files of at most so
    many bytes, see `read_files`; `lines`, `document`: fields may have several lines, one may be long, see `read_form`.
    Refusals as `page` has them."""

    def wrap(serve: ServePage) -> Handler:
        @functools.wraps(serve)
        async def handler(request: web.Request) -> web.StreamResponse:
            if from_elsewhere(request):
                return say(request, 403, "elsewhere")
            me = await _let_in(request, right, unfinished)
            if not isinstance(me, Me):
                return me
            fields: Form
            sent: Sequence[object]
            if files:
                fields, *sent = await read_files(request, files)
            else:
                fields, *sent = (
                    await read_upload(request) if file else (await read_form(request, lines=lines, document=document),)
                )
            if not request.app[ACCESS].tokens.is_form(me.session, fields.get(FORM_FIELD, "")):
                return say(request, 403, "old_form", me)

            async def act() -> web.StreamResponse:
                asked = await ask_for_proof(request, me, fields) if proof else None
                return asked or await _served(serve, request, me, fields, *sent)

            return await _once(request, _sent_form(request, me, fields, sent), me, act)

        return declares(right)(handler)

    return wrap


async def _let_in(request: web.Request, right: Right | None, unfinished: bool) -> Me | web.Response:
    """Who asks by a browser, or the page that stops them."""
    me = await who(request)
    if me is None or me.bearer:
        return _renew(request)
    if not unfinished and request.app[ACCESS].sign_in.wants_factor(me.member):
        return see_other(FACTOR)
    zone = zone_of(request, me.scope)
    try:
        as_of = chosen_moment(request, zone)
    except (ValueError, OverflowError):
        return say(request, 400, "bad_instant", me)
    rights = me.rights
    me = replace(me, zone=zone, as_of=as_of, rights=rights & READING if as_of else rights)
    if right is not None and right not in me.rights:
        return say(request, 403, "not_then" if right in rights else "not_allowed", me)
    if _is_stopped(request, right, me):
        return say(request, 403, "refused_frozen", me)
    return me


def _is_stopped(request: web.Request, right: Right | None, me: Me) -> bool:
    """Whether this would change something of a frozen organiser."""
    return _is_closed(right, me) and request.method not in _READING


def _is_closed(right: Right | None, me: Me) -> bool:
    """Whether the forms of a page do nothing for them: their organiser is frozen. Asking for an act needs a right to
    read alone, and is refused by the act's own."""
    return me.stopped and right is not None and right not in READING


def _sent_form(request: web.Request, me: Me, fields: Form, sent: Sequence[object]) -> UUID | None:
    """What makes a form that is sent again the same: its page, its sender and all that it says. None for one that may
    be sent as often as one likes, or whose files are read as they arrive."""
    if not fields.get(ONCE_FIELD) or not all(isinstance(one, str | bytes) for one in sent):
        return None
    sent_form = repr((request.path, sorted(fields.items()), sent))
    return uuid5(me.session.family, sent_form)


async def _once(
    request: web.Request, sent_form: UUID | None, me: Me, act: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Do what a form asks for, or go where it led when it was sent before. Only what leads elsewhere was done."""
    if sent_form is None:
        return await act()
    forms = request.app[ACCESS].forms
    for _ in range(_LOOKS):
        sent = await forms.begin(sent_form)
        if sent.first:
            break
        if sent.led_to is not None:
            return see_other(sent.led_to)
        await asyncio.sleep(_LOOK_SECONDS)
    else:
        return say(request, 409, "sent_before", me)
    led_to = None
    try:
        response = await act()
        led_to = response.headers.get(hdrs.LOCATION) if response.status == HTTPStatus.SEE_OTHER else None
    finally:
        await forms.end(sent_form, led_to)
    return response


async def _served(serve: ServePage, request: web.Request, me: Me, *sent: object) -> web.StreamResponse:
    try:
        return await serve(request, me, *sent)
    except ActRefused as error:
        return say(request, status_of(error), f"refused_{error.why.value}", me, str(error))
    except ReadOnly:
        return say(request, 403, "refused_frozen", me)
    except QuotaReached as error:
        return say_quota(request, me, error)
    except MoneyRefused as error:
        return say(request, 404, "money_refused", me, str(error))


def status_of(error: ActRefused) -> int:
    """How an act that was refused is answered: nothing was changed."""
    return _STATUS_OF.get(error.why, 409)


async def ask_for_proof(request: web.Request, me: Me, fields: Form) -> web.Response | None:
    """The page that asks for a code, with what was sent; None when it was proven."""
    if me.proven:
        return None
    typed, refused = fields.get(PROOF_FIELD, ""), None
    factor = factor_of(request, fields, typed)
    if factor and PROOF_FIELD in fields:
        refused = await request.app[ACCESS].sign_in.prove(me.session, typed, factor)
        if refused is None:
            return None
    sent = {name: value for name, value in fields.items() if name not in _OF_PROOF}
    status = 200 if refused is None else 429 if refused.wait_seconds else 401
    key = await ask_passkey(request, me.member)
    return show(request, me, "access/proof.html", status=status, sent=sent, refused=refused, key=key)


def factor_of(request: web.Request, fields: Form, code: str) -> Factor:
    """What a form shows as a second factor."""
    asked = request.app[ACCESS].tokens.asked(fields.get(ASKED_FIELD, ""))
    return Factor(code, fields.get(PASSKEY_FIELD, ""), asked)


@dataclass(frozen=True, slots=True)
class KeyForm:
    """What a form needs that passkeys may answer. `token`: comes back with the answer; `options`: for the browser,
    empty where no key can answer."""

    token: str
    options: str


async def ask_passkey(request: web.Request, member: Member, password: str = "") -> KeyForm:
    """Put a question that the keys of a person may answer. `password`: as `Tokens.ask` has it."""
    access = request.app[ACCESS]
    token, challenge = access.tokens.ask(member.email, password)
    site = access.sign_in.site
    held = await access.sign_in.factors.passkeys(member.id) if request.url.host == site.host else ()
    return KeyForm(token, question(site, challenge, held) if held else "")


async def ask_new_passkey(request: web.Request, member: Member) -> KeyForm:
    """Put the question that makes a key."""
    access = request.app[ACCESS]
    token, challenge = access.tokens.ask(member.email)
    site = access.sign_in.site
    if request.url.host != site.host:
        return KeyForm(token, "")
    held = await access.sign_in.factors.passkeys(member.id)
    return KeyForm(token, creation(site, member.id, member.email, challenge, held))


def query_of(request: web.Request) -> dict[str, str]:
    """What stands behind the address, as `read_form` has it."""
    return {name: plain(value) for name, value in request.query.items()}


async def api_me(request: web.Request, right: Right | None = None) -> Me:
    """Who asks by the API. Problem 401, 403."""
    me = await who(request)
    if me is None:
        raise Problem(401, "Not signed in", kind="/problems/not_signed_in", headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
    if request.method not in _READING and not me.bearer and from_elsewhere(request):
        raise Problem(403, "Sent from elsewhere", kind="/problems/sent_from_elsewhere")
    if request.app[ACCESS].sign_in.wants_factor(me.member):
        raise Problem(403, "Second factor wanted", "Set it up at /admin/factor.", kind="/problems/factor_wanted")
    if right is not None and right not in me.rights:
        raise Problem(403, "Not allowed", f"Your role lacks the right {right.value}.", kind="/problems/not_allowed")
    if _is_stopped(request, right, me):
        raise problem_of_frozen()
    return me


def problem_of_quota(error: QuotaReached) -> Problem:
    """The API's answer to what the organiser has no room for."""
    return Problem(409, "Quota reached", f"There may be {error}. Nothing was changed.", kind="/problems/quota_reached")


def problem_of_frozen() -> Problem:
    """The API's answer to what would change something of a frozen organiser."""
    return Problem(403, "Organiser frozen", "You may read. Nothing was changed.", kind="/problems/frozen")


def see_other(address: str) -> web.Response:
    """Go there with a GET."""
    return web.Response(status=303, headers={hdrs.LOCATION: address, hdrs.CACHE_CONTROL: "no-store"})


def see_once(request: web.Request, me: Me | None, address: str, **facts: str) -> web.Response:
    """Go there with a GET, to a page that shows these facts once."""
    response = see_other(address)
    request.app[ACCESS].tokens.keep_flash(response, address, _session_of(me), facts)
    return response


def see_done(request: web.Request, me: Me, address: str, done: str, **facts: str) -> web.Response:
    """Go there with a GET, to a page that says once what was done. `done`: its phrase, `admin_done.<done>`."""
    return see_once(request, me, address, done=done, **facts)


def flash(request: web.Request, me: Me | None) -> Mapping[str, str]:
    """The facts that this page shows once; empty where there are none."""
    return request.app[ACCESS].tokens.flash(request, _session_of(me))


def _session_of(me: Me | None) -> str:
    return "" if me is None else str(me.session.family)


def without_referrer(response: web.Response) -> web.Response:
    """A page whose address opens something: no page that is reached from it learns the address."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def show(request: web.Request, me: Me | None, template: str, *, status: int = 200, **values: object) -> web.Response:
    """A page of the back office. Raises what `render` raises."""
    response = render(request, template, status=status, **_given(request, me, values))
    if me is not None:
        keep_moment(request, response, me.as_of)
    # What a script fetched, nobody has seen yet.
    if request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate":
        request.app[ACCESS].tokens.forget_flash(request, response)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def part_of_page(request: web.Request, me: Me, template: str, **values: object) -> Markup:
    """A part of a page of the back office by itself. Raises what `render` raises."""
    pages = request.config_dict[PAGES]
    return pages.fragment(template, pages.language_of(request), _given(request, me, values))


def _given(request: web.Request, me: Me | None, values: Mapping[str, object]) -> dict[str, Any]:
    """What every template of ours is filled with."""
    pages = request.config_dict[PAGES]
    language, zone = pages.language_of(request), FALLBACK if me is None else me.zone
    return {
        "money_of": Money,
        **values,
        "me": me,
        "new_key": new_key,
        "form_token": "" if me is None else request.app[ACCESS].tokens.form(me.session),
        "closed": me is not None and _is_closed(getattr(request.match_info.handler, DECLARED, None), me),
        "here": request.path,
        "did": flash(request, me),
        "new_mark": uuid4,
        "menu": {} if me is None else menu_of(me.rights),
        "word": partial(word_of, pages, language),
        "menu_place": place_in_menu(request.path),
        "contest_name": partial(_contest_name, request),
        "operator": partial(operator_of, pages, language),
        "in_words": Reasons(pages, language, zone).words,
        **_clocks(zone),
    }


def _clocks(zone: str) -> dict[str, Any]:
    """What templates write times with. `clock`: how far the clocks are from Greenwich."""
    return {"zone": zone, "local": partial(local, zone=zone), "clock": offset(datetime.now(UTC), zone)}


def place_in_menu(path: str) -> str:
    """The address of the menu to which a page belongs; empty for none."""
    path = path.replace("/admin/orders/", "/admin/search/")
    known = (address for pages in MENU.values() for address, _, _ in pages if address != HOME)
    under = (address for address in known if path == address or path.startswith(f"{address}/"))
    return next(under, HOME if path == HOME else "")


def new_key() -> str:
    """For a form that, sent twice, asks once."""
    return secrets.token_urlsafe(12)


def menu_of(rights: frozenset[Right]) -> dict[str, list[tuple[str, str]]]:
    """Address and phrase of the pages that these rights open, by group."""
    shown = {
        group: [(address, name) for address, name, right in pages if right in rights] for group, pages in MENU.items()
    }
    return {group: pages for group, pages in shown.items() if pages}


def _contest_name(request: web.Request, slug: str) -> str:
    """The name of a contest that is sold; what names no such contest stays as it is."""
    return next((one.name for one in contests_of(request, None) if one.slug == slug), slug)


def say(request: web.Request, status: int, about: str, me: Me | None = None, written: str = "") -> web.Response:
    """A page with one clear sentence. `about`: its phrases, `admin_say.<about>_title` and `_text`; `written`: why, as
    a service wrote it, which is read instead of the text."""
    return show(request, me, "admin_message.html", status=status, about=about, written=written)


def say_quota(request: web.Request, me: Me, error: QuotaReached) -> web.Response:
    """A page that says how much there may be of what is full."""
    pages = request.config_dict[PAGES]
    words = pages.say(pages.language_of(request), f"admin_quota_reached.{error.quota.value}", most=error.most)
    return show(request, me, "admin_message.html", status=409, about="quota_reached", words=words)


def _renew(request: web.Request) -> web.Response:
    """Through the refresh token and back. 307 keeps the method and what was posted.

    A link on another site brings no SameSite=Strict cookie: the page that is shown first comes again by
    itself, then as a page of ours."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return say(request, 200, "one_moment")
    back = safe_next(request.path_qs)
    headers = {hdrs.LOCATION: f"{CONTINUE}?next={quote(back, safe='/')}", hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=307, headers=headers)
