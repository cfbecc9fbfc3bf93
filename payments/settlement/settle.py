"""Count what is confirmed, a batch of one contest at a time, then show the new totals.

One settler a contest at a time, by an advisory lock, so that batches never wait for each other's rows.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.contest import CandidateStatus
from gateway.orders.fraud import Finding, FraudLimits, holds, read_limits
from gateway.storage.direct import Direct, NamedRow
from gateway.storage.set_aside import Kind, in_halves, passes, set_aside
from gateway.values.money import Money
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.lifecycle import Actor, Observed, State, advance
from payments.settlement.count import (
    FEE_PLANS,
    LOCK_KEY,
    SETTLE_LOCK_SPACE,
    count,
    held_to_owed,
    move,
    moved_row,
    plans_of,
)
from payments.settlement.findings import keep_findings, suspicions
from payments.settlement.rules import REFUND_REASONS, Confirmed, Verdict, booked, step_of, verdicts

BATCH: Final = 1_000
# So many payments of a contest that fail one by one: it is the contest that is broken.
BROKEN_MAX: Final = 5
# How long what cannot be settled waits for its next try.
PAYMENT_AGAIN_SECONDS: Final = 900
CONTEST_AGAIN_SECONDS: Final = 300

_log = structlog.get_logger(__name__)

Show = Callable[[Mapping[UUID, Sequence[tuple[str, int]]]], Awaitable[None]]
"""Publishes what was counted, by contest: candidate code and votes of each entry."""

# Each contest with its oldest payment: from one to the next by the index, however many wait in each.
OLDEST_BY_CONTEST: Final = """
recursive waiting(contest_id, confirmed_at) as (
  (select contest_id, confirmed_at from payments where status = 'confirmed' order by contest_id, confirmed_at limit 1)
  union all
  select n.contest_id, n.confirmed_at from waiting w cross join lateral (
    select contest_id, confirmed_at from payments where status = 'confirmed' and contest_id > w.contest_id
    order by contest_id, confirmed_at limit 1) n)
"""
_CONTESTS: Final = Direct(
    text(f"""
with {OLDEST_BY_CONTEST}
select contest_id from waiting w where not exists (
  select 1 from set_aside where kind = '{Kind.CONTEST}' and subject = w.contest_id::text and until > now())
""")
)
_NOT_ASIDE: Final = f"""reference <> all (array(
  select subject::uuid from set_aside where kind = '{Kind.PAYMENT}' and until > now()))"""

# Until when a payment of vote `v` counts. A release that did not know of versions wrote none: the rules of contest `c`.
LAST_INSTANT: Final = "coalesce(v.counts_until, c.closes_at + make_interval(secs => c.late_seconds))"
# Whether the vote of payment `p` was paid for before, by it or by another payment.
COUNTED_BEFORE: Final = """
  p.settled_at is not null or exists (select 1 from payments o where o.vote_id = p.vote_id
    and o.placed_at = p.placed_at and o.status in ('settled', 'held')) as counted_before
"""
_LOOKED_UP: Final = f"""
select p.reference, p.placed_at, p.vote_id, p.provider, p.method, p.amount_minor, p.currency, p.confirmed_at,
  v.candidate_id, v.quantity, v.receipt, v.round, k.code, k.status as standing, k.evicted_at,
  {LAST_INSTANT} as counts_until,
  {COUNTED_BEFORE}
from due p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id join contests c on c.id = p.contest_id
order by p.reference
"""
_CONFIRMED: Final = f"from payments where status = 'confirmed' and contest_id = :contest and {_NOT_ASIDE}"
# The limit comes before all that is looked up, and takes what comes, or a long backlog would be looked up and
# sorted whole for each batch of it. No statement waits for a lock here, so there is no order to keep.
_DUE: Final = Direct(text(f"with due as (select * {_CONFIRMED} limit :limit for update skip locked) {_LOOKED_UP}"))
_WAITING: Final = text(f"select reference {_CONFIRMED} limit :limit")
_THESE: Final = Direct(
    text(f"""
with due as (
  select * from payments where status = 'confirmed' and contest_id = :contest
    and reference = any(cast(:only as uuid[])) for update skip locked)
{_LOOKED_UP}
""")
)

_TO_REFUND: Final = Direct(
    text(f"""
