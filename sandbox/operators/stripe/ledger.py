"""Sessions, refunds and disputes of the imitated Stripe account, found by any of their numbers.

They live in the operators' book; the numbers by which Stripe knows them are looked up here.
"""

from typing import Final

from sandbox.operators.book import COLLECTION, AlreadyThere, Book, Entry, Status

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


__all__ = ["COLLECTION", "DISPUTE", "REFUND", "AlreadyThere", "Ledger"]
