"""MTN MoMo, collections: a prompt pushed to the payer's phone.

Source: MTN MoMo developer portal and community pages (Collection, testing, common errors), and runs
against the sandbox in September 2026.

| field | what it is |
| --- | --- |
| `X-Reference-Id` | our reference, a UUID version 4: the only handle, committed before the call |
| `X-Callback-Url` | where MTN calls once, at most; carries our own word for the payment |
| `externalId` | our order code; echoed, not unique over there |
| `amount` | text, whole francs; some answers have a number |
| `reason` | text, or an object with `code`, or absent |

Unreliable: 202 means queued and never paid; logical mistakes come as 500 with a code; callbacks are
unsigned, POST or PUT, and may never come; success five minutes after expiry is normal.
"""

import base64
import unicodedata
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from gateway.domain.money import Money, parse_amount
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
from payments.http_call import Answer, HttpCaller, Lost, NeverLeft, Outcome, Patience
from payments.registration import Registration
from payments.token_cache import Token, TokenCache

CODE: Final = "mtn_momo"
MESSAGE_LENGTH_MAX: Final = 100
OPEN_SECONDS: Final = 330
LADDER_SECONDS: Final = (10, 20, 30, 45, 60, 90, 120)
TOKEN_EARLY_SECONDS: Final = 600.0
_ASK: Final = Patience(connect=3, total=15)
_STATUS: Final = Patience(connect=3, total=8)
_TOKEN: Final = Patience(connect=3, total=30)


def _real_environment(word: str) -> str:
    """MTN refuses the literal `production`: the word is the country's, such as `mtnivorycoast`."""
    if word == "production" or not word.isalpha():
        raise ValueError("use the country's word, such as mtnivorycoast")
    return word


class Settings(BaseModel):
    """`MTN_MOMO_*`. `currency`: set to EUR for MTN's own sandbox, which knows no other."""

    base_url: str
    subscription_key: SecretStr
    api_user: str
    api_key: SecretStr
    target_environment: Annotated[str, AfterValidator(_real_environment)]
    currency: str | None = None
    status_per_second: int = Field(10, ge=1, le=1000)


class Word(Enum):
    """What a reason code means for us."""

    FINAL = "final"
    OPEN = "open"


