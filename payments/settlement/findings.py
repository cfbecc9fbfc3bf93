"""What happened around paid votes, for the fraud rules, and what the rules found.

All of a batch is looked up by one statement, each signal by an index, over a minute to an hour before the order. Where
somebody ordered again within a minute, a second one reads the rollups of the candidates: few do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.orders.fraud import (
    BLOCK_SECONDS,
    HOUR_SECONDS,
    MINUTE_SECONDS,
    NEW_SECONDS,
    Around,
    Finding,
    FraudLimits,
    Window,
    holds,
    judge,
)
from gateway.orders.rules import Channel
from gateway.orders.store import PAID
from gateway.storage.audit_log import note
from gateway.storage.direct import Direct, NamedRow
from gateway.storage.rows import document, recordset

# So many orders of one number, device, address or block are looked at: far more than any limit.
_LOOKED_AT: Final = 500
_ON_THE_WEB: Final = f"('{Channel.WEB}','{Channel.API}')"
# An order that stands for payment `f`: in its contest, by the index of one column, in a time before it.
_BEFORE: Final = "o.contest_id = :contest and o.placed_at <= f.placed_at"
_EARLIER: Final = f"(o.placed_at, o.reference) < (f.placed_at, f.reference) and o.status in {PAID}"
_NEAR: Final = f"interval '{MINUTE_SECONDS} seconds'"


def _web(column: str) -> str:
    """Orders on the web by one device or address, around payment `f`."""
    return f"""
  select max(o.placed_at) filter (where {_EARLIER}) as earlier,
    max(o.in_minute) filter (where o.placed_at >= f.placed_at) as votes,
    count(distinct o.candidate_id) filter (where o.placed_at <= f.placed_at and o.status in {PAID}) as candidates,
    count(*) filter (where o.placed_at <= f.placed_at and o.candidate_id = f.candidate_id and o.status in {PAID})
      as of_source
  from (
    select p.reference, p.placed_at, p.status, v.candidate_id,
      count(*) over (order by p.placed_at range {_NEAR} preceding) as in_minute
    from payments p
      join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
    where p.{column} = f.{column} and p.contest_id = :contest and v.channel in {_ON_THE_WEB}
      and p.placed_at > f.placed_at - {_NEAR} and p.placed_at < f.placed_at + {_NEAR}
    order by p.placed_at desc limit {_LOOKED_AT}) o"""


def _paid_for(column: str) -> str:
    """Whose votes one card or name paid in the hour up to payment `f`."""
    return f"""
  select count(distinct coalesce(v.voter_index, o.payer_index, o.orderer)) as others
  from (
    select p.vote_id, p.placed_at, p.payer_index, p.orderer from payments p
    where p.{column} = f.{column} and p.contest_id = :contest and p.placed_at <= f.placed_at
      and p.placed_at > f.placed_at - interval '{HOUR_SECONDS} seconds' and p.status in {PAID}
    order by p.placed_at desc limit {_LOOKED_AT}) o
    join votes v on v.id = o.vote_id and v.placed_at = o.placed_at"""


def _ordered(of: str) -> str:
    """Orders of some key of the rollups in a minute `m` and the one before, and in the hour before."""
    return f"""
  select cast(coalesce(sum(r.orders) filter (where r.at >= m.minute - {_NEAR}), 0) as bigint) as lately,
    cast(coalesce(sum(r.orders) filter (where r.at < m.minute - {_NEAR}), 0) as bigint) as before
  from rollup_minutes r where r.contest_id = :contest and r.{of} and r.at <= m.minute
    and r.at >= m.minute - {_NEAR} - interval '{HOUR_SECONDS} seconds'"""


def _allowed(subject: str) -> str:
    return f"""exists (select from fraud_entries e where e.contest_id = :contest and e.subject = {subject}
    and e.list = 'allow' and e.lifted_at is null and e.until > now())"""


_AROUND: Final = Direct(
    text(f"""
