"""The journal as CSV, a line a leg, however long it is."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from gateway.values.csv_text import csv_line
from payments.ledger.books import Book

HEADER: Final = ("id", "at", "tx", "contest", "provider", "account", "currency", "amount_minor", "memo")


async def journal_csv(book: Book, *, at: datetime | None = None, contest: str | None = None) -> AsyncIterator[str]:
    """Header first, then every leg in the order of writing. Amounts are minor units, debits positive."""
    yield csv_line(HEADER)
    async for leg in book.journal(at=at, contest=contest):
        yield csv_line(
            (
                leg.id,
                leg.at,
                str(leg.tx),
                leg.contest,
                leg.provider,
                leg.account,
                leg.currency,
                leg.amount_minor,
                leg.memo,
            )
        )