# Reason code → (final or still moving, what the voter is told, whether somebody must look).
REASONS: Final[Mapping[str, tuple[Word, PayerReason, bool]]] = {
    "APPROVAL_REJECTED": (Word.FINAL, PayerReason.DECLINED, False),
    "REJECTED": (Word.FINAL, PayerReason.DECLINED, False),
    "PAYER_REJECTION": (Word.FINAL, PayerReason.DECLINED, False),
    "EXPIRED": (Word.FINAL, PayerReason.NOT_ANSWERED, False),
    "PAYMENT_NOT_APPROVED": (Word.FINAL, PayerReason.NOT_ANSWERED, False),
    "TRANSACTION_CANCELED": (Word.FINAL, PayerReason.DECLINED, False),
    "COULD_NOT_PERFORM_TRANSACTION": (Word.FINAL, PayerReason.NOT_ANSWERED, False),
    "NOT_ENOUGH_FUNDS": (Word.FINAL, PayerReason.NO_FUNDS, False),
    "INTERNAL_PROCESSING_ERROR": (Word.FINAL, PayerReason.OTHER, False),
    "PAYER_NOT_FOUND": (Word.FINAL, PayerReason.UNKNOWN_NUMBER, False),
    "SENDER_ACCOUNT_NOT_ACTIVE": (Word.FINAL, PayerReason.BLOCKED, False),
    "PAYER_LIMIT_REACHED": (Word.FINAL, PayerReason.LIMIT, False),
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": (Word.FINAL, PayerReason.SERVICE_DOWN, True),
    "PAYEE_NOT_FOUND": (Word.FINAL, PayerReason.SERVICE_DOWN, True),
    "NOT_ALLOWED": (Word.FINAL, PayerReason.OTHER, True),
    "AMOUNT_NOT_ALLOWED": (Word.FINAL, PayerReason.LIMIT, True),
    "NOT_ALLOWED_TARGET_ENVIRONMENT": (Word.FINAL, PayerReason.SERVICE_DOWN, True),
    "INVALID_CALLBACK_URL_HOST": (Word.FINAL, PayerReason.SERVICE_DOWN, True),
    "INVALID_CURRENCY": (Word.FINAL, PayerReason.SERVICE_DOWN, True),
    "TRANSFER_TYPE_UNKNOWN": (Word.FINAL, PayerReason.SERVICE_DOWN, True),
    "SERVICE_UNAVAILABLE": (Word.OPEN, PayerReason.SERVICE_DOWN, False),
    "RESOURCE_NOT_FOUND": (Word.OPEN, PayerReason.OTHER, False),
    "TRANSACTION_NOT_FOUND": (Word.OPEN, PayerReason.OTHER, False),
    "RESOURCE_ALREADY_EXIST": (Word.OPEN, PayerReason.OTHER, False),
    "ONGOING": (Word.OPEN, PayerReason.OTHER, False),
    "PAYER_DELAYED": (Word.OPEN, PayerReason.OTHER, False),
    "PAYEE_DELAYED": (Word.OPEN, PayerReason.OTHER, False),
    "NOT_COMPLETED": (Word.OPEN, PayerReason.OTHER, False),
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


def payer_message(text: str) -> str:
    """What the payer reads on the prompt: ASCII letters, digits and spaces; MTN's firewall refuses
    requests with other characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = "".join(c if c.isalnum() else " " for c in plain)
    return " ".join(kept.split())[:MESSAGE_LENGTH_MAX].rstrip()


def _json(body: bytes) -> dict[str, Any]:
    """The object in a body; empty for anything else."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def _reason_code(answer: Mapping[str, Any]) -> str:
    """The code in `reason`, which may be text, an object, or absent."""
    reason = answer.get("reason")
    code = reason.get("code") if isinstance(reason, dict) else reason
    return code if isinstance(code, str) else ""


class MtnMomo:
    """`PaymentProvider` for MTN's Collection product."""

    code = CODE

    def __init__(self, settings: Settings, caller: HttpCaller | None = None) -> None:
        self._settings = settings
        self.base_url = settings.base_url.rstrip("/")
        self._caller = caller or HttpCaller(CODE)
        self._tokens: dict[str, TokenCache] = {}

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt that lives five minutes and a little."""
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XOF", "XAF", "GNF", "EUR"}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=LADDER_SECONDS,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            recovery=Recovery.ASK,
            instructions={"fr": "*133#", "en": "*133#"},
        )

    def _currency(self, money: Money) -> str:
        return self._settings.currency or money.currency

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """Request to pay."""
        if collection.payer is None:
            return Rejected("NO_PAYER", PayerReason.UNKNOWN_NUMBER)
        body = {
            "amount": collection.amount.plain(),
            "currency": self._currency(collection.amount),
            "externalId": collection.order_code,
            "payer": {"partyIdType": "MSISDN", "partyId": collection.payer.removeprefix("+")},
            "payerMessage": payer_message(collection.description),
            "payeeNote": collection.order_code,
        }
        headers = {"X-Reference-Id": str(collection.reference), "Content-Type": "application/json"}
        if urlsplit(collection.callback_url).scheme:
            headers["X-Callback-Url"] = collection.callback_url
        outcome = await self._authorised(
            "POST",
            collection.base_url,
            "/collection/v1_0/requesttopay",
            "requesttopay",
            _ASK,
            headers,
            orjson.dumps(body),
        )
        return read_submission(outcome)

    async def query(self, collection: Collection) -> StatusReport:
        """Status of a request to pay, on the platform that took it."""
        path = f"/collection/v1_0/requesttopay/{collection.reference}"
        outcome = await self._authorised("GET", collection.base_url, path, "status", _STATUS, {}, None)
        return read_status(outcome, self._currency(collection.amount), collection.amount.currency)

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint: nothing in the message proves anything."""
        body = _json(request.body)
        status, external = body.get("status"), body.get("externalId")
        if not isinstance(status, str):
            return ()
        return (Hint(status[:40], external[:40] if isinstance(external, str) else None),)

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    async def _authorised(
        self,
        method: str,
        base_url: str | None,
        path: str,
        what: str,
        patience: Patience,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Outcome:
        """A business call; a refused token is renewed once and the same call repeated."""
        base = base_url or self.base_url
        cache = self._token_cache(base)
        outcome: Outcome = NeverLeft("no token")
        for _ in range(2):
            token = await cache.get()
            if token is None:
                return outcome
            outcome = await self._caller.call(
                method,
                f"{base}{path}",
                what=what,
                patience=patience,
                headers={**self._common(), "Authorization": f"Bearer {token}", **headers},
                content=body,
            )
            if not isinstance(outcome, Answer) or outcome.status != 401:
                return outcome
            cache.forget(token)
        return outcome

    def _common(self) -> dict[str, str]:
        return {
            "Ocp-Apim-Subscription-Key": self._settings.subscription_key.get_secret_value(),
            "X-Target-Environment": self._settings.target_environment,
        }

    def _token_cache(self, base: str) -> TokenCache:
        if base not in self._tokens:

            async def mint() -> Token | None:
                return await self._mint(base)

            self._tokens[base] = TokenCache(mint, early_seconds=lambda lives: min(TOKEN_EARLY_SECONDS, lives / 2))
        return self._tokens[base]

    async def _mint(self, base: str) -> Token | None:
        """A token for Collection. The body must be empty."""
        pair = f"{self._settings.api_user}:{self._settings.api_key.get_secret_value()}".encode()
        outcome = await self._caller.call(
            "POST",
            f"{base}/collection/token/",
            what="token",
            patience=_TOKEN,
            headers={**self._common(), "Authorization": f"Basic {base64.b64encode(pair).decode()}"},
            content=b"",
        )
        if not isinstance(outcome, Answer) or outcome.status != 200:
            return None
        answer = _json(outcome.body)
        token, lives = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(lives, int | float) or isinstance(lives, bool):
            return None
        return Token(token, float(lives))


def read_submission(outcome: Outcome) -> CreateResult:
    """What MTN's answer to a request to pay means."""
    match outcome:
        case NeverLeft(error):
            return NotSent(error)
        case Lost(error):
            return Unknown(error)
    status, code = outcome.status, str(_json(outcome.body).get("code", ""))
    is_json = bool(_json(outcome.body)) or not outcome.body
    if status == 202:
        return Accepted()
    if status == 409:
        return Accepted(already_there=True)
    if status == 429:
        return NotSent("429")
    if status in (401, 403, 404):
        return NotSent(f"{status} {code}".strip(), alarm=True)
    if status >= 500 and code in _LOGICAL:
        _, reason, alarm = REASONS[code]
        return Rejected(code, reason, alarm=alarm, ask_first=True)
    if status >= 500:
        return Unknown(f"{status} {code}".strip())
    # The firewall answers HTML for a text that it dislikes, also with 200.
    return Rejected(code or str(status), PayerReason.SERVICE_DOWN, alarm=True, ask_first=not is_json)


def read_status(outcome: Outcome, spoken_currency: str, our_currency: str) -> StatusReport:
    """What MTN's answer to a status question means. `spoken_currency`: the one that we told MTN;
    `our_currency`: the one that we booked."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = _json(outcome.body)
    if outcome.status == 404:
        return NotFound(str(answer.get("code", "404"))[:60])
    if outcome.status != 200 or not answer:
        return Unavailable(f"{outcome.status} {answer.get('code', '')}".strip(), throttled=outcome.status == 429)
    raw = outcome.body.decode("utf-8", "replace")
    word, code = answer.get("status"), _reason_code(answer)
    if word == "SUCCESSFUL":
        currency = str(answer.get("currency", ""))
        received = parse_amount(
            str(answer.get("amount", "")), our_currency if currency == spoken_currency else currency
        )
        if received is None:
            return StillOpen("SUCCESSFUL without a readable amount")
        transaction = answer.get("financialTransactionId")
        return Succeeded(received, str(transaction) if transaction is not None else None, raw)
    if word == "FAILED":
        meaning, reason, alarm = REASONS.get(code, (Word.FINAL, PayerReason.OTHER, False))
        if meaning is Word.OPEN:
            return StillOpen(code)
        return Failed(code or "FAILED", reason, raw, expired=code == "EXPIRED", alarm=alarm)
    return StillOpen(str(word)[:60])


REGISTRATION = Registration(CODE, Settings, MtnMomo)
