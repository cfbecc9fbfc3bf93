"""What giving money back asks of storage. Every method is one transaction, safe to run twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from payments.disbursement.outgoing import Outgoing
from payments.disbursement.refunds.rules import RefundSeen, RefundState
from payments.lifecycle import Actor
from payments.provider import Reversed


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRefund(Outgoing):
    """A refund. `owed_since`: when the debt arose, under whatever reference. `failures`: references of this debt
    that failed at the payee's side."""

    payment_reference: UUID
    vote_id: UUID
    state: RefundState
    owed_since: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class SendingRefund:
    """A refund about to be sent: through which account, on which platform."""

    reference: UUID
    provider: str
    base_url: str


@dataclass(frozen=True, slots=True)
class RefundObservation:
    """What was seen of one refund, and what to remember of it.

    `seen` None: no step, only the facts below. `next_try_at`: of this reference, or of the one that
    takes over its debt; None: nobody looks by itself. `from_float`: which wallet of ours paid.
    `by_hand`: what a person says is the operator's reference.
    """

    reference: UUID
    seen: RefundSeen | None
    actor: Actor = Actor.REFUNDER
    detail: str = ""
    next_try_at: datetime | None = None
    not_found: bool = False
    reason_code: str | None = None
    provider_reference: str | None = None
    received: Money | None = None
    evidence_word: str | None = None
    evidence_source: str = "status"
    evidence_raw: str = ""
    from_float: bool = False
    by_hand: str | None = None


class RefundStore(Protocol):
    """Refunds on their way."""

    async def claim(self, limit: int) -> list[OpenRefund]:
        """Take refunds that are due for a send or for a question, under a lease."""
        ...

    async def begin_sending(self, refunds: Sequence[SendingRefund]) -> set[UUID]:
        """Move due refunds to `sent`; those that moved. Committed when it returns: only then may the
        operator be asked."""
        ...

    async def observe(self, observation: RefundObservation) -> bool:
        """`record` for one, sharing a transaction with whoever comes at the same moment; whether it took
        its step."""
        ...

    async def record_reversals(self, refund: OpenRefund, parts: Sequence[Reversed]) -> None:
        """Keep what the operator gave back of the payment without our asking, and do what follows."""
        ...

    async def record(self, observations: Sequence[RefundObservation]) -> set[UUID]:
        """Apply what was seen, with everything that follows from it: the successor of a reference that
        failed, the payment's own step, the book, the voter's text. Those that took a step, or whose facts
        were kept. An observation that somebody else was faster with is kept as evidence only."""
        ...
