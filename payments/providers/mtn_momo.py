"""MTN MoMo, collections: a prompt pushed to the payer's phone.

Source: MTN MoMo developer portal and community pages (Collection, testing, common errors), the
published OpenAPI, and runs against the sandbox in September 2026.

| field | what it is |
| --- | --- |
| `X-Reference-Id` | our reference, a UUID version 4: the only handle, committed before the call |
| `X-Callback-Url` | where MTN calls once, at most; carries our own word for the payment |
| `externalId` | our order code; echoed, not unique over there |
| `amount` | text, whole francs; some answers have a number |
| `payerMessage` | at most 160 over there; ASCII letters, digits and spaces, or the firewall refuses |
| `reason` | text, or an object with `code`, or absent |
| `financialTransactionId` | MTN's number, absent while pending; some answers have a number |

Unreliable: 202 means queued and never paid; logical mistakes come as 500 with a code; callbacks are
unsigned, POST or PUT, and may never come; success five minutes after expiry is normal.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.domain.money import EXPONENTS, Money, parse_amount
from gateway.domain.wallet import PaymentMethod
from gateway.ports.payment_provider import (
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
from gateway.ports.raw_exchange import RawRequest
from payments.answers import decimal_text, evidence, identifier, is_page, number_forms, read_object, word
from payments.http_call import STATUS, SUBMIT, TOKEN, Answer, HttpCaller, NeverLeft, Outcome
from payments.registration import BaseUrl, HeaderSecret, Registration
from payments.token_cache import Call, NoToken, Token, TokenCache, TokenKey, basic, fingerprint, read_token

CODE: Final = "mtn_momo"
PRODUCT: Final = "collection"
MESSAGE_LENGTH_MAX: Final = 100
OPEN_SECONDS: Final = 330
LADDER_SECONDS: Final = (10, 20, 30, 45, 60, 90, 120)
TOKEN_EARLY_SECONDS: Final = 600.0
_ORDER_CODE: Final = re.compile(r"[A-Z0-9]{4,20}")
_log = structlog.get_logger(__name__)


def _environment(name: str) -> str:
    if name == "production":
        raise ValueError("must name the country, as mtnivorycoast does; MTN refuses the word production")
    return name


class Settings(BaseModel):
    """`MTN_MOMO_*`. `currency`: what MTN is told in place of ours, EUR for its own sandbox, which
    knows no other. `status_per_second`: questions that one account may ask."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl
    subscription_key: HeaderSecret
    api_user: str = Field(min_length=1, repr=False)
    api_key: HeaderSecret
    target_environment: Annotated[str, Field(pattern=r"^[a-z]+$"), AfterValidator(_environment)]
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    status_per_second: int = Field(10, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class Reason:
    """What a reason code means. `final`: nothing more will come. `alarm`: not the payer's doing."""

    payer: PayerReason
    final: bool = True
    alarm: bool = False
    expired: bool = False


_DECLINED: Final = Reason(PayerReason.DECLINED)
_OURS: Final = Reason(PayerReason.SERVICE_DOWN, alarm=True)
_MOVING: Final = Reason(PayerReason.OTHER, final=False)
_UNHEARD_OF: Final = Reason(PayerReason.OTHER)

REASONS: Final[Mapping[str, Reason]] = {
    "APPROVAL_REJECTED": _DECLINED,
    "REJECTED": _DECLINED,
    "PAYER_REJECTION": _DECLINED,
    "PAYMENT_NOT_APPROVED": _DECLINED,
    "TRANSACTION_CANCELED": _DECLINED,
    "EXPIRED": Reason(PayerReason.NOT_ANSWERED, expired=True),
    # Documented as "not approved within five minutes"; also MTN's own time-out.
    "COULD_NOT_PERFORM_TRANSACTION": Reason(PayerReason.NOT_ANSWERED),
    "NOT_ENOUGH_FUNDS": Reason(PayerReason.NO_FUNDS),
    # Mostly an empty wallet, but not only: telling the payer so would sometimes be wrong.
    "INTERNAL_PROCESSING_ERROR": Reason(PayerReason.OTHER),
    "PAYER_NOT_FOUND": Reason(PayerReason.UNKNOWN_NUMBER),
    "SENDER_ACCOUNT_NOT_ACTIVE": Reason(PayerReason.BLOCKED),
    "PAYER_LIMIT_REACHED": Reason(PayerReason.LIMIT),
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": _OURS,
    "PAYEE_NOT_FOUND": _OURS,
    "NOT_ALLOWED": Reason(PayerReason.OTHER, alarm=True),
    "AMOUNT_NOT_ALLOWED": Reason(PayerReason.LIMIT, alarm=True),
    "NOT_ALLOWED_TARGET_ENVIRONMENT": _OURS,
    "INVALID_CALLBACK_URL_HOST": _OURS,
    "INVALID_CURRENCY": _OURS,
    "TRANSFER_TYPE_UNKNOWN": _OURS,
    "SERVICE_UNAVAILABLE": _MOVING,
    "RESOURCE_NOT_FOUND": _MOVING,
    "TRANSACTION_NOT_FOUND": _MOVING,
    "RESOURCE_ALREADY_EXIST": _MOVING,
    "ONGOING": _MOVING,
    "PAYER_DELAYED": _MOVING,
    "PAYEE_DELAYED": _MOVING,
    "NOT_COMPLETED": _MOVING,
}

# At submission a 500 with one of these will never succeed as it is; any other 5xx may have arrived.
_LOGICAL: Final = frozenset(
    {
        "INVALID_CURRENCY",
        "NOT_ALLOWED",
        "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "INVALID_CALLBACK_URL_HOST",
        "PAYER_NOT_FOUND",
        "PAYEE_NOT_FOUND",
        "PAYER_LIMIT_REACHED",
        "PAYEE_NOT_ALLOWED_TO_RECEIVE",
        "NOT_ENOUGH_FUNDS",
    }
)
_ALREADY_THERE: Final = frozenset({"RESOURCE_ALREADY_EXIST", ""})
# Only MTN's own word counts: any proxy or wrong address says 404 too.
_NOT_FOUND: Final = frozenset({"RESOURCE_NOT_FOUND", "TRANSACTION_NOT_FOUND"})
# Letters that do not decompose into one of ASCII and a mark.
_LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O"})


def payer_message(text: str) -> str:
    """What the payer reads on the prompt: ASCII letters, digits and spaces, accents folded."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    unmarked = "".join(c for c in plain if not unicodedata.combining(c))
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in unmarked)
    return " ".join(kept.split())[:MESSAGE_LENGTH_MAX].rstrip()


class MtnMomo:
    """`PaymentProvider` for MTN's Collection product."""

    code = CODE

    def __init__(self, settings: Settings, caller: HttpCaller | None = None) -> None:
        self._settings = settings
        self.base_url = settings.base_url
        self._caller = caller or HttpCaller(CODE)
        self._tokens = TokenCache(renew_after=lambda lives: max(lives - TOKEN_EARLY_SECONDS, lives / 2))
        self._fingerprint = fingerprint(
            settings.api_user, settings.api_key.get_secret_value(), settings.subscription_key.get_secret_value()
        )

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt that lives five minutes and a little."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XOF", "XAF", "GNF", "GHS", "EUR"}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=LADDER_SECONDS,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            recovery=Recovery.ASK,
            instructions={
                "fr": "Aucune demande à l'écran ? Composez *133# pour approuver.",
                "en": "No prompt on the screen? Dial *133# to approve.",
            },
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST requesttopay`, the only call that moves money."""
        if collection.payer is None:
            return Rejected("NO_PAYER", PayerReason.UNKNOWN_NUMBER)
        body = {
            "amount": collection.amount.plain(),
            "currency": self._told_currency(collection.amount),
            "externalId": collection.order_code,
            "payer": {"partyIdType": "MSISDN", "partyId": collection.payer.removeprefix("+")},
            "payerMessage": payer_message(collection.description) or collection.order_code,
            "payeeNote": collection.order_code,
        }
        headers = {"X-Reference-Id": str(collection.reference)}
        if collection.callback_url.startswith("http") and collection.callback_url.isascii():
            # An empty or odd one costs the whole request a 400; without it, the ladder asks.
            headers["X-Callback-Url"] = collection.callback_url
        base = self._base(collection)

        async def submit(token: str) -> Outcome:
            return await self._caller.call(
                "POST",
                f"{base}/{PRODUCT}/v1_0/requesttopay",
                what="requesttopay",
                patience=SUBMIT,
                reference=str(collection.reference),
                headers={**self._common(), "Authorization": f"Bearer {token}", **headers},
                json=body,
            )

        return read_submission(await self._authorised(base, submit))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET requesttopay/{reference}`, on the platform that took it."""
        base = self._base(collection)

        async def ask(token: str) -> Outcome:
            return await self._caller.call(
                "GET",
                f"{base}/{PRODUCT}/v1_0/requesttopay/{collection.reference}",
                what="status",
                patience=STATUS,
                reference=str(collection.reference),
                headers={**self._common(), "Authorization": f"Bearer {token}"},
            )

        outcome = await self._authorised(base, ask)
        return read_status(outcome, collection, self._told_currency(collection.amount))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint: nothing in the message proves anything."""
        body = read_object(request.body)
        claimed, external = word(body.get("status")), body.get("externalId")
        if not claimed:
            return ()
        known = isinstance(external, str) and _ORDER_CODE.fullmatch(external) is not None
        return (Hint(claimed, external if known else None),)

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    def _base(self, collection: Collection) -> str:
        return (collection.base_url or self.base_url).rstrip("/")

    def _told_currency(self, money: Money) -> str:
        return self._settings.currency or money.currency

    def _common(self) -> dict[str, str]:
        return {
            "Ocp-Apim-Subscription-Key": self._settings.subscription_key.get_secret_value(),
            "X-Target-Environment": self._settings.target_environment,
        }

    async def _authorised(self, base: str, call: Call) -> Outcome | NoToken:
        key = TokenKey(base, PRODUCT, self._fingerprint)
        return await self._tokens.authorised(key, lambda: self._mint(base), call)

    async def _mint(self, base: str) -> Token | NoToken:
        """`POST token/`, with the slash and without any body."""
        pair = basic(self._settings.api_user, self._settings.api_key.get_secret_value())
        outcome = await self._caller.call(
            "POST",
            f"{base}/{PRODUCT}/token/",
            what="token",
            patience=TOKEN,
            headers={**self._common(), "Authorization": pair},
        )
        return read_token(outcome)


