"""The invariants of money and votes, as SQL: each query returns the rows that break it.

All run in one read-only snapshot. An empty answer everywhere is the proof that what was taken is
what was counted, held or owed back, to the franc.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from payments.rollups.store import CHECKS

# A line that an earlier file has with another amount is kept under a key of its own: the operator has
# changed its statement, and a person must decide.
RESTATED: Final = "restated:"
# States of a payment whose money the operator was seen to have taken.
TAKEN: Final = "('confirmed','settled','held','surplus','mismatched','refund_due','refunded')"

INVARIANTS: Final[dict[str, str]] = {
    "I0 a payment has its vote": """
select p.reference from payments p left join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
where v.id is null""",
    "I1 money states have the operator's evidence of exactly that amount": f"""
select p.reference from payments p where p.status in {TAKEN} and not exists (
  select 1 from evidence e where e.reference = p.reference and e.word = 'succeeded'
    and e.amount_minor = coalesce(p.received_minor, p.amount_minor)
    and e.currency = coalesce(p.received_currency, p.currency)
    and (p.provisional or e.source <> 'callback_provisional'))""",
    "I2 a settled payment has exactly one vote entry": """
select p.reference from payments p left join tally_entries t on t.payment_reference = p.reference and t.kind = 'vote'
where p.status = 'settled' group by 1 having count(t.seq) <> 1""",
    "I3 a vote entry agrees with its order": """
select t.contest_id, t.seq from tally_entries t left join payments p on p.reference = t.payment_reference
  left join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
where t.kind = 'vote' and (p.settled_at is null or
  (t.contest_id, t.candidate_id, t.quantity, t.amount_minor, t.receipt)
    is distinct from (v.contest_id, v.candidate_id, cast(v.quantity as bigint), p.amount_minor, v.receipt))""",
    "I4 one counted or held payment a vote": """
select vote_id from payments where status in ('settled','held') group by 1 having count(*) > 1""",
    "I5 one open attempt a vote": """
select vote_id from payments where status in ('created','sent','pending') group by 1 having count(*) > 1""",
    "I6 totals are the sum of the tally, reached by its last entry": """
select coalesce(c.candidate_id, s.candidate_id) as candidate_id from candidate_totals c
  full join (select candidate_id, round, sum(quantity) as n, sum(amount_minor) as m, max(seq) as last
    from tally_entries group by 1, 2) s using (candidate_id, round)
where coalesce(c.votes, 0) <> coalesce(s.n, 0) or coalesce(c.amount_minor, 0) <> coalesce(s.m, 0)
  or coalesce(c.reached_seq, 0) <> coalesce(s.last, 0)""",
    "I7 the tally has no gap and no rewritten head": """
select h.contest_id from contest_heads h
  left join (select contest_id, count(*) as n, max(seq) as m from tally_entries group by 1) t using (contest_id)
where h.next_seq - 1 <> coalesce(t.m, 0) or coalesce(t.n, 0) <> coalesce(t.m, 0)""",
    "I8 every ledger transaction balances": """
select tx, currency from postings group by 1, 2 having sum(amount_minor) <> 0""",
    "I9 money sold is the money of the tally, votes sold are its votes": """
select contest_id from (
  select contest_id, -coalesce(sum(amount_minor) filter (where account = 'sales'), 0) as money,
    -coalesce(sum(amount_minor) filter (where account = 'votes_counted'), 0) as votes from postings group by 1) b
  full join (select contest_id, sum(amount_minor) as m, sum(quantity) as n from tally_entries group by 1) t
    using (contest_id)
where coalesce(b.money, 0) <> coalesce(t.m, 0) or coalesce(b.votes, 0) <> coalesce(t.n, 0)""",
    "I10 collected minus refunded, reversed and paid out is where money is; held and owed agree with their states": """
with a as (
  select contest_id, currency, sum(m) filter (where status in ('held','surplus','mismatched')) as held,
    sum(m) filter (where status in ('settled','held','surplus','mismatched','refund_due','refunded')) as took
  from (select contest_id, status, coalesce(received_currency, currency) as currency,
      coalesce(received_minor, amount_minor) as m from payments) p group by 1, 2),
r as (
  select contest_id, currency, sum(amount_minor) filter (where status = 'done') as done,
    sum(amount_minor) filter (where status not in ('done', 'void')) as owed from refunds group by 1, 2),
d as (select contest_id, currency, sum(reversed_minor) as gone from disputes group by 1, 2),
o as (
  select contest_id, currency, sum(amount_minor) filter (where status = 'done') as paid,
    sum(amount_minor) filter (where status in ('due', 'sent', 'manual')) as sent from payouts group by 1, 2),