select f.reference, f.votes, f.candidate_id, date_trunc('minute', f.placed_at) as minute,
  greatest(device.votes, address.votes) as web_votes,
  cast(extract(epoch from f.placed_at - greatest(payer.earlier, device.earlier)) as double precision) as gap_seconds,
  greatest(device.candidates, address.candidates) as candidates,
  block.payers as block_payers, greatest(device.of_source, block.orders) as of_source,
  payer.others as payer_others, card.others as card_others, holder.others as holder_others,
  case when f.payer_index is not null and f.votes >= cast(:large_votes as bigint) then not exists (
      select from payments o where o.payer_index = f.payer_index
        and o.placed_at <= f.placed_at - interval '{NEW_SECONDS} seconds')
    and not exists (
      select from payments o join votes w on w.id = o.vote_id and w.placed_at = o.placed_at
      where o.payer_index = f.payer_index and {_BEFORE} and o.placed_at > f.placed_at - interval '{NEW_SECONDS} seconds'
        and w.candidate_id <> f.candidate_id)
    end as new,
  own.owner
from (
  select p.reference, p.placed_at, p.payer_index, p.payer_block, p.card_index, p.holder_index,
    v.candidate_id, v.quantity as votes,
    case when v.channel in {_ON_THE_WEB} and not p.address_shared and not {_allowed("p.address")}
      then p.address end as address,
    case when v.channel in {_ON_THE_WEB} and p.orderer is distinct from p.address then p.orderer end as orderer
  from payments p cross join lateral (
    select candidate_id, quantity, channel from votes where id = p.vote_id and placed_at = p.placed_at limit 1) v
  where p.reference = any(cast(:references as uuid[])) and p.contest_id = :contest
    and not {_allowed("p.payer_index")} and not {_allowed("p.orderer")}) f
left join lateral (
  select max(o.placed_at) filter (where {_EARLIER}) as earlier, count(distinct o.orderer) as others
  from (
    select p.reference, p.placed_at, p.status, p.orderer from payments p
    where p.payer_index = f.payer_index and p.contest_id = :contest and p.placed_at <= f.placed_at
      and p.placed_at > f.placed_at - interval '{HOUR_SECONDS} seconds' and p.status in {PAID}
    order by p.placed_at desc limit {_LOOKED_AT}) o) payer on f.payer_index is not null
left join lateral ({_paid_for("card_index")}) card on f.card_index is not null
left join lateral ({_paid_for("holder_index")}) holder on f.holder_index is not null
left join lateral ({_web("orderer")}) device on f.orderer is not null
left join lateral ({_web("address")}) address on f.address is not null
left join lateral (
  select count(distinct o.payer_index) as payers,
    count(*) filter (where o.placed_at > f.placed_at - {_NEAR}) as orders
  from (
    select p.payer_index, p.vote_id, p.placed_at from payments p
    where p.payer_block = f.payer_block and p.contest_id = :contest and p.placed_at <= f.placed_at
      and p.placed_at > f.placed_at - interval '{BLOCK_SECONDS} seconds' and p.status in {PAID}
    order by p.placed_at desc limit {_LOOKED_AT}) o
    cross join lateral (
      select candidate_id from votes where id = o.vote_id and placed_at = o.placed_at offset 0) v
  where v.candidate_id = f.candidate_id) block
  on f.payer_block is not null
left join lateral (
  select 'organiser' as owner from beneficiaries b join contests c on c.organiser_id = b.organiser_id
    where c.id = :contest and b.phone_index = f.payer_index and b.retired_at is null
  union all
  select 'candidate' from candidate_links l join candidates k on k.id = l.candidate_id
    where l.contact_index = f.payer_index and k.contest_id = :contest
  union all
  select 'staff' from fraud_entries e where e.contest_id = :contest and e.subject = f.payer_index and e.list = 'own'
    and e.lifted_at is null and e.until > now()
  limit 1) own on f.payer_index is not null
""")
)
_WINDOWS: Final = text(f"""
with minutes as (
  select a.candidate_id, a.minute, k.code from {recordset("candidate_id uuid, minute timestamptz")}
    join candidates k on k.id = a.candidate_id)
