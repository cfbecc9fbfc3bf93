"""What somebody says without proof brings the next question to the operator forward, and nothing else.

Everybody locks refunds and payouts before payments, and rows of one table by their reference: two who
lock the same rows in two orders would wait for each other.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# CTEs behind one called `named` with the references. `:every`: seconds between two questions about a
# payment, `:soon`: until one about money on its way out.
HINTED: Final = """
held_refunds as (
  select r.reference from refunds r join named n using (reference)
  where r.status = 'sent' order by r.reference for update of r),
held_payouts as (
  select o.reference from payouts o join named n using (reference)
  where o.status = 'sent' order by o.reference for update of o),
held_payments as (
  select p.reference, p.placed_at from payments p join named n using (reference)
  where p.status in ('sent','pending','expired','failed') order by p.reference for update of p),
hinted_refunds as (
  update refunds r set next_try_at = least(r.next_try_at, now() + make_interval(secs => :soon))
  from held_refunds h where r.reference = h.reference returning 1),
hinted_payouts as (
  update payouts o set next_try_at = least(o.next_try_at, now() + make_interval(secs => :soon))
  from held_payouts h where o.reference = h.reference returning 1),
hinted_payments as (
  update payments p set hinted_at = now(),
    next_check_at = greatest(now(), coalesce(p.asked_at, '-infinity') + make_interval(secs => :every))
  from held_payments h where p.reference = h.reference and p.placed_at = h.placed_at returning 1)"""
# They are read, and so run, in this order.
HINTS: Final = (
    "(select count(*) from hinted_refunds) + (select count(*) from hinted_payouts)"
    " + (select count(*) from hinted_payments)"
)
_HINT: Final = text(f"""
with named as (select distinct unnest(cast(:references as uuid[])) as reference),{HINTED}
select {HINTS}
""")


async def hint(connection: AsyncConnection, references: Sequence[UUID]) -> int:
    """Ask about these payments, refunds and payouts at once; how many of them are still open."""
    found = await connection.execute(_HINT, {"references": list(references), "every": 0, "soon": 0})
    return int(found.scalar_one())
