"""Pages for voters: a candidate with the form, an order under way, and the proof of a vote.

They work without script. With it, the price follows the number of votes and an order's page
follows the order.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import orjson
from aiohttp import hdrs, web

from channels.phrases import say
from channels.web.models import verified
from channels.web.wishes import (
    FIELD_OF,
    read_payer,
    read_vote_id,
    refusal_words,
    status_of,
    wish_of,
)
from gateway.domain.contest import Candidate, Contest
from gateway.domain.money import EXPONENTS, SHORT_UNITS
from gateway.domain.order import Channel, Refusal, Wish, check_quantity, check_window
from gateway.domain.payment import PublicStatus
from gateway.domain.receipt import read_receipt
from gateway.domain.wallet import PaymentMethod, methods_in
from gateway.http.app_keys import HOUSE, PUBLIC_URL
from gateway.http.endpoint import read_body
from gateway.http.logs import bind_vote
from gateway.http.pages import PAGES, Pages, render
from gateway.http.problems import Problem, problem
from gateway.http.rate_limits import RateLimits
from gateway.ports.payment_provider import PayerReason

FORM_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 20
FIRST_QUANTITY: Final = 5
NO_REFERRER: Final = "no-referrer"

_REASONS: Final = frozenset(reason.value for reason in PayerReason)
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_NONCE_BYTES: Final = 18
_QUANTITY_DIGITS_MAX: Final = 9
_METHODS: Final = {method.value: method for method in PaymentMethod}
_SPACES: Final = re.compile(r"\s")
_SAME_SITE: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Form:
    """The form as its reader left it. `nonce`: one form, one order, however often it is sent."""

    nonce: str
    quantity: str = str(FIRST_QUANTITY)
    phone: str = ""
    method: str = ""


def fresh_nonce() -> str:
    """A word that no other form has."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def read_form(body: bytes) -> Form:
    """The form as sent; of a field given twice, the last. ValueError for too many fields."""
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    nonce = fields.get("nonce", "")
    return Form(
        nonce=nonce if _NONCE.fullmatch(nonce) else fresh_nonce(),
        quantity=fields.get("quantity", "").strip()[:20],
        phone=fields.get("phone", "").strip()[:40],
        method=fields.get("method", ""),
    )


def read_quantity(typed: str, contest: Contest) -> int | Refusal:
    """The number of votes as typed, digits and spaces only."""
    digits = _SPACES.sub("", typed)
    if not (digits.isascii() and digits.isdigit()):
        return Refusal.BAD_QUANTITY
    if len(digits) > _QUANTITY_DIGITS_MAX:
        return Refusal.TOO_MANY
    return check_quantity(contest, int(digits)) or int(digits)


def read_method(word: str) -> PaymentMethod | Refusal | None:
    """The way to pay that was chosen; None to tell it by the number."""
    if not word:
        return None
    return _METHODS.get(word, Refusal.METHOD_UNAVAILABLE)


def read_wish(form: Form, contest: Contest, candidate: Candidate, language: str) -> Wish | Refusal:
    """What the form asks for, or the first thing in it that cannot be."""
    quantity = read_quantity(form.quantity, contest)
    if isinstance(quantity, Refusal):
        return quantity
    payer = read_payer(form.phone, contest)
    if isinstance(payer, Refusal):
        return payer
    method = read_method(form.method)
    if isinstance(method, Refusal):
        return method
    return wish_of(Channel.WEB, form.nonce, contest, candidate.code, quantity, method, payer, language)


def from_elsewhere(request: web.Request) -> bool:
    """Whether another site's page sent this form.

    A browser that tells neither Sec-Fetch-Site nor Origin is let in: one that can be used by
    another site tells at least Origin, and small phones' browsers tell neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _SAME_SITE
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return False
    ours = {request.host, urlsplit(request.app.get(PUBLIC_URL, "")).netloc}
    return urlsplit(origin).netloc not in ours - {""}


class VoterPages:
    """The handlers."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits

    async def candidate(self, request: web.Request) -> web.Response:
        """A candidate, and the form to vote. 404."""
        found = _find(request)
        if found is None:
            return _message(request, 404, "no_candidate")
        quantity = request.query.get("votes", "")
        form = Form(fresh_nonce())
        if quantity.isascii() and quantity.isdigit() and len(quantity) <= _QUANTITY_DIGITS_MAX:
            form = replace(form, quantity=quantity)
        return _show_candidate(request, *found, form)

    async def order(self, request: web.Request) -> web.Response:
        """Sell what the form asks for: 303 to the order, or the form again with what is wrong."""
        found = _find(request)
        if found is None:
            return _message(request, 404, "no_candidate")
        contest, candidate = found
        if from_elsewhere(request):
            return _message(request, 403, "elsewhere", contest)
        try:
            await self._limits.web_vote(request)
            form = read_form(await read_body(request, FORM_TYPE))
        except Problem as fault:
            about = "too_many" if fault.status == 429 else "unreadable"
            return _message(request, fault.status, about, contest, fault.headers)
        except ValueError:
            return _message(request, 400, "unreadable", contest)
        language = request.app[PAGES].language_of(request, contest.language)
        wish = read_wish(form, contest, candidate, language)
        placed = wish if isinstance(wish, Refusal) else await request.app[HOUSE].place_order(wish)
        if isinstance(placed, Refusal):
            return _show_candidate(request, contest, candidate, form, refusal=placed)
        bind_vote(placed.vote_id, placed.payment_reference)
        address = f"/votes/{placed.vote_id}"
        if placed.conflicting:
            again = replace(form, nonce=fresh_nonce())
            return _show_candidate(request, contest, candidate, again, earlier=address)
        raise web.HTTPSeeOther(address)

    async def state(self, request: web.Request) -> web.Response:
        """An order as it stands now. 404."""
        vote_id = read_vote_id(request.match_info["vote_id"])
        order = None if vote_id is None else await request.app[HOUSE].order(vote_id)
        if order is None:
            return _message(request, 404, "no_vote")
        bind_vote(order.vote_id)
        contest = request.app[HOUSE].contest(order.contest_slug)
        response = render(
            request,
            "order.html",
            default_language=_language_in(contest),
            order=order,
            contest=contest,
            pending=order.status is PublicStatus.PENDING,
            payment_url=_safe_link(order.payment_url),
            wallet=_wallet,
            reasons=_REASONS,
        )
        response.headers["Referrer-Policy"] = NO_REFERRER
        return response

    async def receipt(self, request: web.Request) -> web.Response:
        """The counted vote behind a receipt, as a page or as JSON. 404, 429."""
        as_json = _wants_json(request)
        try:
            await self._limits.receipt_check(request)
        except Problem as fault:
            if as_json:
                raise
            return _message(request, fault.status, "too_many", None, fault.headers)
        code = read_receipt(request.match_info["receipt"])
        if code is None:
            return _no_receipt(request, "malformed_receipt", as_json)
        found = await request.app[HOUSE].receipt(code)
        if found is None:
            return _no_receipt(request, "unknown_receipt", as_json)
        if as_json:
            body = orjson.dumps(verified(found).model_dump(by_alias=True, mode="json"))
            headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: hdrs.ACCEPT}
            return web.Response(body=body, content_type="application/json", headers=headers)
        response = render(
            request,
            "receipt.html",
            default_language=_language_in(request.app[HOUSE].contest(found.contest_slug)),
            proof=found,
        )
        response.headers["Referrer-Policy"] = NO_REFERRER
        return response


