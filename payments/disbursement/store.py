"""Refunds and payouts on their way: claimed under leases, moved by conditional updates, every step logged.

One transaction holds what belongs together: the step and its event, the operator's evidence, and what follows of it.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.routing import provider_of
from gateway.storage.coalescer import Coalescer
from gateway.storage.rows import document, recordset
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.disbursement.answers import Observation, Outgoing
from payments.disbursement.disputes.store import ObservedReversal, record_reversals
from payments.disbursement.rules import OutgoingState, Step, Steps, guard
from payments.lifecycle import Actor
from payments.provider import Disbursement, Purpose, Reversed

LEASE_SECONDS: Final = 60
_ALL_STATES: Final = [state.value for state in OutgoingState]

Follow = Callable[[AsyncConnection, OutgoingState, Sequence[Observation], dict[UUID, Row[Any]], Actor], Awaitable[None]]
"""Does what follows of a step to this state, in its transaction. Gets the observations and the rows that moved."""

_CLAIM: Final = """
with due as (
  select o.reference from {table} o where o.status in ('due', 'sent') and o.next_try_at <= now()
    and (o.status = 'sent' or {sendable})
  order by o.next_try_at limit :limit for update skip locked),
taken as (
  update {table} o set next_try_at = now() + make_interval(secs => :lease),
    checks = o.checks + case when o.status = 'sent' then 1 else 0 end
  from due d where o.reference = d.reference returning o.*)
select t.reference as out, t.status as out_status, t.amount_minor as out_minor, t.currency as out_currency,
  t.base_url as out_base_url, t.provider_reference as out_provider_reference, t.send_tries as out_tries,
  t.checks as out_checks, t.not_found_count as out_not_found, t.not_found_since as out_not_found_since,
  t.sent_at as out_sent_at, t.created_at as out_created_at, {columns}
from taken t {joins}
"""
_PUT_OFF: Final = """
update {table} set next_try_at = now() + make_interval(secs => :seconds)
where reference = any(cast(:references as uuid[]))
"""
_SENDING: Final = "reference uuid, provider text, base_url text"
_BEGIN: Final = """
with going as (select * from {recordset}),
moved as (
  update {table} o set status = 'sent', sent_at = coalesce(o.sent_at, now()), send_tries = o.send_tries + 1,
    base_url = coalesce(o.base_url, g.base_url), not_found_count = 0, not_found_since = null{begins}
  from going g where o.reference = g.reference and o.status = 'due' and {sendable} returning o.reference),
logged as (
  insert into {events} (reference, from_status, to_status, seen, actor)
  select reference, 'due', 'sent', 'calling', '{sender}' from moved)
select reference from moved
"""
_FACTS: Final = """
  reference uuid, next_try_at timestamptz, not_found boolean, reason_code text, provider_reference text, detail text,
  by_hand text, actor text
"""
# `to_status` null: only facts are remembered. Put off means that nothing was created: the clock that
# brings in a person starts again with the next send.
_RECORD: Final = """
with asked as (select * from {recordset}),
locked as (
  select o.reference, o.status from {table} o join asked a using (reference)
  where o.status = any(cast(:froms as text[])) order by o.reference for update of o),
moved as (
  update {table} o set status = coalesce(cast(:to_status as text), o.status), next_try_at = a.next_try_at,
    not_found_count = case when a.not_found then o.not_found_count + 1 else 0 end,
    not_found_since = case when a.not_found then coalesce(o.not_found_since, now()) end,
    reason_code = coalesce(a.reason_code, o.reason_code),
    provider_reference = coalesce(a.provider_reference, o.provider_reference){more},
    sent_at = case when cast(:step as text) in ('put_off', 'asked_again') then null else o.sent_at end,
    checks = case when cast(:to_status as text) = 'due' then 0 else o.checks end,
    send_tries = case when cast(:step as text) = 'asked_again' then 0 else o.send_tries end,
    done_at = case when cast(:to_status as text) = 'done' then now() else o.done_at end
  from locked l join asked a using (reference) where o.reference = l.reference
  returning o.*, l.status as before, a.detail, a.actor),
