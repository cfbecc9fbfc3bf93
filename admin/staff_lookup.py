"""What staff look for: a payment by what a voter can tell, refunds on their way, each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.orders.receipt import read_receipt
from gateway.values.money import Money

# Of a vote's payments the one that money came for.
_NAMED: Final = text("""
with named as (
  select vote_id from order_keys where receipt = :code or order_code = :code
  union select vote_id from payments where reference = cast(:reference as uuid)
  union select cast(:reference as uuid))
select p.reference from payments p join named n on n.vote_id = p.vote_id
order by p.reference is not distinct from cast(:reference as uuid) desc,
  p.status in ('settled', 'held') desc, p.status in ('refund_due', 'refunded') desc, p.sent_at desc nulls last limit 1
""")
_ON_THEIR_WAY: Final = text("""
select r.reference, r.payment_reference, r.status, r.provider, r.amount_minor, r.currency, r.reason, r.reason_code,
  r.created_at, c.slug
from refunds r join contests c on c.id = r.contest_id
where r.status in ('due', 'sent', 'manual') and (not cast(:manual_only as boolean) or r.status = 'manual')
order by r.status = 'manual' desc, r.created_at limit :limit
""")
_HELD: Final = text("""
select p.reference, p.provider, p.amount_minor, p.currency, p.reason, p.confirmed_at, c.slug, k.code, v.quantity
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
where p.status = 'held' order by p.confirmed_at limit :limit
""")


@dataclass(frozen=True, slots=True)
class RefundLine:
    """A refund on its way."""

    reference: UUID
    payment_reference: UUID
    contest: str
    status: str
    provider: str
    amount: Money
    reason: str
    reason_code: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A payment that waits for a person."""

    reference: UUID
    contest: str
    candidate_code: str
    votes: int
    provider: str
    amount: Money
    reason: str | None
    confirmed_at: datetime | None


class StaffLookup:
    """Reads for staff."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def payment_named(self, word: str) -> UUID | None:
        """The payment that somebody means by its reference, its vote's id, its receipt, or the code that
        the operator showed (`SP…`)."""
        typed = word.strip()
        try:
            reference = UUID(typed)
        except ValueError:
            reference = None
        code = read_receipt(typed) or typed.upper()
        async with self._engine.connect() as connection:
            found: UUID | None = (
                await connection.execute(_NAMED, {"code": code, "reference": reference})
            ).scalar_one_or_none()
        return found

    async def refunds_on_their_way(self, *, manual_only: bool = False, limit: int = 200) -> Sequence[RefundLine]:
        """Refunds that their payers do not have yet: those that wait for a person first, then the oldest."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_ON_THEIR_WAY, {"manual_only": manual_only, "limit": limit})
            return [
                RefundLine(
                    row.reference,
                    row.payment_reference,
                    row.slug,
                    row.status,
                    row.provider,
                    Money(row.amount_minor, row.currency),
                    row.reason,
                    row.reason_code,
                    row.created_at,
                )
                for row in rows
            ]

    async def held_payments(self, *, limit: int = 200) -> Sequence[HeldLine]:
        """Payments that wait for a person, the oldest first."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_HELD, {"limit": limit})
            return [
                HeldLine(
                    row.reference,
                    row.slug,
                    row.code,
                    row.quantity,
                    row.provider,
                    Money(row.amount_minor, row.currency),
                    row.reason,
                    row.confirmed_at,
                )
                for row in rows
            ]
