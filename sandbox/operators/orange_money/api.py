"""Orange Money Web Payment: token, order, hosted page, status, notification.

Sources: Orange Developer's error-handling guide and Web Payment pages. The payer fetches a one-time
code with `#144*82#` on her phone and types number and code on Orange's page. Country segment `dev`
is Orange's sandbox with the currency OUV, where two endings of numbers have a fixed result.
"""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.book import AlreadyThere, Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults
from sandbox.operators.orange_money.errors import checked_fields, order_fault, refused
from sandbox.operators.orange_money.page import Payment, PaymentPage
from sandbox.operators.wire import (
    Lottery,
    RateLimit,
    Refusal,
    Tokens,
    answer,
    cut,
    firewall_page,
    garbage,
    pause,
    read_basic,
    read_bearer,
    refusals_are_answers,
    same,
)

TOKEN_SECONDS: Final = 7_776_000
PAY_TOKEN_SECONDS: Final = 600.0
ORDER_ID_LENGTH_MAX: Final = 30
DEV_PENDING_SECONDS: Final = 60.0
CURRENCIES: Final = MappingProxyType(
    {
        "dev": "OUV",
        "ci": "XOF",
        "sn": "XOF",
        "ml": "XOF",
        "bf": "XOF",
        "cm": "XAF",
        "gn": "GNF",
        "mg": "MGA",
        "cd": "CDF",
    }
)
"""Country segment of the path → the only currency that it takes."""

ORDER_FIELDS: Final[Mapping[str, type[str | int]]] = MappingProxyType(
    {
        "merchant_key": str,
        "currency": str,
        "order_id": str,
        "amount": int,
        "return_url": str,
        "cancel_url": str,
        "notif_url": str,
        "lang": str,
        "reference": str,
    }
)
STATUS_FIELDS: Final[Mapping[str, type[str | int]]] = MappingProxyType(
    {"order_id": str, "amount": int, "pay_token": str}
)
_WORDS: Final = MappingProxyType({Status.SUCCESSFUL: "SUCCESS"})
_PRODUCT: Final = "webpayment"
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


