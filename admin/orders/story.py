"""The story of one order: its payments and refunds, and every record about them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from admin.answers import PageOnly, read_row
from gateway.http.amount import Amount
from gateway.http.endpoint import ApiModel
from gateway.http.logs import mask_text, redact
from gateway.orders.store import payer_place, voter_place
from gateway.storage.vault import Vault, masked_number
from gateway.values.money import EXPONENTS, Money
from payments.collection.callbacks import body_of
from payments.past import both
from payments.requests import Scope
from payments.rescue.rules import ticket_number

CALLBACK: Final = "callback"
TICKET: Final = "ticket"
_SHOWN_MAX: Final = 4_000
_FORM: Final = "application/x-www-form-urlencoded"
# Columns have the names of the models' fields.
REFUND_COLUMNS: Final = """
r.reference, r.payment_reference, c.slug as contest, r.status, r.provider, r.amount_minor, r.currency, r.reason,
  r.reason_code, r.requested_by, r.created_at, r.done_at,
  coalesce(r.manual_reference, r.provider_reference) as operator_reference
"""

_ORDER: Final = text("""
select v.id as vote_id, v.placed_at, v.channel, v.language, v.quantity as votes, v.amount_minor, v.currency, v.receipt,
  v.voter_index, v.voter_cipher, c.slug as contest, c.name as contest_name, k.code as candidate_code,
  k.name as candidate_name, o.order_code
from votes v join contests c on c.id = v.contest_id join candidates k on k.id = v.candidate_id
  join order_keys o on o.receipt = v.receipt
where v.id = :vote and (cast(:scope as uuid) is null or c.organiser_id = cast(:scope as uuid))
  and v.placed_at <= coalesce(cast(:at as timestamptz), 'infinity') limit 1
""")
_PAYMENTS, _PAYMENTS_THEN = both("""
select reference, provider, method, status, amount_minor, currency, received_minor, received_currency, payer_index,
  payer_cipher, provider_reference, reason, reason_code, send_tries, checks, expires_at, next_check_at
from {payments} p where vote_id = :vote and placed_at = :placed_at order by sent_at nulls last, reference
""")
_REFUNDS, _REFUNDS_THEN = both(f"""
select {REFUND_COLUMNS} from {{refunds}} r join contests c on c.id = r.contest_id
where r.payment_reference = any(:payments) order by r.created_at
""")

# Each branch is a look-up by index; `n` keeps the order of lines of one instant. What came later than `:at` is left out
# of lines that change.
_UNTIL: Final = "coalesce(cast(:at as timestamptz), 'infinity')"
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
_CALLBACKS: Final = f"""
select 'callback', payment_reference, received_at, null,
  case when handled_at > {_UNTIL} then 'not judged yet' else coalesce(outcome, 'not judged yet') end, method, remote,
  concat_ws(', ', 'copy of ' || duplicate_of, case when replayed_at <= {_UNTIL} then 'replayed ' || replayed_at end),
  id,
  case when body_cipher is not null then record_id end, headers, coalesce(body_cipher, body), id
from callbacks where payment_reference = any(:payments)
"""
_TEXTS: Final = f"""
select 'text', payment_reference, created_at, null,
  coalesce(case when delivery_at <= {_UNTIL} then delivery_status end,
    case when {_UNTIL} = 'infinity' or sent_at <= {_UNTIL} then status else 'due' end), kind, coalesce(carrier, ''),
  case when {_UNTIL} = 'infinity' then concat_ws(', ', case when attempts > 1 then attempts || ' tries' end, last_error)
    else '' end, null, null, null, ''::bytea, 0
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
_REQUESTS: Final = f"""
select 'request', null::uuid, requested_at, act,
  case when decided_at > {_UNTIL} then 'waiting' when finished_at > {_UNTIL} then 'approved' else status end,
  case when decided_at <= {_UNTIL} then decided_by else '' end, requested_by, reason, null, id,
  null, ''::bytea, 0
from staff_requests where subject = any(:subjects)
"""
_TICKETS: Final = f"""
select 'ticket', payment_reference, opened_at, null, case when closed_at > {_UNTIL} then 'open' else status end, kind,
  channel, case when closed_at > {_UNTIL} then '' else note end, id, null, null, ''::bytea, id
from support_tickets where payment_reference = any(:payments)
"""
_LINES: Final = text(
    "select * from ("
    + " union all ".join(
        (_EVENTS, _EVIDENCE, _CALLBACKS, _TEXTS, _REFUND_EVENTS, _TALLY, _REQUESTS, _TICKETS),
    )
    + f") l where at <= {_UNTIL} order by at, n"
)


class StoryEntry(ApiModel):
    """Something that happened."""

    at: datetime
    kind: str = Field(description="step, evidence, callback, text, refund, tally, request or ticket.")
    about: UUID | None = Field(description="Reference of the payment or the refund.")
    was: str | None
    now: str
    seen: str
    actor: str
    detail: str
    number: int | None = Field(description="Id of a callback, a ticket's number, or the place in the tally.")
    request: UUID | None
    headers: dict[str, str] = Field(description="As received, without secrets.")
    body: str = Field(description="As received, numbers masked and secrets gone.")


