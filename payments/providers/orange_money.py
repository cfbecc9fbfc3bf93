"""Orange Money, web payment: a page of Orange's on which the payer types number and a code.

Source: Orange Developer pages of Web Payment (getting started, error handling guide), and clients
of several countries, read in November 2026.

| field | what it is |
| --- | --- |
| `order_id` | our order code, at most 30 characters, never used twice |
| `amount` | a number; whole francs |
| `pay_token` | Orange's handle, only in the creation's answer; lives ten minutes; secret |
| `notif_token` | repeated in the notification; whoever has it can forge one; secret |
| `notif_url` | where Orange notifies; carries our own word for the payment |

Unreliable: no reason is ever told; a payer who closes the page causes no notification; a creation
whose answer was lost can never be asked about, but also never be paid. In Côte d'Ivoire the code
comes from dialling `#144*82#`.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field, SecretStr

from gateway.ports.payment_provider import (
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
from gateway.ports.raw_exchange import RawRequest
from payments.http_call import Answer, HttpCaller, Lost, NeverLeft, Outcome, Patience
from payments.registration import Registration
from payments.token_cache import Token, TokenCache

CODE: Final = "orange_money"
OPEN_SECONDS: Final = 600
LADDER_SECONDS: Final = (20, 40, 60, 90)
REFERENCE: Final = "Spotlight"
CODE_HINT: Final = "#144*82#"
_CREATE: Final = Patience(connect=3, total=15)
_STATUS: Final = Patience(connect=3, total=8)
_TOKEN: Final = Patience(connect=3, total=30)
_EXPIRED_TOKEN: Final = 42
# What is wrong with us and not with the payer.
_REFUSES_US: Final = frozenset({401, 403, 404, 405})
_DONE: Final = frozenset({"SUCCESS", "SUCCESSFUL"})


class Settings(BaseModel):
    """`ORANGE_MONEY_*`. `country_segment`: the part of the address that names the country; `dev` is
    Orange's sandbox, whose currency is `OUV`."""

    base_url: str
    client_id: str
    client_secret: SecretStr
    merchant_key: SecretStr
    country_segment: str = Field("ci", pattern=r"^[a-z]{2,3}$")
    currency: str | None = None
    status_per_second: int = Field(10, ge=1, le=1000)


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def utc_now() -> datetime:
    """The clock that tells when a link dies."""
    return datetime.now(UTC)