(select reference from payments where status in ('surplus', 'mismatched') and {_NOT_ASIDE}
order by reference limit :limit)
union all
(select reference from payments where status = 'held' and decide_by <= now() and {_NOT_ASIDE}
order by decide_by limit :limit)
""")
)
_REFUNDABLE: Final = text("""
select p.reference, p.placed_at, p.contest_id, p.provider, p.status,
  coalesce(p.received_minor, p.amount_minor) as amount_minor, coalesce(p.received_currency, p.currency) as currency
from payments p where p.reference = any(cast(:only as uuid[]))
  and (p.status in ('surplus', 'mismatched') or p.status = 'held' and p.decide_by <= now())
order by p.reference for update skip locked
""")
_TRY_LOCK: Final = Direct(text(f"select pg_try_advisory_xact_lock({LOCK_KEY}) as locked, c.fraud_limits, {FEE_PLANS}"))
# Nothing is booked for a confirmed payment yet, so it needs no more than a step back.
_ASK_FIRST: Final = text("""
with f as (
  update payments set status = cast(:to_status as text), provisional = false, confirmed_at = null,
    next_check_at = now()
  where reference = any(cast(:references as uuid[])) and provisional and status = 'confirmed'
  returning reference),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor)
  select reference, 'confirmed', cast(:to_status as text), cast(:seen as text), cast(:actor as text) from f)
