"""The outbox: texts that are owed, sent under leases, with their delivery reports as received."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from channels.messages.rules import DELIVERED, UNDELIVERED, UNKNOWN_SECONDS, Routes, carrier_now, hold, is_asked_for
from gateway.contests.directory import DIAL_CODE
from gateway.orders.rules import PAYMENT_URL
from gateway.orders.store import payer_place, secrets_place, voter_place
from gateway.storage import queue_head
from gateway.storage.audit_log import note
from gateway.storage.coalescer import Coalescer
from gateway.storage.direct import Direct, NamedRow
from gateway.storage.rows import among, document, recordset, rows_of
from gateway.storage.schema.conversations import params_place, recipient_place
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from gateway.values.money import Money
from gateway.values.record import record

LEASE_SECONDS: Final = 60
# For so long reports may prove what became of a text in status `unknown`; after that it stays so.
UNKNOWN_SECONDS_MAX: Final = 24 * 3600
# Between the beginnings of two batches of delivery reports. Carriers wait for their answer for seconds.
REPORTS_APART_SECONDS: Final = 0.1

_FINAL: Final = ", ".join(f"'{word}'" for word in sorted({DELIVERED, *UNDELIVERED}))

# Whether any text may have been sent or not. In a rush none is, and the three statements for those are not run.
_IN_DOUBT: Final = Direct(
    text("""
select exists (select 1 from messages_out where status = 'sending' and next_try_at between :since and now())
  or exists (select 1 from messages_out where status = 'unknown' and next_try_at >= :since) as in_doubt
""")
)
# A process that was killed between sending and writing may have sent, unless a report came meanwhile: then it did.
_LEASES_OUT: Final = text("""
update messages_out set status = case when delivery_status is null then 'unknown' else 'sent' end,
  next_try_at = case when delivery_status is null then sent_at + make_interval(secs => :unknown) end
where status = 'sending' and next_try_at <= now()
""")

# A report of that carrier for that number which belongs to no other text of ours proves that it was
# sent. While another text to it is being sent, whose id is not known yet, nothing is concluded.
_FOUND_SENT: Final = text("""
with open as materialized (
  select id, status, carrier, recipient_index, sent_at from messages_out
  where status in ('sending', 'unknown') and next_try_at is not null)
update messages_out m set status = 'sent', carrier_message_id = f.carrier_message_id, delivery_status = f.status,
  delivery_at = f.received_at, next_try_at = null, last_error = null
from (
  select distinct on (d.id) u.id as message, d.* from open u join lateral (
    select r.* from delivery_reports r
    where r.carrier = u.carrier and r.phone_index = u.recipient_index and r.received_at >= u.sent_at
      and not exists (select 1 from messages_out o
        where o.carrier = r.carrier and o.carrier_message_id = r.carrier_message_id)
    order by r.id limit 1) d on true
  where u.status = 'unknown' and not exists (select 1 from open s
    where s.status = 'sending' and s.recipient_index = u.recipient_index)
  order by d.id, u.sent_at) f
where m.id = f.message and m.status = 'unknown'
""")

# A carrier that reports on later texts but not on this one did not get it. Its newest reports are read first:
# one of a later text is enough.
_STILL_UNKNOWN: Final = text("""
update messages_out m set next_try_at = case when sent_at > now() - make_interval(secs => :longest)
  then now() + make_interval(secs => :again) end
where status = 'unknown' and next_try_at <= now() and (
  select d.id from delivery_reports d
    join messages_out o on o.carrier = d.carrier and o.carrier_message_id = d.carrier_message_id
  where d.carrier = m.carrier and d.received_at > m.sent_at and o.sent_at > m.sent_at and o.status = 'sent'
  order by d.received_at desc limit 1) is null
""")

_DUE: Final = Direct(
    text(f"""
with due as (
  select id from messages_out where status in ('due', 'unknown') and next_try_at between :since and now()
    and (status = 'due' or cast(:in_doubt as boolean))
  order by next_try_at limit :limit for update skip locked)
select m.id, m.kind, m.language, m.params, m.params_cipher, m.status, m.carrier, m.attempts, m.chat_id,
  m.recipient_cipher, m.payment_reference, v.id as vote_id, v.voter_cipher, v.quantity, v.receipt, v.amount_minor,
  v.currency,
  p.payer_cipher, p.secrets_cipher, p.method, p.received_minor, p.received_currency,
  v.voter_index <> p.payer_index as paid_elsewhere,
  k.code as candidate_code, k.name as candidate_name, c.name as contest_name, c.country, c.short_code,
  {DIAL_CODE} as dial_code, now() as now