class OrangeMoney:
    """`PaymentProvider` for Orange's Web Payment."""

    code = CODE

    def __init__(
        self, settings: Settings, caller: HttpCaller | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self.base_url = settings.base_url.rstrip("/")
        self._caller = caller or HttpCaller(CODE)
        self._now = now
        self._tokens: dict[str, TokenCache] = {}

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
            instructions={"fr": CODE_HINT, "en": CODE_HINT},
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """Create a payment page."""
        body = {
            "merchant_key": self._settings.merchant_key.get_secret_value(),
            "currency": self._settings.currency or collection.amount.currency,
            "order_id": collection.order_code,
            "amount": collection.amount.amount_minor,
            "return_url": collection.return_url,
            "cancel_url": collection.return_url,
            "notif_url": collection.callback_url,
            "lang": "en" if collection.language == "en" else "fr",
            "reference": REFERENCE,
        }
        outcome = await self._authorised(collection.base_url, "webpayment", "create", _CREATE, body)
        return read_creation(outcome, self._now() + timedelta(seconds=OPEN_SECONDS))

    async def query(self, collection: Collection) -> StatusReport:
        """Status, which Orange tells only to whoever has all three values."""
        pay_token = collection.secrets.get("pay_token")
        if pay_token is None:
            return NotFound("the creation's answer was lost")
        body = {
            "order_id": collection.order_code,
            "amount": collection.amount.amount_minor,
            "pay_token": pay_token,
        }
        outcome = await self._authorised(collection.base_url, "transactionstatus", "status", _STATUS, body)
        return read_status(outcome, collection)

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, when the notification repeats the token that only Orange and we know."""
        body = _json(request.body)
        status, given, held = body.get("status"), body.get("notif_token"), secrets.get("notif_token")
        if not isinstance(status, str) or not isinstance(given, str) or held is None:
            return ()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), held.encode()):
            return ()
        return (Hint(status[:40]),)

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    async def _authorised(
        self, base_url: str | None, verb: str, what: str, patience: Patience, body: Mapping[str, object]
    ) -> Outcome:
        base = base_url or self.base_url
        url = f"{base}/orange-money-webpay/{self._settings.country_segment}/v1/{verb}"
        cache = self._token_cache(base)
        outcome: Outcome = NeverLeft("no token")
        for _ in range(2):
            token = await cache.get()
            if token is None:
                return outcome
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            outcome = await self._caller.call(
                "POST", url, what=what, patience=patience, headers=headers, content=orjson.dumps(body)
            )
            if not isinstance(outcome, Answer) or outcome.status != 401:
                return outcome
            cache.forget(token)
            if _json(outcome.body).get("code") != _EXPIRED_TOKEN:
                return outcome
        return outcome

    def _token_cache(self, base: str) -> TokenCache:
        if base not in self._tokens:

            async def mint() -> Token | None:
                return await self._mint(base)

            self._tokens[base] = TokenCache(mint, early_seconds=lambda lives: lives / 10)
        return self._tokens[base]

    async def _mint(self, base: str) -> Token | None:
        pair = f"{self._settings.client_id}:{self._settings.client_secret.get_secret_value()}".encode()
        outcome = await self._caller.call(
            "POST",
            f"{base}/oauth/v3/token",
            what="token",
            patience=_TOKEN,
            headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"},
            data={"grant_type": "client_credentials"},
        )
        if not isinstance(outcome, Answer) or outcome.status != 200:
            return None
        answer = _json(outcome.body)
        token, lives = answer.get("access_token"), str(answer.get("expires_in", ""))
        if not isinstance(token, str) or not lives.isdigit():
            return None
        return Token(token, float(lives))


def read_creation(outcome: Outcome, expires_at: datetime) -> CreateResult:
    """What Orange's answer to a creation means. Without the link nobody can pay, so anything that
    is not an answer is given up by the recovery `ABANDON`."""
    match outcome:
        case NeverLeft(error):
            return NotSent(error)
        case Lost(error):
            return Unknown(error)
    answer = _json(outcome.body)
    if outcome.status in (200, 201):
        pay_token, url, notif_token = (answer.get(name) for name in ("pay_token", "payment_url", "notif_token"))
        if isinstance(pay_token, str) and isinstance(url, str) and isinstance(notif_token, str):
            return Redirect(url, expires_at, None, {"pay_token": pay_token, "notif_token": notif_token})
        return Unknown("an answer without a link")
    code = str(answer.get("code", outcome.status))
    if outcome.status == 429 or (outcome.status == 403 and code == "53"):
        return NotSent("429")
    if outcome.status in _REFUSES_US:
        return NotSent(f"{outcome.status} {code}", alarm=True)
    if outcome.status >= 500:
        return Unknown(f"{outcome.status} {code}")
    return Rejected(code, PayerReason.SERVICE_DOWN, alarm=True)


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Orange's answer to a status question means. The amount is not repeated: Orange compares
    it with the one in the question, so that an answer at all means that it is ours."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = _json(outcome.body)
    if outcome.status == 404:
        return NotFound(str(answer.get("code", "404")))
    if outcome.status not in (200, 201) or not answer:
        return Unavailable(str(outcome.status), throttled=outcome.status == 429)
    raw = outcome.body.decode("utf-8", "replace")
    word, transaction = answer.get("status"), answer.get("txnid")
    if answer.get("order_id", collection.order_code) != collection.order_code:
        return Unavailable("an answer about another order")
    if word in _DONE:
        return Succeeded(collection.amount, transaction if isinstance(transaction, str) else None, raw)
    if word == "FAILED":
        return Failed("FAILED", PayerReason.OTHER, raw)
    if word == "EXPIRED":
        return Failed("EXPIRED", PayerReason.NOT_ANSWERED, raw, expired=True)
    return StillOpen(str(word)[:60])


REGISTRATION = Registration(CODE, Settings, OrangeMoney)
