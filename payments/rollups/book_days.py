"""Sums of the book by account and day of UTC: what a page reads of millions of postings.

Postings are never changed, so their sums are only added to, behind those who book. Whoever reads a balance adds what
is not summed yet, in the same statement: the answer is that of all postings, in any snapshot.
"""

from typing import Final

from sqlalchemy import text

from payments.rollups.reader import Source, batch_of, read_of

_ACCOUNT: Final = "contest_id, provider, account, currency"
_SIDES: Final = """
  cast(coalesce(sum(amount_minor) filter (where amount_minor > 0), 0) as bigint) as debit_minor,
  cast(coalesce(-sum(amount_minor) filter (where amount_minor < 0), 0) as bigint) as credit_minor"""
_DAY: Final = "date_trunc('day', at, 'UTC')"
_ADVANCE: Final = text(f"""
with b as materialized ({batch_of("postings")}),
days as (
  insert into balance_days as r ({_ACCOUNT}, day, debit_minor, credit_minor)
  select {_ACCOUNT}, {_DAY}, {_SIDES} from b group by {_ACCOUNT}, {_DAY}
  on conflict on constraint balance_days_once do update set debit_minor = r.debit_minor + excluded.debit_minor,
    credit_minor = r.credit_minor + excluded.credit_minor)
select coalesce(array_agg(id), '{{}}') as ids, now() as now from b
""")
POSTINGS: Final = Source("postings", "balance_position", 0x5907_11_76, _ADVANCE, ("balance_days",))

# Not summed yet. Found by their numbers alone: what else is asked of them stays outside.
_LATEST: Final = """
balance_position o
  cross join lateral (
    select low, high from jsonb_to_recordset(o.gaps) as g(low bigint, high bigint)
    union all select o.seen + 1, 9223372036854775807) g
  cross join lateral (select * from postings where id between g.low and g.high order by id offset 0) p"""
_LATEST_LINES: Final = """p.contest_id, p.provider, p.account, p.currency, greatest(p.amount_minor, 0) as debit_minor,
  greatest(-p.amount_minor, 0) as credit_minor, p.amount_minor"""

BOOKED: Final = f"""(
select {_ACCOUNT}, debit_minor, credit_minor, debit_minor - credit_minor as amount_minor from balance_days
union all
select {_LATEST_LINES} from {_LATEST})"""
"""All that is booked, as few lines as there can be: `amount_minor` is what remains of both sides."""

_THEN: Final = "coalesce(cast(:at as timestamptz), 'infinity')"
_THEN_DAY: Final = f"date_trunc('day', {_THEN}, 'UTC')"
BOOKED_THEN: Final = f"""(
select {_ACCOUNT}, debit_minor, credit_minor, debit_minor - credit_minor as amount_minor from balance_days
where day < {_THEN_DAY}
union all
select {_LATEST_LINES} from {_LATEST} where p.at < {_THEN_DAY}
union all
select {_LATEST_LINES} from postings p where p.at >= {_THEN_DAY} and p.at <= {_THEN})"""
"""All that was booked by :at; without it, all. The day of that instant is read posting by posting."""

CHECKS: Final[dict[str, str]] = {
    "S3 the sums of the book by day are its postings": f"""
select {_ACCOUNT}, day from (
  select {_ACCOUNT}, {_DAY} as day, greatest(amount_minor, 0) as debit, greatest(-amount_minor, 0) as credit
  from ({read_of("postings", "balance_position")}) b
  union all select {_ACCOUNT}, day, -debit_minor, -credit_minor from balance_days) s
group by {_ACCOUNT}, day having sum(debit) <> 0 or sum(credit) <> 0"""
}
"""The sums that are wrong, for the audit: each against the postings up to the position."""
