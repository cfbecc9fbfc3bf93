"""Everything that staff ask and do about money, put together for the command line and the back office."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.settings import Settings
from gateway.storage.book import PostgresBook
from gateway.storage.engine import make_engine


@dataclass(frozen=True, slots=True)
class MoneyDesk:
    """What one process has open of it."""

    book: PostgresBook


@asynccontextmanager
async def open_money_desk(settings: Settings) -> AsyncIterator[MoneyDesk]:
    """A desk of its own connections, for a command. Reports may take minutes."""
    engine = make_engine(settings.database_url, pool_size=2, statement_timeout_ms=600_000, name="spotlight money")
    try:
        yield MoneyDesk(book=PostgresBook(engine))
    finally:
        await engine.dispose()
