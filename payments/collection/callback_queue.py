"""Stored callbacks that are not judged yet: statements that claim them, and mark them as judged."""

from typing import Final

from sqlalchemy import text

from gateway.storage.rows import recordset
from payments.collection.hints import HINTED, HINTS

# How long a callback is remembered as the one that another repeats.
SAME_HOURS: Final = 48
# The first of each kind is looked for once, however many copies a storm brought, and handed on by windows: a
# join would be made row by row where the planner expects few. A sum is no column: the planner would walk the
# primary key, in the hope to meet the smallest id soon.
_SAME: Final = "o.provider = k.provider and o.body_hash = k.body_hash and o.received_at >= k.since"
CLAIM_CALLBACKS: Final = text(f"""
with due as (select * from callbacks where handled_at is null order by id limit :limit),
kinds as (
  select *, row_number() over alike = 1 as leads, min(received_at) over alike - interval '{SAME_HOURS} hours' as since
  from due window alike as (partition by provider, body_hash, payment_reference order by id
    rows between unbounded preceding and unbounded following)),
found as (
  select k.*, case when not leads then null when k.payment_reference is null
    then (select min(o.id + 0) from callbacks o where o.payment_reference is null and {_SAME})
    else (select min(o.id + 0) from callbacks o where o.payment_reference = k.payment_reference and {_SAME})
    end as oldest
  from kinds k),
firsts as (
  select *, max(oldest) over (partition by provider, body_hash, payment_reference) as first from found)
select b.id, b.provider, p.provider as account, b.payment_reference, b.method, b.headers, b.body, b.body_cipher,
  b.record_id, p.secrets_cipher,
  p.amount_minor, p.currency, now(), b.received_at, case when b.first < b.id then b.first end as duplicate_of
from firsts b left join payments p on p.reference = b.payment_reference
order by b.id
""")

JUDGED: Final = (
    ("id", "bigint"),
    ("outcome", "text"),
    ("reference", "uuid"),
    ("order_code", "text"),
    ("hinted", "boolean"),
    ("duplicate_of", "bigint"),
)
JUDGE: Final = text(f"""
with judged as (select * from {recordset(JUDGED)}),
marked as (
  update callbacks b set handled_at = now(), outcome = j.outcome, duplicate_of = j.duplicate_of
  from judged j where b.id = j.id and b.handled_at is null
  returning b.provider, case when j.duplicate_of is null then j.outcome else 'copy' end as outcome),
counted as (
  insert into callback_counts (provider, outcome, many)
  select provider, outcome, count(*) from marked group by 1, 2 order by 1, 2
  on conflict (provider, outcome) do update set many = callback_counts.many + excluded.many),
named as (
  select reference from judged where hinted and reference is not null
  union select k.payment_reference from judged j join order_keys k on k.order_code = j.order_code
    where j.hinted and j.reference is null),{HINTED}
select {HINTS}
""")