from due join messages_out m using (id)
  left join payments p on p.reference = m.payment_reference
  left join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  left join candidates k on k.id = v.candidate_id left join contests c on c.id = v.contest_id
order by m.created_at
""")
)

# Our own id stands in for the carrier's until that is known: carriers that let us name a text report by it.
_TAKEN: Final = "id uuid, carrier text"
_TAKE: Final = Direct(
    text(f"""
with t as (select * from {recordset(_TAKEN)})
update messages_out m set status = 'sending', attempts = attempts + 1, sent_at = now(), carrier = t.carrier,
  carrier_message_id = m.id::text, delivery_status = null, delivery_at = null,
  next_try_at = now() + make_interval(secs => :lease)
from t where {among("m.id", "t")} and m.id = t.id
""")
)

_OWE: Final = text("""
insert into messages_out (id, kind, key, recipient_index, recipient_cipher, language, params, params_cipher)
values (:id, :kind, :key, :recipient_index, :recipient_cipher, :language, '{}', :params)
""")

_HELD: Final = "id uuid, until timestamptz, error text"
_HOLD: Final = text(f"""
with h as (select * from {recordset(_HELD)})
update messages_out m set status = case when h.until is null then 'refused' else 'due' end,
  next_try_at = h.until, last_error = h.error
from h where {among("m.id", "h")} and m.id = h.id
""")

_REFUSED_US: Final = "carrier.refused_us"
_NOTED_LATELY: Final = text("""
select coalesce((select at > now() - interval '1 hour' from audit_log where subject = :subject and act = :act
  order by id desc limit 1), false)
""")

_OPTED_OUT: Final = Direct(
    text("""
select phone_index from text_opt_outs where phone_index = any(cast(:numbers as bytea[]))
""")
)

_SENT: Final = """
  id uuid, attempts integer, status text, carrier text, carrier_message_id text, parts integer, cost text,
  error text, retry_seconds integer
"""
# Also for one whose lease ran out before the carrier answered: the answer to the same try settles it. Of reports that
# came before the answer a final one is shown.
_RECORD_SENT: Final = Direct(
    text(f"""
with s as materialized (
  select a.* from (select * from {recordset(_SENT)} order by id) a cross join lateral (
    select from messages_out where id = a.id offset 0 for update) o)
update messages_out m set
  status = case when s.status = 'unknown' and m.delivery_status is not null then 'sent' else s.status end,
  carrier = s.carrier, carrier_message_id = coalesce(s.carrier_message_id, m.carrier_message_id),
  parts = s.parts, cost = s.cost, last_error = coalesce(s.error, m.last_error),
  next_try_at = case when s.status = 'unknown' and m.delivery_status is not null then null
    when s.status = 'unknown' then m.sent_at + make_interval(secs => s.retry_seconds)
    else now() + make_interval(secs => s.retry_seconds) end,
  delivery_status = coalesce(m.delivery_status, r.status), delivery_at = coalesce(m.delivery_at, r.received_at),
  params_cipher = case when s.status not in ('sent', 'refused') then m.params_cipher end
from s left join lateral (
  select d.status, d.received_at from delivery_reports d
  where d.carrier = s.carrier and d.carrier_message_id = s.carrier_message_id
  order by d.status = '{DELIVERED}' desc, d.status in ({_FINAL}) desc, d.id desc limit 1) r on true
where {among("m.id", "s")} and m.id = s.id and m.attempts = s.attempts
  and m.status in ('sending', 'unknown')
""")
)

# A final state stays, unless a report says that the text arrived after all. A report for a text in status `unknown`
# proves that it was sent. Of one text there is one report at most. Rows are locked by their id, as `_RECORD_SENT` does.
# What is looked up one by one, and what was locked as an array, are no joins: those would be planned to read all texts
# while there are few.
_REPORTED: Final = "carrier text, message_id text, status text, failure text, phone_index bytea"
_REPORT: Final = Direct(
    text(f"""
with asked as (select * from {recordset(_REPORTED)}),
kept as (
  insert into delivery_reports (carrier, carrier_message_id, status, failure, phone_index)
  select carrier, message_id, status, failure, phone_index from asked),
found as (
  select o.id, a.status as reported from asked a cross join lateral (
    select id from messages_out where carrier = a.carrier and carrier_message_id = a.message_id offset 0) o),
locked as (
  select id from messages_out where id = any(array(select id from found)) order by id for update)
update messages_out m set delivery_status = f.reported, delivery_at = now(),
  status = case when m.status = 'unknown' then 'sent' else m.status end,
  next_try_at = case when m.status = 'unknown' then null else m.next_try_at end
