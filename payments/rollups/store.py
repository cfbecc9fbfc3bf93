"""The rollups: what happened to payments, summed by minute and by hour of UTC, for a contest as a whole and by channel,
wallet, candidate and prefix of the number.

They are never in settlement's way: a worker reads the append-only events of payments behind it, and a kept position
makes each event count once. What happens late is in the minute in which it happened: a refund takes its votes out of
that one. A state is summed as entered less left, so the sums of all minutes are what is so now.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.rows import document
from payments.rollups.rules import Gap, Position, advance

BATCH: Final = 5_000
_LOCK: Final = 0x5907_11_75
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
# Every column that is a sum, with what one event adds. An order that is put back was not asked.
EFFECTS: Final = {
    "orders": "cast(b.from_status is null as integer)",
    "asked": """case when b.from_status = 'created' and b.to_status = 'sent' then 1
      when b.from_status = 'sent' and b.to_status = 'created' then -1 else 0 end""",
    **_NET,
    "votes": f"v.quantity * {_NET['paid']}",
    "amount_minor": f"v.amount_minor * {_NET['paid']}",
    "held_minor": f"v.amount_minor * {_NET['held']}",
    "returned_minor": f"v.amount_minor * {_NET['returned']}",
}
SUMS: Final = tuple(EFFECTS)
# Of many events, and of a batch, whose payments and votes are looked up one by one.
_JOINED: Final = """
  join payments p on p.reference = b.reference join votes v on v.id = p.vote_id and v.placed_at = p.placed_at"""
_LOOKED_UP: Final = """
  cross join lateral (select * from payments where reference = b.reference limit 1) p
  cross join lateral (select * from votes where id = p.vote_id and placed_at = p.placed_at limit 1) v"""


def _summed(orders: str) -> str:
    """The sums of the events `b`, by contest, facet, key and minute. `orders`: how payment and vote are found."""
    return f"""
select contest_id, facet, key, at, {", ".join(f"cast(sum({name}) as bigint) as {name}" for name in SUMS)}
from (select p.contest_id, v.channel, p.method, p.prefix, k.code, date_trunc('minute', b.at) as at,
    {", ".join(f"{effect} as {name}" for name, effect in EFFECTS.items())}
  from b {orders} join candidates k on k.id = v.candidate_id) f
  cross join lateral (values ('all', ''), ('channel', f.channel), ('method', f.method), ('candidate', f.code),
    ('prefix', f.prefix)) as d(facet, key)
where key is not null
group by 1, 2, 3, 4
having {" or ".join(f"sum({name}) <> 0" for name in SUMS)}
"""


_ADD: Final = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in SUMS)
_COLUMNS: Final = f"contest_id, facet, key, at, {', '.join(SUMS)}"
_IN_GAPS: Final = "json_to_recordset(cast(:rows as json)) as g(low bigint, high bigint)"
_ADVANCE: Final = text(f"""
with b as materialized (
  select e.* from {_IN_GAPS} join payment_events e on e.id between g.low and g.high
  union all (select * from payment_events where id > :seen order by id limit :limit)),
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
_POSITION: Final = text("""
select pg_try_advisory_xact_lock(:lock) as mine, seen, gaps, read_at < now() - interval '10 seconds' as old
from rollup_position
""")
_KEEP: Final = text("update rollup_position set seen = :seen, gaps = cast(:gaps as jsonb), read_at = now()")
_LAST: Final = text("select coalesce(max(id), 0) from payment_events")
_EMPTY: Final[tuple[TextClause, ...]] = (text("delete from rollup_minutes"), text("delete from rollup_hours"))

CHECKS: Final[dict[str, str]] = {
    "S1 the rollups by minute are what happened to payments": f"""
with b as (select e.* from payment_events e, rollup_position o where e.id <= o.seen and not exists (
    select 1 from jsonb_to_recordset(o.gaps) as g(low bigint, high bigint) where e.id between g.low and g.high)),
s as ({_summed(_JOINED)})
select coalesce(s.contest_id, r.contest_id) as contest_id, coalesce(s.facet, r.facet) as facet,
  coalesce(s.key, r.key) as key, coalesce(s.at, r.at) as at
from s full join rollup_minutes r on (r.contest_id, r.facet, r.key, r.at) = (s.contest_id, s.facet, s.key, s.at)
where {" or ".join(f"coalesce(s.{name}, 0) <> coalesce(r.{name}, 0)" for name in SUMS)}""",
    "S2 the rollups by hour are those of its minutes": f"""
select coalesce(s.contest_id, r.contest_id) as contest_id, coalesce(s.facet, r.facet) as facet,
  coalesce(s.key, r.key) as key, coalesce(s.hour, r.at) as at
from (select contest_id, facet, key, date_trunc('hour', at) as hour,
    {", ".join(f"sum({name}) as {name}" for name in SUMS)} from rollup_minutes group by 1, 2, 3, 4) s
  full join rollup_hours r on (r.contest_id, r.facet, r.key, r.at) = (s.contest_id, s.facet, s.key, s.hour)
where {" or ".join(f"coalesce(s.{name}, 0) <> coalesce(r.{name}, 0)" for name in SUMS)}""",
}
"""The rows of rollups that are wrong, for the audit: each against the events up to the position."""


class Rollups:
    """Keeps the rollups. One process at a time; another one leaves it alone."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def catch_up(self) -> int:
        """Read what happened since, batch by batch; how many events."""
        total = 0
        while True:
            read = await self._step()
            total += read
            if read < BATCH:
                return total

    async def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """Begin again with the first event; how many there were. `progress`: takes the number of the last event that
        was read, and of the last one there is. Interrupted, it goes on where it was, here or in a worker."""
        async with self._engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            for statement in _EMPTY:
                await connection.execute(statement)
            await self._keep(connection, Position())
            last: int = (await connection.execute(_LAST)).scalar_one()
        total = 0
        while True:
            read = await self._step()
            total += read
            seen = await self.seen()
            progress(min(seen, last), last)
            if seen >= last:
                return total
            if not read:  # a worker reads them meanwhile
                await asyncio.sleep(0.2)

    async def seen(self) -> int:
        """The number of the last event that was read."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(text("select seen from rollup_position"))).one()
        return int(row.seen)

    async def _step(self) -> int:
        """One batch in one transaction; 0 while another process does it."""
        async with self._engine.begin() as connection:
            held = (await connection.execute(_POSITION, {"lock": _LOCK})).one()
            if not held.mine:
                return 0
            before = Position(held.seen, tuple(map(_gap, held.gaps)))
            asked = {**document(map(asdict, before.gaps)), "seen": before.seen, "limit": BATCH}
            done = (await connection.execute(_ADVANCE, asked)).one()
            after = advance(before, done.ids, done.now)
            if after != before or held.old:
                await self._keep(connection, after)
        return len(done.ids)

    @staticmethod
    async def _keep(connection: AsyncConnection, position: Position) -> None:
        gaps = orjson.dumps([asdict(gap) for gap in position.gaps]).decode()
        await connection.execute(_KEEP, {"seen": position.seen, "gaps": gaps})


def _gap(kept: Mapping[str, Any]) -> Gap:
    return Gap(kept["low"], kept["high"], datetime.fromisoformat(kept["since"]))