select reference from f
""")


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """What one settlement transaction did. `counted`: candidate code and votes of each entry."""

    contest_id: UUID
    counted: tuple[tuple[str, int], ...]
    other: int


class Settlement:
    """Settles contests in turn; one whose payments fail together is set aside for a while. `fraud`: the limits of
    contests that have none of their own."""

    def __init__(self, engine: AsyncEngine, fraud: FraudLimits) -> None:
        self._engine = engine
        self._fraud = fraud
        self._last = UUID(int=0)

    async def settle_batch(self, limit: int) -> SettledBatch | None:
        """Settle up to `limit` confirmed payments of one contest; None when none is due."""
        waiting = [row["contest_id"] for row in await _CONTESTS.rows(self._engine, {})]
        for contest in sorted(waiting, key=lambda contest: (contest <= self._last, contest)):
            self._last = contest
            try:
                batch = await self._settle_some(contest, _DUE, {"limit": limit})
            except Exception as error:
                if passes(error):
                    raise
                batch = await self._settle_in_halves(contest, limit)
            if batch is not None:
                return batch
        return None

    async def _settle_some(self, contest: UUID, statement: Direct, which: Mapping[str, object]) -> SettledBatch | None:
        """One transaction; None when another process settles this contest, or nothing is left of it."""
        async with self._engine.begin() as connection:
            [turn] = await _TRY_LOCK.named(connection, {"space": SETTLE_LOCK_SPACE, "contest": contest})
            rows = await statement.named(connection, {"contest": contest, **which}) if turn.locked else []
            if not rows:
                return None
            limits = read_limits(turn.fraud_limits, self._fraud)
            return await self._settle(connection, contest, rows, plans_of(turn), limits)

    async def _settle_in_halves(self, contest: UUID, limit: int) -> SettledBatch | None:
        """A batch of this contest fails: do what can be done of it, and set the rest aside."""
        async with self._engine.connect() as connection:
            waiting = list((await connection.execute(_WAITING, {"contest": contest, "limit": limit})).scalars())

        async def act(part: Sequence[UUID]) -> SettledBatch | None:
            return await self._settle_some(contest, _THESE, {"only": list(part)})

        done = await in_halves(waiting, act, BROKEN_MAX)
        await self._set_aside(Kind.PAYMENT, done.broken, PAYMENT_AGAIN_SECONDS)
        if done.given_up:
            await self._set_aside(Kind.CONTEST, [(contest, done.broken[0][1])], CONTEST_AGAIN_SECONDS)
        batches = [batch for batch in done.results if batch is not None]
        counted = tuple(votes for batch in batches for votes in batch.counted)
        return SettledBatch(contest, counted, sum(batch.other for batch in batches)) if batches else None

    async def _set_aside(self, kind: Kind, broken: Sequence[tuple[UUID, Exception]], seconds: int) -> None:
        named = [(str(subject), error) for subject, error in broken]
        if not named:
            return
        async with self._engine.begin() as connection:
            await set_aside(connection, kind, named, seconds)

    async def _settle(
        self,
        connection: AsyncConnection,
        contest: UUID,
        rows: Sequence[NamedRow],
        plans: ledger.FeePlans,
        limits: FraudLimits,
    ) -> SettledBatch:
        judged = list(zip(rows, verdicts((row.vote_id, confirmed(row)) for row in rows), strict=True))
        to_count = [row.reference for row, verdict in judged if verdict is Verdict.COUNT]
        found = await suspicions(connection, contest, to_count, limits)
        suspect = {reference for reference, findings in found.items() if holds(findings)}
        judged = [(row, Verdict.HOLD if row.reference in suspect else verdict) for row, verdict in judged]
        counted = [row for row, verdict in judged if verdict is Verdict.COUNT]
        refused = [(row, verdict) for row, verdict in judged if verdict is not Verdict.COUNT]
        unproved = await _ask_first(connection, [row.reference for row, _ in refused])
        if counted:
            await count(connection, contest, counted, plans)
        if left := [(row, verdict) for row, verdict in refused if row.reference not in unproved]:
            await _refuse(connection, contest, left, found, limits)
        kept = {reference: findings for reference, findings in found.items() if reference not in unproved}
        await keep_findings(connection, contest, kept, limits)
        return SettledBatch(contest, tuple((row.code, row.quantity) for row in counted), len(refused))

    async def owe_refunds(self, limit: int) -> int:
        """Turn surplus and mismatched payments into refunds that are owed, and held ones whose time to decide is
        over."""
        due = [row["reference"] for row in await _TO_REFUND.rows(self._engine, {"limit": limit})]
        done = await in_halves(due, self._owe_refunds)
        await self._set_aside(Kind.PAYMENT, done.broken, PAYMENT_AGAIN_SECONDS)
        return sum(done.results)

    async def _owe_refunds(self, references: Sequence[UUID]) -> int:
        async with self._engine.begin() as connection:
            due = (await connection.execute(_REFUNDABLE, {"only": list(references)})).all()
            for state, reason in REFUND_REASONS.items():
                members = [row for row in due if row.status == state.value]
                rows = [moved_row(state, Observed.CANNOT_COUNT, row, reason) for row in members]
                await move(connection, state, rows)
            await post(connection, [held_to_owed(row) for row in due])
        return len(due)


def confirmed(row: NamedRow) -> Confirmed:
    """What the decision needs of a row."""
    return Confirmed(
        confirmed_at=row.confirmed_at,
        placed_at=row.placed_at,
        counts_until=row.counts_until,
        candidate_status=CandidateStatus(row.standing),
        evicted_at=row.evicted_at,
        counted_before=row.counted_before,
    )


async def _ask_first(connection: AsyncConnection, references: Sequence[UUID]) -> frozenset[UUID]:
    """Which of these confirmed payments, that will not count, are so on a callback alone: the operator is asked about
    those before money is owed."""
    after = advance(State.CONFIRMED, Observed.UNPROVED, Actor.SETTLER)
    if not references or not isinstance(after, State):
        return frozenset()
    step = {"to_status": after.value, "seen": Observed.UNPROVED.value, "actor": Actor.SETTLER.value}
    return frozenset((await connection.execute(_ASK_FIRST, {**step, "references": list(references)})).scalars())


async def _refuse(
    connection: AsyncConnection,
    contest: UUID,
    refused: Sequence[tuple[NamedRow, Verdict]],
    found: Mapping[UUID, Sequence[Finding]],
    limits: FraudLimits,
) -> None:
    rows, entries = [], []
    for row, verdict in refused:
        suspect = verdict is Verdict.HOLD
        reason = found[row.reference][0].rule.value if suspect else verdict.value
        hours = limits.decide_hours if suspect else None
        rows.append(moved_row(State.CONFIRMED, step_of(verdict), row, reason, decide_hours=hours))
        legs = booked(verdict, Money(row.amount_minor, row.currency))
        entries.append((LedgerEntry(uuid4(), contest, f"{verdict.value} {row.reference}", legs), row.provider))
    await move(connection, State.CONFIRMED, rows)
    await post(connection, entries)


async def settle_payments(*, settlement: Settlement, show: Show) -> int:
    """Settle one batch and give back what cannot count; how many payments were decided.

    `show` is called after the commit and may fail: PostgreSQL has the totals.
    """
    batch = await settlement.settle_batch(BATCH)
    refunds = await settlement.owe_refunds(BATCH)
    if batch is None:
        return refunds
    _log.info("settled", contest=str(batch.contest_id), counted=len(batch.counted), other=batch.other)
    if batch.counted:
        await show({batch.contest_id: batch.counted})
    return len(batch.counted) + batch.other + refunds
