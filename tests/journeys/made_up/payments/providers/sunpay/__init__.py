"""Sunpay, an operator that does not exist: a prompt on the phone, asked about by our reference."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import parse_amount
from payments.answers import decimal_text, evidence, number_forms, plain_code, read_object, shows_life
from payments.http_call import STATUS, SUBMIT, Answer, HttpCaller, NeverLeft, Outcome, Timeouts
from payments.provider import (
    Accepted,
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
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)
from payments.registration import BaseUrl, HeaderSecret, Registration

CODE: Final = "sunpay"
_REASONS: Final = {
    "declined": PayerReason.DECLINED,
    "late": PayerReason.NOT_ANSWERED,
    "poor": PayerReason.NO_FUNDS,
    "stranger": PayerReason.UNKNOWN_NUMBER,
    "too much": PayerReason.LIMIT,
}


class Settings(BaseModel):
    """`SUNPAY_*`."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl
    key: HeaderSecret


class Sunpay:
    """`PaymentProvider` and `Prober`."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.base_url = settings.base_url
        self._caller = HttpCaller(CODE)

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XOF"}),
            open_seconds=300,
            ladder_seconds=(10, 20, 30),
            status_per_second=100,
            phone_needed=True,
            recovery=Recovery.ASK,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /payments/{our reference}`."""
        body = {
            "order": collection.order_code,
            "amount": collection.amount.plain(),
            "phone": collection.payer,
            "notify": collection.callback_url,
        }
        outcome = await self._call(collection, "POST", str(collection.reference), SUBMIT, json=body)
        if isinstance(outcome, NeverLeft):
            return NotSent(outcome.error)
        if not isinstance(outcome, Answer):
            return Unknown(outcome.error)
        said = plain_code(read_object(outcome.body).get("error"))
        if outcome.status == 422:
            return Rejected(said, _REASONS.get(said, PayerReason.OTHER), ask_first=True)
        if outcome.status == 429:
            return NotSent("429", throttled=True)
        if outcome.status not in (202, 409):
            return Unknown(str(outcome.status))
        return Accepted(already_there=outcome.status == 409)

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /payments/{our reference}`."""
        outcome = await self._call(collection, "GET", str(collection.reference), STATUS)
        if not isinstance(outcome, Answer):
            return Unavailable(outcome.error)
        answer = read_object(outcome.body)
        status, why = plain_code(answer.get("status")), plain_code(answer.get("error"))
        if outcome.status == 404 and why:
            return NotFound(why)
        if outcome.status != 200 or not status:
            return Unavailable(str(outcome.status), throttled=outcome.status == 429)
        raw = evidence(outcome.body, number_forms(collection.payer))
        received = parse_amount(decimal_text(answer.get("amount")), collection.amount.currency)
        if status == "PAID" and received is not None:
            return Succeeded(received, plain_code(answer.get("number")), raw)
        if status == "FAILED":
            return Failed(why, _REASONS.get(why, PayerReason.OTHER), raw, expired=why == "late")
        return StillOpen(status)

    async def alive(self) -> bool:
        """Asked about a payment that nobody made."""
        return shows_life(await self._call(None, "GET", str(uuid4()), STATUS))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint."""
        body = read_object(request.body)
        claimed = plain_code(body.get("status"))
        try:
            return (Hint(claimed, reference=UUID(str(body.get("reference")))),) if claimed else ()
        except ValueError:
            return ()

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    async def _call(
        self,
        collection: Collection | None,
        method: str,
        reference: str,
        timeouts: Timeouts,
        **content: Any,
    ) -> Outcome:
        base = (collection.base_url if collection else None) or self.base_url
        return await self._caller.call(
            method,
            f"{base}/payments/{reference}",
            what="payment",
            timeouts=timeouts,
            reference=str(collection.reference) if collection else "",
            headers={"X-Key": self._settings.key.get_secret_value()},
            **content,
        )


REGISTRATION = Registration(CODE, Settings, Sunpay, {"CI": (PaymentMethod.MTN,)})
