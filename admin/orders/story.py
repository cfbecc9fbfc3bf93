"""The story of one order: its payments and refunds, and every record about them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.http.logs import mask_text, redact
from gateway.orders.store import payer_place, voter_place
from gateway.storage.vault import Vault, masked_number
from gateway.values.money import Money
from payments.collection.callbacks import body_of
from payments.requests import Scope
from payments.rescue.rules import ticket_number

_SHOWN_MAX: Final = 4_000
_FORM: Final = "application/x-www-form-urlencoded"

_ORDER: Final = text("""
select v.id, v.placed_at, v.channel, v.language, v.quantity, v.amount_minor, v.currency, v.receipt, v.voter_index,
  v.voter_cipher, c.slug, c.name as contest_name, k.code, k.name, o.order_code
from votes v join contests c on c.id = v.contest_id join candidates k on k.id = v.candidate_id
  join order_keys o on o.receipt = v.receipt
where v.id = :vote and (cast(:scope as uuid) is null or c.organiser_id = cast(:scope as uuid)) limit 1
""")
_PAYMENTS: Final = text("""
select reference, provider, method, status, amount_minor, currency, received_minor, received_currency, fee_minor,
  payer_index, payer_cipher, provider_reference, reason, reason_code, send_tries, checks, expires_at, next_check_at
from payments where vote_id = :vote and placed_at = :placed_at order by sent_at nulls last, reference
""")
_REFUNDS: Final = text("""
select r.reference, r.payment_reference, c.slug, r.status, r.provider, r.amount_minor, r.currency, r.reason,
  r.reason_code, r.requested_by, r.created_at, r.done_at, coalesce(r.manual_reference, r.provider_reference) as theirs
from refunds r join contests c on c.id = r.contest_id
where r.payment_reference = any(:payments) order by r.created_at
""")

# Each branch is a look-up by index; `n` keeps the order of lines of one instant.
_EVENTS: Final = """
select 'step' as kind, reference as about, at, from_status as was, to_status as now, seen, actor, detail,
  null::bigint as number, null::uuid as request, null::jsonb as headers, ''::bytea as raw, id as n
from payment_events where reference = any(:payments)
"""
_EVIDENCE: Final = """
select 'evidence', reference, seen_at, null, word, source, '',
  concat_ws(' ', amount_minor, currency, provider_reference), null, null, null, convert_to(raw, 'UTF8'), id
from evidence where reference = any(:payments || :refunds)
"""
_CALLBACKS: Final = """
select 'callback', payment_reference, received_at, null, coalesce(outcome, 'not judged yet'), method, remote,
  concat_ws(', ', 'copy of ' || duplicate_of, 'replayed ' || replayed_at), id,
  case when body_cipher is not null then record_id end, headers, coalesce(body_cipher, body), id
from callbacks where payment_reference = any(:payments)
"""
_TEXTS: Final = """
select 'text', payment_reference, created_at, null, coalesce(delivery_status, status), kind, coalesce(carrier, ''),
  concat_ws(', ', language, nullif(attempts, 1) || ' tries', last_error), null, null, null, ''::bytea, 0
from messages_out where payment_reference = any(:payments)
"""
_REFUND_EVENTS: Final = """
select 'refund', reference, at, from_status, to_status, seen, actor, detail, null, null, null, ''::bytea, id
from refund_events where reference = any(:refunds)
"""
# An adjustment names the entry that it takes back, not the payment.
_TALLY: Final = """
select 'tally', v.payment_reference, e.counted_at, null, e.kind, coalesce(e.reason, ''), '', e.quantity::text, e.seq,
  null, null, ''::bytea, e.seq
from tally_entries v join tally_entries e on e.contest_id = v.contest_id and v.seq in (e.seq, e.adjusts)
where v.kind = 'vote' and v.payment_reference = any(:payments)
"""
_REQUESTS: Final = """
select 'request', null::uuid, requested_at, act, status, coalesce(decided_by, ''), requested_by, reason, null, id,
  null, ''::bytea, 0
from staff_requests where subject = any(:subjects)
"""
_TICKETS: Final = """
select 'ticket', payment_reference, opened_at, null, status, kind, channel, note, id, null, null, ''::bytea, id
from support_tickets where payment_reference = any(:payments)
"""
_LINES: Final = text(
    " union all ".join(
        (_EVENTS, _EVIDENCE, _CALLBACKS, _TEXTS, _REFUND_EVENTS, _TALLY, _REQUESTS, _TICKETS),
    )
    + " order by at, n"
)


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """One payment of an order, as it stands. `received`: what the operator says it took."""

    reference: UUID
    provider: str
    method: str
    status: str
    amount: Money
    received: Money | None
    fee_minor: int | None
    payer: str
    provider_reference: str | None
    reason: str | None
    reason_code: str | None
    send_tries: int
    checks: int
    expires_at: datetime
    next_check_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """A refund as it stands. `operator_reference`: what the operator or the person who paid it says."""

    reference: UUID
    payment_reference: UUID
    contest: str
    status: str
    provider: str
    amount: Money
    reason: str
    reason_code: str | None
    requested_by: str
    created_at: datetime
    done_at: datetime | None
    operator_reference: str | None


class StoryKind(StrEnum):
    """What an event is about."""

    STEP = "step"
    EVIDENCE = "evidence"
    CALLBACK = "callback"
    TEXT = "text"
    REFUND = "refund"
    TALLY = "tally"
    REQUEST = "request"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class StoryLine:
    """An event. `about`: reference of the payment or refund; `was`, `now`: states before
    and after, or the value that was reported; `seen`: what was observed, or where; `number`: id of a callback,
    a ticket's number, a place in the tally; `request`: id of a request. `headers`, `raw`: as they came, with
    secrets and numbers in them: never to be shown as they are."""

    at: datetime
    kind: StoryKind
    about: UUID | None
    was: str | None = None
    now: str = ""
    seen: str = ""
    actor: str = ""
    detail: str = ""
    number: int | None = None
    request: UUID | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An order, its payments and refunds, and all that happened, the earliest first. `voter`: masked
    number, empty where there is none. `pays_for_another`: the payer is not the voter."""

    vote_id: UUID
    contest: str
    contest_name: str
    candidate_code: str
    candidate_name: str
    channel: str
    language: str
    votes: int
    amount: Money
    placed_at: datetime
    receipt: str
    order_code: str
    voter: str
    pays_for_another: bool
    payments: Sequence[PaymentFacts]
    refunds: Sequence[RefundFacts]
    lines: Sequence[StoryLine]


