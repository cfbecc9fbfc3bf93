"""Stripe's signed events: who sent one, and what it says. Pure functions.

Source: Stripe's pages on webhooks (signatures, event types), API version 2026-10-28.endive. The header
`Stripe-Signature` holds `t`, seconds since 1970, and one `v1` for each secret in force: HMAC-SHA256 over
`t`, a dot and the body as it came.

Unreliable: order of events, and that each comes once. Refunds and disputes name the payment intent, and
only those that we asked for carry our own references. A dispute's `balance_transactions` hold what Stripe took
and gave back for it, with its fee.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import stripe
import structlog

from gateway.domain.dispute import Standing
from gateway.domain.money import Money
from gateway.domain.receipt import order_code
from gateway.ports.payment_provider import Failed, Hint, PayerReason, Reversed, Succeeded
from payments.answers import identifier, read_object, word
from payments.stripe_answers import CODE, intent_of, kept, money_of, standing

TOLERANCE_SECONDS: Final = 300
_SECONDS_MAX: Final = 1 << 40
PAYMENT: Final = "payment_id"
REFUND: Final = "refund_id"
"""Names of our references in the metadata that we give to Stripe."""
_SIGNED_AT: Final = re.compile(r"(?:^|,)t=(\d{1,12})(?:,|$)", re.ASCII)
_SESSION_EVENTS: Final = frozenset(
    f"checkout.session.{word}" for word in ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
)
_REFUND_EVENTS: Final = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"},
)
_DISPUTE_EVENTS: Final = frozenset(
    f"charge.dispute.{word}" for word in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
_STANDINGS: Final = {
    "needs_response": ("disputed", Standing.OPEN),
    "under_review": ("disputed", Standing.OPEN),
    "won": ("dispute_won", Standing.WON),
    "lost": ("dispute_lost", Standing.LOST),
}
"""What the status of a dispute means; any other says nothing about money."""
_log = structlog.get_logger(__name__)


class Origin(StrEnum):
    """Who sent an event."""

    STRIPE = "stripe"
    LONG_AGO = "long_ago"  # signed with our secret, at a time that proves nothing now
    SOMEBODY = "somebody"


def origin(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: float) -> Origin:
    """Who sent it, by `Stripe-Signature`. `secrets`: those in force. `now`: seconds since 1970."""
    header = headers.get("stripe-signature", "")
    signed_at = _SIGNED_AT.search(header)
    if signed_at is None or not any(_signed(header, body, secret) for secret in secrets):
        return Origin.SOMEBODY
    # The SDK looks at age only: a time to come would prove whatever it is kept for.
    return Origin.STRIPE if abs(now - int(signed_at[1])) <= TOLERANCE_SECONDS else Origin.LONG_AGO


def _signed(header: str, body: bytes, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body.decode(), header, secret)
    except stripe.SignatureVerificationError:
        return False
    except (ValueError, TypeError):
        # A body that is no UTF-8, or a signature beyond ASCII.
        return False
    return True


def read_event(body: bytes, *, live: bool, proves: bool) -> tuple[Hint, ...]:
    """What an event of Stripe's says; nothing where it is not about money of ours. `live`: of which world our
    key is. `proves`: whether it was signed just now; what was not only makes us ask."""
    event = read_object(body)
    kind, told = event.get("type"), event.get("data")
    found = told.get("object") if isinstance(told, dict) else None
    if event.get("object") != "event" or not isinstance(kind, str) or not isinstance(found, dict):
        return ()
    if event.get("livemode") is not live:
        _log.error("event_of_another_world", provider=CODE, event_id=identifier(event.get("id")))
        return ()
    event_id = identifier(event.get("id"))
    if kind in _SESSION_EVENTS:
        return _of_session(kind, found, event_id, proves=proves)
    if kind in _REFUND_EVENTS and found.get("object") == "refund":
        return _of_refund(kind, found, event_id, _instant(event), proves=proves)
    if kind in _DISPUTE_EVENTS and found.get("object") == "dispute":
        return _of_dispute(kind, found, event_id, _instant(event), proves=proves)
    return ()


def _instant(event: Mapping[str, Any]) -> datetime | None:
    """When it was said; None where the event does not tell."""
    created = event.get("created")
    if not isinstance(created, int) or not 0 < created < _SECONDS_MAX:
        return None
    return datetime.fromtimestamp(created, UTC)


def _of_session(kind: str, session: Mapping[str, Any], event_id: str | None, *, proves: bool) -> tuple[Hint, ...]:
    reference = _reference(session.get("client_reference_id"))
    if session.get("object") != "checkout.session" or reference is None:
        return ()
    report = standing(session)
    if kind.endswith("async_payment_failed"):
        report = Failed("async_payment_failed", PayerReason.DECLINED, kept(session))
    proof = report if proves and isinstance(report, Succeeded | Failed) else None
    return (Hint(word(kind), order_code(reference), event_id, proof, reference),)


def _of_refund(
    kind: str, refund: Mapping[str, Any], event_id: str | None, at: datetime | None, *, proves: bool
) -> tuple[Hint, ...]:
    """Ours is asked about; one that somebody made past us is money that went without our asking."""
    claimed, intent = word(f"{kind} {refund.get('status')}"), intent_of(refund)
    named = _metadata(refund)
    if ours := _reference(named.get(REFUND)):
        return (Hint(claimed, None, event_id, None, ours),)
    payment = _reference(named.get(PAYMENT))
    if refund.get("status") != "succeeded" or not (intent or payment):
        return ()
    _log.error("refunded_past_us", provider=CODE, payment=str(payment or ""), intent=intent)
    proof = _reversal("refunded_past_us", Standing.LOST, refund, at) if proves else None
    return (_about(claimed, event_id, proof, payment, intent),)


def _of_dispute(
    kind: str, dispute: Mapping[str, Any], event_id: str | None, at: datetime | None, *, proves: bool
) -> tuple[Hint, ...]:
    """Stripe keeps the money back from the first day of a dispute, and tells by its status how it ended,
    whatever the event. A question of the bank's before one (`warning_…`) moves no money."""
    intent, payment = intent_of(dispute), _reference(_metadata(dispute).get(PAYMENT))
    if not (intent or payment):
        return ()
    status, reason = word(dispute.get("status")), word(dispute.get("reason"))
    _log.error(
        "payment_disputed",
        provider=CODE,
        payment=str(payment or ""),
        intent=intent,
        kind=word(kind),
        status=status,
        reason=reason,
    )
    meant = _STANDINGS.get(status)
    proof = _reversal(*meant, dispute, at) if proves and meant is not None else None
    return (_about(word(f"{kind} {status}"), event_id, proof, payment, intent),)