class OrderPayment(ApiModel):
    """A payment of an order."""

    reference: UUID
    provider: str
    method: str
    status: str
    amount: Amount
    received: Amount | None
    payer: str
    provider_reference: str | None
    reason: str | None
    reason_code: str | None
    expires_at: datetime
    send_tries: PageOnly[int]
    checks: PageOnly[int]
    next_check_at: PageOnly[datetime | None]


class OrderRefund(ApiModel):
    """A refund."""

    reference: UUID
    payment_reference: UUID
    contest: str
    status: str
    provider: str
    amount: Amount
    reason: str
    reason_code: str | None
    requested_by: str
    created_at: datetime
    done_at: datetime | None
    operator_reference: str | None


class Order(ApiModel):
    """An order and all that happened, the earliest first."""

    vote_id: UUID
    contest: str
    contest_name: PageOnly[str]
    candidate_code: str
    candidate_name: str
    channel: str
    language: PageOnly[str]
    votes: int
    amount: Amount
    placed_at: datetime
    receipt: str
    order_code: str
    voter: str
    pays_for_another: PageOnly[bool]
    payments: list[OrderPayment]
    refunds: list[OrderRefund]
    story: list[StoryEntry]


async def read_story(
    connection: AsyncConnection, vault: Vault, vote_id: UUID, scope: Scope, at: datetime | None
) -> Order | None:
    """Everything about one order of an organiser; None when there is none like that. `at`: as of when, None: now."""
    then = {} if at is None else {"at": at}
    order = (await connection.execute(_ORDER, {"vote": vote_id, "scope": scope, "at": at})).one_or_none()
    if order is None:
        return None
    asked = {"vote": vote_id, "placed_at": order.placed_at, **then}
    payments = (await connection.execute(_PAYMENTS_THEN if then else _PAYMENTS, asked)).all()
    references = [row.reference for row in payments]
    of_payments = {"payments": references, **then}
    refunds = (await connection.execute(_REFUNDS_THEN if then else _REFUNDS, of_payments)).all()
    of_refunds = [row.reference for row in refunds]
    subjects = [str(reference) for reference in (*references, *of_refunds)]
    named = {"payments": references, "refunds": of_refunds, "subjects": subjects, "at": at}
    lines = await connection.execute(_LINES, named)
    return read_row(
        Order,
        order,
        voter=masked_number(vault, order.voter_cipher, voter_place(vote_id)),
        pays_for_another=_pays_for_another(order.voter_index, payments),
        payments=[_payment(vault, row) for row in payments],
        refunds=[read_row(OrderRefund, row) for row in refunds],
        story=[_entry(vault, row) for row in lines],
    )


def sum_and_reference(detail: str) -> tuple[Money | None, str]:
    """What a piece of evidence is about: an amount, where it names one, and the operator's reference."""
    match detail.split(" "):
        case [minor, currency, *reference] if currency in EXPONENTS and minor.isdecimal():
            return Money(int(minor), currency), " ".join(reference)
    return None, detail


def _pays_for_another(voter_index: bytes | None, payments: Iterable[Row[Any]]) -> bool:
    return voter_index is not None and any(row.payer_index not in (None, voter_index) for row in payments)


def _payment(vault: Vault, row: Row[Any]) -> OrderPayment:
    received, currency = row.received_minor, row.received_currency or row.currency
    return read_row(
        OrderPayment,
        row,
        received=None if received is None else Amount(amount_minor=received, currency=currency),
        payer=masked_number(vault, row.payer_cipher, payer_place(row.reference)),
    )


def _entry(vault: Vault, row: Row[Any]) -> StoryEntry:
    raw, headers, number, request = bytes(row.raw), row.headers or {}, row.number, row.request
    if row.kind == CALLBACK:
        # The query gives the record's id in this column, where the body is sealed.
        raw, request = body_of(vault, request, raw, raw if request else None), None
    elif row.kind == TICKET:
        number = int(ticket_number(number))
    return read_row(
        StoryEntry,
        row,
        detail=row.detail or "",
        number=number,
        request=request,
        headers={str(name): str(value) for name, value in redact(None, "", dict(headers)).items()},
        body=_shown_body(raw.decode("utf-8", "replace"), headers),
    )


def _shown_body(raw: str, headers: Mapping[str, str]) -> str:
    """A body as text: JSON and forms field by field, anything else as it stands; cut where it is long."""
    try:
        read = orjson.loads(raw)
    except orjson.JSONDecodeError:
        read = None
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if read is None and kind.startswith(_FORM):
        read = dict(parse_qsl(raw, keep_blank_values=True))
    if isinstance(read, dict | list):
        clean = redact(None, "", {"body": read})["body"]
        shown = orjson.dumps(clean, option=orjson.OPT_INDENT_2, default=str).decode()
    else:
        shown = mask_text(raw)
    return shown if len(shown) <= _SHOWN_MAX else f"{shown[:_SHOWN_MAX]} …"
