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
from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.hosted import HostedRequests
from sandbox.operators.orange_money.page import PaymentPage
from sandbox.operators.wire import Refusal, Tokens, answer, pause, read_basic, read_bearer, read_json, served

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


def refused(status: int, code: int, message: str, description: str = "") -> web.Response:
    """Orange's error body."""
    return answer(status, {"code": code, "message": message, "description": description or message})


def order_fault(code: int, description: str) -> Refusal:
    """A request body that is refused: 400."""
    messages = {21: "Missing body", 22: "Invalid body", 23: "Missing body field", 24: "Invalid body field"}
    return Refusal(refused(400, code, messages[code], description))


async def checked_fields(request: web.Request, wanted: Mapping[str, type[str | int]]) -> dict[str, str | int]:
    """The wanted fields of a JSON body, whatever its content type says. Raises Refusal."""
    if not await request.read():
        raise order_fault(21, "The body is empty")
    try:
        body = await read_json(request)
    except ValueError:
        raise order_fault(22, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise order_fault(22, "The body is not a JSON object")
    fields: dict[str, str | int] = {}
    for name, kind in wanted.items():
        if name not in body:
            raise order_fault(23, f"{name} is missing")
        value = body[name]
        if isinstance(value, float) and value.is_integer() and kind is int:
            value = int(value)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise order_fault(24, f"{name} has the wrong type")
        fields[name] = value
    return fields


class _OrangeMoney(HostedRequests):
    """The Web Payment product. Orders live in the operators' book; tokens in memory."""

    def __init__(self, context: OperatorContext) -> None:
        super().__init__(context)
        self._tokens = Tokens()
        self._page = PaymentPage(context, pay=self.pay, cancel=self.cancel, find=self._find_by_token)
        self._by_token: dict[str, str] = {}

    def application(self) -> web.Application:
        """Everything under `/orange_money`."""
        app = served(self.resume)
        app.router.add_post("/oauth/{version:v2|v3}/token", self.issue_token)
        base = "/orange-money-webpay/{country}/v1"
        app.router.add_post(f"{base}/webpayment", self.take)
        app.router.add_post(f"{base}/transactionstatus", self.show)
        self._page.add_routes(app.router)
        return app

    async def issue_token(self, request: web.Request) -> web.Response:
        """`POST /oauth/v3/token`: Basic, form `grant_type=client_credentials`."""
        faults = self.context.faults
        await pause(faults.latency_ms)
        pair = read_basic(request)
        if pair is None or not self.context.issued(client_id=pair[0], client_secret=pair[1]):
            body = {"error": "invalid_client", "error_description": "The client credentials are invalid."}
            return answer(401, body)
        if (await _grant_type(request)) != "client_credentials":
            body = {"error": "unsupported_grant_type", "error_description": "Use grant_type=client_credentials."}
            return answer(400, body)
        seconds = faults.token_seconds or TOKEN_SECONDS
        token = self._tokens.issue(pair[0], _PRODUCT, seconds)
        return answer(200, {"token_type": "Bearer", "access_token": token, "expires_in": int(seconds)})

    def check(self, request: web.Request) -> str:
        """The country of a business call stands for the account. Raises Refusal."""
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

    def broken(self, code: str) -> web.Response:
        return refused(500, 1, code)

    def too_many(self) -> web.Response:
        return refused(429, 53, "Too many requests")

    def unavailable(self) -> web.Response:
        return refused(503, 5, "The service is temporarily unavailable")

    def not_found(self) -> web.Response:
        return refused(404, 60, "Resource not found", "No such transaction.")

    def repeated(self, entry: Entry) -> web.Response:
        raise order_fault(24, f"order_id {entry.our_reference} was already used")

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        """201 with the page's address and two tokens."""
        return answer(
            201,
            {
                "status": 201,
                "message": "OK",
                "pay_token": entry.details["pay_token"],
                "payment_url": f"{request.url.origin()}/{self.code}{self._page.path(entry)}",
                "notif_token": entry.details["notif_token"],
            },
        )

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        word = "PROCESSING" if faults.status.unknown_word else _WORDS.get(entry.status, entry.status.value)
        body = {"status": word, "order_id": entry.our_reference, "txnid": entry.provider_reference or ""}
        return answer(200 if faults.status.answer_200 else 201, body)

    async def find(self, request: web.Request, account: str) -> Entry | None:
        """`POST …/transactionstatus`: order, amount, pay_token and country must all fit."""
        asked = await checked_fields(request, STATUS_FIELDS)
        entry = self.known(str(asked["order_id"]))
        wanted = (asked["pay_token"], asked["amount"], account)
        if entry is None or (entry.details["pay_token"], entry.whole, entry.details["country"]) != wanted:
            return None
        return entry

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        """`POST …/webpayment`."""
        fields, country = await checked_fields(request, ORDER_FIELDS), account
        if not self.context.issued(merchant_key=str(fields["merchant_key"])):
            raise Refusal(refused(403, 50, "Access denied", "The merchant_key is unknown."))
        order_id, amount = str(fields["order_id"]), int(fields["amount"])
        if not 0 < len(order_id) <= ORDER_ID_LENGTH_MAX or len(str(fields["reference"])) > ORDER_ID_LENGTH_MAX:
            raise order_fault(24, "order_id and reference have 1 to 30 characters")
        if not 0 < amount < 10**12:
            raise order_fault(24, "amount must be greater than 0")
        if fields["currency"] != CURRENCIES[country]:
            raise order_fault(24, f"currency must be {CURRENCIES[country]}")
        for name in ("return_url", "cancel_url", "notif_url"):
            if not _is_url(str(fields[name])):
                raise order_fault(24, f"{name} must be a public URL")
        return Entry(
            operator=self.code,
            our_reference=order_id,
            external_id=order_id,
            msisdn="",
            amount=str(amount),
            currency=str(fields["currency"]),
            status=Status.INITIATED,
            expires_at=time.time() + (self.faults.expire_after_seconds or PAY_TOKEN_SECONDS),
            details={
                "country": country,
                "pay_token": secrets.token_hex(32),
                "notif_token": secrets.token_hex(16),
                **{name: str(fields[name]) for name in ("return_url", "cancel_url", "notif_url", "lang", "reference")},
            },
        )

    def follow(self, entry: Entry) -> None:
        self._by_token[entry.details["pay_token"]] = entry.our_reference
        super().follow(entry)

    def _find_by_token(self, pay_token: str) -> Entry | None:
        return self.known(self._by_token.get(pay_token, ""))

    async def pay(self, entry: Entry, msisdn: str) -> Entry:
        """Number and code were right: the money moves, fails for want of it, or takes its time."""
        in_dev = entry.details["country"] == "dev"
        if (in_dev and msisdn.endswith("9")) or not self.can_bear(entry, msisdn):
            failed = self._fail(entry, msisdn)
            self.callbacks.send_later(self.news(failed))
            return failed
        return await self.charge(entry, msisdn, DEV_PENDING_SECONDS if in_dev and msisdn.endswith("8") else None)

    def cancel(self, entry: Entry) -> Entry:
        """The payer gave up on the page: FAILED, and no notification is sent."""
        return self._fail(entry, "")

    def _fail(self, entry: Entry, msisdn: str) -> Entry:
        return self.book.change(entry, Status.FAILED, msisdn=msisdn, provider_reference=self.number_of(entry))

    def number_of(self, entry: Entry) -> str:
        """Orange's transaction number, as `MP261104.1833.C51234`: date, time, a number that goes on."""
        return f"MP{datetime.fromtimestamp(entry.created_at, UTC):%y%m%d.%H%M}.C{50_000 + entry.number}"

    def forged(self, entry: Entry) -> News:
        news = self.news(entry)
        return replace(news, body={**news.body, "notif_token": secrets.token_hex(16)})

    def news(self, entry: Entry) -> News:
        body: dict[str, object] = {
            "status": _WORDS.get(entry.status, entry.status.value),
            "notif_token": entry.details["notif_token"],
            "txnid": entry.provider_reference or "",
        }
        if self.faults.callback.extra_fields:
            body |= {"order_id": entry.our_reference, "amount": entry.whole}
        wrong = {**body, "order_id": entry.our_reference, "amount": entry.whole * 10}
        return News(entry.details["notif_url"], body, wrong, entry.msisdn)


def _is_url(url: str) -> bool:
    if not url.isascii() or re.search(r"[\s\"<>]", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


async def _grant_type(request: web.Request) -> str:
    try:
        return str((await request.post()).get("grant_type", ""))
    except ValueError:
        return ""


SANDBOX = Company(
    "orange_money",
    lambda context: _OrangeMoney(context).application(),
    demo={
        "CLIENT_ID": "demo-client",
        "CLIENT_SECRET": "demo-client-secret",
        "MERCHANT_KEY": "demo-merchant-key",
    },
)
