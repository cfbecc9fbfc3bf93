"""What Wave's answers mean: see `payments.providers.wave.provider`. Pure functions."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payments.answers import (
    Reply,
    address_in,
    amount_of,
    another_order,
    evidence,
    identifier,
    inner,
    number_forms,
    plain_code,
    read_object,
    success,
)
from payments.http_call import Answer, Outcome
from payments.provider import (
    Accepted,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Failed,
    NotFound,
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
