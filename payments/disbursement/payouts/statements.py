"""What a payout was made of, read from the book and the tally."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from payments.disbursement.payouts.desk import payout_line
from payments.disbursement.payouts.port import PayoutStatement, TallyRange
from payments.ledger.book import UnknownName

_PAYOUT: Final = text("""
select o.*, c.slug, g.slug as organiser, b.name,
  (select max(e.created_at) from payouts e where e.contest_id = o.contest_id and e.currency = o.currency
    and e.created_at < o.created_at) as since
from payouts o join contests c on c.id = o.contest_id join organisers g on g.id = o.organiser_id
  join beneficiaries b on b.id = o.beneficiary_id
where o.reference = :reference
""")
# Postings of one contest are written one transaction after the other, also those of a payout.
_SUMS: Final = text("""
with p as (
  select account, amount_minor, memo like 'payout %' as out,
    at > coalesce(cast(:since as timestamptz), '-infinity') as inside
  from postings where contest_id = :contest and currency = :currency and at <= :until)
select
  coalesce(-sum(amount_minor) filter (where account = 'sales' and amount_minor < 0 and inside), 0) as gross,
  coalesce(sum(amount_minor) filter (where account = 'sales' and amount_minor > 0 and inside), 0) as refunded,
  coalesce(-sum(amount_minor) filter (where account = 'platform_fee' and inside), 0) as fees,
  coalesce(-sum(amount_minor) filter (where account = 'organiser_payable' and not inside), 0) as brought_forward,
  coalesce(-sum(amount_minor) filter (where account = 'organiser_payable' and inside and out and amount_minor < 0), 0)
    as returned,
  coalesce(-sum(amount_minor) filter (where account = 'organiser_payable'), 0) as left_over
from p
""")
_TALLY: Final = text("""
select cast(counted_at at time zone 'UTC' as date) as day, min(seq) as first, max(seq) as last,
  sum(quantity) as votes, sum(amount_minor) as amount
from tally_entries where contest_id = :contest and counted_at > coalesce(cast(:since as timestamptz), '-infinity')
  and counted_at <= :until group by 1 order by 1
""")


async def payout_statement(engine: AsyncEngine, reference: UUID) -> PayoutStatement:
    """The statement of a payout. Raises UnknownName."""
    async with engine.connect() as connection:
        row = (await connection.execute(_PAYOUT, {"reference": reference})).one_or_none()
        if row is None:
            raise UnknownName(f"there is no payout {reference}")
        asked = {
            "contest": row.contest_id,
            "currency": row.currency,
            "since": row.since,
            "until": row.created_at,
        }
        sums = (await connection.execute(_SUMS, asked)).one()
        tally = (await connection.execute(_TALLY, asked)).all()
    return PayoutStatement(
        payout=payout_line(row),
        period_from=row.since,
        period_to=row.created_at,
        gross_minor=int(sums.gross),
        refunded_minor=int(sums.refunded),
        fees_minor=int(sums.fees),
        brought_forward_minor=int(sums.brought_forward),
        returned_minor=int(sums.returned),
        left_minor=int(sums.left_over),
        tally=[TallyRange(t.day, t.first, t.last, int(t.votes), int(t.amount)) for t in tally],
    )
