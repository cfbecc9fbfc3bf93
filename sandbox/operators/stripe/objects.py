"""Stripe's objects as the API shows them: session, payment intent, charge, refund, dispute.

Source: Stripe's API reference, version 2026-10-28.endive. A payment by card is one entry of the book; its
session, payment intent and charge are three views of it, and it is found by the number of any (`Ledger`).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from sandbox.operators.book import COLLECTION, Book, Entry, Status

API_VERSION: Final = "2026-10-28.endive"
_SESSION_STATUS: Final = {Status.INITIATED: "open", Status.EXPIRED: "expired"}
_INTENT_STATUS: Final = {
    Status.INITIATED: "requires_payment_method",
    Status.PENDING: "processing",
    Status.SUCCESSFUL: "succeeded",
    Status.FAILED: "requires_payment_method",
    Status.EXPIRED: "canceled",
}
_REFUND_STATUS: Final = {Status.PENDING: "pending", Status.SUCCESSFUL: "succeeded", Status.FAILED: "failed"}


def metadata(entry: Entry, name: str = "metadata") -> dict[str, str]:
    """What the merchant wrote beside an object."""
    found: dict[str, str] = json.loads(entry.details.get(name) or "{}")
    return found


def session_status(entry: Entry) -> str:
    """Where a session stands. One whose money takes its time is complete for the payer."""
    return _SESSION_STATUS.get(entry.status, "complete")


def session(entry: Entry, *, whole_intent: bool = False) -> dict[str, object]:
    """A Checkout Session. `whole_intent`: `payment_intent` was expanded."""
    is_open = entry.status is Status.INITIATED
    number: object = None if is_open or entry.status is Status.EXPIRED else entry.details["intent"]
    return {
        "id": entry.details["session"],
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": entry.whole,
        "amount_total": entry.whole,
        "cancel_url": entry.details["cancel_url"] or None,
        "client_reference_id": entry.details["client_reference_id"] or None,
        "created": int(entry.created_at),
        "currency": entry.currency.lower(),
        "customer_details": _payer(entry),
        "expires_at": int(entry.expires_at),
        "livemode": _is_live(entry),
        "locale": entry.details["locale"] or None,
        "metadata": metadata(entry),
        "mode": "payment",
        "payment_intent": intent(entry) if whole_intent and number else number,
        "payment_method_types": ["card"],
        "payment_status": "paid" if entry.status is Status.SUCCESSFUL else "unpaid",
        "status": session_status(entry),
        "success_url": entry.details["success_url"] or None,
        "ui_mode": "hosted",
        "url": entry.details["url"] if is_open else None,
    }


def _payer(entry: Entry) -> dict[str, object] | None:
    email = entry.details.get("customer_email")
    return {"email": email, "name": None, "phone": None} if email else None


def _is_live(entry: Entry) -> bool:
    return entry.details["session"].startswith("cs_live_")


def card_fingerprint(number: str) -> str:
    """What is the same for every payment by one card."""
    return hashlib.sha256(f"card {number}".encode()).hexdigest()[:16]


def intent(entry: Entry, last_error: Mapping[str, str] | None = None) -> dict[str, object]:
    """The payment intent behind a session."""
    return {
        "id": entry.details["intent"],
        "object": "payment_intent",
        "amount": entry.whole,
        "amount_received": entry.whole if entry.status is Status.SUCCESSFUL else 0,
        "currency": entry.currency.lower(),
        "created": int(entry.created_at),
        "description": entry.details["description"] or None,
        "last_payment_error": dict(last_error) if last_error else None,
        "latest_charge": entry.details["charge"] if entry.status is Status.SUCCESSFUL else None,
        "livemode": _is_live(entry),
        "metadata": metadata(entry, "intent_metadata"),
        "status": _INTENT_STATUS[entry.status],
    }


def charge(entry: Entry, refunded: int, *, disputed: bool) -> dict[str, object]:
    """The charge behind a payment intent that was paid. `refunded`: what went back of it so far."""
    return {
        "id": entry.details["charge"],
        "object": "charge",
        "amount": entry.whole,
        "amount_captured": entry.whole,
        "amount_refunded": refunded,
        "captured": True,
        "created": int(entry.completed_at or entry.created_at),
        "currency": entry.currency.lower(),
        "description": entry.details["description"] or None,
        "disputed": disputed,
        "livemode": _is_live(entry),
        "metadata": metadata(entry, "intent_metadata"),
        "paid": True,
        "payment_intent": entry.details["intent"],
        "refunded": refunded >= entry.whole,
        "status": "succeeded",
    }


def refund(entry: Entry) -> dict[str, object]:
    """A refund."""
    return {
        "id": entry.details["refund"],
        "object": "refund",
        "amount": entry.whole,
        "charge": entry.details["charge"],
        "created": int(entry.created_at),
        "currency": entry.currency.lower(),
        "metadata": metadata(entry),
        "payment_intent": entry.details["intent"],
        "reason": entry.details["reason"] or None,
        "status": _REFUND_STATUS[entry.status],
        **({"failure_reason": entry.reason} if entry.status is Status.FAILED else {}),
    }


def dispute(entry: Entry) -> dict[str, object]:
    """A dispute. It names charge and payment intent, and nothing of the merchant's own."""
    words = {Status.PENDING: "needs_response", Status.SUCCESSFUL: "lost", Status.FAILED: "won"}
    return {
        "id": entry.details["dispute"],
        "object": "dispute",
        "amount": entry.whole,
        "balance_transactions": _booked(entry),
        "charge": entry.details["charge"],
        "created": int(entry.created_at),
        "currency": entry.currency.lower(),
        "evidence_details": {"due_by": int(entry.expires_at), "has_evidence": False, "past_due": False},
        "is_charge_refundable": False,
        "livemode": entry.details["live"] == "yes",
        "metadata": {},
        "payment_intent": entry.details["intent"],
        "reason": entry.details["reason"],
        "status": words[entry.status],
    }


