"""Everything that staff ask and do about money, put together for the command line and the back office."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

import payments.providers
from admin.access.rights import StaffRights
from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from admin.money.payout_acts import payout_executors
from gateway.orders.routing import provider_of
from gateway.runtime import adapters
from gateway.runtime.discovery import discover
from gateway.runtime.links import make_vault, refuse_other_database
from gateway.runtime.settings import Settings
from gateway.runtime.staff_desk import NoDoorbell, staff_rights
from gateway.storage.engine import make_engine
from gateway.storage.vault import Vault
from gateway.storage.work import Doorbell
from payments.disbursement.payouts.beneficiaries import PostgresBeneficiaries
from payments.disbursement.payouts.desk import PostgresPayoutDesk, payout_previews
from payments.ledger.book import Book
from payments.ledger.money_places import MoneyPlaces
from payments.provider import PaymentProvider
from payments.reconciliation.balances import Balances
from payments.reconciliation.difference_acts import Decisions, freeze_decision
from payments.reconciliation.differences import Differences
from payments.reconciliation.reader import read_statement
from payments.reconciliation.reconcile import DAILY_HOURS, Account, Reconciler
from payments.reconciliation.statement_format import ReadStatement, Statement, StatementFormat
from payments.reconciliation.store import ReconciliationStore
from payments.reconciliation.undo_import import UndoImport, freeze_undo, reconcile_executors
from payments.registration import Registration
from payments.requests import Act, Executor, Preview

_REPORT_MS: Final = 600_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MoneyDesk:
    """What one process has open of it. `engine`: for statements of single payouts; `rights`: who may do what."""

    engine: AsyncEngine
    book: Book
    reconciler: Reconciler
    payouts: PostgresPayoutDesk
    beneficiaries: PostgresBeneficiaries
    providers: Mapping[str, PaymentProvider]
    rights: StaffRights
    places: MoneyPlaces

    def executors(self, doorbell: Doorbell) -> Mapping[Act, Executor]:
        """Who does acts about payouts, differences and imports."""
        decide, undo = Decisions(self.engine).decide, UndoImport(self.engine).undo
        return {
            **payout_executors(self.payouts.carry_out, self.beneficiaries.confirm, doorbell),
            **reconcile_executors(decide, undo, self.reconciler.compare_again),
        }

    def previews(self) -> Mapping[Act, Preview]:
        """Who makes their previews."""
        return {
            **payout_previews(),
            **self.beneficiaries.previews(),
            Act.RECONCILE: freeze_decision,
            Act.UNDO_IMPORT: freeze_undo,
        }


def money_desk(
    engine: AsyncEngine,
    vault: Vault,
    accounts: Mapping[str, adapters.Account],
    beneficiary_delay: timedelta,
    rights: StaffRights,
) -> MoneyDesk:
    """A desk on connections and accounts that are open already. Reports want an engine whose statements
    may take minutes."""
    known = {key: Account(key, account.provider, sorted(account.collects)) for key, account in accounts.items()}
    providers = {key: account.provider for key, account in accounts.items()}

    def from_float(account: str, country: str) -> bool:
        return account in providers and providers[account].capabilities(country).pays_from_float

    return MoneyDesk(
        engine=engine,
        payouts=PostgresPayoutDesk(engine, from_float, rights.permit),
        beneficiaries=PostgresBeneficiaries(engine, vault, beneficiary_delay, rights.permit),
        providers=providers,
        rights=rights,
        places=MoneyPlaces(engine, vault),
        book=Book(engine),
        reconciler=Reconciler(
            ReconciliationStore(engine, vault, rights.permit),
            Differences(engine),
            Balances(engine),
            known,
            statement_reader(),
        ),
    )


def statement_reader() -> ReadStatement:
    """Reads a file by the words of its operator; one without a format writes like the simulated ones."""
    registrations: Mapping[str, Registration] = discover(payments.providers)

    def read(account: str, name: str, data: bytes) -> Statement:
        code = provider_of(account)
        registration = registrations.get(code)
        known = registration.statement if registration else None
        return read_statement(known or StatementFormat(code, {}), name, data)

    return read


def bind_money_acts(desk: MoneyDesk) -> StaffActs:
    """Asking and deciding about payouts, for a command."""
    requests = StaffRequests(desk.engine, desk.previews(), desk.rights)
    doorbell = NoDoorbell()
    return StaffActs(requests, desk.executors(doorbell), doorbell, temporary=(SQLAlchemyError, OSError))


@asynccontextmanager
async def open_money_desk(settings: Settings) -> AsyncIterator[MoneyDesk]:
    """A desk of its own connections, for a command."""
    accounts = adapters.build_accounts(settings.env)
    engine = make_engine(settings.database_url, pool_size=2, statement_timeout_ms=_REPORT_MS, name="spotlight money")
    try:
        vault, delay = make_vault(settings), timedelta(hours=settings.beneficiary_delay_hours)
        await refuse_other_database(engine, vault)
        yield money_desk(engine, vault, accounts, delay, staff_rights(settings))
    finally:
        for account in accounts.values():
            await account.provider.aclose()
        await engine.dispose()


class DailyReconciliation:
    """Once a day, what is open on statements and every balance, beside the sweeper and on connections of
    its own: neither waits for the other."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._balances = Balances(engine)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin unless it was done lately or is under way."""
        if self._task is not None and not self._task.done():
            return
        if not await self._balances.checked_lately(DAILY_HOURS):
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with open_money_desk(self._settings) as desk:
                await desk.reconciler.daily()
        except (SQLAlchemyError, OSError) as error:
            # Tried again by the next round.
            _log.warning("daily_reconciliation_waits", error=type(error).__name__)
        except Exception:
            _log.exception("daily_reconciliation_failed")

    async def aclose(self) -> None:
        """Leave it; what was compared is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