async def read_story(connection: AsyncConnection, vault: Vault, vote_id: UUID, scope: Scope) -> OrderStory | None:
    """Everything about one order of an organiser; None when there is none like that."""
    order = (await connection.execute(_ORDER, {"vote": vote_id, "scope": scope})).one_or_none()
    if order is None:
        return None
    asked = {"vote": vote_id, "placed_at": order.placed_at}
    payments = (await connection.execute(_PAYMENTS, asked)).all()
    references = [row.reference for row in payments]
    refunds = (await connection.execute(_REFUNDS, {"payments": references})).all()
    of_refunds = [row.reference for row in refunds]
    subjects = [str(reference) for reference in (*references, *of_refunds)]
    lines = await connection.execute(_LINES, {"payments": references, "refunds": of_refunds, "subjects": subjects})
    return OrderStory(
        vote_id=vote_id,
        contest=order.slug,
        contest_name=order.contest_name,
        candidate_code=order.code,
        candidate_name=order.name,
        channel=order.channel,
        language=order.language,
        votes=order.quantity,
        amount=Money(order.amount_minor, order.currency),
        placed_at=order.placed_at,
        receipt=order.receipt,
        order_code=order.order_code,
        voter=masked_number(vault, order.voter_cipher, voter_place(vote_id)),
        pays_for_another=_pays_for_another(order.voter_index, payments),
        payments=[_payment(vault, row) for row in payments],
        refunds=[refund_facts(row) for row in refunds],
        lines=[_line(vault, row) for row in lines],
    )


def refund_facts(row: Row[Any]) -> RefundFacts:
    """A refund of a row that names its columns as `_REFUNDS` does."""
    return RefundFacts(
        reference=row.reference,
        payment_reference=row.payment_reference,
        contest=row.slug,
        status=row.status,
        provider=row.provider,
        amount=Money(row.amount_minor, row.currency),
        reason=row.reason,
        reason_code=row.reason_code,
        requested_by=row.requested_by,
        created_at=row.created_at,
        done_at=row.done_at,
        operator_reference=row.theirs,
    )


def _pays_for_another(voter_index: bytes | None, payments: Iterable[Row[Any]]) -> bool:
    return voter_index is not None and any(row.payer_index not in (None, voter_index) for row in payments)


def _payment(vault: Vault, row: Row[Any]) -> PaymentFacts:
    received = None if row.received_minor is None else Money(row.received_minor, row.received_currency or row.currency)
    return PaymentFacts(
        reference=row.reference,
        provider=row.provider,
        method=row.method,
        status=row.status,
        amount=Money(row.amount_minor, row.currency),
        received=received,
        fee_minor=row.fee_minor,
        payer=masked_number(vault, row.payer_cipher, payer_place(row.reference)),
        provider_reference=row.provider_reference,
        reason=row.reason,
        reason_code=row.reason_code,
        send_tries=row.send_tries,
        checks=row.checks,
        expires_at=row.expires_at,
        next_check_at=row.next_check_at,
    )


def _line(vault: Vault, row: Row[Any]) -> StoryLine:
    raw, request = bytes(row.raw), row.request
    if row.kind == StoryKind.CALLBACK:
        # The query gives the record's id in this column, where the body is sealed.
        raw, request = body_of(vault, request, raw, raw if request else None), None
    return StoryLine(
        at=row.at,
        kind=StoryKind(row.kind),
        about=row.about,
        was=row.was,
        now=row.now,
        seen=row.seen,
        actor=row.actor,
        detail=row.detail or "",
        number=int(ticket_number(row.number)) if row.kind == StoryKind.TICKET else row.number,
        request=request,
        headers=row.headers or {},
        raw=raw.decode("utf-8", "replace"),
    )


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that open something."""
    return {str(name): str(value) for name, value in redact(None, "", dict(headers)).items()}


def shown_body(raw: str, headers: Mapping[str, str] | None = None) -> str:
    """A body as text: JSON and forms field by field, anything else as it stands; cut where it is long."""
    try:
        held = orjson.loads(raw)
    except orjson.JSONDecodeError:
        held = None
    kind = next((value for name, value in (headers or {}).items() if name.lower() == "content-type"), "")
    if held is None and kind.startswith(_FORM):
        held = dict(parse_qsl(raw, keep_blank_values=True))
    if isinstance(held, dict | list):
        clean = redact(None, "", {"body": held})["body"]
        return _cut(orjson.dumps(clean, option=orjson.OPT_INDENT_2, default=str).decode())
    return _cut(mask_text(raw))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} …"
