"""What Stripe's answers mean, for money in and refunds: pure functions.

Source: Stripe's API reference (Checkout Sessions, Refunds, Errors, Idempotent requests) and the descriptions
in the SDK, API version 2026-10-28.endive. Amounts of XOF and XAF are whole francs there too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog

from gateway.values.money import EXPONENTS, Money
from payments.answers import Reply, address_in, another_order, evidence, identifier, inner, plain_code, text_in
from payments.http_call import Outcome
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

CODE: Final = "stripe"
SESSION_ID: Final = re.compile(r"cs_[A-Za-z0-9_]{1,120}")
INTENT_ID: Final = re.compile(r"pi_[A-Za-z0-9_]{1,120}")
REFUND_ID: Final = re.compile(r"p?re?_[A-Za-z0-9_]{1,120}")
FINGERPRINT: Final = re.compile(r"[A-Za-z0-9]{8,64}")
HOLDER_LENGTH_MAX: Final = 200
AMOUNT_MAX: Final = 10**12
_INSTANT_MAX: Final = 2**33
_log = structlog.get_logger(__name__)

REFUSALS: Final[Mapping[str, Rejected]] = {
    "amount_too_small": Rejected("amount_too_small", PayerReason.LIMIT),
    "amount_too_large": Rejected("amount_too_large", PayerReason.LIMIT),
    # The order waited too long for Stripe's shortest session. One that exists is never checked again.
    "expires_at": Rejected("expires_at", PayerReason.SERVICE_DOWN),
    "balance_insufficient": Rejected("balance_insufficient", PayerReason.NO_FUNDS, alarm=True),
    "insufficient_funds": Rejected("insufficient_funds", PayerReason.NO_FUNDS, alarm=True),
}
"""Reasons against a request that are not a fault of ours; any other raises an alarm."""

REFUND_FAILURES: Final[Mapping[str, PayerReason]] = {
    "insufficient_funds": PayerReason.NO_FUNDS,
    "lost_or_stolen_card": PayerReason.BLOCKED,
    "expired_or_canceled_card": PayerReason.BLOCKED,
    "declined": PayerReason.DECLINED,
}
"""Why a refund failed, where it is more than `other`. A person has to find another way each time."""

# Of an object, what is kept as evidence: nothing about the payer, no address of a page.
_KEPT: Final = (
    "id",
    "object",
    "status",
    "payment_status",
    "amount_total",
    "amount",
    "currency",
    "client_reference_id",
    "payment_intent",
    "charge",
    "reason",
    "failure_reason",
    "created",
    "livemode",
    "metadata",
)


def kept(found: Mapping[str, Any]) -> str:
    """An object of Stripe's as it is kept with the payment."""
    shown = {name: found[name] for name in _KEPT if name in found}
    shown["payment_intent"] = intent_of(found)
    return evidence(json.dumps(shown, default=str).encode(), ())


def intent_of(found: Mapping[str, Any]) -> str | None:
    """The payment intent that an object belongs to, whether it is given whole or by its number."""
    value = found.get("payment_intent")
    return text_in(value.get("id") if isinstance(value, dict) else value, INTENT_ID)


def money_of(amount: object, currency: object) -> Money | None:
    """An amount as Stripe writes it, in the smallest unit of a currency in small letters."""
    code = currency.upper() if isinstance(currency, str) else ""
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount < AMOUNT_MAX:
        return None
    return Money(amount, code) if code in EXPONENTS else None


def _reply(outcome: Outcome) -> Reply:
    """An answer; where Stripe gives no code, the type of the error stands for it."""
    return Reply(outcome, lambda found: _error(found).get("code") or _error(found).get("type"))


