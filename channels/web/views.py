"""What the voters' templates are given: plain values from a contest, a form, an order."""

from datetime import datetime
from typing import Any, Final

from channels.buying import read_count, read_payer, refusal_words, wallet_name
from channels.web.forms import Form
from channels.web.vote_requests import FIELD_OF
from gateway.contests.contest import Candidate, Contest
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
from gateway.values.money import EXPONENTS, SHORT_UNITS, Money
from gateway.values.msisdn import Msisdn
from payments.collection.order_views import OrderView
from payments.lifecycle import REASONS, PublicStatus

# More candidates than one can choose from in a list.
LISTED_MAX: Final = 100


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
    typed = read_payer(form.phone, contest) if form.phone else None
    payer = typed if isinstance(typed, Msisdn) else None
    its = methods if payer is None else tuple(method for method in methods if may_have(payer, method))
    own = " ".join(f"{prefix}={method.value if method else ''}" for prefix, method in prefixes.items())
    return {
        "contest": contest,
        "candidate": candidate,
        "form": form,
        "packs": [(str(pack), pack, contest.price.times(pack)) for pack in contest.packs],
        "total": _total(contest, form),
        # A list of so many is no choice: the code is typed, and found by the page's search.
        "many": len(contest.eligible) > LISTED_MAX,
        "exponent": EXPONENTS[contest.currency],
        "number_example": example_number(contest.country),
        "unit": SHORT_UNITS.get(contest.currency, contest.currency),
        "methods": [(method.value, wallet_name(language, method), method in its) for method in methods],
        "chosen": form.method if form.method in [method.value for method in its] else "",
        # A card needs no number; without script, what is missing is said when the form was sent.
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


def _total(contest: Contest, form: Form) -> Money | None:
    quantity = read_count(form.votes, contest)
    return None if isinstance(quantity, Refusal) else contest.price.times(quantity)


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
