"""Orange Money, web payment: a page of Orange's on which the payer types number and a code.

Source: Orange Developer pages of Web Payment (getting started, error handling guide), and clients
of several countries, read in November 2026.

| field | what it is |
| --- | --- |
| `order_id` | our order code, at most 30 characters, never used twice |
| `amount` | a number; whole francs |
| `pay_token` | Orange's handle, only in the creation's answer; valid for ten minutes; secret |
| `notif_token` | repeated in the notification; a caller who has it can forge one; secret |
| `notif_url` | where Orange notifies; carries our own token for the payment |
| `txnid` | Orange's number of the transaction, once there is one |

Unreliable: no reason is ever given; a payer who closes the page causes no notification; a creation
whose answer was lost can never be asked about, but also never be paid. In Côte d'Ivoire the code
comes from dialling `#144*82#`.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from pydantic import Field

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import EXPONENTS
from payments.answers import (
    WRONG_CURRENCY,
    Reply,
    address_in,
    amount_of,
    another_order,
    evidence,
    number_forms,
    plain_code,
    read_object,
    shows_life,
    success,
)
from payments.http_call import Outcome
from payments.operator_api import PAGE_LADDER, Login, TokenProvider
from payments.provider import (
    Capabilities,
    Collection,
    CreateResult,
    Failed,
    Hint,
    Kind,
    NotFound,
    NotSent,
    PayerReason,
    Recovery,
    Redirect,
    StatusReport,
    StillOpen,
    Unavailable,
    Unknown,
)
from payments.reconciliation.statement_format import orange_statement
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration

CODE: Final = "orange_money"
OPEN_SECONDS: Final = 600
SANDBOX_SEGMENT: Final = "dev"
SANDBOX_CURRENCY: Final = "OUV"
_DONE: Final = frozenset({"SUCCESS", "SUCCESSFUL"})
# Codes of Orange's platform: no such resource, too many requests.
_NOT_FOUND: Final = "60"
_TOO_MANY: Final = "53"


class Settings(OperatorSettings):
    """`ORANGE_MONEY_*`. `country_segment`: the part of the address that names the country; `dev` is
    Orange's sandbox, whose currency is `OUV`. `currency`: sent to Orange in place of ours.
    `merchant_name`: shown to the payer."""

    base_url: BaseUrl = Field(examples=["https://api.orange.com"])
    client_id: str = Field(min_length=1, repr=False)
    client_secret: HeaderSecret
    merchant_key: HeaderSecret
    country_segment: str = Field("ci", pattern=r"^[a-z]{2,3}$")
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    merchant_name: str = Field("Spotlight", min_length=1, max_length=30)


class OrangeMoney(TokenProvider[Settings]):
    """`PaymentProvider` and `Prober` for Orange's Web Payment."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        login = Login("oauth/v3/token", settings.client_id, settings.client_secret)
        super().__init__(settings, login, root=f"orange-money-webpay/{settings.country_segment}/v1/")
        sandbox = SANDBOX_CURRENCY if settings.country_segment == SANDBOX_SEGMENT else None
        self._sent_currency = settings.currency or sandbox

    def capabilities(self, country: str) -> Capabilities:
        """A redirect whose page is open for ten minutes."""
        return Capabilities(
            kinds=frozenset({Kind.REDIRECT}),
            currencies=frozenset({"XOF", "XAF", "GNF", "OUV"}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=PAGE_LADDER,
            status_per_second=self._settings.status_per_second,
            phone_needed=False,
            recovery=Recovery.ABANDON,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST webpayment`: only the answer to this call contains the page's address."""
        amount = collection.amount
        if EXPONENTS[amount.currency] != 0:
            return WRONG_CURRENCY
        expires_at = datetime.now(UTC) + timedelta(seconds=OPEN_SECONDS)
        body = {
            "merchant_key": self._settings.merchant_key.get_secret_value(),
            "currency": self._sent_currency or amount.currency,
            "order_id": collection.order_code,
            "amount": amount.amount_minor,
            "return_url": collection.return_url,
            "cancel_url": collection.return_url,
            "notif_url": collection.callback_url,
            "lang": "en" if collection.language == "en" else "fr",
            "reference": self._settings.merchant_name,
        }
        return read_creation(await self._api.submit(collection, "webpayment", "webpayment", json=body), expires_at)

    async def query(self, collection: Collection) -> StatusReport:
        """`POST transactionstatus`, which Orange answers only when all three values are given."""
        pay_token = collection.secrets.get("pay_token")
        if not pay_token:
            return NotFound("the creation's answer was lost")
        body = {
            "order_id": collection.order_code,
            "amount": collection.amount.amount_minor,
            "pay_token": pay_token,
        }
        return read_status(await self._ask(collection, body), collection)

    async def alive(self) -> bool:
        """Whether Orange answers 404 to a question about an order that does not exist."""
        body = {"order_id": f"PROBE{uuid4().hex[:12].upper()}", "amount": 1, "pay_token": uuid4().hex}
        return shows_life(await self._ask(None, body))

    async def _ask(self, collection: Collection | None, body: Mapping[str, object]) -> Outcome:
        return await self._api.ask(collection, "transactionstatus", "transactionstatus", "POST", json=body)

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, when the notification repeats the token that only Orange and we know."""
        body = read_object(request.body)
        claimed, given, held = plain_code(body.get("status")), body.get("notif_token"), secrets.get("notif_token")
        if not claimed or not isinstance(given, str) or not held:
            return ()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), held.encode()):
            return ()
        return (Hint(claimed),)


def _is_too_many(reply: Reply) -> bool:
    return reply.status == 429 or (reply.status == 403 and reply.code == _TOO_MANY)


def read_creation(outcome: Outcome, expires_at: datetime) -> CreateResult:
    """What Orange's answer to a creation means. Without the link the payer cannot pay, so a lost
    answer is abandoned (recovery `ABANDON`)."""
    reply = Reply(outcome)
    if reply.status in (200, 201):
        return _page(reply.found, expires_at)
    if _is_too_many(reply):
        return NotSent(reply.shown, throttled=True)
    return reply.refusal((400, 405), (400, 403), ask_first=False)


def _page(answer: Mapping[str, object], expires_at: datetime) -> CreateResult:
    pay_token, notif_token, url = (
        answer.get("pay_token"),
        answer.get("notif_token"),
        address_in(answer.get("payment_url")),
    )
    if not isinstance(pay_token, str) or not isinstance(notif_token, str) or not (pay_token and notif_token and url):
        return Unknown("an answer without a link")
    return Redirect(url, expires_at, None, {"pay_token": pay_token, "notif_token": notif_token})


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Orange's answer to a status question means. The amount is not repeated as a rule: Orange
    compares it with the one in the question, so that an answer at all means that it fits."""
    reply = Reply(outcome)
    answer = reply.found
    if reply.status == 404 and reply.code == _NOT_FOUND:
        return NotFound(reply.shown)
    if _is_too_many(reply):
        return Unavailable(reply.shown, throttled=True)
    status = plain_code(answer.get("status")) if isinstance(answer.get("status"), str) else ""
    if reply.status not in (200, 201) or not status:
        return reply.unavailable()
    if answer.get("order_id", collection.order_code) != collection.order_code:
        return another_order(CODE, collection.reference)
    raw = evidence(reply.body, [*collection.secrets.values(), *number_forms(collection.payer)])
    if status in _DONE:
        asked = collection.amount
        received = amount_of(answer["amount"], asked.currency) if "amount" in answer else asked
        return success(CODE, collection.reference, received, answer.get("txnid"), raw)
    if status == "FAILED":
        return Failed("FAILED", PayerReason.OTHER, raw)
    if status == "EXPIRED":
        return Failed("EXPIRED", PayerReason.NOT_ANSWERED, raw, expired=True)
    return StillOpen(status)


REGISTRATION = Registration(
    CODE,
    Settings,
    OrangeMoney,
    {"CI": (PaymentMethod.ORANGE,)},
    lambda settings: settings.country_segment == SANDBOX_SEGMENT,
    statement=orange_statement(CODE, "XOF"),
)