def read_submission(outcome: Outcome | NoToken) -> CreateResult:
    """What MTN's answer to a request to pay means. Whatever is not listed may have been taken in."""
    if isinstance(outcome, NoToken):
        return NotSent(outcome.error, alarm=outcome.alarm)
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    status, code = outcome.status, word(read_object(outcome.body).get("code"))
    said = f"{status} {code}".strip()
    if status == 202:
        return Accepted()
    if status == 409 and code in _ALREADY_THERE and read_object(outcome.body):
        return Accepted(already_there=True)
    if status == 429:
        return NotSent(said)
    if status in (200, 400, 403) and is_page(outcome):
        # The firewall did not like a text or the User-Agent.
        return Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    if status in (401, 403, 404):
        return NotSent(said, alarm=True)
    if status == 400:
        # Nothing was created by this call; an earlier one of the same reference may have been lost.
        return Rejected(code or "400", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    if status == 500 and code in _LOGICAL:
        reason = REASONS[code]
        return Rejected(code, reason.payer, alarm=reason.alarm, ask_first=True)
    return Unknown(said)


def read_status(outcome: Outcome | NoToken, collection: Collection, told_currency: str) -> StatusReport:
    """What MTN's answer to a status question means. `told_currency`: the one that we told MTN."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    code = word(answer.get("code"))
    said = f"{outcome.status} {code}".strip()
    if outcome.status == 404 and code in _NOT_FOUND:
        return NotFound(code)
    if outcome.status != 200:
        return Unavailable(said, throttled=outcome.status == 429)
    status = word(answer.get("status"))
    if not status:
        return Unavailable("200 without a status")
    raw = evidence(outcome.body, _numbers(answer, collection))
    if status == "SUCCESSFUL":
        return _succeeded(answer, collection, told_currency, raw)
    if status == "FAILED":
        return _failed(answer, collection, raw)
    return StillOpen(status)


def _numbers(answer: Mapping[str, Any], collection: Collection) -> list[str]:
    """Every phone number that the answer may show."""
    payer = answer.get("payer")
    shown = payer.get("partyId") if isinstance(payer, dict) else None
    return [str(shown or ""), *number_forms(collection.payer)]


def _succeeded(answer: Mapping[str, Any], collection: Collection, told_currency: str, raw: str) -> StatusReport:
    currency = word(answer.get("currency"))
    booked = collection.amount.currency if currency == told_currency else currency
    received = parse_amount(decimal_text(answer.get("amount")), booked) if booked in EXPONENTS else None
    if received is None:
        # Paid, but nobody can say how much: not a success that may be counted, and no failure either.
        _log.error("success_without_amount", provider=CODE, reference=str(collection.reference))
        return Unavailable("SUCCESSFUL without a readable amount")
    return Succeeded(received, identifier(answer.get("financialTransactionId")), raw)


def _failed(answer: Mapping[str, Any], collection: Collection, raw: str) -> StatusReport:
    told = answer.get("reason")
    code = word(told.get("code") if isinstance(told, dict) else told, "FAILED")
    reason = REASONS.get(code)
    if reason is None:
        reason = _UNHEARD_OF
        _log.warning("unheard_of_reason", provider=CODE, reference=str(collection.reference), reason=code)
    if not reason.final:
        return StillOpen(code)
    return Failed(code, reason.payer, raw, expired=reason.expired, alarm=reason.alarm)


REGISTRATION = Registration(CODE, Settings, MtnMomo, {"CI": (PaymentMethod.MTN,), "CM": (PaymentMethod.MTN,)})
