"""Disputes as an operator has them: the status of each, every event that it sent about them, and what its
callbacks claim without a proof."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from gateway.orders.receipt import order_code
from gateway.values.money import Money
from payments.provider import Claims, DisputeStatus, FoundReversal, Hint, NotFound, Reversed

FEE: Final = 15
"""What the operator takes for its work on a dispute, in francs, unless it is won at once."""
_SEAL: Final = b"known to the operator and to us, for disputes"


@dataclass
class Dispute:
    """One dispute. `was`: every status that it ever had; `fee`: what the operator keeps for it."""

    number: str
    payment: UUID
    amount: Money
    fee: int = 0
    was: list[DisputeStatus] = field(default_factory=list)
    words: list[bytes] = field(default_factory=list)

    @property
    def dispute_status(self) -> DisputeStatus:
        return self.was[-1]

    def stands(self, dispute_status: DisputeStatus) -> None:
        """It is decided, or opened; one more event to send."""
        self.was.append(dispute_status)
        self.say()

    def say(self) -> None:
        """An event with its status."""
        payload = {
            "dispute": self.number,
            "event": len(self.words),
            "reference": str(self.payment),
            "amount": self.amount.amount_minor,
            "currency": self.amount.currency,
            "standing": self.dispute_status.value,
            "fee": self.fee,
        }
        self.words.append(orjson.dumps({**payload, "seal": _seal(payload)}))


@dataclass
class Disputes:
    """All of them, by the operator's own number."""

    known: dict[str, Dispute] = field(default_factory=dict)

    def of(self, payment: UUID) -> list[Dispute]:
        return [each for each in self.known.values() if each.payment == payment]

    def take_up(self, payment: UUID, amount: Money, dispute_status: DisputeStatus, *, costs: bool) -> Dispute:
        """A payer's bank opens a dispute; it may be decided at once."""
        made = Dispute(f"du_{len(self.known)}", payment, amount, FEE if costs else 0)
        self.known[made.number] = made
        made.stands(dispute_status)
        return made

    def decide(self, dispute: Dispute, dispute_status: DisputeStatus) -> None:
        """Won at once its fee is given up; what was lost before keeps it."""
        if dispute_status is DisputeStatus.WON and DisputeStatus.LOST not in dispute.was:
            dispute.fee = 0
        dispute.stands(dispute_status)

    def found(self, number: str) -> FoundReversal | NotFound:
        """The status of one, when it is asked about."""
        if number not in self.known:
            return NotFound("no such dispute")
        each = self.known[number]
        fee = Money(each.fee, each.amount.currency)
        report = Reversed(f"dispute_{each.dispute_status}", each.amount, number, "{}", each.dispute_status, fee)
        return FoundReversal(report, each.payment)

    @property
    def lost(self) -> int:
        """Francs that payers have again."""
        return sum(
            each.amount.amount_minor for each in self.known.values() if each.dispute_status is DisputeStatus.LOST
        )

    @property
    def fees(self) -> int:
        return sum(each.fee for each in self.known.values())


def read_dispute(fields: Mapping[str, Any]) -> tuple[Hint, ...]:
    """An event about a dispute; nothing if its seal is not the operator's."""
    if fields["seal"] != _seal({name: value for name, value in fields.items() if name != "seal"}):
        return ()
    return (Hint(fields["standing"], reversal=fields["dispute"]),)


def _seal(payload: Mapping[str, Any]) -> str:
    return hashlib.sha256(_SEAL + orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)).hexdigest()


def claim(reference: UUID, amount: Money, payer: str | None, nonce: int) -> bytes:
    """An unsigned success with every value. `nonce`: the operator's own number of it."""
    payload = {"order_code": order_code(reference), "amount": amount.amount_minor, "currency": amount.currency}
    return orjson.dumps({"claims": payload | {"payer": payer, "number": f"op-{nonce}"}})


def read_claim(fields: Mapping[str, Any]) -> tuple[Hint, ...]:
    """What it claims; no more than a hint by itself."""
    received = Money(fields["amount"], fields["currency"])
    claims = Claims("SUCCESSFUL", True, fields["order_code"], received, fields["payer"], fields["number"])
    return (Hint(claims.status, order_code=claims.order_code, claims=claims),)
