"""Statement files and their lines, and those of ours that a line may be."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.audit_log import note
from gateway.storage.rows import document, names_of, recordset
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.ledger.audit import RESTATED, TAKEN
from payments.ledger.book import MoneyRefused
from payments.reconciliation.matching import NUMBER_TIME_WINDOW, Booked, Line, reference_in
from payments.reconciliation.rules import LineKind
from payments.reconciliation.statement_format import StatementLine

_CHUNK: Final = 2_000
# How long before its line a payment can have begun.
_BEGAN_BEFORE: Final = timedelta(days=3)

_ADD_FILE: Final = text("""
insert into statement_files (id, provider, name, sha256, lines, first_at, last_at, imported_by)
values (:id, :provider, :name, :sha256, :lines, :first_at, :last_at, :person)
on conflict (provider, sha256) where undone_at is null do nothing returning id
""")
_LINES: Final = """
  line_no integer, line_key text, kind text, our_reference text, external_id text, provider_reference text,
  payer_index bytea, amount_minor bigint, fee_minor bigint, currency text, at timestamptz, raw jsonb
"""
_COLUMNS: Final = tuple(name for name in names_of(_LINES) if name != "line_key")
_ADD_LINES: Final = text(f"""
insert into statement_lines (file_id, provider, line_key, {", ".join(_COLUMNS)})
select cast(:file as uuid), cast(:provider as text),
  case when o.id is null then a.line_key else '{RESTATED}' || a.amount_minor || a.currency || ':' || a.line_key end,
  {", ".join(f"a.{name}" for name in _COLUMNS)}
from {recordset(_LINES)} left join statement_lines o on o.provider = cast(:provider as text)
  and o.line_key = a.line_key and (o.amount_minor, o.currency) <> (a.amount_minor, a.currency)
on conflict (provider, line_key) do nothing
""")

# Open lines: not matched, and not decided by a person.
OPEN_LINES: Final = text(f"""
select l.id, l.kind, l.our_reference, l.external_id, l.provider_reference, l.payer_index, l.amount_minor, l.fee_minor,
  l.currency, l.at, starts_with(l.line_key, '{RESTATED}') as restated
from statement_lines l where l.provider = :provider and l.matched_at is null and l.id > :after
  and not exists (select 1 from differences d where d.line_id = l.id and d.status = 'resolved')
order by l.id limit :limit
""")

_HAS_LINES: Final = (
    "(select count(*) from statement_lines s where s.matched_reference = {} and s.matched_at is not null) as lines"
)
_OURS: Final = f"""
select 'collection' as kind, p.reference, p.provider_reference, p.payer_index, p.contest_id, p.placed_at as began,
  case when p.status in {TAKEN} then coalesce(p.confirmed_at, p.settled_at, p.placed_at) end as ended,
  coalesce(p.received_minor, p.amount_minor) as amount_minor, coalesce(p.received_currency, p.currency) as currency,
  0 as fee_minor, {_HAS_LINES.format("p.reference")}, cast(null as uuid) as payment
from payments p where p.provider = :provider and {{payments}}
union all
select 'refund', r.reference, r.provider_reference, p.payer_index, r.contest_id, r.created_at, r.done_at,
  r.amount_minor, r.currency, 0, {_HAS_LINES.format("r.reference")}, r.payment_reference
from refunds r join payments p on p.reference = r.payment_reference
where coalesce(nullif(r.provider, ''), p.provider) = :provider and {{refunds}}
union all
select 'payout', o.reference, o.provider_reference, b.phone_index, o.contest_id, o.created_at, o.done_at,
  o.amount_minor, o.currency, 0, {_HAS_LINES.format("o.reference")}, null
from payouts o join beneficiaries b on b.id = o.beneficiary_id where o.provider = :provider and {{payouts}}
union all
select 'dispute', d.reference, d.operator_reference, null, d.contest_id, d.opened_at,
  case when d.status = 'lost' and d.effect is not null then d.closed_at end, d.amount_minor, d.currency, d.fee_minor,
  {_HAS_LINES.format("d.reference")}, null
