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

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr

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
    plain_words,
    read_object,
    shows_life,
)
from payments.http_call import STATUS, SUBMIT, TOKEN, Answer, HttpCaller, NeverLeft, Outcome, Timeouts
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
from payments.providers.orange_money_cm.statement import STATEMENT
from payments.registration import BaseUrl, HeaderSecret, Registration
from payments.token_cache import NoToken, Token, TokenCache, TokenKey, basic, fingerprint, read_token

CODE: Final = "orange_money_cm"
API: Final = "omcoreapis/1.0.2"
COUNTRY_CODE: Final = "+237"
OPEN_SECONDS: Final = 330
LADDER_SECONDS: Final = (10, 20, 30, 45, 60, 90, 120)
TOKEN_LIFE_USED: Final = 0.9
DESCRIPTION_LENGTH_MAX: Final = 100
PAY_TOKEN: Final = "pay_token"  # noqa: S105 - the name of a secret
_PROMPT_SENT: Final = "200"
_PAID: Final = frozenset({"SUCCESSFULL", "SUCCESSFUL"})
_ORDER_CODE: Final = re.compile(r"[A-Z0-9]{4,20}")
_LOCAL: Final = re.compile(r"6\d{8}")
_log = structlog.get_logger(__name__)

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


class Settings(BaseModel):
    """`ORANGE_MONEY_CM_*`. `consumer_key`, `consumer_secret`: for the bearer token. `api_user`,
    `api_password`: of `X-AUTH-TOKEN`. `channel_msisdn`: our merchant number, nine digits, with its PIN."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl = Field(examples=["https://api-s1.orange.cm"])
    consumer_key: str = Field(min_length=1, repr=False)
    consumer_secret: HeaderSecret
    api_user: str = Field(min_length=1, repr=False)
    api_password: HeaderSecret
    channel_msisdn: Annotated[str, Field(pattern=r"^6\d{8}$", repr=False)]
    channel_pin: SecretStr = Field(min_length=4)
    status_per_second: int = Field(10, ge=1, le=1000)


class OrangeMoneyCm:
    """`PaymentProvider`, `Preparer` and `Prober` for the core API. Money is asked for in two steps: `prepare`
    fetches the handle, which is kept with the payment, and only then does `create` ask the payer."""

    code = CODE

    def __init__(self, settings: Settings, caller: HttpCaller | None = None) -> None:
        self._settings = settings
        self.base_url = settings.base_url
        self._caller = caller or HttpCaller(CODE)
        self._tokens = TokenCache(renew_after=lambda lives: lives * TOKEN_LIFE_USED)
        self._fingerprint = fingerprint(settings.consumer_key, settings.consumer_secret.get_secret_value())
        pair = basic(settings.api_user, settings.api_password.get_secret_value())
        self._auth_token = SecretStr(pair.removeprefix("Basic "))

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt. How long it lives is not published; some minutes."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XAF"}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=LADDER_SECONDS,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            recovery=Recovery.ASK,
            prepares=frozenset({PAY_TOKEN}),
        )

    async def prepare(self, collection: Collection) -> Mapping[str, str] | NotSent:
        """`POST mp/init`: what to keep with the payment before `create`. It moves nothing, so that a lost
        answer is no matter; a payment that keeps no handle was never asked for."""
        return read_init(await self._call(collection, "POST", "mp/init", SUBMIT))

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST mp/pay`, the call that asks for money; again with the same handle it is answered 422."""
        subscriber = (collection.payer or "").removeprefix(COUNTRY_CODE)
        if not _LOCAL.fullmatch(subscriber):
            return Rejected("NO_PAYER", PayerReason.UNKNOWN_NUMBER)
        if EXPONENTS[collection.amount.currency] != 0:
            return Rejected("CURRENCY", PayerReason.SERVICE_DOWN, alarm=True)
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
        return read_payment(await self._call(collection, "POST", "mp/pay", SUBMIT, json=body))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET mp/paymentstatus/{payToken}`."""
        pay_token = _handle(collection)
        if not pay_token:
            # The handle is stored before the payer is asked, so without one the payer was not asked.
            return NotFound("no payToken was kept")
        return read_status(await self._call(collection, "GET", f"mp/paymentstatus/{pay_token}", STATUS), collection)

    async def alive(self) -> bool:
        """Whether Orange answers 404 to a question about a handle that does not exist."""
        return shows_life(await self._call(None, "GET", f"mp/paymentstatus/MP{uuid4().hex.upper()}", STATUS))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint: nothing in the message proves anything. One about another handle is none."""
        body = read_object(request.body)
        value = _data(body) or body
        claimed, named, kept = plain_code(value.get("status")), value.get("payToken"), secrets.get(PAY_TOKEN)
        if not claimed or (kept and named is not None and named != kept):
            return ()
        order = value.get("txnmode") or value.get("orderId")
        return (Hint(claimed, order if isinstance(order, str) and _ORDER_CODE.fullmatch(order) else None),)

    async def ready(self, collection: Collection) -> None:
        """Have a token."""
        base = self._base(collection)
        await self._tokens.get(self._key(base), lambda: self._mint(base))

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    async def _call(
        self,
        collection: Collection | None,
        method: str,
        path: str,
        timeouts: Timeouts,
        **content: Any,  # noqa: ANN401 - json= as httpx has it
    ) -> Outcome | NoToken:
        base = self._base(collection)

        async def call(token: str) -> Outcome:
            return await self._caller.call(
                method,
                f"{base}/{API}/{path}",
                what="/".join(path.split("/")[:2]),
                timeouts=timeouts,
                reference=str(collection.reference) if collection else "",
                headers={"Authorization": f"Bearer {token}", "X-AUTH-TOKEN": self._auth_token.get_secret_value()},
                **content,
            )

        return await self._tokens.authorised(self._key(base), lambda: self._mint(base), call)

    def _key(self, base: str) -> TokenKey:
        return TokenKey(base, API, self._fingerprint)

    def _base(self, collection: Collection | None) -> str:
        return ((collection and collection.base_url) or self.base_url).rstrip("/")

    async def _mint(self, base: str) -> Token | NoToken:
        """`POST /token` with a form."""
        pair = basic(self._settings.consumer_key, self._settings.consumer_secret.get_secret_value())
        outcome = await self._caller.call(
            "POST",
            f"{base}/token",
            what="token",
            timeouts=TOKEN,
            headers={"Authorization": pair},
            data={"grant_type": "client_credentials"},
        )
        return read_token(outcome)


def _handle(collection: Collection) -> str:
    pay_token = collection.secrets.get(PAY_TOKEN, "")
    return pay_token if pay_token.isascii() and pay_token.isalnum() else ""


def _data(answer: Mapping[str, Any]) -> dict[str, Any]:
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def _refusal(answer: Mapping[str, Any]) -> str:
    """Orange's reason in an answer; empty where it names none, or the prompt was sent."""
    data = _data(answer)
    for name in ("confirmtxnstatus", "inittxnstatus"):
        code = plain_code(data.get(name))
        if code and code != _PROMPT_SENT:
            return code
    return ""


def read_init(outcome: Outcome | NoToken) -> Mapping[str, str] | NotSent:
    """The handle, or why there is none: without it nothing can have been asked for."""
    if isinstance(outcome, NoToken):
        return NotSent(outcome.error, alarm=outcome.alarm)
    if not isinstance(outcome, Answer):
        return NotSent(f"init: {outcome.error}")
    pay_token = _data(read_object(outcome.body)).get("payToken")
    if outcome.status in (200, 201) and isinstance(pay_token, str) and pay_token.isascii() and pay_token.isalnum():
        return {PAY_TOKEN: pay_token}
    return NotSent(f"init: {outcome.status}", alarm=outcome.status in (400, 401, 403, 404))


def read_payment(outcome: Outcome | NoToken) -> CreateResult:
    """What Orange's answer to `mp/pay` means. Whatever is not listed may have been taken in."""
    if isinstance(outcome, NoToken):
        return NotSent(outcome.error, alarm=outcome.alarm)
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    answer, status = read_object(outcome.body), outcome.status
    refusal = _refusal(answer)
    if status in (200, 201) and _data(answer):
        return _refused(refusal) if refusal else Accepted()
    if status in (200, 400, 403) and is_page(outcome):
        return Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    if status == 429:
        return NotSent("429", throttled=True)
    if status in (401, 403, 404):
        return NotSent(str(status), alarm=True)
    if refusal and 400 <= status < 500:
        return _refused(refusal)
    if status == 422 and answer:
        return Accepted(already_there=True)
    if status == 400:
        return Rejected(plain_code(answer.get("code"), "400"), PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    return Unknown(str(status))


def _refused(code: str) -> Rejected:
    reason = REASONS.get(code)
    if reason is None:
        _log.warning("unheard_of_reason", provider=CODE, reason=code)
    return Rejected(code, reason or PayerReason.OTHER, ask_first=True)


def read_status(outcome: Outcome | NoToken, collection: Collection) -> StatusReport:
    """What Orange's answer to a status question means."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    if outcome.status == 404 and "message" in answer:
        # The gateway's own 404, which has `fault`, means only that the address is wrong.
        return NotFound("404")
    if outcome.status not in (200, 201):
        return Unavailable(str(outcome.status), throttled=outcome.status == 429)
    data = _data(answer)
    status = plain_code(data.get("status"))
    if not status:
        return Unavailable(f"{outcome.status} without a status")
    if (data.get("txnmode") or collection.order_code) != collection.order_code:
        _log.error("answer_about_another_order", provider=CODE, reference=str(collection.reference))
        return Unavailable("an answer about another order")
    raw = evidence(outcome.body, [_handle(collection), *number_forms(collection.payer)])
    if status in _PAID:
        return _succeeded(data, collection, raw)
    if status in ENDED:
        code = _refusal(answer)
        reason = REASONS.get(code, ENDED[status])
        return Failed(code or status, reason, raw, expired=status == "EXPIRED")
    return StillOpen(status)


def _succeeded(data: Mapping[str, Any], collection: Collection, raw: str) -> StatusReport:
    received = parse_amount(decimal_text(data.get("amount")), collection.amount.currency)
    if received is None:
        # Paid, but the amount is unreadable: neither a success that may be counted nor a failure.
        _log.error("success_without_amount", provider=CODE, reference=str(collection.reference))
        return Unavailable("SUCCESSFULL without a readable amount")
    return Succeeded(received, identifier(data.get("txnid")), raw)


REGISTRATION = Registration(CODE, Settings, OrangeMoneyCm, {"CM": (PaymentMethod.ORANGE,)}, statement=STATEMENT)