def _error(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return inner(found, "error")


def read_creation(outcome: Outcome, collection: Collection) -> CreateResult:
    """What Stripe's answer to a new session means."""
    reply = _reply(outcome)
    return _page(reply.found, collection) if reply.status == 200 else _refused(reply, collection.reference)


def _refused(reply: Reply, reference: UUID) -> Rejected | NotSent | Unknown:
    """A request that Stripe refused, or whose fate is unknown."""
    error = _error(reply.found)
    if error.get("type") == "idempotency_error" and reply.code != "idempotency_key_in_use":
        # Sent before with other parameters: our fault. Under another key it could be paid twice.
        _log.error("repeated_otherwise", provider=CODE, reference=str(reference))
        return Unknown(reply.shown)
    if reply.status in (400, 402) and error.get("type"):
        usual = Rejected(reply.code, PayerReason.SERVICE_DOWN, alarm=True)
        return REFUSALS.get(reply.code) or REFUSALS.get(plain_code(error.get("param"))) or usual
    return reply.refusal(())


def _page(session: Mapping[str, Any], collection: Collection) -> CreateResult:
    number, url, ends = (
        text_in(session.get("id"), SESSION_ID),
        address_in(session.get("url")),
        session.get("expires_at"),
    )
    if session.get("object") != "checkout.session" or number is None:
        return Unknown("an answer without a session")
    if session.get("client_reference_id") != str(collection.reference):
        return Unknown(another_order(CODE, collection.reference).error)
    if url is None:
        return Unknown("a session without a page")
    ends = session.get("expires_at")
    if type(ends) is not int or not 0 < ends < _INSTANT_MAX:
        return Unknown("a session without an end")
    return Redirect(url, datetime.fromtimestamp(ends, UTC), number)


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What Stripe's answer about a session means, asked for by its number."""
    found = _readable(outcome)
    return found if isinstance(found, NotFound | Unavailable) else session_report(found, collection)


def _readable(outcome: Outcome) -> Mapping[str, Any] | NotFound | Unavailable:
    reply = _reply(outcome)
    if reply.status == 404 and reply.code == "resource_missing":
        return NotFound(reply.shown)
    return reply.found if reply.status == 200 else reply.unavailable()


def read_object_of(outcome: Outcome, kind: str, number: str) -> Mapping[str, Any] | NotFound | Unavailable:
    """An object that was asked for by its number."""
    found = _readable(outcome)
    if isinstance(found, NotFound | Unavailable) or (found.get("object") == kind and found.get("id") == number):
        return found
    return Unavailable(f"an answer without this {kind}")


def session_report(session: Mapping[str, Any], collection: Collection) -> StatusReport:
    """Where a session stands. One about another order says nothing."""
    status, paid = session.get("status"), session.get("payment_status")
    if session.get("object") != "checkout.session" or not isinstance(status, str) or not isinstance(paid, str):
        return Unavailable("an answer without a session")
    if session.get("client_reference_id") != str(collection.reference):
        return another_order(CODE, collection.reference)
    report = session_status(session)
    if isinstance(report, StillOpen) and status == "open":
        page = _page(session, collection)
        return replace(report, page=page if isinstance(page, Redirect) else None)
    return report


def session_status(session: Mapping[str, Any]) -> StatusReport:
    """Where a session stands, whatever order it is about."""
    result = plain_code(f"{session.get('status')} {session.get('payment_status')}")
    if result == "complete paid":
        received = money_of(session.get("amount_total"), session.get("currency"))
        if received is None:
            _log.error("success_without_amount", provider=CODE, session=identifier(session.get("id")))
            return Unavailable("paid, without a readable amount")
        card = inner(session, "payment_intent", "latest_charge", "payment_method_details", "card")
        holder = inner(session, "customer_details").get("name")
        return Succeeded(
            received,
            intent_of(session),
            kept(session),
            card=text_in(card.get("fingerprint"), FINGERPRINT),
            holder=holder[:HOLDER_LENGTH_MAX] if isinstance(holder, str) else None,
        )
    if result == "expired unpaid":
        return Failed("expired", PayerReason.NOT_ANSWERED, kept(session), expired=True)
    if result == "complete unpaid" and _has_failed(session.get("payment_intent")):
        return Failed("async_payment_failed", PayerReason.DECLINED, kept(session))
    if result == "complete no_payment_required":
        # A session for nothing: we never ask for one.
        _log.error("session_without_payment", provider=CODE, session=identifier(session.get("id")))
    return StillOpen(result)


def _has_failed(intent: object) -> bool:
    """Whether the payment behind a session that is complete came to nothing."""
    return isinstance(intent, dict) and intent.get("status") in ("requires_payment_method", "canceled")


def listed(outcome: Outcome) -> tuple[list[Mapping[str, Any]], bool] | Unavailable:
    """The objects of one page of a list, and whether there are more."""
    found = _readable(outcome)
    if isinstance(found, NotFound | Unavailable):
        return found if isinstance(found, Unavailable) else Unavailable(found.detail)
    objects = found.get("data")
    if found.get("object") != "list" or not isinstance(objects, list):
        return Unavailable("an answer without a list")
    return [one for one in objects if isinstance(one, dict)], found.get("has_more") is True


def lost_session(session: Mapping[str, Any], collection: Collection) -> StatusReport:
    """Where a session stands that was made, though its answer never came. One whose page is not shown is
    treated as absent: the repeated request returns it again."""
    report = session_report(session, collection)
    hidden = isinstance(report, StillOpen) and report.page is None and session.get("status") == "open"
    return NotFound("open, and its page was never returned") if hidden else report


def read_refund_request(outcome: Outcome, disbursement: Disbursement) -> DisburseResult:
    """What Stripe's answer to a new refund means."""
    reply = _reply(outcome)
    error = _error(reply.found)
    if reply.status == 400 and not error.get("code") and error.get("param") == "amount":
        # Stripe has a code only for a charge of which nothing at all is left.
        return Rejected("more_than_is_left", PayerReason.OTHER, alarm=True)
    if reply.status != 200:
        return _refused(reply, disbursement.reference)
    number = text_in(reply.found.get("id"), REFUND_ID)
    if reply.found.get("object") != "refund" or number is None:
        return Unknown("an answer without a refund")
    return Accepted(number)


def read_refund(outcome: Outcome) -> StatusReport:
    """What Stripe's answer about a refund means, asked for by its number."""
    found = _readable(outcome)
    return found if isinstance(found, NotFound | Unavailable) else refund_report(found)


def refund_report(refund: Mapping[str, Any]) -> StatusReport:
    """Where a refund stands."""
    status = refund.get("status")
    if refund.get("object") != "refund" or not isinstance(status, str):
        return Unavailable("an answer without a refund")
    if status == "succeeded":
        given = money_of(refund.get("amount"), refund.get("currency"))
        if given is None:
            return Unavailable("succeeded, without a readable amount")
        return Succeeded(given, plain_code(refund.get("id")) or None, kept(refund))
    if status == "failed":
        code = plain_code(refund.get("failure_reason"), "unknown")
        return Failed(code, REFUND_FAILURES.get(code, PayerReason.OTHER), kept(refund), alarm=True)
    if status == "canceled":
        return Failed("canceled", PayerReason.OTHER, kept(refund), alarm=True)
    if status == "requires_action":
        # The payer has to do something, which does not happen with cards.
        _log.error("refund_wants_action", provider=CODE, refund=identifier(refund.get("id")))
    return StillOpen(plain_code(status))
