"""What settlement asks of storage."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from gateway.values.record import record
from payments.lifecycle import Confirmed, Verdict


@record
class ConfirmedPayment:
    """A confirmed payment as settlement sees it."""

    reference: UUID
    vote_id: UUID
    candidate_id: UUID
    candidate_code: str
    quantity: int
    amount: Money
    receipt: str
    facts: Confirmed


@record
class Decision:
    """What settlement decided for one payment."""

    payment: ConfirmedPayment
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """What one settlement transaction did. `counted`: candidate code and votes of each entry."""

    contest_id: UUID
    counted: tuple[tuple[str, int], ...]
    other: int


class Settlement(Protocol):
    """The one door to `counted`."""

    async def settle_batch(self, limit: int) -> SettledBatch | None:
        """Settle up to `limit` confirmed payments of one contest; None when none is due."""
        ...

    async def give_back_batch(self, limit: int) -> int:
        """Turn surplus and mismatched payments into refunds that are owed."""
        ...
