"""Hub2, an aggregator of operators in West Africa: here Moov Money in Côte d'Ivoire, by a prompt.

Source: product code of several independent clients, read in November 2026; Hub2's own pages were not read. See
`docs/providers/hub2.md` for what is not confirmed.

| field | what it is |
| --- | --- |
| `ApiKey`, `MerchantId`, `Environment` | headers of every call; `Environment` is `sandbox` or `live` |
| `purchaseReference`, `customerReference` | our order code, and our reference |
| `id`, `token` | of a payment intent, which moves nothing; kept before a payment is asked for |
| `amount` | number, whole francs |
| `provider`, `mobileMoney.msisdn` | the operator in small letters, and the number as people write it there |
| `mobileMoney.otp` | the code that the payer fetched, where the operator wants one |
| `nextAction.type` | `otp`: no payer was asked yet, a code is wanted |
| `Hub2-Signature` | `s1=<hex>,s0=<hex>`: HMAC-SHA256 of the body, by the secret in force and the one before |

Unreliable: nothing says whether a second payment on an intent is refused, so that a lost answer is asked about and
never sent again unless the intent has no payment. Callbacks carry no time: their `id` tells a repeat.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import Field

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from payments.answers import (
    NO_PAYER,
    WRONG_CURRENCY,
    Reply,
    amount_of,
    another_order,
    evidence,
    identifier,
    inner,
    is_hmac,
    number_forms,
    order_code_in,
    plain_code,
    read_object,
    reason_of,
    shows_life,
    signature_parts,
    success,
    text_in,
)
from payments.http_call import Answer, Outcome
from payments.operator_api import PROMPT_LADDER, HttpProvider
from payments.provider import (
    Accepted,
    Capabilities,
    Collection,
    CreateResult,
    Failed,
    Hint,
    Kind,
    NeedsOtp,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StatusReport,
    StillOpen,
)
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration

CODE: Final = "hub2"
INTENT: Final = "intent"
TOKEN: Final = "intent_token"  # noqa: S105 - the name of a secret
PAID: Final = "successful"
FAILED: Final = "failed"
UNPAID: Final = "payment_required"
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")

# No list is published; what is not here ends a payment as `other`.
REASONS: Final[Mapping[str, PayerReason]] = {
    "rejected_by_customer": PayerReason.DECLINED,
    "insufficient_funds": PayerReason.NO_FUNDS,
    "unknown_account": PayerReason.UNKNOWN_NUMBER,
    "limit_exceeded": PayerReason.LIMIT,
    "invalid_otp": PayerReason.WRONG_CODE,
    "expired": PayerReason.NOT_ANSWERED,
}
OPEN_SECONDS: Final = 600
CURRENCY: Final = "XOF"
COUNTRY: Final = "CI"
COUNTRY_CODE: Final = "+225"
OPERATOR: Final = "moov"
_PAYMENT_CODE: Final = re.compile(r"[0-9]{4,8}")
_SIGNATURES: Final = ("s1", "s0")


class Settings(OperatorSettings):
    """`HUB2_*`. `webhook_secret`: what Hub2 showed when the webhook was made; its address is
    `/api/webhooks/hub2`. `environment`: `sandbox` moves no money."""

    base_url: BaseUrl = Field(examples=["https://api.hub2.io"])
    api_key: HeaderSecret
    merchant_id: str = Field(min_length=1, repr=False, pattern=r"^[!-~]+$")
    webhook_secret: HeaderSecret
    environment: Literal["live", "sandbox"] = "live"


class Hub2(HttpProvider[Settings]):
    """`PaymentProvider`, `Preparer` and `Prober`. `prepare` makes the payment intent, which is kept with the payment,
    and only then does `create` ask the payer."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        key = settings.api_key.get_secret_value()
        account = {"ApiKey": key, "MerchantId": settings.merchant_id, "Environment": settings.environment}
        super().__init__(settings, root="payment-intents", headers=account)

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({CURRENCY}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=PROMPT_LADDER,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            prepares=frozenset({INTENT, TOKEN}),
        )

    async def prepare(self, collection: Collection) -> Mapping[str, str] | NotSent:
        """`POST /payment-intents`: what to keep with the payment before `create`. It moves nothing: a lost answer is
        no matter."""
        body = {
            "customerReference": str(collection.reference),
            "purchaseReference": collection.order_code,
            "amount": collection.amount.amount_minor,
            "currency": collection.amount.currency,
        }
        return read_intent(await self._api.submit(collection, "", "intent", json=body))

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /payment-intents/{id}/payments`, the call that asks for money. `otp`: where the operator wanted one."""
        local = (collection.payer or "").removeprefix(COUNTRY_CODE)
        if not re.fullmatch(r"\d{10}", local, re.ASCII) or collection.country != COUNTRY:
            return NO_PAYER
        if collection.amount.currency != CURRENCY:
            return WRONG_CURRENCY
        intent, token = handle(collection), collection.secrets.get(TOKEN, "")
        if not intent or not token:
            # One that is made only now would be lost with a lost answer, and we could not ask any more.
            return NotSent("no payment intent was kept")
        payer: dict[str, object] = {"msisdn": local}
        if otp is not None:
            code = "".join(otp.split())
            if not _PAYMENT_CODE.fullmatch(code):
                return Rejected("BAD_CODE", PayerReason.WRONG_CODE)
            payer["otp"] = code
        body = {
            "token": token,
            "paymentMethod": "mobile_money",
            "country": COUNTRY,
            "provider": OPERATOR,
            "mobileMoney": payer,
        }
        return read_payment(await self._api.submit(collection, f"/{intent}/payments", "payment", json=body))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /payment-intents/{id}`."""
        intent = handle(collection)
        if not intent:
            # It is kept before money is asked for, so no payer was asked.
            return NotFound("no payment intent was kept")
        return read_status(await self._api.ask(collection, f"/{intent}", "status"), collection)

    async def alive(self) -> bool:
        """Asked about an unknown intent, Hub2 answers 404."""
        return shows_life(await self._api.ask(None, f"/pi_{uuid4().hex}", "probe"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, where Hub2 signed it."""
        body = read_object(request.body)
        kind, data = plain_code(body.get("type")), body.get("data")
        if not kind or not isinstance(data, dict) or not self.is_signed(request):
            return ()
        return (Hint(plain_code(data.get("status"), kind), order_code_in(data.get("purchaseReference"))),)

    def is_signed(self, request: RawRequest) -> bool:
        """Whether Hub2 signed it, with this secret as the one in force or as the one before. The time is not given."""
        parts = signature_parts(request.headers.get("hub2-signature", ""))
        given = (value for name, value in parts if name in _SIGNATURES)
        return is_hmac(given, self._settings.webhook_secret, request.body)


