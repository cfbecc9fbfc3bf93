"""Refunds on their way: claimed under leases, moved by conditional updates, every step kept.

One transaction holds what belongs together: the refund's step and event, the operator's evidence, the
reference that takes over a failed one's debt, the payment's own step, the book, the voter's text.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.receipt import order_code
from gateway.orders.routing import provider_of
from gateway.storage.coalescer import Coalescer
from gateway.storage.rows import document, recordset
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.collection.open_payments import AROUND, WHOLE, OpenPaymentReader
from payments.disbursement.disputes.port import SeenReversal
from payments.disbursement.disputes.store import record_reversals
from payments.disbursement.refunds.port import OpenRefund, RefundObservation, SendingRefund
from payments.disbursement.refunds.rules import RefundSeen, RefundState, refunds_before
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import given_back
from payments.lifecycle import Actor, Observed, states_before
from payments.provider import Disbursement, Purpose, Reversed
from payments.settlement.count import READER, SettlementBroken

LEASE_SECONDS: Final = 60
_ALL_STATES: Final = [state.value for state in RefundState]

_CLAIM: Final = text(f"""
with due as (
  select reference from refunds where status in ('due', 'sent') and next_try_at <= now()
  order by next_try_at limit :limit for update skip locked),
taken as (
  update refunds r set next_try_at = now() + make_interval(secs => :lease),
    checks = r.checks + case when r.status = 'sent' then 1 else 0 end
  from due d where r.reference = d.reference returning r.*)
select t.reference as refund, t.status as refund_status, t.amount_minor as owed_minor, t.currency as owed_currency,
  coalesce(nullif(t.provider, ''), p.provider) as refund_provider, t.base_url as refund_base_url,
  t.provider_reference as refund_provider_reference, t.send_tries as refund_tries, t.checks as refund_checks,
  t.not_found_count as refund_not_found, t.not_found_since as refund_not_found_since,
  t.sent_at as refund_sent_at, t.created_at as refund_created_at,
  h.since as owed_since, coalesce(h.failures, 0) as failures, coalesce(h.troubles, 0) as troubles, {WHOLE}
from taken t join payments p on p.reference = t.payment_reference {AROUND}
  left join lateral (
    select min(o.created_at) as since, count(*) filter (where e.seen = 'failed') as failures,
      count(*) filter (where e.seen in ('failed_for_us', 'put_off')) as troubles
    from refunds o left join refund_events e on e.reference = o.reference
      and e.seen in ('failed', 'failed_for_us', 'put_off')
    where o.payment_reference = t.payment_reference) h on true
""")

_PUT_OFF: Final = text("""
update refunds set next_try_at = now() + make_interval(secs => :seconds)
where reference = any(cast(:references as uuid[]))
""")

_SENDING: Final = (("reference", "uuid"), ("provider", "text"), ("base_url", "text"))
_BEGIN: Final = text(f"""
with going as (select * from {recordset(_SENDING)}),
moved as (
  update refunds r set status = 'sent', sent_at = coalesce(r.sent_at, now()), send_tries = r.send_tries + 1,
    provider = g.provider, base_url = coalesce(r.base_url, g.base_url), not_found_count = 0, not_found_since = null
  from going g where r.reference = g.reference and r.status = 'due' returning r.reference),
logged as (
  insert into refund_events (reference, from_status, to_status, seen, actor)
  select reference, 'due', 'sent', 'calling', 'refunder' from moved)
select reference from moved
""")

_FACTS: Final = (
    ("reference", "uuid"),
    ("next_try_at", "timestamptz"),
    ("not_found", "boolean"),
    ("reason_code", "text"),
    ("provider_reference", "text"),
    ("detail", "text"),
    ("by_hand", "text"),
)
# `to_status` null: only facts are remembered. Put off means that nothing was created: the clock that
# brings in a person starts again with the next send.
_RECORD: Final = text(f"""
with asked as (select * from {recordset(_FACTS)}),
locked as (
  select r.reference, r.status from refunds r join asked a using (reference)
  where r.status = any(cast(:froms as text[])) order by r.reference for update of r),
moved as (
  update refunds r set status = coalesce(cast(:to_status as text), r.status), next_try_at = a.next_try_at,
    not_found_count = case when a.not_found then r.not_found_count + 1 else 0 end,
    not_found_since = case when a.not_found then coalesce(r.not_found_since, now()) end,
    reason_code = coalesce(a.reason_code, r.reason_code),
    provider_reference = coalesce(a.provider_reference, r.provider_reference),
    manual_reference = coalesce(a.by_hand, r.manual_reference),
    sent_at = case when cast(:seen as text) in ('put_off', 'asked_again') then null else r.sent_at end,
    checks = case when cast(:to_status as text) = 'due' then 0 else r.checks end,
    send_tries = case when cast(:seen as text) = 'asked_again' then 0 else r.send_tries end,
    done_at = case when cast(:to_status as text) = 'done' then now() else r.done_at end
  from locked l join asked a using (reference) where r.reference = l.reference
  returning r.*, l.status as before, a.detail),
