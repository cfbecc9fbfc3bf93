"""Sunpay, an operator that does not exist: a prompt on the phone, asked about by our reference."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid4

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from payments.answers import Reply, amount_of, evidence, number_forms, plain_code, read_object, shows_life, success
from payments.operator_api import HttpProvider
from payments.provider import (
    Accepted,
    Capabilities,
    Collection,
    CreateResult,
    Failed,
    Hint,
    Kind,
    NotFound,
    PayerReason,
    Rejected,
    StatusReport,
    StillOpen,
)
from payments.registration import HeaderSecret, OperatorSettings, Registration

CODE: Final = "sunpay"
_REASONS: Final = {
    "declined": PayerReason.DECLINED,
    "late": PayerReason.NOT_ANSWERED,
    "poor": PayerReason.NO_FUNDS,
    "stranger": PayerReason.UNKNOWN_NUMBER,
    "too much": PayerReason.LIMIT,
}


def _error(found: Mapping[str, object]) -> object:
    return found.get("error")


class Settings(OperatorSettings):
    """`SUNPAY_*`."""

    key: HeaderSecret


class Sunpay(HttpProvider[Settings]):
    """`PaymentProvider` and `Prober`."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, root="payments/", headers={"X-Key": settings.key.get_secret_value()})

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XOF"}),
            open_seconds=300,
            ladder_seconds=(10, 20, 30),
            status_per_second=100,
            phone_needed=True,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /payments/{our reference}`."""
        body = {
            "order": collection.order_code,
            "amount": collection.amount.plain(),
            "phone": collection.payer,
            "notify": collection.callback_url,
        }
        reply = Reply(await self._api.submit(collection, str(collection.reference), "payment", json=body), _error)
        if reply.status == 422:
            return Rejected(reply.code, _REASONS.get(reply.code, PayerReason.OTHER), ask_first=True)
        if reply.status in (202, 409):
            return Accepted(already_there=reply.status == 409)
        return reply.refusal()

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /payments/{our reference}`."""
        reply = Reply(await self._api.ask(collection, str(collection.reference), "payment"), _error)
        status = plain_code(reply.found.get("status"))
        if reply.status == 404 and reply.code:
            return NotFound(reply.code)
        if reply.status != 200 or not status:
            return reply.unavailable()
        raw = evidence(reply.body, number_forms(collection.payer))
        if status == "PAID":
            received = amount_of(reply.found.get("amount"), collection.amount.currency)
            return success(CODE, collection.reference, received, reply.found.get("number"), raw)
        if status == "FAILED":
            reason = _REASONS.get(reply.code, PayerReason.OTHER)
            return Failed(reply.code, reason, raw, expired=reply.code == "late")
        return StillOpen(status)

    async def alive(self) -> bool:
        """Asked about an unknown payment."""
        return shows_life(await self._api.ask(None, str(uuid4()), "payment"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint."""
        body = read_object(request.body)
        claimed = plain_code(body.get("status"))
        try:
            return (Hint(claimed, reference=UUID(str(body.get("reference")))),) if claimed else ()
        except ValueError:
            return ()


REGISTRATION = Registration(CODE, Settings, Sunpay, {"CI": (PaymentMethod.MTN,)})