from disputes d where d.provider = :provider and {{disputes}}
"""
_NAMED: Final = "{}.reference = any(cast(:references as uuid[]))"
_BY_REFERENCE: Final = text(
    _OURS.format(
        payments=_NAMED.format("p"),
        # Some operators name a refund as they name the payment.
        refunds=f"({_NAMED.format('r')} or r.payment_reference = any(cast(:references as uuid[])))",
        payouts=_NAMED.format("o"),
        disputes=_NAMED.format("d"),
    )
)
_KNOWN: Final = (
    "({0}.provider_reference = any(cast(:operator_references as text[])) or {1} = any(cast(:numbers as bytea[])))"
    " and {0}.{2} between :since and :until"
)
_OTHERWISE: Final = text(
    _OURS.format(
        payments=_KNOWN.format("p", "p.payer_index", "placed_at"),
        refunds=_KNOWN.format("r", "p.payer_index", "created_at").replace(":operator_references", ":named"),
        payouts=_KNOWN.format("o", "b.phone_index", "created_at"),
        # An operator's number for a dispute is one for ever, and disputes last for months.
        disputes="d.operator_reference = any(cast(:operator_references as text[]))",
    )
)
_ORDER_CODES: Final = text("""
select order_code, payment_reference from order_keys where order_code = any(cast(:codes as text[]))
""")


async def add_file(
    connection: AsyncConnection,
    vault: Vault,
    account: str,
    name: str,
    sha256: bytes,
    lines: Sequence[StatementLine],
    person: str,
) -> int:
    """Keep a file's lines; those that are there stay as they are. How many no file before it had. Raises
    MoneyRefused."""
    instants = [line.at for line in lines if line.at]
    file_id, new = uuid4(), 0
    values = {
        "id": file_id,
        "provider": account,
        "name": name,
        "sha256": sha256,
        "lines": len(lines),
        "first_at": min(instants, default=None),
        "last_at": max(instants, default=None),
        "person": person,
    }
    if (await connection.execute(_ADD_FILE, values)).one_or_none() is None:
        raise MoneyRefused(f"{name}: this file was imported before; nothing was changed")
    for start in range(0, len(lines), _CHUNK):
        rows = document(_stored(line, vault) for line in lines[start : start + _CHUNK])
        done = await connection.execute(_ADD_LINES, {**rows, "file": file_id, "provider": account})
        new += done.rowcount
    detail = {"file": str(file_id), "name": name, "lines": len(lines), "new": new}
    await note(connection, actor=person, act="reconcile.imported", subject=account, detail=detail)
    return new


def _stored(line: StatementLine, vault: Vault) -> dict[str, Any]:
    return {
        "line_no": line.number,
        "line_key": line.key,
        "kind": line.kind.value,
        "our_reference": line.our_reference,
        "external_id": line.external_id,
        "provider_reference": line.provider_reference,
        "payer_index": vault.index(line.payer) if line.payer else None,
        "amount_minor": line.amount.amount_minor,
        "fee_minor": line.fee_minor,
        "currency": line.amount.currency,
        "at": line.at,
        "raw": dict(line.raw),
    }


def line_of(row: Row[Any]) -> Line:
    """A stored line."""
    return Line(**_typed(row))


def _typed(row: Row[Any]) -> dict[str, Any]:
    """The columns that lines and those of ours have, as values of ours."""
    given, index = row._asdict(), row.payer_index
    typed = {
        "kind": LineKind(row.kind),
        "amount": Money(given.pop("amount_minor"), given.pop("currency")),
        "payer_index": None if index is None else bytes(index),
    }
    return given | typed


async def named_by(connection: AsyncConnection, account: str, lines: Sequence[Line]) -> list[Booked]:
    """Those of ours that these lines name by our own reference or order code."""
    codes = {text for line in lines for text in (line.our_reference, line.external_id) if text}
    known = {
        row.payment_reference: row.order_code for row in await connection.execute(_ORDER_CODES, {"codes": [*codes]})
    }
    references = {found for text in codes if (found := reference_in(text))} | known.keys()
    asked = {"provider": account, "references": list(references)}
    rows = await connection.execute(_BY_REFERENCE, asked)
    return [Booked(**_typed(row), order_code=known.get(row.payment or row.reference)) for row in rows]


async def known_by(connection: AsyncConnection, account: str, lines: Sequence[Line], now: datetime) -> list[Booked]:
    """Those of ours that these lines may be by the operator's reference, or by number and time."""
    if not lines:
        return []
    instants = [line.at for line in lines if line.at] or [now]
    asked = {
        "provider": account,
        "operator_references": [line.provider_reference for line in lines if line.provider_reference],
        "named": [
            text for line in lines for text in (line.provider_reference, line.our_reference, line.external_id) if text
        ],
        "numbers": [line.payer_index for line in lines if line.payer_index],
        "since": min(instants) - _BEGAN_BEFORE,
        "until": max(instants) + NUMBER_TIME_WINDOW,
    }
    return [Booked(**_typed(row)) for row in await connection.execute(_OTHERWISE, asked)]
