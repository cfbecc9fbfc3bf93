"""Orange Money, web payment: a page of Orange's on which the payer types number and a code.

Source: Orange Developer pages of Web Payment (getting started, error handling guide), and clients
of several countries, read in November 2026.

| field | what it is |
| --- | --- |
| `order_id` | our order code, at most 30 characters, never used twice |
| `amount` | a number; whole francs |
| `pay_token` | Orange's handle, only in the creation's answer; lives ten minutes; secret |
| `notif_token` | repeated in the notification; a caller who has it can forge one; secret |
| `notif_url` | where Orange notifies; carries our own token for the payment |
| `txnid` | Orange's number of the transaction, once there is one |

Unreliable: no reason is ever given; a payer who closes the page causes no notification; a creation
whose answer was lost can never be asked about, but also never be paid. In Côte d'Ivoire the code
comes from dialling `#144*82#`.
"""

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import EXPONENTS, parse_amount
from payments.answers import (
    decimal_text,
    evidence,
    identifier,
    is_page,
    number_forms,
    plain_code,
    read_object,
    shows_life,
)
from payments.http_call import STATUS, SUBMIT, TOKEN, Answer, HttpCaller, NeverLeft, Outcome, Timeouts
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
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)
from payments.providers.orange_money.statement import STATEMENT
from payments.registration import BaseUrl, HeaderSecret, Registration
from payments.token_cache import NoToken, Token, TokenCache, TokenKey, basic, fingerprint, read_token

CODE: Final = "orange_money"
PRODUCT: Final = "webpayment"
OPEN_SECONDS: Final = 600
LADDER_SECONDS: Final = (20, 40, 60, 90)
TOKEN_LIFE_USED: Final = 0.9
SANDBOX_SEGMENT: Final = "dev"
SANDBOX_CURRENCY: Final = "OUV"
_DONE: Final = frozenset({"SUCCESS", "SUCCESSFUL"})
# Codes of Orange's platform: no such resource, too many requests.
_NOT_FOUND: Final = "60"
_TOO_MANY: Final = "53"
_log = structlog.get_logger(__name__)


