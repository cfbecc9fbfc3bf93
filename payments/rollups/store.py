"""The rollups: what happened to payments, summed by minute and by hour of UTC, for a contest as a whole and by channel,
wallet, candidate and prefix of the number.

They are never in settlement's way: a worker reads the append-only events of payments behind it, and a kept position
makes each event count once. What happens late is in the minute in which it happened: a refund takes its votes out of
that one. A state is summed as entered less left, so the sums of all minutes are what is so now.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.purging import MINUTE_DAYS
from payments.rollups import book_days
from payments.rollups.reader import Reader, Source, batch_of, read_of

# States whose columns count how many payments entered them, less those that left.
_STATES: Final = {
    "paid": "('settled')",
    "failed": "('failed')",
    "expired": "('expired')",
    "held": "('held')",
    "returned": "('surplus','mismatched','refund_due','refunded')",
}
_NET: Final = {
    name: f"(cast(b.to_status in {states} as integer) - cast(coalesce(b.from_status in {states}, false) as integer))"
    for name, states in _STATES.items()
}
# How many steps, with what one step adds. An order that is put back was not asked.
_COUNTS: Final = {
    "orders": "cast(b.from_status is null as integer)",
    "asked": """case when b.from_status = 'created' and b.to_status = 'sent' then 1
      when b.from_status = 'sent' and b.to_status = 'created' then -1 else 0 end""",
    **_NET,
}
# How much of an order, as often as one of the counts says.
_AMOUNTS: Final = {
    "votes": "v.quantity * paid",
    "amount_minor": "v.amount_minor * paid",
    "held_minor": "v.amount_minor * held",
    "returned_minor": "v.amount_minor * returned",
}
SUMS: Final = (*_COUNTS, *_AMOUNTS)
# Of many orders, and of a batch, whose payments and votes are looked up one by one.
_JOINED: Final = """
  join payments p on p.reference = m.reference join votes v on v.id = p.vote_id and v.placed_at = p.placed_at"""
_LOOKED_UP: Final = """
  cross join lateral (select * from payments where reference = m.reference limit 1) p
  cross join lateral (select * from votes where id = p.vote_id and placed_at = p.placed_at limit 1) v"""


def _summed(orders: str) -> str:
    """The sums of the events `b`, by contest, facet, key and minute. `orders`: how payment and vote are found.

    Steps that an order took in one minute are counted together, then orders that are alike: there are fewer to look up
    and to sort."""
    counts = ", ".join(f"sum({one}) as {name}" for name, one in _COUNTS.items())
    alike = ", ".join(f"sum({one}) as {name}" for name, one in {**{name: name for name in _COUNTS}, **_AMOUNTS}.items())
    return f"""
select contest_id, facet, key, at, {", ".join(f"cast(sum({name}) as bigint) as {name}" for name in SUMS)}
from (select p.contest_id, v.channel, p.method, p.prefix, k.code, m.at, {alike}
  from (select b.reference, date_trunc('minute', b.at) as at, {counts} from b group by 1, 2
    having {" or ".join(f"sum({one}) <> 0" for one in _COUNTS.values())}) m
    {orders} join candidates k on k.id = v.candidate_id
  group by 1, 2, 3, 4, 5, 6) f
  cross join lateral (values ('all', ''), ('channel', f.channel), ('method', f.method), ('candidate', f.code),
    ('prefix', f.prefix)) as d(facet, key)
where key is not null
group by 4, 1, 2, 3
having {" or ".join(f"sum({name}) <> 0" for name in SUMS)}
"""


_ADD: Final = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in SUMS)
_COLUMNS: Final = f"contest_id, facet, key, at, {', '.join(SUMS)}"
_ADVANCE: Final = text(f"""
with b as materialized ({batch_of("payment_events")}),
s as materialized ({_summed(_LOOKED_UP)}),
minutes as (
  insert into rollup_minutes as r ({_COLUMNS}) select {_COLUMNS} from s
  on conflict (contest_id, facet, at, key) do update set {_ADD}),
hours as (
  insert into rollup_hours as r ({_COLUMNS})
  select contest_id, facet, key, date_trunc('hour', at), {", ".join(f"sum({name})" for name in SUMS)} from s
  group by 1, 2, 3, 4
  on conflict (contest_id, facet, at, key) do update set {_ADD})
select coalesce(array_agg(id), '{{}}') as ids, now() as now from b
""")
EVENTS: Final = Source("payment_events", "rollup_position", 0x5907_11_75, _ADVANCE, ("rollup_minutes", "rollup_hours"))

# Interval `at` of a facet, whose minutes are kept.
_KEPT: Final = f"({{0}}.facet = 'all' or {{0}}.at >= date_trunc('hour', now() - interval '{MINUTE_DAYS} days'))"
CHECKS: Final[dict[str, str]] = {
    "S1 the rollups by minute are what happened to payments": f"""
with b as ({read_of("payment_events", "rollup_position")}),
s as ({_summed(_JOINED)})
select coalesce(s.contest_id, r.contest_id) as contest_id, coalesce(s.facet, r.facet) as facet,
  coalesce(s.key, r.key) as key, coalesce(s.at, r.at) as at
from s full join rollup_minutes r on (r.contest_id, r.facet, r.key, r.at) = (s.contest_id, s.facet, s.key, s.at)
where coalesce({_KEPT.format("s")}, {_KEPT.format("r")})
  and ({" or ".join(f"coalesce(s.{name}, 0) <> coalesce(r.{name}, 0)" for name in SUMS)})""",
    "S2 the rollups by hour are those of its minutes, or what happened where these are not kept": f"""
with b as ({read_of("payment_events", "rollup_position")} and e.at < now() - interval '{MINUTE_DAYS} days'),
old as ({_summed(_JOINED)}),
m as (select * from rollup_minutes r where {_KEPT.format("r")}
  union all select {", ".join(("contest_id", "facet", "at", "key", *SUMS))} from old where not {_KEPT.format("old")})
select coalesce(s.contest_id, r.contest_id) as contest_id, coalesce(s.facet, r.facet) as facet,
  coalesce(s.key, r.key) as key, coalesce(s.hour, r.at) as at
from (select contest_id, facet, key, date_trunc('hour', at) as hour,
    {", ".join(f"sum({name}) as {name}" for name in SUMS)} from m group by 1, 2, 3, 4) s
  full join rollup_hours r on (r.contest_id, r.facet, r.key, r.at) = (s.contest_id, s.facet, s.key, s.hour)
where {" or ".join(f"coalesce(s.{name}, 0) <> coalesce(r.{name}, 0)" for name in SUMS)}""",
    **book_days.CHECKS,
}
"""The sums that are wrong, for the audit: each against what is read by now."""


class Rollups:
    """Keeps all sums. One process at a time; another one leaves it alone."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._readers = [Reader(engine, EVENTS), Reader(engine, book_days.POSTINGS)]

    async def catch_up(self) -> int:
        """Read what happened since, batch by batch; how many events and postings."""
        return sum([await reader.catch_up() for reader in self._readers])

    async def rebuild(self, progress: Callable[[str, int, int], None]) -> int:
        """Begin again with the first event and posting; how many there were. `progress`: takes the table, the number of
        its last row that was read, and of the last one there is. Interrupted, it goes on where it was, here or in a
        worker."""
        return sum([await reader.rebuild(partial(progress, reader.source.name)) for reader in self._readers])