logged as (
  insert into refund_events (reference, from_status, to_status, seen, actor, detail)
  select reference, before, status, cast(:seen as text), cast(:actor as text), nullif(detail, '') from moved
  where cast(:seen as text) is not null)
select reference, payment_reference, contest_id, amount_minor, currency, provider, reason, requested_by, request_id,
  tally_seq, coalesce(manual_reference, provider_reference) as told_reference
from moved
""")

_LOCK: Final = text("""
select 1 from refunds where reference = any(cast(:references as uuid[])) order by reference for update
""")

_SUCCESSOR: Final = (
    ("reference", "uuid"),
    ("next_try_at", "timestamptz"),
    ("failed", "uuid"),
)
_TAKE_OVER: Final = text(f"""
with heirs as (select * from {recordset(_SUCCESSOR, "h")}),
made as (
  insert into refunds (reference, payment_reference, contest_id, provider, amount_minor, currency, reason,
    requested_by, request_id, tally_seq, replaces, next_try_at)
  select h.reference, f.payment_reference, f.contest_id, f.provider, f.amount_minor, f.currency, f.reason,
    f.requested_by, f.request_id, f.tally_seq, f.reference, h.next_try_at
  from heirs h join refunds f on f.reference = h.failed
  returning reference)
insert into refund_events (reference, from_status, to_status, seen, actor, detail)
select m.reference, null, 'due', 'owed', cast(:actor as text), 'instead of ' || h.failed::text
from made m join heirs h using (reference)
""")

_GIVEN: Final = (("payment", "uuid"), ("told_reference", "text"))
_GIVE: Final = text(f"""
with given as (select * from {recordset(_GIVEN)}),
locked as (
  select p.reference, p.placed_at, p.status from payments p join given g on g.payment = p.reference
  where p.status = any(cast(:froms as text[])) order by p.reference for update of p),
f as (
  update payments p set status = :to_status, next_check_at = null from locked l
  where p.reference = l.reference and p.placed_at = l.placed_at
  returning p.reference, p.placed_at, p.vote_id, p.payer_index, l.status as before),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor)
  select reference, before, :to_status, 'given_back', 'refunder' from f),
told as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), 'refunded', f.reference::text, f.reference, {READER}, v.language,
    jsonb_build_object('reference', g.told_reference), v.chat_id
  from f join given g on g.payment = f.reference join votes v on v.id = f.vote_id and v.placed_at = f.placed_at
  where v.chat_id is not null or {READER} is not null
  on conflict (kind, key) do nothing)
