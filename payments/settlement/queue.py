"""Which payments settlement takes next: of contests in turn, without those that are set aside."""

from typing import Final

from sqlalchemy import text

from gateway.storage.set_aside import Kind

# Each contest with its oldest payment: from one to the next by the index, however many wait in each.
OLDEST_BY_CONTEST: Final = """
recursive waiting(contest_id, confirmed_at) as (
  (select contest_id, confirmed_at from payments where status = 'confirmed' order by contest_id, confirmed_at limit 1)
  union all
  select n.contest_id, n.confirmed_at from waiting w cross join lateral (
    select contest_id, confirmed_at from payments where status = 'confirmed' and contest_id > w.contest_id
    order by contest_id, confirmed_at limit 1) n)
"""
CONTESTS: Final = text(f"""
with {OLDEST_BY_CONTEST}
select contest_id from waiting w where not exists (
  select 1 from set_aside where kind = '{Kind.CONTEST}' and subject = w.contest_id::text and until > now())
""")
_NOT_ASIDE: Final = f"""reference <> all (array(
  select subject::uuid from set_aside where kind = '{Kind.PAYMENT}' and until > now()))"""

# Whether the vote of payment `p` was paid for before, by it or by another payment.
COUNTED_BEFORE: Final = """
  p.settled_at is not null or exists (select 1 from payments o where o.vote_id = p.vote_id
    and o.placed_at = p.placed_at and o.status in ('settled', 'held')) as counted_before
"""
_LOOKED_UP: Final = f"""
select p.reference, p.placed_at, p.vote_id, p.provider, p.amount_minor, p.currency, p.confirmed_at,
  v.candidate_id, v.quantity, v.receipt, k.code, k.status = 'approved' as eligible, c.closes_at, c.late_seconds,
  {COUNTED_BEFORE}
from due p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id join contests c on c.id = p.contest_id
order by p.reference
"""
_CONFIRMED: Final = f"from payments where status = 'confirmed' and contest_id = :contest and {_NOT_ASIDE}"
# The limit comes before all that is looked up, and takes what comes, or a long backlog would be looked up and
# sorted whole for each batch of it. Nobody waits for a lock here, so there is no order to keep.
DUE: Final = text(f"with due as (select * {_CONFIRMED} limit :limit for update skip locked) {_LOOKED_UP}")
WAITING: Final = text(f"select reference {_CONFIRMED} limit :limit")
THESE: Final = text(f"""
with due as (
  select * from payments where status = 'confirmed' and contest_id = :contest
    and reference = any(cast(:only as uuid[])) for update skip locked)
{_LOOKED_UP}
""")

TO_GIVE_BACK: Final = text(f"""
select reference from payments where status in ('surplus', 'mismatched') and {_NOT_ASIDE}
order by reference limit :limit
""")
GIVE_BACK: Final = text("""
select p.reference, p.placed_at, p.contest_id, p.provider, p.status,
  coalesce(p.received_minor, p.amount_minor) as amount_minor, coalesce(p.received_currency, p.currency) as currency
from payments p where p.reference = any(cast(:only as uuid[])) and p.status in ('surplus', 'mismatched')
order by p.reference for update skip locked
""")
