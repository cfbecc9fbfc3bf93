"""Orange Money Cameroon, core API: a prompt pushed to the payer's phone.

Source: clients of the core API in several languages with their tests, read in November 2026; Orange
publishes no page about it and has no sandbox.

| field | what it is |
| --- | --- |
| `X-AUTH-TOKEN` | API user and password, base64; on every business call, besides the bearer token |
| `payToken` | Orange's handle, from `mp/init`; kept before `mp/pay` asks for money; the only way to ask |
| `orderId` | our order code, at most 20 characters without `-`; comes back as `txnmode` |
| `subscriberMsisdn` | nine local digits, without 237 |
| `channelUserMsisdn`, `pin` | our merchant number and its PIN; secret |
| `amount` | text, whole francs; answers have text or a number |
| `inittxnstatus` | `200` when the prompt was sent, else a reason; `confirmtxnstatus` the same at the end |
| `notifUrl` | where Orange calls; carries our own token for the payment |
| `txnid` | Orange's number of the transaction |

Unreliable: `SUCCESSFULL` has two L, sometimes one; refusals come as HTTP 4xx or as 200 with a reason; the
gateway in front answers faults in JSON or XML; callbacks are unsigned. A `payToken` pays once: used again
it is answered 422. No refund call is documented for this contract (cash-in is a contract of its own).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import uuid4

from pydantic import Field, SecretStr

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import EXPONENTS
from payments.answers import (
    FIREWALL,
    NO_PAYER,
    WRONG_CURRENCY,
    Reply,
    amount_of,
    another_order,
    evidence,
    inner,
    number_forms,
    order_code_in,
    plain_code,
    plain_words,
    read_object,
    reason_of,
    shows_life,
    success,
)
from payments.http_call import Answer, Outcome
from payments.operator_api import PROMPT_LADDER, Login, TokenProvider
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
    Rejected,
    StatusReport,
    StillOpen,
)
from payments.reconciliation.statement_format import orange_statement
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration
from payments.token_cache import basic

CODE: Final = "orange_money_cm"
COUNTRY_CODE: Final = "+237"
OPEN_SECONDS: Final = 330
DESCRIPTION_LENGTH_MAX: Final = 100
PAY_TOKEN: Final = "pay_token"  # noqa: S105 - the name of a secret
_PROMPT_SENT: Final = "200"
_PAID: Final = frozenset({"SUCCESSFULL", "SUCCESSFUL"})
# Statuses about our account or its address, not about the payment.
_ABOUT_US: Final = (401, 403, 404, 429)
_LOCAL: Final = re.compile(r"6\d{8}")

REASONS: Final[Mapping[str, PayerReason]] = {
    "00671": PayerReason.UNKNOWN_NUMBER,
    "0066111": PayerReason.UNKNOWN_NUMBER,
    # An Orange number without Orange Money.
    "99051": PayerReason.UNKNOWN_NUMBER,
    "60019": PayerReason.NO_FUNDS,
    # Limits and states of accounts; which is which is documented nowhere.
    **{str(code): PayerReason.OTHER for code in range(60021, 60036)},
}
ENDED: Final[Mapping[str, PayerReason]] = {
    "FAILED": PayerReason.OTHER,
    "EXPIRED": PayerReason.NOT_ANSWERED,
    "CANCELLED": PayerReason.DECLINED,
    "CANCELED": PayerReason.DECLINED,
}


class Settings(OperatorSettings):
    """`ORANGE_MONEY_CM_*`. `consumer_key`, `consumer_secret`: for the bearer token. `api_user`,
    `api_password`: of `X-AUTH-TOKEN`. `channel_msisdn`: our merchant number, nine digits, with its PIN."""

    base_url: BaseUrl = Field(examples=["https://api-s1.orange.cm"])
    consumer_key: str = Field(min_length=1, repr=False)
    consumer_secret: HeaderSecret
    api_user: str = Field(min_length=1, repr=False)
    api_password: HeaderSecret
    channel_msisdn: Annotated[str, Field(pattern=r"^6\d{8}$", repr=False)]
    channel_pin: SecretStr = Field(min_length=4)


class OrangeMoneyCm(TokenProvider[Settings]):
    """`PaymentProvider`, `Preparer` and `Prober` for the core API. Money is asked for in two steps: `prepare`
    fetches the handle, which is kept with the payment, and only then does `create` ask the payer."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        user = basic(settings.api_user, settings.api_password.get_secret_value()).removeprefix("Basic ")
        login = Login("token", settings.consumer_key, settings.consumer_secret)
        super().__init__(settings, login, root="omcoreapis/1.0.2/mp/", headers={"X-AUTH-TOKEN": user})

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt. How long it is open is not published; some minutes."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XAF"}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=PROMPT_LADDER,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            prepares=frozenset({PAY_TOKEN}),
        )

    async def prepare(self, collection: Collection) -> Mapping[str, str] | NotSent:
        """`POST mp/init`: what to keep with the payment before `create`. It moves nothing, so that a lost
        answer is no matter; a payment that keeps no handle was never asked for."""
        return read_init(await self._api.submit(collection, "init", "mp/init"))

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST mp/pay`, the call that asks for money; again with the same handle it is answered 422."""
        subscriber = (collection.payer or "").removeprefix(COUNTRY_CODE)
        if not _LOCAL.fullmatch(subscriber):
            return NO_PAYER
        if EXPONENTS[collection.amount.currency] != 0:
            return WRONG_CURRENCY
        pay_token = _handle(collection)
        if not pay_token:
            # A handle fetched only now could be lost with its answer, and then the payment could not be looked up.
            return NotSent("no payToken was kept")
        body = {
            "subscriberMsisdn": subscriber,
            "channelUserMsisdn": self._settings.channel_msisdn,
            "amount": collection.amount.plain(),
            "description": plain_words(collection.description, DESCRIPTION_LENGTH_MAX) or collection.order_code,
            "orderId": collection.order_code,
            "pin": self._settings.channel_pin.get_secret_value(),
            "payToken": pay_token,
            "notifUrl": collection.callback_url,
        }
        return read_payment(await self._api.submit(collection, "pay", "mp/pay", json=body))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET mp/paymentstatus/{payToken}`."""
        pay_token = _handle(collection)
        if not pay_token:
            # The handle is stored before the payer is asked, so without one the payer was not asked.
            return NotFound("no payToken was kept")
        return read_status(await self._ask(collection, pay_token), collection)

    async def alive(self) -> bool:
        """Whether Orange answers 404 to a question about a handle that does not exist."""
        return shows_life(await self._ask(None, f"MP{uuid4().hex.upper()}"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint: nothing in the message proves anything. One about another handle is none."""
        body = read_object(request.body)
        value = inner(body, "data") or body
        claimed, named, kept = plain_code(value.get("status")), value.get("payToken"), secrets.get(PAY_TOKEN)
        if not claimed or (kept and named is not None and named != kept):
            return ()
        return (Hint(claimed, order_code_in(value.get("txnmode") or value.get("orderId"))),)

    async def _ask(self, collection: Collection | None, pay_token: str) -> Outcome:
        return await self._api.ask(collection, f"paymentstatus/{pay_token}", "mp/paymentstatus")