def _about(
    claimed: str, event_id: str | None, proof: Reversed | None, payment: UUID | None, intent: str | None
) -> Hint:
    return Hint(claimed, order_code(payment) if payment else None, event_id, proof, payment, intent)


def _reversal(code: str, standing: Standing, found: Mapping[str, Any], at: datetime | None) -> Reversed | None:
    amount, number = money_of(found.get("amount"), found.get("currency")), identifier(found.get("id"))
    if not amount or not amount.amount_minor or number is None:
        return None
    return Reversed(code, amount, number, kept(found), standing, _fees(found), at)


def _fees(dispute: Mapping[str, Any]) -> Money | None:
    """What Stripe took for its work, of all that it booked about a dispute; None where it does not say. The
    books are in the account's currency, which may be another than the payment's."""
    booked = dispute.get("balance_transactions")
    if not isinstance(booked, list) or not booked or not all(isinstance(one, dict) for one in booked):
        return None
    total: Money | None = None
    for one in booked:
        fee = one.get("fee")
        # What it gives back with a dispute that was won is a fee below nothing.
        read = money_of(abs(fee), one.get("currency")) if type(fee) is int else None
        if read is None or (total is not None and total.currency != read.currency):
            return None
        signed = read.times(-1 if fee < 0 else 1)
        total = signed if total is None else total + signed
    return total


def _metadata(found: Mapping[str, Any]) -> Mapping[str, Any]:
    told = found.get("metadata")
    return told if isinstance(told, dict) else {}


def _reference(value: object) -> UUID | None:
    """Our reference; None for what is not written as we write one."""
    try:
        reference = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return reference if reference and str(reference) == value else None
