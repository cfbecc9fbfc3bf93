"""Wave, checkout: a link that opens the payer's Wave application.

Source: Wave's developer pages (checkout, webhooks), and clients, read in November 2026.

| field | what it is |
| --- | --- |
| `client_reference` | our order code; the key to search a session by, when the answer to its creation was lost |
| `id` | Wave's word for the session, `cos-…`; part of the link, so kept as a secret |
| `wave_launch_url` | the link: opens the application; whoever has it may pay |
| `checkout_status` | `open`, `complete`, `expired` |
| `payment_status` | `processing`, `succeeded`, `cancelled`; paid is only `succeeded` |
| `transaction_id` | Wave's number of the transaction |
| `last_payment_error` | `code` and `message` of a try that failed; the session stays open for others |
| `when_refunded` | of a session that was given back |
| `Wave-Signature` | `t=…,v1=…`: HMAC-SHA256 of `t` followed directly by the body; one `v1` for each secret in force |

Unreliable: a creation sent twice makes two sessions. A session that is `expired` while its payment is
`processing` may still be paid. A refund is of the whole session, has no reference of ours and is not called
back; asked again it is given once. `when_refunded` is seen in code of clients, not in Wave's pages: without it
a refund never shows as done. Webhooks go to an address in Wave's portal; shared secrets in a header, its other
way to vouch for them, are not taken. When a webhook was signed is not looked at: it only makes us ask.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import structlog
from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.money import parse_amount
from gateway.domain.wallet import PaymentMethod
from gateway.ports.payment_provider import (
    Accepted,
    Capabilities,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Failed,
    Hint,
    Kind,
    NotFound,
    NotSent,
    PayerReason,
    Purpose,
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
from payments.answers import (
    decimal_text,
    evidence,
    identifier,
    is_page,
    number_forms,
    read_object,
    shows_life,
    word,
)
from payments.http_call import STATUS, SUBMIT, Answer, HttpCaller, NeverLeft, Outcome, Patience
from payments.registration import BaseUrl, HeaderSecret, Registration

CODE: Final = "wave"
SESSIONS: Final = "v1/checkout/sessions"
CURRENCY: Final = "XOF"
OPEN_SECONDS: Final = 1800
LADDER_SECONDS: Final = (20, 40, 60, 90)
_SESSION: Final = re.compile(r"cos-[A-Za-z0-9_-]{1,60}")
_ORDER_CODE: Final = re.compile(r"[A-Z0-9]{4,20}")
SESSION: Final = "session"
_NO_SESSION: Final = "checkout-session-not-found"
_log = structlog.get_logger(__name__)

REASONS: Final[Mapping[str, PayerReason]] = {
    "insufficient-funds": PayerReason.NO_FUNDS,
    "blocked-account": PayerReason.BLOCKED,
    "customer-age-restricted": PayerReason.BLOCKED,
    "cross-border-payment-not-allowed": PayerReason.BLOCKED,
    "payer-mobile-mismatch": PayerReason.UNKNOWN_NUMBER,
    "kyb-limits-exceeded": PayerReason.SERVICE_DOWN,
    "payment-failure": PayerReason.OTHER,
}
# Our own account's limit, not the payer's.
_OURS: Final = frozenset({"kyb-limits-exceeded"})


class Settings(BaseModel):
    """`WAVE_*`. `webhook_secret`: the signing secret that Wave showed when the webhook was made."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl
    api_key: HeaderSecret
    webhook_secret: HeaderSecret
    status_per_second: int = Field(10, ge=1, le=1000)


def utc_now() -> datetime:
    """The clock that tells when a link dies, where Wave does not."""
    return datetime.now(UTC)