def _booked(entry: Entry) -> list[dict[str, object]]:
    """What a dispute did to the account: the amount and the fee are taken at once, and the amount comes back."""
    number, fee = entry.details["dispute"].removeprefix("du_"), int(entry.details.get("fee", "0"))
    taken = _line(f"txn_{number}", -entry.whole, fee, entry.currency)
    returned = _line(f"txn_{number}r", entry.whole, 0, entry.currency)
    return [taken, returned] if entry.status is Status.FAILED else [taken]


def _line(number: str, amount: int, fee: int, currency: str) -> dict[str, object]:
    return {
        "id": number,
        "object": "balance_transaction",
        "amount": amount,
        "currency": currency.lower(),
        "fee": fee,
        "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "type": "adjustment",
    }


REFUND: Final = "refund"
DISPUTE: Final = "dispute"
_NUMBERS: Final = {COLLECTION: ("session", "intent", "charge"), REFUND: ("refund",), DISPUTE: ("dispute",)}


class Ledger:
    """Everything of one account. `code`: the operator's word in the book."""

    def __init__(self, book: Book, code: str) -> None:
        self._book = book
        self._code = code
        self._references: dict[str, tuple[str, str]] = {}
        for kind in _NUMBERS:
            for entry in book.entries(code, kind):
                self._learn(entry)

    def _learn(self, entry: Entry) -> None:
        for name in _NUMBERS[entry.kind]:
            self._references[entry.details[name]] = (entry.kind, entry.our_reference)

    def open(self, entry: Entry) -> Entry:
        """Register something new. Raises AlreadyThere for a reference that was used before."""
        opened = self._book.open(entry)
        self._learn(opened)
        return opened

    def find(self, number: str, kind: str = COLLECTION) -> Entry | None:
        """By a number of Stripe's; a session also by its payment intent and its charge."""
        held, reference = self._references.get(number, ("", ""))
        return self._book.find(self._code, reference, kind) if held == kind else None

    def all(self, kind: str = COLLECTION) -> list[Entry]:
        """Everything of one kind, oldest first."""
        return self._book.entries(self._code, kind)

    def fresh(self, entry: Entry) -> Entry:
        """How it stands now."""
        return self._book.find(self._code, entry.our_reference, entry.kind) or entry

    def has(self, reference: str, kind: str = COLLECTION) -> bool:
        """Whether the merchant used this reference before."""
        return self._book.find(self._code, reference, kind) is not None

    def of_payment(self, entry: Entry, kind: str) -> list[Entry]:
        """Refunds or disputes of a payment, oldest first."""
        return [one for one in self.all(kind) if one.details["intent"] == entry.details["intent"]]

    def refunded(self, entry: Entry) -> int:
        """What went back of a payment, or is on its way, in whole units."""
        return self._book.refunded_total(self._code, entry.our_reference)

    def is_disputed(self, entry: Entry) -> bool:
        """Whether the payer's bank has a dispute about it that was not won."""
        return any(one.status is not Status.FAILED for one in self.of_payment(entry, DISPUTE))

    def balance(self, currency: str) -> int:
        """What the account holds, fees and disputes off, in whole units of one currency."""
        disputes = [one for one in self.all(DISPUTE) if one.currency == currency]
        # Lost, one is money that went out.
        kept = sum(one.whole for one in disputes if one.status is Status.PENDING)
        fees = sum(int(one.details.get("fee", "0")) for one in disputes)
        moved = self._book.collected_total(self._code, currency) - self._book.disbursed_total(self._code, currency)
        return moved - kept - fees