select count(*) from f
""")

_EVIDENCE: Final = (
    ("reference", "uuid"),
    ("word", "text"),
    ("source", "text"),
    ("amount_minor", "bigint"),
    ("currency", "text"),
    ("provider_reference", "text"),
    ("raw", "text"),
)
_KEEP_EVIDENCE: Final = text(f"""
insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw)
select * from {recordset(_EVIDENCE)}
""")


class PostgresRefunds:
    """`RefundStore` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, vault: Vault, public_url: str) -> None:
        self._engine = engine
        self._vault = vault
        self._public_url = public_url
        self._reader = OpenPaymentReader(vault, public_url)
        self._observed: Coalescer[RefundObservation, bool] = Coalescer(self._record_each, batch_max=100, lanes=2)

    async def claim(self, limit: int) -> list[OpenRefund]:
        """Take refunds that are due for a send or for a question."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(_CLAIM, {"limit": limit, "lease": LEASE_SECONDS})).all()
            found, broken = each_read(rows, self._open)
            if broken:
                await set_aside(connection, Kind.REFUND, [(str(row.refund), error) for row, error in broken])
                named = {"references": [row.refund for row, _ in broken], "seconds": READ_AGAIN_SECONDS}
                await connection.execute(_PUT_OFF, named)
        return found

    def _open(self, row: Row[Any]) -> OpenRefund:
        collection = self._reader.read(row).collection
        token = self._vault.callback_token(row.refund)
        disbursement = Disbursement(
            reference=row.refund,
            purpose=Purpose.REFUND,
            country=row.country,
            amount=Money(row.owed_minor, row.owed_currency),
            description=f"Spotlight refund {row.slug} {row.candidate_code}",
            callback_url=f"{self._public_url}/api/webhooks/{provider_of(row.refund_provider)}/{token}",
            payee=collection.payer,
            collection=collection,
            base_url=row.refund_base_url,
            provider_reference=row.refund_provider_reference,
        )
        return OpenRefund(
            disbursement=disbursement,
            payment_reference=row.reference,
            vote_id=row.vote_id,
            provider=row.refund_provider,
            state=RefundState(row.refund_status),
            now=row.now,
            owed_since=row.owed_since or row.refund_created_at,
            sent_at=row.refund_sent_at,
            send_tries=row.refund_tries,
            checks=row.refund_checks,
            not_found_count=row.refund_not_found,
            not_found_since=row.refund_not_found_since,
            failures=row.failures,
            troubles=row.troubles,
        )

    async def begin_sending(self, refunds: Sequence[SendingRefund]) -> set[UUID]:
        """Move due refunds to `sent`; those that moved."""
        if not refunds:
            return set()
        rows = [{"reference": r.reference, "provider": r.provider, "base_url": r.base_url} for r in refunds]
        async with self._engine.begin() as connection:
            return set((await connection.execute(_BEGIN, document(rows))).scalars())

    async def observe(self, observation: RefundObservation) -> bool:
        """`record` for one, sharing a transaction with whoever comes at the same moment."""
        return await self._observed.do(observation)

    async def _record_each(self, observations: list[RefundObservation]) -> list[bool]:
        moved = await self.record(observations)
        return [seen.reference in moved for seen in observations]

    async def record_reversals(self, refund: OpenRefund, parts: Sequence[Reversed]) -> None:
        """Keep what the operator gave back of the payment without our asking, and do what follows."""
        code, payment = provider_of(refund.provider), refund.payment_reference
        await record_reversals(self._engine, [SeenReversal(code, part, payment) for part in parts])

    async def record(self, observations: Sequence[RefundObservation]) -> set[UUID]:
        """Apply what was seen, in one transaction."""
        async with self._engine.begin() as connection:
            return await record_refunds(connection, observations)


async def record_refunds(connection: AsyncConnection, observations: Sequence[RefundObservation]) -> set[UUID]:
    """Apply what was seen of refunds, with everything that follows; those that took a step."""
    groups: dict[tuple[RefundSeen | None, Actor], list[RefundObservation]] = defaultdict(list)
    for seen in observations:
        groups[seen.seen, seen.actor].append(seen)
    if len(groups) > 1:
        # Group by group they would be locked in two orders.
        await connection.execute(_LOCK, {"references": [seen.reference for seen in observations]})
    await _keep_evidence(connection, observations)
    moved: set[UUID] = set()
    for (kind, actor), members in groups.items():
        moved |= await _step(connection, kind, actor, members)
    return moved


async def _step(
    connection: AsyncConnection, seen: RefundSeen | None, actor: Actor, members: Sequence[RefundObservation]
) -> set[UUID]:
    leads = refunds_before(seen, actor) if seen else {}
    targets = set(leads.values())
    if seen and len(targets) != 1:
        raise ValueError(f"{actor} may not observe {seen}, or it leads to several states")
    target = targets.pop() if targets else None
    rows = await connection.execute(
        _RECORD,
        {
            **document(map(_facts, members)),
            "froms": [state.value for state in leads] or _ALL_STATES,
            "to_status": target.value if target else None,
            "seen": seen.value if seen else None,
            "actor": actor.value,
        },
    )
    moved = {row.reference: row for row in rows}
    if target is RefundState.DONE:
        await _give(connection, members, moved)
    if target is RefundState.VOID:
        heirs = [
            {"reference": uuid4(), "failed": m.reference, "next_try_at": m.next_try_at}
            for m in members
            if m.reference in moved
        ]
        await connection.execute(_TAKE_OVER, {**document(heirs), "actor": actor.value})
    return set(moved)


async def _give(connection: AsyncConnection, members: Sequence[RefundObservation], moved: dict[UUID, Row[Any]]) -> None:
    """The payer has it: the payment's own step, the voter's text, the book."""
    if not moved:
        return
    leads = states_before(Observed.GIVEN_BACK, Actor.REFUNDER)
    rows = [
        {"payment": row.payment_reference, "told_reference": row.told_reference or order_code(row.reference)}
        for row in moved.values()
    ]
    froms, (target,) = [state.value for state in leads], set(leads.values())
    given = (
        await connection.execute(_GIVE, {**document(rows), "froms": froms, "to_status": target.value})
    ).scalar_one()
    if given != len(rows):
        raise SettlementBroken(f"{given} of {len(rows)} payments were given back")
    from_float = {seen.reference: seen.from_float for seen in members}
    await post(
        connection,
        [
            (
                LedgerEntry(
                    uuid4(),
                    row.contest_id,
                    f"refund {row.reference}",
                    given_back(Money(row.amount_minor, row.currency), from_float=from_float[row.reference]),
                ),
                row.provider,
            )
            for row in moved.values()
        ],
    )


async def _keep_evidence(connection: AsyncConnection, observations: Sequence[RefundObservation]) -> None:
    kept = [
        {
            "reference": seen.reference,
            "word": seen.evidence_word,
            "source": seen.evidence_source,
            "amount_minor": seen.received.amount_minor if seen.received else None,
            "currency": seen.received.currency if seen.received else None,
            "provider_reference": seen.provider_reference or seen.by_hand,
            "raw": seen.evidence_raw,
        }
        for seen in observations
        if seen.evidence_word
    ]
    if kept:
        await connection.execute(_KEEP_EVIDENCE, document(kept))


def _facts(seen: RefundObservation) -> dict[str, Any]:
    return {
        "reference": seen.reference,
        "next_try_at": seen.next_try_at,
        "not_found": seen.not_found,
        "reason_code": seen.reason_code,
        "provider_reference": seen.provider_reference,
        "detail": seen.detail,
        "by_hand": seen.by_hand,
    }
