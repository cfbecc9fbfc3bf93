"""Stripe's signed events: who sent one, and what it means. Pure functions.

Source: Stripe's pages on webhooks (signatures, event types), API version 2026-10-28.endive. The header
`Stripe-Signature` holds `t`, seconds since 1970, and one `v1` for each secret in force: HMAC-SHA256 over
`t`, a dot and the body as it came.

Unreliable: order of events, and that each comes once. Refunds and disputes name the payment intent, and
only those that we asked for carry our own references.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import stripe
import structlog

from gateway.orders.receipt import order_code
from payments.answers import identifier, inner, plain_code, read_object
from payments.provider import Failed, Hint, PayerReason, Succeeded
from payments.providers.stripe.answers import CODE, intent_of, kept, session_status
from payments.providers.stripe.reversals import REFUND, named_in, reference_of

TOLERANCE_SECONDS: Final = 300
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
_log = structlog.get_logger(__name__)


class Origin(StrEnum):
    """Who sent an event."""

    STRIPE = "stripe"
    LONG_AGO = "long_ago"  # signed with our secret, at a time that proves nothing now
    INVALID = "invalid"  # not signed with a secret of ours


def origin(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: float) -> Origin:
    """Who sent it, by `Stripe-Signature`. `secrets`: those in force. `now`: seconds since 1970."""
    header = headers.get("stripe-signature", "")
    signed_at = _SIGNED_AT.search(header)
    if signed_at is None or not any(_signed(header, body, secret) for secret in secrets):
        return Origin.INVALID
    # The SDK looks at age only: a time in the future would stay valid for as long as the event is kept.
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
    """What an event means; empty where it is not about our money. `live`: whether our key is of the live mode.
    `proves`: whether it was signed just now; one that was not only makes us ask for the status."""
    event = read_object(body)
    kind, found = event.get("type"), inner(event, "data", "object")
    if event.get("object") != "event" or not isinstance(kind, str):
        return ()
    if event.get("livemode") is not live:
        _log.error("event_of_another_world", provider=CODE, event_id=identifier(event.get("id")))
        return ()
    if kind in _SESSION_EVENTS:
        return _of_session(kind, found, proves=proves)
    if kind in _REFUND_EVENTS and found.get("object") == "refund":
        return _of_refund(kind, found)
    if kind in _DISPUTE_EVENTS and found.get("object") == "dispute":
        return _of_dispute(kind, found)
    return ()


def _of_session(kind: str, session: Mapping[str, Any], *, proves: bool) -> tuple[Hint, ...]:
    reference = reference_of(session.get("client_reference_id"))
    if session.get("object") != "checkout.session" or reference is None:
        return ()
    report = session_status(session)
    if kind.endswith("async_payment_failed"):
        report = Failed("async_payment_failed", PayerReason.DECLINED, kept(session))
    proof = report if proves and isinstance(report, Succeeded | Failed) else None
    return (Hint(plain_code(kind), order_code(reference), proof, reference),)


def _of_refund(kind: str, refund: Mapping[str, Any]) -> tuple[Hint, ...]:
    """A refund of ours makes its status due, and so does one made outside Spotlight."""
    claimed = plain_code(f"{kind} {refund.get('status')}")
    if ours := named_in(refund, REFUND):
        return (Hint(claimed, reference=ours),)
    number = identifier(refund.get("id"))
    if refund.get("status") != "succeeded" or number is None:
        return ()
    _log.error("refunded_past_us", provider=CODE, refund=number, intent=intent_of(refund))
    return (Hint(claimed, reversal=number),)


def _of_dispute(kind: str, dispute: Mapping[str, Any]) -> tuple[Hint, ...]:
    """The dispute's status is asked for, whatever the event claims."""
    number = identifier(dispute.get("id"))
    if number is None:
        return ()
    status, reason = plain_code(dispute.get("status")), plain_code(dispute.get("reason"))
    _log.error("payment_disputed", provider=CODE, dispute=number, kind=plain_code(kind), status=status, reason=reason)
    return (Hint(plain_code(f"{kind} {status}"), reversal=number),)
