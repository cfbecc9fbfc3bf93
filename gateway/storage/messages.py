"""Texts out and in: an outbox under leases, inbound texts and delivery reports as received."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.money import Money
from gateway.ports.house import IncomingText
from gateway.ports.stores import PAYMENT_URL, DueMessage, SentMessage
from gateway.storage.arrays import arrays, unnest
from gateway.storage.orders import payer_place, secrets_place, voter_place
from gateway.storage.vault import Vault, fingerprint

LEASE_SECONDS: Final = 60
# A text whose answer was lost is not sent again before a delivery report had time to show it.
UNKNOWN_SECONDS: Final = 600

_LEASES_OUT: Final = text("""
update messages_out set status = 'unknown', next_try_at = now() + make_interval(secs => :unknown)
where status = 'sending' and next_try_at <= now()
""")

# A report for that number which belongs to no other text of ours proves that it was sent.
_FOUND_SENT: Final = text("""
update messages_out m set status = 'sent', carrier = d.carrier, carrier_message_id = d.carrier_message_id,
  delivery_status = d.status, delivery_at = d.received_at, next_try_at = null, last_error = null
from delivery_reports d
where m.status = 'unknown' and d.phone_index = m.recipient_index and d.received_at >= m.sent_at
  and not exists (select 1 from messages_out o
    where o.carrier = d.carrier and o.carrier_message_id = d.carrier_message_id)
  and d.id = (select min(e.id) from delivery_reports e
    where e.phone_index = m.recipient_index and e.received_at >= m.sent_at)
""")

_CLAIM: Final = text("""
with due as (
  select id from messages_out where status in ('due', 'unknown') and next_try_at <= now()
  order by next_try_at limit :limit for update skip locked),
taken as (
  update messages_out m set status = 'sending', attempts = attempts + 1, sent_at = now(),
    next_try_at = now() + make_interval(secs => :lease)
  from due where m.id = due.id returning m.*)
select m.id, m.kind, m.language, m.params, m.attempts, m.recipient_cipher, m.payment_reference,
  v.id as vote_id, v.voter_cipher, v.quantity, v.receipt, v.amount_minor, v.currency,
  p.payer_cipher, p.secrets_cipher, p.method, p.received_minor, p.received_currency,
  k.code as candidate_code, k.name as candidate_name, c.name as contest_name, c.service_code, c.short_code
from taken m
  left join payments p on p.reference = m.payment_reference
  left join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  left join candidates k on k.id = v.candidate_id left join contests c on c.id = v.contest_id
order by m.created_at
""")

_SENT: Final = (
    ("id", "uuid"),
    ("status", "text"),
    ("carrier", "text"),
    ("carrier_message_id", "text"),
    ("parts", "integer"),
    ("cost", "text"),
    ("error", "text"),
    ("retry_seconds", "integer"),
)
_RECORD_SENT: Final = text(f"""
update messages_out m set status = s.status, carrier = s.carrier, carrier_message_id = s.carrier_message_id,
  parts = s.parts, cost = s.cost, last_error = s.error,
  next_try_at = now() + make_interval(secs => s.retry_seconds),
  delivery_status = coalesce(m.delivery_status, (select d.status from delivery_reports d
    where d.carrier = s.carrier and d.carrier_message_id = s.carrier_message_id order by d.id desc limit 1))
from {unnest(_SENT, "s")} where m.id = s.id and m.status = 'sending'
""")

_STORE_IN: Final = text("""
insert into messages_in (carrier, carrier_id, sender_index, sender_cipher, recipient, text, text_hash, network)
values (:carrier, :carrier_id, :sender_index, :sender_cipher, :recipient, :text, :text_hash, :network)
on conflict do nothing
""")

_DUE_IN: Final = text("""
select m.*, (select f.carrier_id from messages_in f
    where f.sender_index = m.sender_index and f.recipient = m.recipient and f.text_hash = m.text_hash
      and f.received_at between m.received_at - interval '3 minutes' and m.received_at
    order by f.received_at, f.carrier_id limit 1) as first_carrier_id
from messages_in m where handled_at is null order by received_at limit :limit
""")

_HANDLED: Final = text("""
update messages_in set handled_at = now(), outcome = :outcome
where carrier = :carrier and carrier_id = :carrier_id and handled_at is null
""")

_REPLY: Final = text("""
insert into messages_out (id, kind, key, recipient_index, recipient_cipher, language, params)
values (:id, 'reply', :key, :recipient_index, :recipient_cipher, :language, :params)
on conflict (kind, key) do nothing
""").bindparams(bindparam("params", type_=JSONB))

_REPORT: Final = text("""
with kept as (
  insert into delivery_reports (carrier, carrier_message_id, status, failure, phone_index)
  values (cast(:carrier as text), cast(:message_id as text), cast(:status as text), :failure, :phone_index))
update messages_out set delivery_status = cast(:status as text), delivery_at = now()
where carrier = cast(:carrier as text) and carrier_message_id = cast(:message_id as text)
  and coalesce(delivery_status, '') not in ('Success', 'Failed', 'Rejected')