l as (
  select contest_id, currency, -sum(amount_minor) filter (where account = 'held_funds') as held,
    -sum(amount_minor) filter (where account = 'refunds_owed') as owed,
    -sum(amount_minor) filter (where account = 'payouts_sent') as sent,
    -sum(amount_minor) filter (where account = 'unexplained') as unexplained,
    sum(amount_minor) filter (where account in ('operator_clearing', 'operator_float', 'bank', 'operator_fee'))
      as somewhere
  from postings where currency <> 'VOTES' and contest_id is not null group by 1, 2)
select contest_id, currency from a full join r using (contest_id, currency) full join d using (contest_id, currency)
  full join o using (contest_id, currency) full join l using (contest_id, currency)
where coalesce(a.held, 0) <> coalesce(l.held, 0) or coalesce(r.owed, 0) <> coalesce(l.owed, 0)
  or coalesce(o.sent, 0) <> coalesce(l.sent, 0)
  or coalesce(a.took, 0) - coalesce(r.done, 0) - coalesce(d.gone, 0) - coalesce(o.paid, 0)
    + coalesce(l.unexplained, 0) <> coalesce(l.somewhere, 0)""",
    "I11 every state is explained by its last event": """
select p.reference from payments p left join lateral (
  select to_status from payment_events e where e.reference = p.reference order by id desc limit 1) l on true
where l.to_status is distinct from p.status""",
    "I12 nothing unfinished is left without a next look": """
select reference from payments where (status in ('sent','pending')
    and (next_check_at is null or next_check_at < now() - interval '10 minutes'))
  or (status = 'confirmed' and confirmed_at < now() - interval '60 seconds')
  or (status = 'created' and expires_at < now() - interval '120 seconds')""",
    "I13 refunds and reversals never exceed what was paid; they and the state agree": """
select p.reference from payments p left join refunds r on r.payment_reference = p.reference and r.status <> 'void'
  left join (select payment_reference, sum(reversed_minor) as minor from disputes group by 1) d
    on d.payment_reference = p.reference
group by p.reference, p.placed_at, d.minor having
  coalesce(sum(r.amount_minor), 0) + coalesce(d.minor, 0) > coalesce(p.received_minor, p.amount_minor)
  or (p.status in ('refund_due','refunded'))
    <> (coalesce(sum(r.amount_minor), 0) + coalesce(d.minor, 0) = coalesce(p.received_minor, p.amount_minor))
  or (p.status = 'refunded') <> (coalesce(sum(r.amount_minor) filter (where r.status = 'done'), 0)
    + coalesce(d.minor, 0) = coalesce(p.received_minor, p.amount_minor))""",
    "I14 a settled payment owes, or has sent, a receipt": """
select p.reference from payments p where p.status = 'settled'
  and not exists (select 1 from messages_out o where o.kind = 'receipt' and o.key = p.reference::text)""",
    "I16 what was asked is the price of what was ordered": """
select v.id from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
where v.amount_minor <> v.quantity * v.price_minor or p.amount_minor <> v.amount_minor or p.currency <> v.currency""",
    "I22 what counts has the price of its version of the rules, and was confirmed by the last instant of it": """
select p.reference from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contest_rules r on r.contest_id = v.contest_id and r.version = v.rules_version
where p.status = 'settled' and r.made_by <> 'upgrade' and (cast(r.document->>'price_minor' as bigint) <> v.price_minor
  or p.confirmed_at > v.counts_until)""",
    "I17 an adjustment cancels one whole entry, of a payment that no longer counts": """
select t.contest_id, t.seq from tally_entries t
  left join tally_entries a on a.contest_id = t.contest_id and a.adjusts = t.seq
  left join payments p on p.reference = t.payment_reference
where t.kind = 'vote' and ((a.seq is not null) <> (p.status <> 'settled') or (a.seq is not null
  and (a.candidate_id, a.quantity, a.amount_minor) is distinct from (t.candidate_id, -t.quantity, -t.amount_minor)))
union all select a.contest_id, a.seq from tally_entries a where a.kind = 'adjustment' and not exists (
  select 1 from tally_entries t where t.contest_id = a.contest_id and t.seq = a.adjusts and t.kind = 'vote')""",
    "I18 sales are shared out to the franc, and our share is the fees of what counts": """
select contest_id, currency from (
  select contest_id, currency, -coalesce(sum(amount_minor) filter (where account = 'sales'), 0) as sold,
    coalesce(sum(amount_minor) filter (where account = 'sales_shared'), 0) as shared,
    -coalesce(sum(amount_minor) filter (where account = 'platform_fee'), 0) as ours
  from postings where contest_id is not null and currency <> 'VOTES' group by 1, 2) l
  full join (select contest_id, currency, sum(fee_minor) as fees from payments where status = 'settled' group by 1, 2) f
    using (contest_id, currency)
