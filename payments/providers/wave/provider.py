"""Wave, checkout: a link that opens the payer's Wave application.

Source: Wave's developer pages (checkout, webhooks), and clients, read in November 2026.

| field | what it is |
| --- | --- |
| `client_reference` | our order code; the key to search a session by, when the answer to its creation was lost |
| `id` | Wave's id of the session, `cos-…`; part of the link, so kept as a secret |
| `wave_launch_url` | the link: opens the application; anyone who has it may pay |
| `checkout_status` | `open`, `complete`, `expired` |
| `payment_status` | `processing`, `succeeded`, `cancelled`; paid is only `succeeded` |
| `transaction_id` | Wave's number of the transaction |
| `last_payment_error` | `code` and `message` of a try that failed; the session stays open for others |
| `when_refunded` | of a session that was refunded |
| `Wave-Signature` | `t=…,v1=…`: HMAC-SHA256 of `t` followed directly by the body; one `v1` for each secret in force |

Unreliable: a creation sent twice makes two sessions. A session that is `expired` while its payment is
`processing` may still be paid. A refund is of the whole session, has no reference of ours and is not called
back; asked again it is paid once. `when_refunded` is seen in code of clients, not in Wave's pages: without it
a refund never shows as done. The refund's own transaction is only on the list of its day (`GET /v1/transactions`, type
`api_checkout_refund` with the session's id), for which the key needs the Balance API; after ten minutes without it the
session's id stands for it. Webhooks go to an address in Wave's portal; shared secrets in a header, its other
way to authenticate them, are not accepted. The time of a signature is not checked: a webhook only makes us ask.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from pydantic import Field

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from payments.answers import (
    WRONG_CURRENCY,
    Reply,
    address_in,
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
    shows_life,
    signature_parts,
    success,
    text_in,
)
from payments.http_call import Answer, Outcome
from payments.operator_api import PAGE_LADDER, HttpProvider
from payments.provider import (
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
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration

CURRENCY: Final = "XOF"
OPEN_SECONDS: Final = 1800
SESSION: Final = "session"
_SESSION: Final = re.compile(r"cos-[A-Za-z0-9_-]{1,60}")
_CHECKOUT, _REFUND = "api_checkout", "api_checkout_refund"
_NO_SESSION: Final = "checkout-session-not-found"
CODE: Final = "wave"

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
SESSIONS: Final = "checkout/sessions"
PAGES_MAX: Final = 20
KNOWN_MAX: Final = 10_000
LISTED_WITHIN: Final = timedelta(minutes=10)


class Settings(OperatorSettings):
    """`WAVE_*`. `webhook_secret`: the signing secret that Wave showed when the webhook was made."""

    base_url: BaseUrl = Field(examples=["https://api.wave.com"])
    api_key: HeaderSecret
    webhook_secret: HeaderSecret


class Wave(HttpProvider[Settings]):
    """`PaymentProvider`, `Prober` and `Disburser` (refunds) for Wave's checkout."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        bearer = f"Bearer {settings.api_key.get_secret_value()}"
        super().__init__(settings, root="v1/", headers={"Authorization": bearer})
        # Session → transaction of its refund, as read from lists while another one was looked for.
        self._refunds: dict[str, str] = {}

    def capabilities(self, country: str) -> Capabilities:
        """A redirect into the application; a session is open for half an hour."""
        return Capabilities(
            kinds=frozenset({Kind.REDIRECT}),
            currencies=frozenset({CURRENCY}),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=PAGE_LADDER,
            status_per_second=self._settings.status_per_second,
            phone_needed=False,
            recovery=Recovery.SEARCH,
            can_refund=True,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /v1/checkout/sessions`: sent twice it makes two sessions, so a lost answer is searched for."""
        if collection.amount.currency != CURRENCY:
            return WRONG_CURRENCY
        body = {
            "amount": collection.amount.plain(),
            "currency": CURRENCY,
            "client_reference": collection.order_code,
            "success_url": collection.return_url,
            "error_url": collection.return_url,
        }
        outcome = await self._api.submit(collection, SESSIONS, "session", json=body)
        return read_creation(outcome, datetime.now(UTC) + timedelta(seconds=OPEN_SECONDS))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /v1/checkout/sessions/{id}`, or a search by our order code where Wave's id is not known."""
        if session := session_of(collection):
            return read_status(await self._show(collection, session, "status"), collection)
        return read_search(await self._search(collection), collection)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        """`POST /v1/checkout/sessions/{id}/refund`: all of it, once."""
        collected = disbursement.collection
        if disbursement.purpose is not Purpose.REFUND or collected is None:
            return Rejected("NO_PAYOUTS", PayerReason.SERVICE_DOWN, alarm=True)
        if disbursement.amount != collected.amount:
            return Rejected("WHOLE_ONLY", PayerReason.OTHER, alarm=True)
        session = session_of(collected) or await self._find(collected)
        if session is None:
            return NotSent("the session was not found")
        return read_refund(await self._api.submit(disbursement, f"{SESSIONS}/{session}/refund", "refund"), session)

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        """`GET /v1/checkout/sessions/{id}`, which shows when it was refunded."""
        collected = disbursement.collection
        if collected is None:
            return NotFound("a refund of nothing")
        session = session_of(collected) or await self._find(collected)
        if session is None:
            return Unavailable("the session was not found")
        outcome = await self._show(disbursement, session, "refund_status")
        report, when_refunded = read_refund_status(outcome, disbursement, collected), refunded_at(outcome)
        if not isinstance(report, Succeeded):
            return report
        # The session names the transaction that paid it; the payer's application shows the one that refunded it.
        own = await self._refund_transaction(disbursement, session, when_refunded) if when_refunded else None
        if when_refunded and own is None and datetime.now(UTC) - when_refunded < LISTED_WITHIN:
            return StillOpen("refunded, and not on the list of transactions yet")
        return replace(report, provider_reference=own)

    async def _refund_transaction(self, of: Disbursement, session: str, day: datetime) -> str | None:
        """Wave's number of the transaction that refunded a session, where its day's list has it."""
        after: str | None = ""
        for _ in range(PAGES_MAX):
            if session in self._refunds or after is None:
                break
            path = f"transactions?date={day:%Y-%m-%d}" + (f"&after={quote(after, safe='')}" if after else "")
            found, after = read_refund_transactions(await self._api.ask(of, path, "transactions"))
            self._refunds.update(found)
        own = self._refunds.pop(session, None)
        if len(self._refunds) > KNOWN_MAX:
            self._refunds.clear()
        return own

    async def alive(self) -> bool:
        """Whether Wave answers 404 to a question about a session that does not exist."""
        return shows_life(await self._show(None, f"cos-{uuid4().hex}", "probe"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, where Wave signed it."""
        body = read_object(request.body)
        kind, session = plain_code(body.get("type")), body.get("data")
        if not kind or not isinstance(session, dict) or not self.is_signed(request):
            return ()
        return (Hint(plain_code(session.get("payment_status"), kind), order_code_in(session.get("client_reference"))),)

    def is_signed(self, request: RawRequest) -> bool:
        """Whether Wave signed it. The time is not checked: a callback only makes us ask."""
        parts = signature_parts(request.headers.get("wave-signature", ""))
        stamp = next((value for name, value in parts if name == "t"), "")
        given = (value for name, value in parts if name == "v1")
        message = stamp.encode("utf-8", "replace") + request.body
        return bool(stamp) and is_hmac(given, self._settings.webhook_secret, message)

    async def _search(self, collection: Collection) -> Outcome:
        path = f"{SESSIONS}/search?client_reference={collection.order_code}"
        return await self._api.ask(collection, path, "search")

    async def _find(self, collection: Collection) -> str | None:
        """Wave's id of the session that was paid, where it was not stored."""
        outcome = await self._search(collection)
        paid = [s for s in found_sessions(outcome) or () if s.get("payment_status") == "succeeded"]
        return session_id(paid[0].get("id")) if paid else None

    async def _show(self, of: Collection | Disbursement | None, session: str, what: str) -> Outcome:
        return await self._api.ask(of, f"{SESSIONS}/{session}", what)


def session_of(collection: Collection) -> str | None:
    """Wave's id of the session of a collection, where it was stored."""
    return session_id(collection.secrets.get(SESSION))


def session_id(value: object) -> str | None:
    """A value as Wave's id of a session; None where it is none."""
    return text_in(value, _SESSION)


def _reply(outcome: Outcome) -> Reply:
    """An answer; some have Wave's error code inside `error`."""
    return Reply(outcome, lambda found: found.get("code") or inner(found, "error").get("code"))


def found_sessions(outcome: Outcome) -> list[dict[str, Any]] | None:
    """The sessions that a search found; None when it cannot be read."""
    reply = _reply(outcome)
    found = reply.found.get("result") if reply.status == 200 else None
    return [session for session in found if isinstance(session, dict)] if isinstance(found, list) else None


def read_creation(outcome: Outcome, ends: datetime) -> CreateResult:
    """What Wave's answer to a creation means. `ends`: when the session expires, where Wave gives no end."""
    reply = _reply(outcome)
    if reply.status in (200, 201) and not reply.page:
        return _page(reply.found, ends) or Unknown("an answer without a link")
    return reply.refusal((400, 409, 422))


def _page(session: Mapping[str, Any], ends: datetime | None) -> Redirect | None:
    """Where a session can be paid; None where Wave does not show it. `ends`: when it expires, where Wave gives no
    end."""
    number, url = session_id(session.get("id")), address_in(session.get("wave_launch_url"))
    created = _instant(session.get("when_created"))
    ends = _instant(session.get("when_expires")) or ends or (created and created + timedelta(seconds=OPEN_SECONDS))
    return Redirect(url, ends, None, {SESSION: number}) if number and url and ends else None


def _instant(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Wave's answer about a session means."""
    reply = _reply(outcome)
    if reply.status == 404 and reply.code == _NO_SESSION:
        return NotFound(reply.shown)
    return read_session(reply.found, reply.body, collection) if reply.status == 200 else reply.unavailable()


def read_search(outcome: Outcome, collection: Collection) -> StatusReport:
    """The same for a search: the session that is paid, else the one that can be, else the last."""
    if not isinstance(outcome, Answer) or outcome.status != 200:
        report = read_status(outcome, collection)
        return Unavailable(report.detail) if isinstance(report, NotFound) else report
    sessions = found_sessions(outcome)
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
    payment, checkout = plain_code(session.get("payment_status")), plain_code(session.get("checkout_status"))
    if not payment and not checkout:
        return Unavailable("200 without a status")
    if session.get("client_reference", collection.order_code) != collection.order_code:
        return another_order(CODE, collection.reference)
    hidden = [str(session.get(name) or "") for name in ("wave_launch_url", "id")]
    raw = evidence(body, [*hidden, *number_forms(collection.payer)])
    if payment == "succeeded":
        received = amount_of(session.get("amount"), CURRENCY) if session.get("currency") == CURRENCY else None
        return success(CODE, collection.reference, received, session.get("transaction_id"), raw)
    error = plain_code(inner(session, "last_payment_error").get("code"))
    if payment == "cancelled":
        return Failed(error or payment, REASONS.get(error, PayerReason.DECLINED), raw, alarm=error in _OURS)
    if checkout == "expired" and payment in ("", "processing"):
        return Failed(checkout, REASONS.get(error, PayerReason.NOT_ANSWERED), raw, expired=True)
    return StillOpen(payment or checkout, _page(session, None) if checkout == "open" else None)


def read_refund(outcome: Outcome, session: str) -> DisburseResult:
    """What Wave's answer to a refund means; the answer to a good one is empty."""
    reply = _reply(outcome)
    if reply.status in (200, 201, 204) and not reply.body.strip():
        return Accepted(session)
    if reply.status in (400, 409, 422) or (reply.status == 404 and reply.code == _NO_SESSION):
        return Rejected(reply.code or str(reply.status), PayerReason.OTHER, alarm=True, ask_first=True)
    return reply.refusal()


def read_refund_status(outcome: Outcome, disbursement: Disbursement, collected: Collection) -> StatusReport:
    """Whether a session was refunded. A refund that Wave neither shows nor ever accepted was not requested."""
    reply = _reply(outcome)
    if reply.status != 200:
        return reply.unavailable()
    report = read_session(reply.found, reply.body, collected)
    if isinstance(report, Succeeded) and reply.found.get("when_refunded"):
        return report
    if isinstance(report, Succeeded) and not disbursement.provider_reference:
        return NotFound("not refunded")
    return report if isinstance(report, Unavailable) else StillOpen("not refunded yet")


def refunded_at(outcome: Outcome) -> datetime | None:
    """When a session was refunded, by Wave's answer about it."""
    return _instant(read_object(outcome.body).get("when_refunded")) if isinstance(outcome, Answer) else None


def read_refund_transactions(outcome: Outcome) -> tuple[Mapping[str, str], str | None]:
    """Of a page of a day's transactions: those that refunded a session, by session; and the cursor of the
    next page, None where there is no other or the answer cannot be read."""
    answer = read_object(outcome.body) if isinstance(outcome, Answer) and outcome.status == 200 else {}
    items, page = answer.get("items"), inner(answer, "page_info")
    found = {}
    for item in items if isinstance(items, list) else ():
        kind = plain_code(item.get("transaction_type")) if isinstance(item, dict) else ""
        if kind == _REFUND or (kind == _CHECKOUT and item.get("is_reversal") is True):
            session, number = session_id(item.get("checkout_api_session_id")), identifier(item.get("transaction_id"))
            if session and number:
                found[session] = number
    more = page.get("end_cursor") if page.get("has_next_page") is True else None
    return found, more if isinstance(more, str) and more else None


REGISTRATION = Registration(CODE, Settings, Wave, {"CI": (PaymentMethod.WAVE,)})
