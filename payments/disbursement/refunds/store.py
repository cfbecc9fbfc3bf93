"""Refunds: what a claim reads of the payment, and what follows when a payer has the money or a reference failed."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.receipt import order_code
from gateway.storage.rows import among, document, recordset
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.collection.claims import AROUND, WHOLE, OpenPaymentReader
from payments.disbursement.answers import Observation
from payments.disbursement.rules import REFUND_STEPS, OutgoingState
from payments.disbursement.store import OutgoingStore, OutgoingTable
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import refunded
from payments.lifecycle import Actor, Observed, states_before
from payments.provider import Purpose
from payments.settlement.count import READER, SettlementBroken

_COLUMNS: Final = f"""
  coalesce(nullif(t.provider, ''), p.provider) as out_provider, t.payment_reference, h.since as owed_since,
  coalesce(h.failures, 0) as failures, coalesce(h.troubles, 0) as troubles, {WHOLE}"""
_JOINS: Final = f"""
join payments p on p.reference = t.payment_reference {AROUND}
  left join lateral (
    select min(o.created_at) as since, count(*) filter (where e.seen = 'failed') as failures,
      count(*) filter (where e.seen in ('failed_for_us', 'put_off')) as troubles
    from refunds o left join refund_events e on e.reference = o.reference
      and e.seen in ('failed', 'failed_for_us', 'put_off')
    where o.payment_reference = t.payment_reference) h on true"""

_SUCCESSOR: Final = "reference uuid, next_try_at timestamptz, failed uuid"
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

_REFUNDED: Final = "reference uuid, shown_reference text"
_REFUND_PAYMENTS: Final = text(f"""
with refunded as (select * from {recordset(_REFUNDED)}),
locked as (
  select p.reference, p.placed_at, p.status from payments p where {among("p.reference", "refunded")}
    and p.status = any(cast(:froms as text[])) order by p.reference for update),
f as (
  update payments p set status = :to_status, next_check_at = null from locked l
  where p.reference = l.reference and p.placed_at = l.placed_at
  returning p.reference, p.placed_at, p.vote_id, p.payer_index, l.status as before),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor)
  select reference, before, :to_status, 'given_back', 'refunder' from f),
notified as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), 'refunded', f.reference::text, f.reference, {READER}, v.language,
    jsonb_build_object('reference', g.shown_reference), v.chat_id
  from f join refunded g using (reference) join votes v on v.id = f.vote_id and v.placed_at = f.placed_at
  where v.chat_id is not null or {READER} is not null
  on conflict (kind, key) do nothing)
select count(*) from f
""")


async def _follow(
    connection: AsyncConnection,
    target: OutgoingState,
    members: Sequence[Observation],
    moved: dict[UUID, Row[Any]],
    actor: Actor,
) -> None:
    if target is OutgoingState.DONE:
        await _refunded(connection, members, moved)
    if target is OutgoingState.VOID:
        heirs = [{"reference": uuid4(), "failed": one.reference, "next_try_at": one.next_try_at} for one in members]
        await connection.execute(_TAKE_OVER, {**document(heirs), "actor": actor.value})


async def _refunded(connection: AsyncConnection, members: Sequence[Observation], moved: dict[UUID, Row[Any]]) -> None:
    """The payer has it: the payment's own step, the voter's text, the book."""
    leads = states_before(Observed.REFUNDED, Actor.REFUNDER)
    rows = [
        {
            "reference": row.payment_reference,
            "shown_reference": row.manual_reference or row.provider_reference or order_code(row.reference),
        }
        for row in moved.values()
    ]
    froms, (target,) = [state.value for state in leads], set(leads.values())
    values = {**document(rows), "froms": froms, "to_status": target.value}
    many = (await connection.execute(_REFUND_PAYMENTS, values)).scalar_one()
    if many != len(rows):
        raise SettlementBroken(f"{many} of {len(rows)} payments were refunded")
    entries = []
    for one in members:
        row = moved[one.reference]
        legs = refunded(Money(row.amount_minor, row.currency), from_float=one.from_float)
        entries.append((LedgerEntry(uuid4(), row.contest_id, f"refund {row.reference}", legs), row.provider))
    await post(connection, entries)


REFUNDS: Final = OutgoingTable(
    "refunds",
    purpose=Purpose.REFUND,
    steps=REFUND_STEPS,
    sender="refunder",
    follow=_follow,
    columns=_COLUMNS,
    joins=_JOINS,
    # The account may be that of the payment, which a refund takes over when it is sent.
    begins=", provider = g.provider",
    more=", manual_reference = coalesce(a.by_hand, o.manual_reference)",
)


class Refunds(OutgoingStore):
    """Refunds on their way."""

    table = REFUNDS

    def __init__(self, engine: AsyncEngine, vault: Vault, public_url: str) -> None:
        super().__init__(engine, vault, public_url)
        self._reader = OpenPaymentReader(vault, public_url)

    def _asked(self, row: Row[Any]) -> dict[str, Any]:
        collection = self._reader.read(row).collection
        description = f"Spotlight refund {row.slug} {row.candidate_code}"
        return {"description": description, "payee": collection.payer, "collection": collection}
