"""Stripe's hosted page: a card, the bank's question where it has one, and back to the merchant. No script.

Source: Stripe's pages on Checkout and on testing. The address of a session is all that paying it takes. A card that is
declined ends nothing; the payer tries another one.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext
from sandbox.operators.stripe.objects import Ledger
from sandbox.operators.wire import answer


@dataclass(frozen=True, slots=True)
class Card:
    """`decline`: the reason, empty where it is paid. `challenge`: the bank asks the payer first (3-D Secure).
    `disputed`: the payer goes to the bank afterwards."""

    number: str = "4242424242424242"
    decline: str = ""
    challenge: bool = False
    disputed: bool = False


CARDS: Final = MappingProxyType(
    {
        "4242424242424242": Card(),
        "5555555555554444": Card(),
        "4000000000000002": Card(decline="card_declined"),
        "4000000000009995": Card(decline="insufficient_funds"),
        "4000000000000069": Card(decline="expired_card"),
        "4000000000000127": Card(decline="incorrect_cvc"),
        "4000000000000119": Card(decline="processing_error"),
        "4000002760003184": Card(challenge=True),
        "4000008400001629": Card(decline="card_declined", challenge=True),
        "4000000000000259": Card(disputed=True),
    }
)
SHOWN: Final = (
    ("4242424242424242", "paid"),
    ("4000000000000002", "declined"),
    ("4000000000009995", "no_funds"),
    ("4000002760003184", "challenge"),
    ("4000000000000259", "disputed"),
)
"""Cards that the page offers, and the word for what each does."""
_EXPIRY: Final = re.compile(r"(0[1-9]|1[0-2])\s*/?\s*(?:20)?(\d{2})", re.ASCII)


def read_card(number: str, expiry: str, cvc: str, now: tuple[int, int]) -> Card | str:
    """The card that was typed, or what is wrong with it. `now`: year and month."""
    digits = re.sub(r"[\s-]", "", number)
    if not re.fullmatch(r"\d{12,19}", digits, re.ASCII) or not _fits(digits):
        return "incorrect_number"
    until = _EXPIRY.fullmatch(expiry.strip())
    if until is None or (2000 + int(until[2]), int(until[1])) < now:
        return "invalid_expiry"
    if not re.fullmatch(r"\d{3,4}", cvc.strip(), re.ASCII):
        return "invalid_cvc"
    card = CARDS.get(digits)
    return replace(card, number=digits) if card else "not_a_test_card"


def _fits(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


PATH: Final = "/c/pay/{session}"
TYPED_MAX: Final = 40
AFTERWARDS: Final = frozenset({"dispute", "dispute_won", "dispute_lost", "refund"})
"""What may be done about a payment once it is made, as in test mode only."""
PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"

_templates: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


class CheckoutPage:
    """`GET` and `POST /c/pay/{session}`; with `?format=json`, answers for programs."""

    def __init__(
        self,
        context: OperatorContext,
        ledger: Ledger,
        *,
        pay: Callable[[Entry, Card], Awaitable[Entry]],
        decline: Callable[[Entry, str], None],
        afterwards: Callable[[Entry, str], None],
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._pay = pay
        self._decline = decline
        self._afterwards = afterwards
        self._challenges: dict[str, Card] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The page."""
        router.add_get(PATH, self.show)
        router.add_post(PATH, self.submit)

    async def show(self, request: web.Request) -> web.Response:
        """The form, the bank's question, or how it ended."""
        entry = self._ledger.find(request.match_info["session"])
        if entry is None:
            return web.Response(status=404, text="404: Not Found")
        return self._render(entry)

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Pay, answer the bank, or (in test mode only) dispute what was paid, decide that, or refund it."""
        wants_json = request.query.get("format") == "json"
        entry = self._ledger.find(request.match_info["session"])
        if entry is None:
            return answer(404, {"error": "unknown"}) if wants_json else web.Response(status=404, text="404: Not Found")
        try:
            form = {name: str(value) for name, value in (await request.post()).items()}
        except ValueError:
            return web.Response(status=400, text="400: Bad Request")
        entry, fault = await self._do(entry, form)
        if wants_json:
            body = {"status": entry.status.value, **({"error": fault} if fault else {})}
            return answer(422 if fault else 200, body)
        if form.get("action") in ("pay", "authenticate") and entry.status in (Status.SUCCESSFUL, Status.PENDING):
            raise web.HTTPSeeOther(success_address(entry))
        return self._render(entry, fault, form)

    async def _do(self, entry: Entry, form: dict[str, str]) -> tuple[Entry, str]:
        """The session afterwards, and what was wrong."""
        action, session = form.get("action", ""), entry.details["session"]
        if entry.status is not Status.INITIATED:
            if action in AFTERWARDS:
                self._afterwards(entry, action)
            return entry, ""
        if action == "authenticate" and session in self._challenges:
            return await self._charge(entry, self._challenges.pop(session))
        if action == "refuse" and session in self._challenges:
            del self._challenges[session]
            self._decline(entry, "authentication_failed")
            return entry, "authentication_failed"
        if action != "pay":
            return entry, ""
        now = time.gmtime()
        read = read_card(form.get("number", ""), form.get("expiry", ""), form.get("cvc", ""), (now.tm_year, now.tm_mon))
        if isinstance(read, str):
            return entry, read
        if read.challenge:
            self._challenges[session] = read
            return entry, ""
        return await self._charge(entry, read)

    async def _charge(self, entry: Entry, card: Card) -> tuple[Entry, str]:
        if card.decline:
            self._decline(entry, card.decline)
            return entry, card.decline
        return await self._pay(entry, card), ""

    def _render(self, entry: Entry, fault: str = "", form: dict[str, str] | None = None) -> web.Response:
        typed = {name: (form or {}).get(name, "")[:TYPED_MAX] for name in ("number", "expiry", "name")}
        is_open = entry.status is Status.INITIATED
        back = entry.details["cancel_url"] if is_open else success_address(entry)
        if entry.status is Status.EXPIRED:
            back = entry.details["cancel_url"] or success_address(entry)
        page = _templates.get_template("page.html").render(
            lang="en" if entry.details["locale"].lower().startswith("en") else "fr",
            amount=f"{entry.whole:,}".replace(",", "\u202f"),
            currency={"XOF": "F\u202fCFA", "XAF": "FCFA"}.get(entry.currency, entry.currency),
            bought=entry.details["bought"],
            merchant=self._context.merchant,
            status=entry.status.value,
            challenge=is_open and entry.details["session"] in self._challenges,
            fault=fault,
            typed=typed,
            back=back,
            back_host=urlsplit(back).hostname or "",
            minutes=max(0, round((entry.expires_at - time.time()) / 60)),
            cards=SHOWN,
            year=time.gmtime().tm_year + 3,
        )
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})


def success_address(entry: Entry) -> str:
    """Where a payer goes who has paid."""
    return entry.details["success_url"].replace(PLACEHOLDER, entry.details["session"])