class OrangeMoney:
    """The Web Payment product. Orders live in the operators' book; tokens in memory."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._tokens = Tokens()
        self._callbacks = Callbacks(context)
        self._lottery = Lottery()
        self._rate = RateLimit()
        self._questions: dict[str, int] = {}
        self._page = PaymentPage(context, pay=self.pay, cancel=self.cancel, find=self._find_by_token)
        self._by_token: dict[str, str] = {}

    def application(self) -> web.Application:
        """Everything under `/orange_money`."""
        app = web.Application(middlewares=[refusals_are_answers])
        app.router.add_post("/oauth/{version:v2|v3}/token", self.issue_token)
        base = "/orange-money-webpay/{country}/v1"
        app.router.add_post(f"{base}/webpayment", self.create)
        app.router.add_post(f"{base}/transactionstatus", self.show_status)
        self._page.add_routes(app.router)
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._context.book.unfinished(self._context.code):
            self._follow(entry)

    async def issue_token(self, request: web.Request) -> web.Response:
        """`POST /oauth/v3/token`: Basic, form `grant_type=client_credentials`."""
        faults = self._context.faults
        await pause(faults.latency_ms + faults.token_latency_ms)
        pair, issued = read_basic(request), self._context.credentials
        if pair is None or not same(pair[0], issued.get("client_id")) or not same(pair[1], issued.get("client_secret")):
            body = {"error": "invalid_client", "error_description": "The client credentials are invalid."}
            return answer(401, body)
        if (await _grant_type(request)) != "client_credentials":
            body = {"error": "unsupported_grant_type", "error_description": "Use grant_type=client_credentials."}
            return answer(400, body)
        seconds = faults.token_seconds or TOKEN_SECONDS
        token = self._tokens.issue(pair[0], _PRODUCT, seconds)
        return answer(200, {"token_type": "Bearer", "access_token": token, "expires_in": int(seconds)})

    def _check(self, request: web.Request) -> str:
        """The country of a business call. Raises Refusal."""
        token = read_bearer(request)
        if token is None:
            raise Refusal(refused(401, 40, "Missing credentials"))
        if self._tokens.owner(token, _PRODUCT) is None:
            raise Refusal(refused(401, 41, "Invalid credentials"))
        if self._tokens.has_expired(token):
            raise Refusal(refused(401, 42, "Expired credentials"))
        country = request.match_info["country"]
        if country not in CURRENCIES:
            raise Refusal(refused(404, 60, "Resource not found"))
        return country

    async def create(self, request: web.Request) -> web.Response:
        """`POST …/webpayment`: 201 with the page's address and two tokens."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        country = self._check(request)
        ordered = self._lottery.draw(faults.request)
        if ordered.drop_before:
            return cut(request)
        if ordered.html:
            return firewall_page()
        if ordered.too_many:
            return refused(429, 53, "Too many requests")
        if ordered.error_500 and not ordered.error_500_registered:
            return refused(500, 1, ordered.error_500)
        fields = await checked_fields(request, ORDER_FIELDS)
        entry = self._order(fields, country, faults)
        try:
            entry = self._context.book.open(entry)
        except AlreadyThere:
            raise order_fault(24, f"order_id {entry.our_reference} was already used") from None
        self._start(entry, faults)
        if ordered.drop_after:
            return cut(request)
        if ordered.garbage:
            return garbage()
        if ordered.error_500:
            return refused(500, 1, ordered.error_500)
        return answer(
            201,
            {
                "status": 201,
                "message": "OK",
                "pay_token": entry.details["pay_token"],
                "payment_url": f"{request.url.origin()}/{self._context.code}{self._page.path(entry)}",
                "notif_token": entry.details["notif_token"],
            },
        )

    def _order(self, fields: Mapping[str, str | int], country: str, faults: Faults) -> Entry:
        if not same(str(fields["merchant_key"]), self._context.credentials.get("merchant_key")):
            raise Refusal(refused(403, 50, "Access denied", "The merchant_key is unknown."))
        order_id, amount = str(fields["order_id"]), int(fields["amount"])
        if not 0 < len(order_id) <= ORDER_ID_LENGTH_MAX or len(str(fields["reference"])) > ORDER_ID_LENGTH_MAX:
            raise order_fault(24, "order_id and reference have 1 to 30 characters")
        if not 0 < amount < 10**12:
            raise order_fault(24, "amount must be greater than 0")
        if fields["currency"] != CURRENCIES[country]:
            raise order_fault(24, f"currency must be {CURRENCIES[country]}")
        for name in ("return_url", "cancel_url", "notif_url"):
            if not _is_url(str(fields[name]), local=not faults.request.refuse_local_urls):
                raise order_fault(24, f"{name} must be a public URL")
        return Entry(
            operator=self._context.code,
            our_reference=order_id,
            external_id=order_id,
            msisdn="",
            amount=str(amount),
            currency=str(fields["currency"]),
            status=Status.INITIATED,
            expires_at=time.time() + (faults.expire_after_seconds or PAY_TOKEN_SECONDS),
            details={
                "country": country,
                "pay_token": secrets.token_hex(32),
                "notif_token": secrets.token_hex(16),
                **{name: str(fields[name]) for name in ("return_url", "cancel_url", "notif_url", "lang", "reference")},
            },
        )

    def _start(self, entry: Entry, faults: Faults) -> None:
        self._follow(entry)
        courier = self._context.courier
        if faults.callback.mode == "forged":
            forged = replace(entry, status=Status.SUCCESSFUL, provider_reference=_transaction(entry))
            news = self._news(forged)
            wrong_token = {**news.body, "notif_token": secrets.token_hex(16)}
            courier.spawn(self._callbacks.send_forged(replace(news, body=wrong_token)))
        if faults.autopay or faults.autodecline:
            courier.later(faults.prompt_delay_ms / 1000, lambda: self._answer_alone(entry))

    def _follow(self, entry: Entry) -> None:
        self._by_token[entry.details["pay_token"]] = entry.our_reference
        courier, left = self._context.courier, entry.expires_at - time.time()
        if entry.status is Status.PENDING:
            courier.later(0, lambda: self._settle(entry, entry.msisdn))
        else:
            courier.later(max(0.0, left), lambda: self._expire(entry.our_reference))

    def _answer_alone(self, entry: Entry) -> None:
        """Pay or cancel without page and phone; nobody's wallet is charged."""
        if self._context.faults.autodecline:
            self.cancel(entry)
        else:
            self._settle(entry, "")

    def _expire(self, order_id: str) -> None:
        entry = self._context.book.find(self._context.code, order_id)
        if entry is not None and entry.status is Status.INITIATED:
            self._context.book.change(entry, Status.EXPIRED)

    def _find_by_token(self, pay_token: str) -> Entry | None:
        order_id = self._by_token.get(pay_token)
        return None if order_id is None else self._context.book.find(self._context.code, order_id)

    async def pay(self, payment: Payment) -> Entry:
        """Number and code were right: the money moves, fails for want of it, or takes its time."""
        entry, msisdn, faults = payment.entry, payment.msisdn, self._context.faults
        in_dev = entry.details["country"] == "dev"
        if in_dev and msisdn.endswith("9"):
            return self._finish(entry, Status.FAILED, msisdn)
        if self._context.book.balance(entry.operator, msisdn, faults.default_balance) < entry.whole:
            return self._finish(entry, Status.FAILED, msisdn)
        seconds = DEV_PENDING_SECONDS if in_dev and msisdn.endswith("8") else faults.pending_seconds
        if seconds:
            pending = self._context.book.change(entry, Status.PENDING, msisdn=msisdn)
            self._context.courier.later(seconds, lambda: self._settle(pending, msisdn))
            return pending
        if faults.callback.mode == "before_answer":
            paid = self._change(entry, Status.SUCCESSFUL, msisdn)
            await self._tell(paid)
            return paid
        return self._settle(entry, msisdn)

    def cancel(self, entry: Entry) -> Entry:
        """The payer gave up on the page: FAILED, and no notification is sent."""
        return self._change(entry, Status.FAILED, "")

    def _settle(self, entry: Entry, msisdn: str) -> Entry:
        return self._finish(entry, Status.SUCCESSFUL, msisdn)

    def _finish(self, entry: Entry, status: Status, msisdn: str) -> Entry:
        known = self._context.book.find(entry.operator, entry.our_reference)
        if known is not None and known.status.is_final:
            return known
        done = self._change(entry, status, msisdn)
        self._context.courier.spawn(self._tell(done))
        return done

    def _change(self, entry: Entry, status: Status, msisdn: str) -> Entry:
        return self._context.book.change(
            entry,
            status,
            msisdn=msisdn,
            provider_reference=_transaction(entry),
            charge=status is Status.SUCCESSFUL and bool(msisdn),
            default_balance=self._context.faults.default_balance,
        )

    async def show_status(self, request: web.Request) -> web.Response:
        """`POST …/transactionstatus`: order, amount and pay_token must all fit."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        country = self._check(request)
        if self._context.board.is_down(self._context.code):
            return refused(503, 5, "The service is temporarily unavailable")
        if not self._rate.admits(faults.status.rate_limit_per_second or 0):
            return refused(429, 53, "Too many requests")
        asked = await checked_fields(request, STATUS_FIELDS)
        entry = self._context.book.find(self._context.code, str(asked["order_id"]))
        if entry is None or (entry.details["pay_token"], entry.whole, entry.details["country"]) != (
            asked["pay_token"],
            asked["amount"],
            country,
        ):
            return refused(404, 60, "Resource not found", "No such transaction.")
        self._context.courier.concerns(request, entry.msisdn)
        if faults.status.not_found_first:
            count = self._questions[entry.our_reference] = self._questions.get(entry.our_reference, 0) + 1
            if count <= faults.status.not_found_first:
                return refused(404, 60, "Resource not found", "No such transaction.")
        if faults.status.garbage:
            return garbage()
        word = "PROCESSING" if faults.status.unknown_word else _WORDS.get(entry.status, entry.status.value)
        body = {"status": word, "order_id": entry.our_reference, "txnid": entry.provider_reference or ""}
        return answer(200 if faults.status.answer_200 else 201, body)

    async def _tell(self, entry: Entry) -> None:
        await self._callbacks.send(self._news(entry))

    def _news(self, entry: Entry) -> News:
        body: dict[str, object] = {
            "status": _WORDS.get(entry.status, entry.status.value),
            "notif_token": entry.details["notif_token"],
            "txnid": entry.provider_reference or "",
        }
        if self._context.faults.callback.extra_fields:
            body |= {"order_id": entry.our_reference, "amount": entry.whole}
        wrong = {**body, "order_id": entry.our_reference, "amount": entry.whole * 10}
        return News(entry.details["notif_url"], body, wrong, entry.msisdn)


def _transaction(entry: Entry) -> str:
    """Orange's transaction number, as `MP261104.1833.C51234`: date, time, a number that goes on."""
    return f"MP{datetime.fromtimestamp(entry.created_at, UTC):%y%m%d.%H%M}.C{50_000 + entry.number}"


def _is_url(url: str, *, local: bool) -> bool:
    if not url.isascii() or re.search(r"[\s\"<>]", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and (local or parts.hostname not in _LOCAL_HOSTS)


async def _grant_type(request: web.Request) -> str:
    try:
        return str((await request.post()).get("grant_type", ""))
    except ValueError:
        return ""


SANDBOX = Company("orange_money", lambda context: OrangeMoney(context).application())