""")


class InboundText:
    """A stored text that waits for its answer. `first_id`: the carrier's id of the first equal text
    of this sender within three minutes, itself included."""

    def __init__(self, row: Row[Any], sender: str) -> None:
        self.text = IncomingText(row.carrier, row.carrier_id, sender, row.recipient, row.text, row.network)
        self.received_at = row.received_at
        self.first_id: str = row.first_carrier_id


class PostgresMessages:
    """`MessageStore` on PostgreSQL, and the inbound side."""

    def __init__(self, engine: AsyncEngine, vault: Vault, public_url: str) -> None:
        self._engine = engine
        self._vault = vault
        self._public_url = public_url

    async def claim_due(self, limit: int) -> list[DueMessage]:
        """Take due texts under a lease."""
        async with self._engine.begin() as connection:
            await connection.execute(_LEASES_OUT, {"unknown": UNKNOWN_SECONDS})
            await connection.execute(_FOUND_SENT)
            rows = (await connection.execute(_CLAIM, {"limit": limit, "lease": LEASE_SECONDS})).all()
        return [self._due(row) for row in rows]

    def _due(self, row: Row[Any]) -> DueMessage:
        if row.payment_reference is None:
            to = self._vault.open(bytes(row.recipient_cipher), f"messages_out.recipient:{row.id}")
            return DueMessage(row.id, None, row.kind, to, row.language, row.params, row.attempts)
        if row.voter_cipher is not None:
            to = self._vault.open(bytes(row.voter_cipher), voter_place(row.vote_id))
        else:
            to = self._vault.open(bytes(row.payer_cipher), payer_place(row.payment_reference))
        return DueMessage(row.id, row.vote_id, row.kind, to, row.language, self._facts(row), row.attempts)

    def _facts(self, row: Row[Any]) -> dict[str, object]:
        asked = Money(row.amount_minor, row.currency)
        received = Money(row.received_minor, row.received_currency) if row.received_minor is not None else asked
        facts: dict[str, object] = {
            "candidate_code": row.candidate_code,
            "candidate_name": row.candidate_name,
            "contest_name": row.contest_name,
            "service_code": row.service_code,
            "short_code": row.short_code,
            "quantity": row.quantity,
            "amount": (received if row.kind == "refund_pending" else asked).spoken(),
            "wallet": row.method,
            "receipt": row.receipt,
            "verify_url": f"{self._public_url}/verify/{row.receipt}",
            **row.params,
        }
        if row.kind == "payment_link" and row.secrets_cipher is not None:
            held = orjson.loads(self._vault.open(bytes(row.secrets_cipher), secrets_place(row.payment_reference)))
            facts["payment_url"] = held[PAYMENT_URL]
        return facts

    async def record_sent(self, results: Sequence[SentMessage]) -> None:
        """Store what the carrier said."""
        if not results:
            return
        rows = [
            {
                "id": r.id,
                "status": r.status,
                "carrier": r.carrier,
                "carrier_message_id": r.carrier_message_id,
                "parts": r.parts,
                "cost": r.cost,
                "error": r.error,
                "retry_seconds": r.retry_seconds,
            }
            for r in results
        ]
        async with self._engine.begin() as connection:
            await connection.execute(_RECORD_SENT, arrays(_SENT, rows))

    async def store_text(self, incoming: IncomingText) -> bool:
        """Keep a text; False when its id was stored before."""
        place = f"messages_in.sender:{incoming.carrier}:{incoming.carrier_id}"
        async with self._engine.begin() as connection:
            done = await connection.execute(
                _STORE_IN,
                {
                    "carrier": incoming.carrier,
                    "carrier_id": incoming.carrier_id,
                    "sender_index": self._vault.index(incoming.sender),
                    "sender_cipher": self._vault.seal(incoming.sender, place),
                    "recipient": incoming.recipient,
                    "text": incoming.text,
                    "text_hash": fingerprint(" ".join(incoming.text.lower().split()).encode()),
                    "network": incoming.network,
                },
            )
        return bool(done.rowcount)

    async def due_texts(self, limit: int) -> list[InboundText]:
        """Texts that nobody has answered yet, oldest first."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_DUE_IN, {"limit": limit})).all()
        return [
            InboundText(
                row,
                self._vault.open(bytes(row.sender_cipher), f"messages_in.sender:{row.carrier}:{row.carrier_id}"),
            )
            for row in rows
        ]

    async def answered(
        self,
        incoming: InboundText,
        outcome: str,
        reply: tuple[UUID, str, dict[str, object]] | None,
        opt_out: bool | None = None,
    ) -> None:
        """Mark a text as answered; `reply`: id, language and params of the text that goes back."""
        held = incoming.text
        index = self._vault.index(held.sender)
        async with self._engine.begin() as connection:
            if reply:
                message_id, language, params = reply
                await connection.execute(
                    _REPLY,
                    {
                        "id": message_id,
                        "key": f"{held.carrier}:{held.carrier_id}",
                        "recipient_index": index,
                        "recipient_cipher": self._vault.seal(held.sender, f"messages_out.recipient:{message_id}"),
                        "language": language,
                        "params": params,
                    },
                )
            if opt_out is True:
                await connection.execute(
                    text("insert into text_opt_outs (phone_index) values (:index) on conflict do nothing"),
                    {"index": index},
                )
            elif opt_out is False:
                await connection.execute(text("delete from text_opt_outs where phone_index = :index"), {"index": index})
            await connection.execute(
                _HANDLED, {"outcome": outcome, "carrier": held.carrier, "carrier_id": held.carrier_id}
            )

    async def store_report(self, carrier: str, message_id: str, status: str, phone: str, failure: str | None) -> None:
        """Keep a delivery report and show it on its text, if we know that text."""
        async with self._engine.begin() as connection:
            await connection.execute(
                _REPORT,
                {
                    "carrier": carrier,
                    "message_id": message_id,
                    "status": status,
                    "failure": failure,
                    "phone_index": self._vault.index(phone) if phone else None,
                },
            )