select m.candidate_id, m.minute, own.lately as orders, whole.lately as of_contest, own.before,
  whole.before as of_contest_before
from minutes m
  cross join lateral ({_ordered("facet = 'candidate' and r.key = m.code")}) own
  cross join lateral ({_ordered("facet = 'all'")}) whole
""")
_FINDING: Final = "reference uuid, rule text, verdict text, weight integer, seen jsonb"
_KEEP: Final = text(f"""
insert into fraud_findings (reference, rule, contest_id, verdict, weight, limits_version, seen)
select reference, rule, :contest, verdict, weight, :version, seen from {recordset(_FINDING)}
on conflict (reference, rule) do nothing
""")


Candidate = tuple[UUID, datetime]


def _around(row: NamedRow, windows: Mapping[Candidate, Window]) -> Around:
    """A row of `read_around`."""
    return Around(
        votes=row.votes,
        web_votes=row.web_votes,
        gap_seconds=row.gap_seconds,
        candidates=row.candidates,
        block_payers=row.block_payers,
        payer_others=row.payer_others,
        card_others=row.card_others,
        holder_others=row.holder_others,
        of_source=row.of_source,
        window=windows.get((row.candidate_id, row.minute)),
        new=row.new,
        owner=row.owner,
    )


async def read_around(
    connection: AsyncConnection, contest: UUID, references: Sequence[UUID], large_votes: int
) -> Sequence[NamedRow]:
    """What is around these payments of a contest, the columns of `Around` for each. `large_votes`: of orders with fewer
    it is not read whether their number is new."""
    asked = {"references": list(references), "contest": contest, "large_votes": large_votes}
    return await _AROUND.named(connection, asked)


async def judged(
    connection: AsyncConnection, contest: UUID, rows: Sequence[NamedRow], limits: FraudLimits
) -> list[tuple[NamedRow, tuple[Finding, ...]]]:
    """What the rules find about the payments in these rows of `read_around`."""
    again = {(row.candidate_id, row.minute) for row in rows if (row.of_source or 0) > 1}
    asked = document({"candidate_id": candidate, "minute": minute} for candidate, minute in again)
    found = (await connection.execute(_WINDOWS, {**asked, "contest": contest})).all() if again else []
    windows = {
        (one.candidate_id, one.minute): Window(one.orders, one.of_contest, one.before, one.of_contest_before)
        for one in found
    }
    return [(row, judge(_around(row, windows), limits)) for row in rows]


async def suspicions(
    connection: AsyncConnection, contest: UUID, references: Sequence[UUID], limits: FraudLimits
) -> dict[UUID, tuple[Finding, ...]]:
    """What the rules find about these payments of a contest; those about which there is nothing are left out."""
    if not references or not limits.decide_hours:
        return {}
    rows = await read_around(connection, contest, references, limits.large_votes)
    found = await judged(connection, contest, rows, limits)
    return {row.reference: findings for row, findings in found if findings}


async def keep_findings(
    connection: AsyncConnection, contest: UUID, found: Mapping[UUID, Sequence[Finding]], limits: FraudLimits
) -> None:
    """Keep what was found, with one line in the audit log for all of it."""
    if not found:
        return
    rows = [
        {
            "reference": reference,
            "rule": finding.rule,
            "verdict": finding.verdict,
            "weight": finding.weight,
            "seen": {"seen": finding.seen, "limit": finding.limit},
        }
        for reference, findings in found.items()
        for finding in findings
    ]
    await connection.execute(_KEEP, {**document(rows), "contest": contest, "version": limits.version})
    rules = Counter(finding.rule.value for findings in found.values() for finding in findings)
    held = sum(holds(tuple(findings)) for findings in found.values())
    detail = {"rules": dict(rules), "payments": len(found), "held": held, "limits_version": limits.version}
    await note(connection, actor="rule", act="fraud.found", subject=str(contest), detail=detail, contest=contest)
