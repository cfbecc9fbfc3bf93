"""What the voters' pages show: plain values for the templates, the page of an order, and one clear sentence."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from aiohttp import web

from channels.buying import is_mistyped, read_count, read_payer, refusal_words, wallet_name
from channels.voting_service import VOTING_SERVICE
from channels.web.vote_requests import FIELD_OF, Form
from gateway.contests.contest import Candidate, Contest
from gateway.contests.sharing import Share, share_of
from gateway.http.callers import PUBLIC_URL
from gateway.http.logs import bind_vote
from gateway.http.pages import PAGES, render
from gateway.orders.routing import Rails
from gateway.orders.rules import Refusal
from gateway.orders.wallet import (
    APPROVAL_CODES,
    PAYMENT_CODES,
    PaymentMethod,
    example_number,
    may_have,
    prefix_decides,
    prefixes_in,
)
from gateway.values.money import EXPONENTS, SHORT_UNITS
from gateway.values.msisdn import Msisdn
from payments.collection.order_views import OrderView
from payments.lifecycle import REASONS, PublicStatus

# More candidates than one can choose from in a list.
LISTED_MAX: Final = 100
NO_REFERRER: Final = "no-referrer"


def form_values(
    contest: Contest,
    candidate: Candidate | None,
    form: Form,
    methods: tuple[PaymentMethod, ...],
    language: str,
    refusal: Refusal | None = None,
    least: int | None = None,
) -> dict[str, Any]:
    """The form. `candidate`: None where it is to be chosen in the form; `methods`: ways to pay that
    are offered, of which only those are shown that a typed number may have; `refusal`: what was wrong when it was
    sent; `least`: see `refusal_words`."""
    calling_code, prefixes = prefixes_in(contest.country)
    quantity = read_count(form.votes, contest)
    typed = read_payer(form.phone, contest) if form.phone else None
    payer = typed if isinstance(typed, Msisdn) else None
    its = methods if payer is None else tuple(method for method in methods if may_have(payer, method))
    own = " ".join(f"{prefix}={method.value if method in methods else ''}" for prefix, method in prefixes.items())
    return {
        "contest": contest,
        "candidate": candidate,
        "form": form,
        "packs": [(str(pack), pack, contest.price.times(pack)) for pack in contest.packs],
        "total": None if isinstance(quantity, Refusal) else contest.price.times(quantity),
        # A list of so many is no choice: the code is typed, and found by the page's search.
        "many": len(contest.eligible) > LISTED_MAX,
        "exponent": EXPONENTS[contest.currency],
        "number_example": example_number(contest.country),
        "unit": SHORT_UNITS.get(contest.currency, contest.currency),
        "methods": [(method.value, wallet_name(language, method), method in its) for method in methods],
        "chosen": form.method if form.method in [method.value for method in its] else "",
        # A card needs no number; without script, what is missing is shown when the form was sent.
        "by_card": PaymentMethod.CARD in methods,
        "wallets": own,
        "prefix_decides": prefix_decides(contest.country),
        "calling_code": calling_code,
        "wrong": None
        if refusal is None
        else refusal_words(
            language, refusal, contest, candidate.code if candidate else "", least=least, payer=payer, methods=its
        ),
        "wrong_field": None if refusal is None else FIELD_OF.get(refusal),
    }


def order_values(order: OrderView, contest: Contest | None, now: datetime, rails: Rails) -> dict[str, Any]:
    """An order. `left`: whole seconds until the operator's deadline, never below 0, None while it is not
    known; `by_page`: whether it is paid on a page of the operator."""
    place = (contest.country if contest else "", order.method)
    link = safe_link(order.payment_url)
    by_page = link is not None or rails.by_page(*place)
    left = None if order.pay_before is None else max(0, int((order.pay_before - now).total_seconds()))
    return {
        "order": order,
        "contest": contest,
        "pending": order.status is PublicStatus.PENDING,
        "payment_url": link,
        "by_page": by_page,
        "page_code": PAYMENT_CODES.get(place) if by_page else None,
        "approval_code": None if by_page else APPROVAL_CODES.get(place),
        "left": left,
        "now": now,
        "wallet_name": wallet_name,
        "reasons": REASONS,
    }


def safe_link(url: str | None) -> str | None:
    """A link that an operator gave, when it is one to a web page."""
    return url if url is not None and url.startswith(("https://", "http://")) else None


def language_in(contest: Contest | None) -> str:
    """The language of a reader of this contest who names none."""
    return "fr" if contest is None else contest.language


def shared(request: web.Request, contest: Contest, candidate: Candidate, language: str) -> Share:
    """What is sent to friends about a candidate."""
    say = partial(request.app[PAGES].say, language)
    return share_of(request.app.get(PUBLIC_URL, ""), contest, candidate, say, language)


def show_order(
    request: web.Request, order: OrderView, *, notice: str | None = None, disputable: bool = False
) -> web.Response:
    """The page of an order. `notice`: the answer to what its reader asked; `disputable`: a ticket is offered."""
    service = request.app[VOTING_SERVICE]
    bind_vote(order.vote_id)
    contest = service.contest(order.contest_slug)
    candidate = None if contest is None else contest.candidate(order.candidate_code)
    language = request.app[PAGES].language_of(request, language_in(contest))
    response = render(
        request,
        "order.html",
        default_language=language_in(contest),
        share=None if contest is None or candidate is None else shared(request, contest, candidate, language),
        notice=notice,
        disputable=disputable,
        **order_values(order, contest, service.now(), service.rails),
    )
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


def message(
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
        default_language=language_in(contest),
        about=about,
        contest=contest,
    )
    response.headers.update(headers or {})
    return response


def no_candidate(request: web.Request) -> web.Response:
    """404: no such candidate, or a mistyped code."""
    contest, code = request.app[VOTING_SERVICE].contest(request.match_info["slug"]), request.match_info.get("code", "")
    mistyped = contest is not None and is_mistyped(contest, code)
    return message(request, 404, "mistyped" if mistyped else "no_candidate", contest if mistyped else None)