where coalesce(sold, 0) <> coalesce(shared, 0) or coalesce(ours, 0) <> coalesce(fees, 0)""",
    "I20 a lost dispute does what it must, soon, and once": """
select d.reference from disputes d join payments p on p.reference = d.payment_reference
where d.reversed_minor > 0 and (p.status <> 'refunded' or d.contest_id <> p.contest_id
    or ((select sum(o.reversed_minor) from disputes o where o.payment_reference = p.reference), d.currency)
      is distinct from (coalesce(p.received_minor, p.amount_minor), coalesce(p.received_currency, p.currency)))
  or d.status = 'lost' and d.effect is null and d.closed_at < now() - interval '10 minutes'
    and p.status in ('confirmed','settled','held','surplus','mismatched') and not p.provisional
  or d.effect in ('twice','person') and not exists (
    select 1 from differences f where f.dispute_reference = d.reference and f.amount_minor < 0
      and f.kind = case d.effect when 'twice' then 'double' else 'amount' end)
union all select p.reference from payments p join payment_events e on e.reference = p.reference
where p.status = 'refunded' and e.seen = 'reversed' and not exists (
  select 1 from disputes d where d.payment_reference = p.reference and d.reversed_minor > 0)""",
    "I21 nothing counts on a callback alone for longer than a day": """
select reference from payments
where provisional and (status not in ('confirmed','settled') or confirmed_at < now() - interval '24 hours')""",
    # Statements, a day after their import; a difference that a person decided about is explained.
    "R1 what an operator collected is money here": f"""
select l.provider, l.line_key from statement_lines l join statement_files f on f.id = l.file_id
  left join payments p on p.reference = l.matched_reference
where l.kind = 'collection' and f.undone_at is null and f.imported_at < now() - interval '24 hours'
  and (p.reference is null or p.status not in {TAKEN})
  and not exists (select 1 from differences d where d.line_id = l.id and d.status = 'resolved')""",
    "R2 what is money here is on the operator's statement of its time": f"""
select p.reference from payments p join statement_files f on f.provider = p.provider and f.undone_at is null
  and p.placed_at >= f.first_at and p.confirmed_at <= f.last_at and f.imported_at < now() - interval '24 hours'
where p.status in {TAKEN} and p.confirmed_at < now() - interval '24 hours'
  and not exists (select 1 from statement_lines l where l.matched_reference = p.reference)
  and not exists (select 1 from differences d where d.payment_reference = p.reference and d.kind = 'missing_there'
    and d.status = 'resolved')""",
    "R3 statement and book have the same amount, once": f"""
select l.provider, l.line_key from statement_lines l join statement_files f on f.id = l.file_id
  join payments p on p.reference = l.matched_reference and p.status in {TAKEN}
where l.kind = 'collection' and f.imported_at < now() - interval '24 hours'
  and ((l.amount_minor, l.currency)
      <> (coalesce(p.received_minor, p.amount_minor), coalesce(p.received_currency, p.currency))
    or exists (select 1 from statement_lines o where o.matched_reference = l.matched_reference and o.id < l.id
      and o.kind = 'collection') and not starts_with(l.line_key, '{RESTATED}'))
  and not exists (select 1 from differences d where d.line_id = l.id and d.kind in ('amount', 'double')
    and d.status = 'resolved')""",
    "I19 an open refund has a next try": """
select reference from refunds where status in ('due','sent')
  and (next_try_at is null or next_try_at < now() - interval '10 minutes')""",
    **CHECKS,
}


# Each check reads whole tables, and two columns that join payments to votes look to the planner like one row in a
# million: joined row by row, what takes a second takes minutes.
_FOR_WHOLE_TABLES: Final = text("""
select set_config('work_mem', '64MB', true), set_config('enable_nestloop', 'off', true)
""")


async def audit_money(
    engine: AsyncEngine, progress: Callable[[str, list[dict[str, Any]]], None] = lambda *_: None
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Every invariant with the rows that break it, at most a hundred each. `progress`: called with each of them as it
    was checked."""
    found = []
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            await connection.execute(_FOR_WHOLE_TABLES)
            for name, query in INVARIANTS.items():
                rows = (await connection.execute(text(f"select * from ({query}) broken limit 100"))).mappings().all()
                found.append((name, [dict(row) for row in rows]))
                progress(*found[-1])
    return found
