"""What Wave's answers mean: see `payments.providers.wave.provider`. Pure functions."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from gateway.values.money import parse_amount
from payments.answers import decimal_text, evidence, identifier, is_page, number_forms, plain_code, read_object
from payments.http_call import Answer, NeverLeft, Outcome
from payments.provider import (
    Accepted,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Redirect,
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)

CURRENCY: Final = "XOF"
OPEN_SECONDS: Final = 1800
SESSION: Final = "session"
_SESSION: Final = re.compile(r"cos-[A-Za-z0-9_-]{1,60}")
_CHECKOUT, _REFUND = "api_checkout", "api_checkout_refund"
_NO_SESSION: Final = "checkout-session-not-found"
_log = structlog.get_logger(__name__)
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


def session_of(collection: Collection) -> str | None:
    """Wave's id of the session of a collection, where it was stored."""
    return session_id(collection.secrets.get(SESSION))


def session_id(value: object) -> str | None:
    """A value as Wave's id of a session; None where it is none."""
    return value if isinstance(value, str) and _SESSION.fullmatch(value) else None


def found_sessions(outcome: Outcome) -> list[dict[str, Any]] | None:
    """The sessions that a search found; None when it cannot be read."""
    if not isinstance(outcome, Answer) or outcome.status != 200:
        return None
    found = read_object(outcome.body).get("result")
    return [session for session in found if isinstance(session, dict)] if isinstance(found, list) else None


def _code(answer: Mapping[str, Any]) -> str:
    """Wave's error code; some answers have it inside `error`."""
    inner = answer.get("error")
    return plain_code(answer.get("code")) or (plain_code(inner.get("code")) if isinstance(inner, dict) else "")


def read_creation(outcome: Outcome, ends: datetime) -> CreateResult:
    """What Wave's answer to a creation means. `ends`: when the session expires, where Wave gives no end."""
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    answer, status = read_object(outcome.body), outcome.status
    result = f"{status} {_code(answer)}".strip()
    if status in (200, 201) and not is_page(outcome):
        return _page(answer, ends) or Unknown("an answer without a link")
    if status == 429:
        return NotSent(result, throttled=True)
    if status in (401, 403, 404):
        return NotSent(result, alarm=True)
    if status in (400, 409, 422):
        return Rejected(_code(answer) or str(status), PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    return Unknown(result)


def _page(session: Mapping[str, Any], ends: datetime | None) -> Redirect | None:
    """Where a session can be paid; None where Wave does not show it. `ends`: when it expires, where Wave gives no
    end."""
    number, url, created = (
        session_id(session.get("id")),
        session.get("wave_launch_url"),
        _instant(session.get("when_created")),
    )
    ends = _instant(session.get("when_expires")) or ends or (created and created + timedelta(seconds=OPEN_SECONDS))
    if number is None or ends is None or not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    return Redirect(url, ends, None, {SESSION: number})


def _instant(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Wave's answer about a session means."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    result = f"{outcome.status} {_code(answer)}".strip()
    if outcome.status == 404 and _code(answer) == _NO_SESSION:
        return NotFound(result)
    if outcome.status != 200:
        return Unavailable(result, throttled=outcome.status == 429)
    return read_session(answer, outcome.body, collection)


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
        _log.error("answer_about_another_order", provider=CODE, reference=str(collection.reference))
        return Unavailable("an answer about another order")
    hidden = [str(session.get(name) or "") for name in ("wave_launch_url", "id")]
    raw = evidence(body, [*hidden, *number_forms(collection.payer)])
    if payment == "succeeded":
        return _succeeded(session, raw, collection)
    value = session.get("last_payment_error")
    error = plain_code(value.get("code")) if isinstance(value, dict) else ""
    if payment == "cancelled":
        return Failed(error or payment, REASONS.get(error, PayerReason.DECLINED), raw, alarm=error in _OURS)
    if checkout == "expired" and payment in ("", "processing"):
        return Failed(checkout, REASONS.get(error, PayerReason.NOT_ANSWERED), raw, expired=True)
    return StillOpen(payment or checkout, _page(session, None) if checkout == "open" else None)


def _succeeded(session: Mapping[str, Any], raw: str, collection: Collection) -> StatusReport:
    same = plain_code(session.get("currency")) == CURRENCY
    received = parse_amount(decimal_text(session.get("amount")), CURRENCY) if same else None
    if received is None:
        # Paid, but the amount is unreadable: neither a success that may be counted nor a failure.
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
    result = f"{status} {code}".strip()
    if status in (200, 201, 204) and not outcome.body.strip():
        return Accepted(session)
    if status == 429:
        return NotSent(result, throttled=True)
    if status in (401, 403) or (status == 404 and code != _NO_SESSION):
        return NotSent(result, alarm=True)
    if status in (400, 404, 409, 422):
        return Rejected(code or str(status), PayerReason.OTHER, alarm=True, ask_first=True)
    return Unknown(result)


def read_refund_status(outcome: Outcome, disbursement: Disbursement, collected: Collection) -> StatusReport:
    """Whether a session was refunded. A refund that Wave neither shows nor ever accepted was not requested."""
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


def refunded_at(outcome: Outcome) -> datetime | None:
    """When a session was refunded, by Wave's answer about it."""
    return _instant(read_object(outcome.body).get("when_refunded")) if isinstance(outcome, Answer) else None


def read_refund_transactions(outcome: Outcome) -> tuple[Mapping[str, str], str | None]:
    """Of a page of a day's transactions: those that refunded a session, by session; and the cursor of the
    next page, None where there is no other or the answer cannot be read."""
    if not isinstance(outcome, Answer) or outcome.status != 200:
        return {}, None
    answer = read_object(outcome.body)
    items, page = answer.get("items"), answer.get("page_info")
    found = {}
    for item in items if isinstance(items, list) else ():
        is_refund = isinstance(item, dict) and (
            plain_code(item.get("transaction_type")) == _REFUND
            or (plain_code(item.get("transaction_type")) == _CHECKOUT and item.get("is_reversal") is True)
        )
        session = session_id(item.get("checkout_api_session_id")) if is_refund else None
        number = identifier(item.get("transaction_id")) if session else None
        if session and number:
            found[session] = number
    more = page.get("end_cursor") if isinstance(page, dict) and page.get("has_next_page") is True else None
    return found, more if isinstance(more, str) and more else None