from found f
where m.id = any(array(select id from locked)) and m.id = f.id and m.status in ('sending', 'unknown', 'sent')
  and (coalesce(m.delivery_status, '') not in ({_FINAL})
    or f.reported = '{DELIVERED}' and m.delivery_status <> '{DELIVERED}')
""")
)


@record
class DueMessage:
    """A text to send. `to` is E.164; empty when only a chat is known. `vote_id`: the vote it is about,
    if it is about one. `attempts`: this one included. `carrier`: which one sends it now; `ways`: all that may,
    in order. `chat_id`: the chat it goes to as long as that takes messages."""

    id: UUID
    vote_id: UUID | None
    kind: str
    to: str
    language: str
    params: Mapping[str, object]
    attempts: int
    carrier: str
    ways: tuple[str, ...]
    chat_id: int | None = None


@record
class SentMessage:
    """What became of a text at its `attempts`-th try. `carrier`: the one that has it; of one that is due again,
    the next one. `retry_seconds` None: not looked at again; `refused_us`: the carrier that refused our account."""

    id: UUID
    attempts: int
    status: str
    carrier: str
    carrier_message_id: str | None = None
    parts: int | None = None
    cost: str | None = None
    error: str | None = None
    retry_seconds: int | None = None
    refused_us: str = ""


class Outbox:
    """Texts on their way. `public_url`: where receipts are checked; `clock`: monotonic seconds."""

    def __init__(
        self, engine: AsyncEngine, vault: Vault, public_url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._public_url = public_url
        self._head = queue_head.QueueHead(queue_head.TEXTS_OUT, clock)
        self._reports: Coalescer[Mapping[str, Any], None] = Coalescer(
            self._store_reports, batch_max=200, apart=REPORTS_APART_SECONDS
        )

    async def owe(
        self, connection: AsyncConnection, kind: str, number: str, language: str, facts: Mapping[str, str]
    ) -> None:
        """Write a text to a number, E.164, in the transaction of what it tells. What it says is sealed, and forgotten
        once it is sent."""
        message = uuid4()
        await connection.execute(
            _OWE,
            {
                "id": message,
                "kind": kind,
                "key": str(message),
                "recipient_index": self._vault.index(number),
                "recipient_cipher": self._vault.seal(number, recipient_place(message)),
                "language": language,
                "params": self._vault.seal(orjson.dumps(facts).decode(), params_place(message)),
            },
        )

    async def claim_due(self, limit: int, routes: Routes) -> list[DueMessage]:
        """Take due texts under a lease, each with the carrier that sends it, stored before it is asked.

        One whose lease ran out may have been sent: it becomes `unknown`, and is only taken again when reports
        prove that it was not."""
        async with self._engine.begin() as connection:
            since = await self._head.since(connection)
            [(in_doubt,)] = await _IN_DOUBT.rows(connection, {"since": since})
            if in_doubt:
                await connection.execute(_LEASES_OUT, {"unknown": UNKNOWN_SECONDS})
                await connection.execute(_FOUND_SENT)
                await connection.execute(_STILL_UNKNOWN, {"longest": UNKNOWN_SECONDS_MAX, "again": UNKNOWN_SECONDS})
            rows = await _DUE.named(connection, {"limit": limit, "since": since, "in_doubt": in_doubt})
            if not rows:
                return []
            due, broken = each_read(rows, lambda row: self._due(row, routes))
            now = rows[0].now
            held = await self._held(connection, due, now)
            held |= await self._unreadable(connection, broken, now)
            taken = [message for message in due if message.id not in held]
            if held:
                await connection.execute(_HOLD, document(held.values()))
            places = [{"id": message.id, "carrier": message.carrier} for message in taken]
            await _TAKE.rows(connection, {**document(places), "lease": LEASE_SECONDS})
        return taken

    async def _held(
        self, connection: AsyncConnection, due: Sequence[DueMessage], now: datetime
    ) -> dict[UUID, dict[str, object]]:
        """Those that are not sent now, with what is stored of them."""
        unasked = {m.id: self._vault.index(m.to) for m in due if m.to and not is_asked_for(m.kind)}
        found = await _OPTED_OUT.rows(connection, {"numbers": list(unasked.values())}) if unasked else ()
        stopped = {bytes(phone_index) for (phone_index,) in found}
        held = {m.id: hold(m.kind, m.to, m.ways, opted_out=unasked.get(m.id) in stopped, now=now) for m in due}
        return {id_: {"id": id_, "until": one.until, "error": one.reason} for id_, one in held.items() if one}

    @staticmethod
    async def _unreadable(
        connection: AsyncConnection, broken: Sequence[tuple[NamedRow, Exception]], now: datetime
    ) -> dict[UUID, dict[str, object]]:
        if not broken:
            return {}
        await set_aside(connection, Kind.TEXT_OUT, [(str(row.id), error) for row, error in broken])
        later = now + timedelta(seconds=READ_AGAIN_SECONDS)
        return {row.id: {"id": row.id, "until": later, "error": "set aside"} for row, _ in broken}

    def _due(self, row: NamedRow, routes: Routes) -> DueMessage:
        to = self._number(row)
        ways = routes.ways(to, row.chat_id)
        return DueMessage(
            id=row.id,
            vote_id=row.vote_id,
            kind=row.kind,
            to=to,
            language=row.language,
            params=self._facts(row) if row.payment_reference is not None else self._own(row),
            attempts=row.attempts + 1,
            carrier=carrier_now(row.status, row.carrier, ways, routes.ways(to, None)),
            ways=ways,
            chat_id=row.chat_id,
        )

    def _number(self, row: NamedRow) -> str:
        """The number of a text, E.164; empty when only a chat is known. A voter in a chat gets texts only on a
        number that is known to be theirs, not on any that pays."""
        if row.recipient_cipher is not None:
            return self._vault.open(bytes(row.recipient_cipher), recipient_place(row.id))
        if row.voter_cipher is not None:
            return self._vault.open(bytes(row.voter_cipher), voter_place(row.vote_id))
        if row.payer_cipher is None or row.chat_id is not None:
            return ""
        return self._vault.open(bytes(row.payer_cipher), payer_place(row.payment_reference))

    def _own(self, row: NamedRow) -> Mapping[str, object]:
        """What was written with a text that is about no payment."""
        if row.params_cipher is None:
            return dict(row.params)
        return dict(orjson.loads(self._vault.open(bytes(row.params_cipher), params_place(row.id))))

    def _facts(self, row: NamedRow) -> dict[str, object]:
        asked = Money(row.amount_minor, row.currency)
        received = Money(row.received_minor, row.received_currency) if row.received_minor is not None else asked
        facts: dict[str, object] = {
            "candidate_code": row.candidate_code,
            "candidate_name": row.candidate_name,
            "contest_name": row.contest_name,
            "country": row.country,
            "service_code": row.dial_code,
            "short_code": row.short_code,
            "quantity": row.quantity,
            "amount": (received if row.kind in ("payment_held", "refund_pending", "refunded") else asked).spoken(),
            "wallet": row.method,
            "paid_elsewhere": bool(row.paid_elsewhere),
            "receipt": row.receipt,
            "verify_url": f"{self._public_url}/verify/{row.receipt}",
            **row.params,
        }
        if row.kind == "payment_link" and row.secrets_cipher is not None:
            secrets = orjson.loads(self._vault.open(bytes(row.secrets_cipher), secrets_place(row.payment_reference)))
            facts["payment_url"] = secrets[PAYMENT_URL]
        return facts

    async def record_sent(self, results: Sequence[SentMessage]) -> None:
        """Store what the carriers answered."""
        if not results:
            return
        await _RECORD_SENT.rows(self._engine, document(rows_of(_SENT, results)))

    async def note_refused(self, carrier: str, answer: str) -> None:
        """Note that a carrier refuses our account, once an hour."""
        async with self._engine.begin() as connection:
            noted = {"subject": carrier, "act": _REFUSED_US}
            if not (await connection.execute(_NOTED_LATELY, noted)).scalar_one():
                detail = {"answer": answer[:200]}
                await note(connection, actor="spotlight", act=_REFUSED_US, subject=carrier, detail=detail)

    async def store_report(self, carrier: str, message_id: str, status: str, phone: str, failure: str | None) -> None:
        """Store a delivery report, and show it on its text where we know that. Calls that arrive during a batch join
        the next one. Raises Overloaded."""
        phone_index = self._vault.index(phone) if phone else None
        named = {"carrier": carrier, "message_id": message_id, "phone_index": phone_index}
        await self._reports.do({**named, "status": status, "failure": failure})

    async def _store_reports(self, reports: Sequence[Mapping[str, Any]]) -> list[None]:
        """One statement; what is reported of the same text again waits for the next one."""
        turns: list[list[Mapping[str, Any]]] = []
        seen: Counter[tuple[str, str]] = Counter()
        for report in reports:
            text_reported = report["carrier"], report["message_id"]
            if seen[text_reported] == len(turns):
                turns.append([])
            turns[seen[text_reported]].append(report)
            seen[text_reported] += 1
        for turn in turns:
            await _REPORT.rows(self._engine, document(turn))
        return [None] * len(reports)
