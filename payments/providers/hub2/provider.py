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
| `nextAction.type` | `otp`: nobody was asked yet, a code is wanted |
| `Hub2-Signature` | `s1=<hex>,s0=<hex>`: HMAC-SHA256 of the body, by the secret in force and the one before |

Unreliable: nothing says whether a second payment on an intent is refused, so that a lost answer is asked about and
never sent again unless the intent has no payment. Callbacks carry no time: their `id` tells a repeat.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal
from uuid import uuid4

from pydantic import Field

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from payments.answers import (
    NO_PAYER,
    WRONG_CURRENCY,
    is_hmac,
    order_code_in,
    plain_code,
    read_object,
    shows_life,
    signature_parts,
)
from payments.operator_api import PROMPT_LADDER, HttpProvider
from payments.provider import (
    Capabilities,
    Collection,
    CreateResult,
    Hint,
    Kind,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StatusReport,
)
from payments.providers.hub2.answers import CODE, INTENT, TOKEN, handle, read_intent, read_payment, read_status
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration

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
            # One that is made only now would be lost with a lost answer, and nobody could ask any more.
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
            # It is kept before money is asked for, so nobody was asked.
            return NotFound("no payment intent was kept")
        return read_status(await self._api.ask(collection, f"/{intent}", "status"), collection)

    async def alive(self) -> bool:
        """Asked about an intent that nobody made, Hub2 answers 404."""
        return shows_life(await self._api.ask(None, f"/pi_{uuid4().hex}", "probe"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, where Hub2 signed it."""
        body = read_object(request.body)
        kind, data = plain_code(body.get("type")), body.get("data")
        if not kind or not isinstance(data, dict) or not self.is_signed(request):
            return ()
        return (Hint(plain_code(data.get("status"), kind), order_code_in(data.get("purchaseReference"))),)

    def is_signed(self, request: RawRequest) -> bool:
        """Whether Hub2 signed it, with this secret as the one in force or as the one before. When is not said."""
        parts = signature_parts(request.headers.get("hub2-signature", ""))
        given = (value for name, value in parts if name in _SIGNATURES)
        return is_hmac(given, self._settings.webhook_secret, request.body)


def _in_test(settings: Settings) -> bool:
    return settings.environment == "sandbox"


REGISTRATION = Registration(CODE, Settings, Hub2, {COUNTRY: (PaymentMethod.MOOV,)}, _in_test)
