"""What counting on callbacks asks of storage. Every method is one transaction, safe to run twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from payments.collection.port import OpenPayment
from payments.collection.provisional_rules import Ours
from payments.lifecycle import Observed


@dataclass(frozen=True, slots=True)
class CallbackFacts:
    """What the rule needs of a callback and of the payment that its URL names. `remote`: address of its
    sender. `reference`: of that payment. `now`: when this was read."""

    remote: str
    reference: UUID
    ours: Ours
    now: datetime


@dataclass(frozen=True, slots=True)
class Denial:
    """The operator does not say what its callback said. `observed`: `denied`, or `paid_otherwise` with what it
    `received` instead. `reason`: in the closed set that voters are told about; `code`: the operator's own
    word."""

    reference: UUID
    observed: Observed
    reason: str
    code: str
    received: Money | None = None
    provider_reference: str | None = None
    evidence_raw: str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Votes that left the tally. `counted`: candidate code and votes, negative."""

    contest_id: UUID
    counted: tuple[tuple[str, int], ...]


class ProvisionalStore(Protocol):
    """Payments that are counted on a callback."""

    async def questions_due(self) -> Mapping[str, int]:
        """How many questions are due, by account; provisional payments are not among them."""
        ...

    async def facts(self, callbacks: Sequence[int]) -> Mapping[int, CallbackFacts]:
        """By callback; one whose URL names no payment is left out."""
        ...

    async def claim(self, account: str, limit: int, older_seconds: float) -> list[OpenPayment]:
        """Take provisional payments that are counted, due, and confirmed for so long, for a question under a
        lease; the oldest first."""
        ...

    async def take_back(self, denial: Denial) -> TakenBack | None:
        """Take the votes of a provisional payment out of the tally, and its money out of the book; another
        amount that is there is held. None when it is not provisional any more."""
        ...