def handle(collection: Collection) -> str:
    """The payment intent of a collection; empty where none was kept."""
    return text_in(collection.secrets.get(INTENT), _HANDLE) or ""


def read_intent(outcome: Outcome) -> Mapping[str, str] | NotSent:
    """The intent and its token, or why there is none: without them nothing can have been asked for."""
    if not isinstance(outcome, Answer):
        return NotSent(f"intent: {outcome.error}")
    reply = Reply(outcome)
    intent, token = text_in(reply.found.get("id"), _HANDLE), reply.found.get("token")
    if reply.status in (200, 201) and intent and isinstance(token, str) and token:
        return {INTENT: intent, TOKEN: token}
    refused = reply.status in (400, 401, 403, 404, 422)
    return NotSent(f"intent: {reply.status}", alarm=refused, throttled=reply.status == 429)


def _payment(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The newest payment on an intent; empty where there is none."""
    made = answer.get("payments")
    last = made[-1] if isinstance(made, list) and made else None
    return last if isinstance(last, dict) else {}


def _failure(answer: Mapping[str, Any]) -> tuple[str, PayerReason]:
    code = plain_code(inner(_payment(answer), "failure").get("code")) or FAILED
    return code, reason_of(REASONS, code, PayerReason.OTHER, CODE)


def read_payment(outcome: Outcome) -> CreateResult:
    """What the answer to a payment means."""
    reply = Reply(outcome)
    status = plain_code(reply.found.get("status"))
    if reply.status in (200, 201) and not reply.page and status:
        return _taken(reply.found, status)
    if reply.status == 409:
        return Accepted(already_there=True)
    if reply.status in (400, 422) and reply.code in REASONS:
        return Rejected(reply.code, REASONS[reply.code], ask_first=True)
    return reply.refusal((400, 422))


def _taken(answer: Mapping[str, Any], status: str) -> CreateResult:
    if plain_code(inner(_payment(answer), "nextAction").get("type")) == "otp":
        return NeedsOtp()
    if status == FAILED:
        return Rejected(*_failure(answer), ask_first=True)
    return Accepted(identifier(_payment(answer).get("id")))


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What the answer about an intent means."""
    reply = Reply(outcome)
    answer, status = reply.found, plain_code(reply.found.get("status"))
    if reply.status == 404 and answer.get("code"):
        return NotFound(reply.code)
    if reply.status != 200 or not status:
        return reply.unavailable()
    if (answer.get("purchaseReference") or collection.order_code) != collection.order_code:
        return another_order(CODE, collection.reference)
    if status == UNPAID and not _payment(answer):
        return NotFound("an intent without a payment")
    raw = evidence(reply.body, [*collection.secrets.values(), *number_forms(collection.payer)])
    if status == PAID:
        currency = collection.amount.currency
        received = amount_of(answer.get("amount"), currency) if answer.get("currency") == currency else None
        return success(CODE, collection.reference, received, _payment(answer).get("id"), raw)
    if status == FAILED:
        code, reason = _failure(answer)
        return Failed(code, reason, raw, expired=reason is PayerReason.NOT_ANSWERED)
    return StillOpen(status)


REGISTRATION = Registration(
    CODE, Settings, Hub2, {COUNTRY: (PaymentMethod.MOOV,)}, lambda settings: settings.environment == "sandbox"
)