def _handle(collection: Collection) -> str:
    pay_token = collection.secrets.get(PAY_TOKEN, "")
    return pay_token if pay_token.isascii() and pay_token.isalnum() else ""


def _refusal(answer: Mapping[str, Any]) -> str:
    """Orange's reason in an answer; empty where it names none, or the prompt was sent."""
    data = inner(answer, "data")
    codes = (plain_code(data.get(name)) for name in ("confirmtxnstatus", "inittxnstatus"))
    return next((code for code in codes if code and code != _PROMPT_SENT), "")


def read_init(outcome: Outcome) -> Mapping[str, str] | NotSent:
    """The handle, or why there is none: without it nothing can have been asked for."""
    if not isinstance(outcome, Answer):
        return NotSent(f"init: {outcome.error}", alarm=isinstance(outcome, NotSent) and outcome.alarm)
    pay_token = inner(read_object(outcome.body), "data").get("payToken")
    if outcome.status in (200, 201) and isinstance(pay_token, str) and pay_token.isascii() and pay_token.isalnum():
        return {PAY_TOKEN: pay_token}
    return NotSent(f"init: {outcome.status}", alarm=outcome.status in (400, 401, 403, 404))


def read_payment(outcome: Outcome) -> CreateResult:
    """What Orange's answer to `mp/pay` means."""
    reply = Reply(outcome)
    refusal, sent = _refusal(reply.found), reply.status in (200, 201)
    if refusal and (sent or (400 <= reply.status < 500 and reply.status not in _ABOUT_US)):
        return Rejected(refusal, reason_of(REASONS, refusal, PayerReason.OTHER, CODE), ask_first=True)
    if sent and inner(reply.found, "data"):
        return Accepted()
    if reply.status == 422 and reply.found:
        return Accepted(already_there=True)
    return reply.refusal(firewall=FIREWALL)


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Orange's answer to a status question means."""
    reply = Reply(outcome)
    if reply.status == 404 and "message" in reply.found:
        # The gateway's own 404, which has `fault`, means only that the address is wrong.
        return NotFound("404")
    data = inner(reply.found, "data")
    status = plain_code(data.get("status"))
    if reply.status not in (200, 201) or not status:
        return reply.unavailable()
    if (data.get("txnmode") or collection.order_code) != collection.order_code:
        return another_order(CODE, collection.reference)
    raw = evidence(reply.body, [_handle(collection), *number_forms(collection.payer)])
    if status in _PAID:
        received = amount_of(data.get("amount"), collection.amount.currency)
        return success(CODE, collection.reference, received, data.get("txnid"), raw)
    if status in ENDED:
        code = _refusal(reply.found)
        return Failed(code or status, REASONS.get(code, ENDED[status]), raw, expired=status == "EXPIRED")
    return StillOpen(status)


REGISTRATION = Registration(
    CODE, Settings, OrangeMoneyCm, {"CM": (PaymentMethod.ORANGE,)}, statement=orange_statement(CODE, "XAF")
)