class Settings(BaseModel):
    """`ORANGE_MONEY_*`. `country_segment`: the part of the address that names the country; `dev` is
    Orange's sandbox, whose currency is `OUV`. `currency`: sent to Orange in place of ours.
    `merchant_name`: shown to the payer."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl = Field(examples=["https://api.orange.com"])
    client_id: str = Field(min_length=1, repr=False)
    client_secret: HeaderSecret
    merchant_key: HeaderSecret
    country_segment: str = Field("ci", pattern=r"^[a-z]{2,3}$")
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    merchant_name: str = Field("Spotlight", min_length=1, max_length=30)
    status_per_second: int = Field(10, ge=1, le=1000)


def utc_now() -> datetime:
    """The clock by which a link expires."""
    return datetime.now(UTC)


class OrangeMoney:
    """`PaymentProvider` and `Prober` for Orange's Web Payment. `now`: the clock that dates a link's end."""

    code = CODE

    def __init__(
        self, settings: Settings, caller: HttpCaller | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self.base_url = settings.base_url
        self._caller = caller or HttpCaller(CODE)
        self._now = now
        self._tokens = TokenCache(renew_after=lambda lives: lives * TOKEN_LIFE_USED)
        self._fingerprint = fingerprint(settings.client_id, settings.client_secret.get_secret_value())
        sandbox = SANDBOX_CURRENCY if settings.country_segment == SANDBOX_SEGMENT else None
        self._sent_currency = settings.currency or sandbox

    def capabilities(self, country: str) -> Capabilities:
        """A redirect whose page lives ten minutes."""
        return Capabilities(
            kinds=frozenset({Kind.REDIRECT}),
            currencies=frozenset({"XOF", "XAF", "GNF", "OUV"}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=LADDER_SECONDS,
            status_per_second=self._settings.status_per_second,
            phone_needed=False,
            recovery=Recovery.ABANDON,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST webpayment`: only the answer to this call contains the page's address."""
        amount = collection.amount
        if EXPONENTS[amount.currency] != 0:
            return Rejected("CURRENCY", PayerReason.SERVICE_DOWN, alarm=True)
        expires_at = self._now() + timedelta(seconds=OPEN_SECONDS)
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
        return read_creation(await self._post(collection, "webpayment", SUBMIT, body), expires_at)

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
        return read_status(await self._post(collection, "transactionstatus", STATUS, body), collection)

    async def alive(self) -> bool:
        """Whether Orange answers 404 to a question about an order that does not exist."""
        body = {"order_id": f"PROBE{uuid4().hex[:12].upper()}", "amount": 1, "pay_token": uuid4().hex}
        return shows_life(await self._post(None, "transactionstatus", STATUS, body))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, when the notification repeats the token that only Orange and we know."""
        body = read_object(request.body)
        claimed, given, held = plain_code(body.get("status")), body.get("notif_token"), secrets.get("notif_token")
        if not claimed or not isinstance(given, str) or not held:
            return ()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), held.encode()):
            return ()
        return (Hint(claimed),)

    async def ready(self, collection: Collection) -> None:
        """Have a token."""
        base = self._base(collection)
        await self._tokens.get(self._key(base), lambda: self._mint(base))

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    async def _post(
        self, collection: Collection | None, verb: str, timeouts: Timeouts, body: Mapping[str, object]
    ) -> Outcome | NoToken:
        base = self._base(collection)

        async def call(token: str) -> Outcome:
            return await self._caller.call(
                "POST",
                f"{base}/orange-money-webpay/{self._settings.country_segment}/v1/{verb}",
                what=verb,
                timeouts=timeouts,
                reference=str(collection.reference) if collection else "",
                headers={"Authorization": f"Bearer {token}"},
                json=body,
            )

        return await self._tokens.authorised(self._key(base), lambda: self._mint(base), call)

    def _key(self, base: str) -> TokenKey:
        return TokenKey(base, PRODUCT, self._fingerprint)

    def _base(self, collection: Collection | None) -> str:
        return ((collection and collection.base_url) or self.base_url).rstrip("/")

    async def _mint(self, base: str) -> Token | NoToken:
        """`POST /oauth/v3/token` with a form."""
        outcome = await self._caller.call(
            "POST",
            f"{base}/oauth/v3/token",
            what="token",
            timeouts=TOKEN,
            headers={"Authorization": basic(self._settings.client_id, self._settings.client_secret.get_secret_value())},
            data={"grant_type": "client_credentials"},
        )
        return read_token(outcome)


def read_creation(outcome: Outcome | NoToken, expires_at: datetime) -> CreateResult:
    """What Orange's answer to a creation means. Without the link the payer cannot pay, so a lost
    answer is abandoned (recovery `ABANDON`)."""
    if isinstance(outcome, NoToken):
        return NotSent(outcome.error, alarm=outcome.alarm)
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    answer = read_object(outcome.body)
    status, code = outcome.status, plain_code(answer.get("code"))
    result = f"{status} {code}".strip()
    if status in (200, 201):
        return _page(answer, expires_at)
    if status == 429 or (status == 403 and code == _TOO_MANY):
        return NotSent(result, throttled=True)
    if status in (400, 403) and is_page(outcome):
        return Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True)
    if status in (401, 403, 404):
        return NotSent(result, alarm=True)
    if status in (400, 405):
        return Rejected(code or str(status), PayerReason.SERVICE_DOWN, alarm=True)
    return Unknown(result)


def _page(answer: Mapping[str, object], expires_at: datetime) -> CreateResult:
    pay_token, url, notif_token = (answer.get(name) for name in ("pay_token", "payment_url", "notif_token"))
    if not isinstance(pay_token, str) or not isinstance(url, str) or not isinstance(notif_token, str):
        return Unknown("an answer without a link")
    if not pay_token or not notif_token or not url.startswith(("https://", "http://")):
        return Unknown("an answer without a link")
    return Redirect(url, expires_at, None, {"pay_token": pay_token, "notif_token": notif_token})


def read_status(outcome: Outcome | NoToken, collection: Collection) -> StatusReport:
    """What Orange's answer to a status question means. The amount is not repeated as a rule: Orange
    compares it with the one in the question, so that an answer at all means that it fits."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    code = plain_code(answer.get("code"))
    result = f"{outcome.status} {code}".strip()
    if outcome.status == 404 and code == _NOT_FOUND:
        return NotFound(result)
    if outcome.status not in (200, 201):
        throttled = outcome.status == 429 or (outcome.status == 403 and code == _TOO_MANY)
        return Unavailable(result, throttled=throttled)
    status = plain_code(answer.get("status")) if isinstance(answer.get("status"), str) else ""
    if not status:
        return Unavailable(f"{outcome.status} without a status")
    if answer.get("order_id", collection.order_code) != collection.order_code:
        _log.error("answer_about_another_order", provider=CODE, reference=str(collection.reference))
        return Unavailable("an answer about another order")
    raw = evidence(outcome.body, [*collection.secrets.values(), *number_forms(collection.payer)])
    if status in _DONE:
        return _succeeded(answer, collection, raw)
    if status == "FAILED":
        return Failed("FAILED", PayerReason.OTHER, raw)
    if status == "EXPIRED":
        return Failed("EXPIRED", PayerReason.NOT_ANSWERED, raw, expired=True)
    return StillOpen(status)


def _succeeded(answer: Mapping[str, object], collection: Collection, raw: str) -> StatusReport:
    received = collection.amount
    if "amount" in answer:
        value = parse_amount(decimal_text(answer["amount"]), received.currency)
        if value is None:
            _log.error("success_without_amount", provider=CODE, reference=str(collection.reference))
            return Unavailable("SUCCESS without a readable amount")
        received = value
    return Succeeded(received, identifier(answer.get("txnid")), raw)


def _in_test(settings: Settings) -> bool:
    return settings.country_segment == SANDBOX_SEGMENT


REGISTRATION = Registration(CODE, Settings, OrangeMoney, {"CI": (PaymentMethod.ORANGE,)}, _in_test, statement=STATEMENT)
