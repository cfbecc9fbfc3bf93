"""The book: balanced postings, written once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.rows import document, recordset
from payments.ledger.postings import Posting, balanced


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One balanced transaction. `contest_id`: whose book; None for money that moves between accounts of
    ours."""

    tx: UUID
    contest_id: UUID | None
    memo: str
    legs: tuple[Posting, ...]


_LEGS: Final = (
    ("tx", "uuid"),
    ("contest_id", "uuid"),
    ("provider", "text"),
    ("account", "text"),
    ("currency", "text"),
    ("amount_minor", "bigint"),
    ("memo", "text"),
)
_POST: Final = text(f"""
insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo) select * from {recordset(_LEGS)}
""")


async def book(connection: AsyncConnection, entries: Sequence[tuple[LedgerEntry, str]]) -> None:
    """Write transactions, each with the code of the provider whose money it is. All legs go in one
    statement, where the database judges their balance. Raises ValueError for one that does not."""
    if not entries:
        return
    if odd := [entry.memo for entry, _ in entries if not balanced(entry.legs)]:
        raise ValueError(f"does not balance: {odd}")
    rows = [
        {
            "tx": entry.tx,
            "contest_id": entry.contest_id,
            "provider": provider,
            "account": leg.account.value,
            "currency": leg.currency,
            "amount_minor": leg.amount,
            "memo": entry.memo,
        }
        for entry, provider in entries
        for leg in entry.legs
    ]
    await connection.execute(_POST, document(rows))