class Wave:
    """`PaymentProvider`, `Prober` and `Disburser` (refunds) for Wave's checkout."""

    code = CODE

    def __init__(
        self, settings: Settings, caller: HttpCaller | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self.base_url = settings.base_url
        self._caller = caller or HttpCaller(CODE)
        self._now = now

    def capabilities(self, country: str) -> Capabilities:
        """A redirect into the application; a session lives half an hour."""
        return Capabilities(
            kinds=frozenset({Kind.REDIRECT}),
            currencies=frozenset({CURRENCY}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=LADDER_SECONDS,
            status_per_second=self._settings.status_per_second,
            phone_needed=False,
            recovery=Recovery.SEARCH,
            can_refund=True,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /v1/checkout/sessions`: sent twice it makes two sessions, so a lost answer is searched for."""
        if collection.amount.currency != CURRENCY:
            return Rejected("CURRENCY", PayerReason.SERVICE_DOWN, alarm=True)
        body = {
            "amount": collection.amount.plain(),
            "currency": CURRENCY,
            "client_reference": collection.order_code,
            "success_url": collection.return_url,
            "error_url": collection.return_url,
        }
        outcome = await self._call(collection, "POST", SESSIONS, "session", SUBMIT, json=body)
        return read_creation(outcome, self._now() + timedelta(seconds=OPEN_SECONDS))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /v1/checkout/sessions/{id}`, or a search by our order code where Wave's word is not known."""
        if session := _session(collection):
            return read_status(await self._show(collection, session, "status"), collection)
        return read_search(await self._search(collection), collection)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        """`POST /v1/checkout/sessions/{id}/refund`: all of it, once."""
        collected = disbursement.collection
        if disbursement.purpose is not Purpose.REFUND or collected is None:
            return Rejected("NO_PAYOUTS", PayerReason.SERVICE_DOWN, alarm=True)
        if disbursement.amount != collected.amount:
            return Rejected("WHOLE_ONLY", PayerReason.OTHER, alarm=True)
        session = _session(collected) or await self._find(collected)
        if session is None:
            return NotSent("the session was not found")
        path = f"{SESSIONS}/{session}/refund"
        return read_refund(await self._call(disbursement, "POST", path, "refund", SUBMIT), session)

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        """`GET /v1/checkout/sessions/{id}`, which says when it was given back."""
        collected = disbursement.collection
        if collected is None:
            return NotFound("a refund of nothing")
        session = _session(collected) or await self._find(collected)
        if session is None:
            return Unavailable("the session was not found")
        outcome = await self._show(disbursement, session, "refund_status")
        return read_refund_status(outcome, disbursement, collected)

    async def alive(self) -> bool:
        """Asked about a session that nobody made, Wave answers 404."""
        return shows_life(await self._show(None, f"cos-{uuid4().hex}", "probe"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, where Wave signed it."""
        body = read_object(request.body)
        kind, session = word(body.get("type")), body.get("data")
        if not kind or not isinstance(session, dict) or not self._signed(request):
            return ()
        order = session.get("client_reference")
        named = order if isinstance(order, str) and _ORDER_CODE.fullmatch(order) else None
        return (Hint(word(session.get("payment_status"), kind), named, identifier(body.get("id"))),)

    def _signed(self, request: RawRequest) -> bool:
        parts = [part.strip().partition("=") for part in request.headers.get("wave-signature", "").split(",")]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        key = self._settings.webhook_secret.get_secret_value().encode()
        signed = hmac.new(key, stamp.encode("utf-8", "replace") + request.body, hashlib.sha256).hexdigest()
        given = [value.encode("utf-8", "replace") for name, _, value in parts if name == "v1"]
        return bool(stamp) and any([hmac.compare_digest(signed.encode(), value) for value in given])

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()

    async def _search(self, collection: Collection) -> Outcome:
        path = f"{SESSIONS}/search?client_reference={collection.order_code}"
        return await self._call(collection, "GET", path, "search", STATUS)

    async def _find(self, collection: Collection) -> str | None:
        """Wave's word for the session that was paid, where it was not kept."""
        outcome = await self._search(collection)
        paid = [s for s in _found(outcome) or () if s.get("payment_status") == "succeeded"]
        return _fit(paid[0].get("id")) if paid else None

    async def _show(self, of: Collection | Disbursement | None, session: str, what: str) -> Outcome:
        return await self._call(of, "GET", f"{SESSIONS}/{session}", what, STATUS)

    async def _call(
        self,
        of: Collection | Disbursement | None,
        method: str,
        path: str,
        what: str,
        patience: Patience,
        **content: Any,  # noqa: ANN401 - json= as httpx has it
    ) -> Outcome:
        base = ((of.base_url if of else None) or self.base_url).rstrip("/")
        return await self._caller.call(
            method,
            f"{base}/{path}",
            what=what,
            patience=patience,
            reference=str(of.reference) if of else "",
            headers={"Authorization": f"Bearer {self._settings.api_key.get_secret_value()}"},
            **content,
        )


def _session(collection: Collection) -> str | None:
    return _fit(collection.secrets.get(SESSION))


def _fit(told: object) -> str | None:
    return told if isinstance(told, str) and _SESSION.fullmatch(told) else None


def _found(outcome: Outcome) -> list[dict[str, Any]] | None:
    """The sessions that a search found; None when it cannot be read."""
    if not isinstance(outcome, Answer) or outcome.status != 200:
        return None
    found = read_object(outcome.body).get("result")
    return [session for session in found if isinstance(session, dict)] if isinstance(found, list) else None


def _code(answer: Mapping[str, Any]) -> str:
    """Wave's error code; some answers have it inside `error`."""
    inner = answer.get("error")
    return word(answer.get("code")) or (word(inner.get("code")) if isinstance(inner, dict) else "")


def read_creation(outcome: Outcome, ends: datetime) -> CreateResult:
    """What Wave's answer to a creation means. `ends`: when the session dies, where Wave does not say so."""
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    answer, status = read_object(outcome.body), outcome.status
    said = f"{status} {_code(answer)}".strip()
    if status in (200, 201) and not is_page(outcome):
        session, url = _fit(answer.get("id")), answer.get("wave_launch_url")
        if session is None or not isinstance(url, str) or not url.startswith(("https://", "http://")):
            return Unknown("an answer without a link")
        return Redirect(url, _instant(answer.get("when_expires")) or ends, None, {SESSION: session})
    if status == 429:
        return NotSent(said, throttled=True)
    if status in (401, 403, 404):
        return NotSent(said, alarm=True)
    if status in (400, 409, 422):
        return Rejected(_code(answer) or str(status), PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    return Unknown(said)


def _instant(told: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Wave's answer about a session means."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    said = f"{outcome.status} {_code(answer)}".strip()
    if outcome.status == 404 and _code(answer) == _NO_SESSION:
        return NotFound(said)
    if outcome.status != 200:
        return Unavailable(said, throttled=outcome.status == 429)
    return read_session(answer, outcome.body, collection)


def read_search(outcome: Outcome, collection: Collection) -> StatusReport:
    """The same for a search: the session that is paid, else the one that can be, else the last."""
    if not isinstance(outcome, Answer) or outcome.status != 200:
        report = read_status(outcome, collection)
        return Unavailable(report.detail) if isinstance(report, NotFound) else report
    sessions = _found(outcome)
    if sessions is None:
        return Unavailable("200 without a result")
    if not sessions:
        return NotFound("searched, none found")
    reports = [read_session(session, outcome.body, collection) for session in sessions]
    for wanted in (Succeeded, Unavailable, StillOpen):
        if first := next((report for report in reports if isinstance(report, wanted)), None):
            return first
    return reports[-1]


def read_session(session: Mapping[str, Any], body: bytes, collection: Collection) -> StatusReport:
    """What a session's two statuses mean together."""
    payment, checkout = word(session.get("payment_status")), word(session.get("checkout_status"))
    if not payment and not checkout:
        return Unavailable("200 without a status")
    if session.get("client_reference", collection.order_code) != collection.order_code:
        _log.error("answer_about_another_order", provider=CODE, reference=str(collection.reference))
        return Unavailable("an answer about another order")
    hidden = [str(session.get(name) or "") for name in ("wave_launch_url", "id")]
    raw = evidence(body, [*hidden, *number_forms(collection.payer)])
    if payment == "succeeded":
        return _succeeded(session, raw, collection)
    told = session.get("last_payment_error")
    error = word(told.get("code")) if isinstance(told, dict) else ""
    if payment == "cancelled":
        return Failed(error or payment, REASONS.get(error, PayerReason.DECLINED), raw, alarm=error in _OURS)
    if checkout == "expired" and payment in ("", "processing"):
        return Failed(checkout, REASONS.get(error, PayerReason.NOT_ANSWERED), raw, expired=True)
    return StillOpen(payment or checkout)


def _succeeded(session: Mapping[str, Any], raw: str, collection: Collection) -> StatusReport:
    same = word(session.get("currency")) == CURRENCY
    received = parse_amount(decimal_text(session.get("amount")), CURRENCY) if same else None
    if received is None:
        # Paid, but nobody can say how much: not a success that may be counted, and no failure either.
        _log.error("success_without_amount", provider=CODE, reference=str(collection.reference))
        return Unavailable("succeeded without a readable amount")
    return Succeeded(received, identifier(session.get("transaction_id")), raw)


def read_refund(outcome: Outcome, session: str) -> DisburseResult:
    """What Wave's answer to a refund means; the answer to a good one is empty."""
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    code, status = _code(read_object(outcome.body)), outcome.status
    said = f"{status} {code}".strip()
    if status in (200, 201, 204) and not outcome.body.strip():
        return Accepted(session)
    if status == 429:
        return NotSent(said, throttled=True)
    if status in (401, 403) or (status == 404 and code != _NO_SESSION):
        return NotSent(said, alarm=True)
    if status in (400, 404, 409, 422):
        return Rejected(code or str(status), PayerReason.OTHER, alarm=True, ask_first=True)
    return Unknown(said)


def read_refund_status(outcome: Outcome, disbursement: Disbursement, collected: Collection) -> StatusReport:
    """Whether a session was given back. One that was not, and that Wave never said yes to, was not asked for."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    if outcome.status != 200:
        return Unavailable(f"{outcome.status} {_code(answer)}".strip(), throttled=outcome.status == 429)
    report = read_session(answer, outcome.body, collected)
    if isinstance(report, Succeeded) and answer.get("when_refunded"):
        return report
    if isinstance(report, Succeeded) and not disbursement.provider_reference:
        return NotFound("not refunded")
    return report if isinstance(report, Unavailable) else StillOpen("not refunded yet")


REGISTRATION = Registration(CODE, Settings, Wave, {"CI": (PaymentMethod.WAVE,)})
