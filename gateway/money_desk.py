"""Everything that staff ask and do about money, put together for the command line and the back office."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

import payments.reconciliation.formats
from gateway import adapters
from gateway.discovery import discover
from gateway.domain.routing import provider_of
from gateway.ports.reconciliation import ReadStatement, Statement
from gateway.settings import Settings
from gateway.storage.balances import PostgresBalances
from gateway.storage.book import PostgresBook
from gateway.storage.differences import PostgresDifferences
from gateway.storage.engine import make_engine
from gateway.storage.reconciliation import PostgresReconciliation
from gateway.storage.vault import Vault
from gateway.usecases.reconcile import Account, Reconciler
from payments.reconciliation.reader import read_statement
from payments.reconciliation.statement_format import StatementFormat

_REPORT_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class MoneyDesk:
    """What one process has open of it."""

    book: PostgresBook
    reconciler: Reconciler


def money_desk(engine: AsyncEngine, vault: Vault, accounts: Mapping[str, adapters.Account]) -> MoneyDesk:
    """A desk on connections and accounts that are open already. Reports want an engine whose statements
    may take minutes."""
    known = {key: Account(key, account.provider, sorted(account.collects)) for key, account in accounts.items()}
    return MoneyDesk(
        book=PostgresBook(engine),
        reconciler=Reconciler(
            PostgresReconciliation(engine, vault),
            PostgresDifferences(engine),
            PostgresBalances(engine),
            known,
            statement_reader(),
        ),
    )


def statement_reader() -> ReadStatement:
    """Reads a file by the words of its operator; one without a format writes like the simulated ones."""
    formats: Mapping[str, StatementFormat] = discover(payments.reconciliation.formats, "STATEMENT")

    def read(account: str, name: str, data: bytes) -> Statement:
        code = provider_of(account)
        return read_statement(formats.get(code) or StatementFormat(code, {}), name, data)

    return read


@asynccontextmanager
async def open_money_desk(settings: Settings) -> AsyncIterator[MoneyDesk]:
    """A desk of its own connections, for a command."""
    accounts = adapters.build_accounts()
    engine = make_engine(settings.database_url, pool_size=2, statement_timeout_ms=_REPORT_MS, name="spotlight money")
    try:
        yield money_desk(engine, Vault(settings.secret_key.get_secret_value()), accounts)
    finally:
        for account in accounts.values():
            await account.provider.aclose()
        await engine.dispose()
