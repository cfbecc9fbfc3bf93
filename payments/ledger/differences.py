"""Where an operator and our book differ: opened by any part that finds it, decided by people."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.audit_log import note
from gateway.values.money import Money


class DifferenceKind(StrEnum):
    """How an operator and our book differ."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    DATE = "date"
    DOUBLE = "double"
    BALANCE = "balance"


_OPEN: Final = text("""
insert into differences (provider, kind, payment_reference, dispute_reference, contest_id, amount_minor, currency,
  detail)
values (:provider, :kind, :payment, :dispute, (select contest_id from disputes where reference = :dispute), :more,
  :currency, :detail) on conflict do nothing
""")


async def open_difference(
    connection: AsyncConnection,
    account: str,
    kind: DifferenceKind,
    more: Money,
    detail: str,
    *,
    payment: UUID | None = None,
    dispute: UUID | None = None,
) -> None:
    """Open a difference for a person, once. `more`: by how much the operator holds more than the book."""
    values = {
        "provider": account,
        "kind": kind.value,
        "payment": payment,
        "dispute": dispute,
        "more": more.amount_minor,
        "currency": more.currency,
        "detail": detail,
    }
    await note_differences(connection, account, (await connection.execute(_OPEN, values)).rowcount)


async def note_differences(connection: AsyncConnection, account: str, many: int) -> None:
    """Note that so many new differences with an operator were found, in the transaction that opened them."""
    if many:
        await note(connection, actor="spotlight", act="reconcile.found", subject=account, detail={"many": many})