def _find(request: web.Request) -> tuple[Contest, Candidate] | None:
    contest = request.app[HOUSE].contest(request.match_info["slug"])
    candidate = None if contest is None else contest.candidate(request.match_info["code"])
    return None if contest is None or candidate is None else (contest, candidate)


def _language_in(contest: Contest | None) -> str:
    return "fr" if contest is None else contest.language


def _wallet(method: PaymentMethod, language: str) -> str:
    return say(language, f"wallet.{method.value}")


def _safe_link(url: str | None) -> str | None:
    """A link that an operator gave, when it is one to a web page."""
    return url if url is not None and url.startswith(("https://", "http://")) else None


def _wants_json(request: web.Request) -> bool:
    accepted = request.headers.get(hdrs.ACCEPT, "")
    return "application/json" in accepted and "text/html" not in accepted


def _show_candidate(
    request: web.Request,
    contest: Contest,
    candidate: Candidate,
    form: Form,
    *,
    refusal: Refusal | None = None,
    earlier: str | None = None,
) -> web.Response:
    """The candidate's page. `refusal`: what was wrong with the form; `earlier`: the address of the
    other order that this form has placed before."""
    house, language = request.app[HOUSE], request.app[PAGES].language_of(request, contest.language)
    place = next((e for e in house.standing(contest.slug).entries if e.code == candidate.code), None)
    window = check_window(contest, house.now())
    wrong = None if refusal is None else refusal_words(refusal, language, contest, candidate.code)
    return render(
        request,
        "candidate.html",
        status=409 if earlier else 200 if refusal is None else status_of(refusal),
        default_language=contest.language,
        contest=contest,
        candidate=candidate,
        place=place,
        closed=None if window is None else refusal_words(window, language, contest),
        form=form,
        total=_total(contest, form),
        exponent=EXPONENTS[contest.currency],
        unit=SHORT_UNITS.get(contest.currency, contest.currency),
        methods=[(method.value, _wallet(method, language)) for method in methods_in(contest.country)],
        wrong=wrong,
        wrong_field=None if refusal is None else FIELD_OF.get(refusal),
        earlier=earlier,
    )


def _total(contest: Contest, form: Form) -> object:
    quantity = read_quantity(form.quantity, contest)
    return None if isinstance(quantity, Refusal) else contest.price.times(quantity)


def _message(
    request: web.Request,
    status: int,
    about: str,
    contest: Contest | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A page with one clear sentence."""
    response = render(
        request,
        "voter_message.html",
        status=status,
        default_language=_language_in(contest),
        about=about,
        contest=contest,
    )
    response.headers.update(headers or {})
    return response


def _no_receipt(request: web.Request, kind: str, as_json: bool) -> web.Response:
    if not as_json:
        return _message(request, 404, kind)
    pages = request.app[PAGES]
    language = pages.language_of(request)
    title = pages.say("en", f"voter.{kind}_title")
    return problem(404, title, pages.say(language, f"voter.{kind}_text"), kind=f"/problems/{kind}")


def setup(app: web.Application, pages: Pages, limits: RateLimits) -> None:
    """Serve the voters' pages. The application needs HOUSE and mounted `pages`."""
    pages.add_phrases("channels.web.phrases")
    pages.add_static("channels.web")
    pages.add_templates("channels.web")
    handlers = VoterPages(limits)
    app.router.add_get("/c/{slug}/{code:[0-9]{2,6}}", handlers.candidate)
    app.router.add_post("/c/{slug}/{code:[0-9]{2,6}}", handlers.order)
    app.router.add_get("/votes/{vote_id}", handlers.state)
    app.router.add_get("/verify/{receipt}", handlers.receipt)