logged as (
  insert into {events} (reference, from_status, to_status, seen, actor, detail)
  select reference, before, status, cast(:step as text), actor, nullif(detail, '') from moved
  where cast(:step as text) is not null)
select * from moved
"""
_LOCK: Final = """
select 1 from {table} where reference = any(cast(:references as uuid[])) order by reference for update
"""
_EVIDENCE: Final = """
  reference uuid, word text, source text, amount_minor bigint, currency text, provider_reference text, raw text
"""
_KEEP_EVIDENCE: Final = text(f"""
insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw)
select * from {recordset(_EVIDENCE)}
""")


class OutgoingTable:
    """What differs between refunds and payouts: `steps`, how machines are logged, the statements on table `name`, and
    what follows of a step.

    `columns`, `joins`: what a claim reads besides, of `t`; `sendable`: whether `o` may be sent now; `begins`, `more`:
    columns that a send, and an observation, set besides."""

    def __init__(
        self,
        name: str,
        *,
        purpose: Purpose,
        steps: Steps,
        sender: str,
        follow: Follow,
        columns: str,
        joins: str,
        sendable: str = "true",
        begins: str = "",
        more: str = "",
    ) -> None:
        events = f"{name.removesuffix('s')}_events"
        names = {"table": name, "events": events, "sendable": sendable, "sender": sender}
        self.purpose, self.steps, self.sender, self.follow = purpose, steps, sender, follow
        self.claim = text(_CLAIM.format(**names, columns=columns, joins=joins))
        self.put_off = text(_PUT_OFF.format(**names))
        self.begin = text(_BEGIN.format(**names, begins=begins, recordset=recordset(_SENDING)))
        self.lock = text(_LOCK.format(**names))
        self.record = text(_RECORD.format(**names, more=more, recordset=recordset(_FACTS)))


async def record(connection: AsyncConnection, table: OutgoingTable, observations: Sequence[Observation]) -> set[UUID]:
    """Apply what was observed, with everything that follows of it; those that took a step, or whose facts were kept.
    An observation that comes too late is kept as evidence only."""
    groups: dict[tuple[Step | None, Actor], list[Observation]] = defaultdict(list)
    for one in observations:
        groups[one.step, one.actor].append(one)
    if len(groups) > 1:
        # Group by group they would be locked in two orders.
        await connection.execute(table.lock, {"references": [one.reference for one in observations]})
    await _keep_evidence(connection, observations)
    moved: set[UUID] = set()
    for (step, actor), members in groups.items():
        moved |= await _take(connection, table, step, actor, members)
    return moved


async def _take(
    connection: AsyncConnection, table: OutgoingTable, step: Step | None, actor: Actor, members: Sequence[Observation]
) -> set[UUID]:
    leads = guard(table.steps, step, actor) if step else {}
    targets = set(leads.values())
    if step and len(targets) != 1:
        raise ValueError(f"{actor} may not take {step}, or it leads to several states")
    target = targets.pop() if targets else None
    values = {
        **document(_facts(table, one) for one in members),
        "froms": [state.value for state in leads] or _ALL_STATES,
        "to_status": target.value if target else None,
        "step": step.value if step else None,
    }
    moved = {row.reference: row for row in await connection.execute(table.record, values)}
    if target and moved:
        await table.follow(connection, target, [one for one in members if one.reference in moved], moved, actor)
    return set(moved)


def _facts(table: OutgoingTable, one: Observation) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "next_try_at": one.next_try_at,
        "not_found": one.not_found,
        "reason_code": one.reason_code,
        "provider_reference": one.provider_reference,
        "detail": one.detail,
        "by_hand": one.by_hand,
        "actor": one.person or (table.sender if one.actor is Actor.REFUNDER else one.actor.value),
    }


async def _keep_evidence(connection: AsyncConnection, observations: Sequence[Observation]) -> None:
    kept = [
        {
            "reference": one.reference,
            "word": one.evidence_word,
            "source": one.evidence_source,
            "amount_minor": one.received.amount_minor if one.received else None,
            "currency": one.received.currency if one.received else None,
            "provider_reference": one.provider_reference or one.by_hand,
            "raw": one.evidence_raw,
        }
        for one in observations
        if one.evidence_word
    ]
    if kept:
        await connection.execute(_KEEP_EVIDENCE, document(kept))


class OutgoingStore(ABC):
    """Refunds or payouts. Every method is one transaction, safe to run twice. Derived classes read their rows."""

    table: OutgoingTable

    def __init__(self, engine: AsyncEngine, vault: Vault, public_url: str) -> None:
        self._engine = engine
        self._vault = vault
        self._public_url = public_url
        self._observed: Coalescer[Observation, bool] = Coalescer(self._record_each, batch_max=100, lanes=2)

    @abstractmethod
    def _asked(self, row: Row[Any]) -> dict[str, Any]:
        """Fields of the Disbursement that not every claim reads: description, payee. Raises SealBroken."""

    def _read(self, row: Row[Any]) -> Outgoing:
        token = self._vault.callback_token(row.out)
        disbursement = Disbursement(
            reference=row.out,
            purpose=self.table.purpose,
            country=row.country,
            amount=Money(row.out_minor, row.out_currency),
            callback_url=f"{self._public_url}/api/webhooks/{provider_of(row.out_provider)}/{token}",
            base_url=row.out_base_url,
            provider_reference=row.out_provider_reference,
            **self._asked(row),
        )
        return Outgoing(
            disbursement=disbursement,
            provider=row.out_provider,
            state=OutgoingState(row.out_status),
            now=row.now,
            owed_since=row.owed_since or row.out_created_at,
            sent_at=row.out_sent_at,
            send_tries=row.out_tries,
            checks=row.out_checks,
            not_found_count=row.out_not_found,
            not_found_since=row.out_not_found_since,
            troubles=row.troubles,
            failures=row.failures,
            payment_reference=row.payment_reference,
            vote_id=row.vote_id,
        )

    async def claim(self, limit: int) -> list[Outgoing]:
        """Take what is due for a send or for a question, under a lease."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(self.table.claim, {"limit": limit, "lease": LEASE_SECONDS})).all()
            found, broken = each_read(rows, self._read)
            if broken:
                await set_aside(connection, Kind(self.table.purpose), [(str(row.out), error) for row, error in broken])
                named = {"references": [row.out for row, _ in broken], "seconds": READ_AGAIN_SECONDS}
                await connection.execute(self.table.put_off, named)
        return found

    async def begin_sending(self, going: Sequence[Outgoing]) -> set[UUID]:
        """Move what is due to `sent`, with the platform that it names; those that moved. Committed when it returns:
        only then may the operator be asked."""
        if not going:
            return set()
        rows = [{"reference": o.reference, "provider": o.provider, "base_url": o.disbursement.base_url} for o in going]
        async with self._engine.begin() as connection:
            return set((await connection.execute(self.table.begin, document(rows))).scalars())

    async def observe(self, observation: Observation) -> bool:
        """`record` for one, in a transaction shared with calls of the same moment; whether it took its step."""
        return await self._observed.do(observation)

    async def _record_each(self, observations: list[Observation]) -> list[bool]:
        moved = await self.record(observations)
        return [one.reference in moved for one in observations]

    async def record(self, observations: Sequence[Observation]) -> set[UUID]:
        """Apply what was observed, in one transaction; those that took a step, or whose facts were kept."""
        async with self._engine.begin() as connection:
            return await record(connection, self.table, observations)

    async def record_reversals(self, out: Outgoing, parts: Sequence[Reversed]) -> None:
        """Keep what the operator refunded of the payment without our asking, and do what follows of it."""
        code, payment = provider_of(out.provider), out.payment_reference
        await record_reversals(self._engine, [ObservedReversal(code, part, payment) for part in parts])
