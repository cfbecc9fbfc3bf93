"""Disputes and refunds of a charge that we did not ask for: pure functions.

Source: Stripe's API reference (Disputes, Refunds), API version 2026-10-28.endive. A dispute's `balance_transactions`
hold what Stripe debited and credited for it, with its fee. Only refunds that we asked for carry our reference.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from gateway.values.money import Money
from payments.answers import identifier, inner, plain_code
from payments.provider import Accepted, Disbursement, DisburseResult, DisputeStatus, NotSent, Rejected, Reversed
from payments.providers.stripe.answers import kept, money_of

PAYMENT: Final = "payment_id"
REFUND: Final = "refund_id"
"""Names of our references in the metadata that we give to Stripe."""
DISPUTE_ID: Final = re.compile(r"d[up]_[A-Za-z0-9_]{1,120}")
PAST_US: Final = "refunded_past_us"
STANDINGS: Final = {
    "needs_response": ("disputed", DisputeStatus.OPEN),
    "under_review": ("disputed", DisputeStatus.OPEN),
    "won": ("dispute_won", DisputeStatus.WON),
    "lost": ("dispute_lost", DisputeStatus.LOST),
}
"""What the status of a dispute means; any other has no meaning for money."""
_SECONDS_MAX: Final = 1 << 40
_NOTHING_LEFT: Final = frozenset({"charge_already_refunded", "more_than_is_left"})
_WITHOUT_MONEY: Final = frozenset({"failed", "canceled"})


def dispute_reversal(dispute: Mapping[str, Any], at: datetime | None) -> Reversed | None:
    """What a dispute does to its payment; None where its status moves no money."""
    meant = STANDINGS.get(plain_code(dispute.get("status")))
    return _reversal(*meant, dispute, at) if meant else None


def refund_reversal(refund: Mapping[str, Any], at: datetime | None) -> Reversed | None:
    """What a refund made outside Spotlight does to its payment; None until the money has moved."""
    return _reversal(PAST_US, DisputeStatus.LOST, refund, at) if refund.get("status") == "succeeded" else None


def _reversal(
    code: str, dispute_status: DisputeStatus, found: Mapping[str, Any], at: datetime | None
) -> Reversed | None:
    amount, number = money_of(found.get("amount"), found.get("currency")), identifier(found.get("id"))
    if not amount or not amount.amount_minor or number is None:
        return None
    return Reversed(code, amount, number, kept(found), dispute_status, _fees(found), at)


def _fees(dispute: Mapping[str, Any]) -> Money | None:
    """What Stripe took for its work, of all that it booked about a dispute; None where it does not say. The
    books are in the account's currency, which may be another than the payment's."""
    booked = dispute.get("balance_transactions")
    if not isinstance(booked, list) or not booked or not all(isinstance(one, dict) for one in booked):
        return None
    total: Money | None = None
    for one in booked:
        fee = one.get("fee")
        # What it credits for a won dispute is a negative fee.
        read = money_of(abs(fee), one.get("currency")) if type(fee) is int else None
        if read is None or (total is not None and total.currency != read.currency):
            return None
        signed = read.times(-1 if fee < 0 else 1)
        total = signed if total is None else total + signed
    return total


def created_at(found: Mapping[str, Any]) -> datetime | None:
    """When an object or an event was made; None where it has no time."""
    created = found.get("created")
    return datetime.fromtimestamp(created, UTC) if type(created) is int and 0 < created < _SECONDS_MAX else None


def named_in(found: Mapping[str, Any], name: str) -> UUID | None:
    """Our reference in an object's metadata; None for what is not written as we write one."""
    return reference_of(inner(found, "metadata").get(name))


def reference_of(value: object) -> UUID | None:
    """Our reference; None for what is not written as we write one."""
    try:
        reference = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return reference if reference and str(reference) == value else None


def nothing_left(result: DisburseResult) -> bool:
    """Whether a refund was refused because less is left of the charge."""
    return isinstance(result, Rejected) and result.code in _NOTHING_LEFT


def with_others(refused: DisburseResult, refunds: Sequence[Mapping[str, Any]], ours: Disbursement) -> DisburseResult:
    """A refusal with the other refunds of the charge. `refunds`: all of the charge; where ours is among
    them it was no refusal."""
    moved = [refund for refund in refunds if refund.get("status") not in _WITHOUT_MONEY]
    for refund in moved:
        if named_in(refund, REFUND) == ours.reference:
            return Accepted(identifier(refund.get("id")), already_there=True)
    parts = tuple(refund_reversal(refund, created_at(refund)) for refund in moved)
    if None in parts:
        return NotSent("a refund past us is on its way")
    known = tuple(part for part in parts if part is not None)
    # Where other refunds explain it, our account is not at fault.
    return replace(refused, refunded=known, alarm=not known) if isinstance(refused, Rejected) else refused
