"""Statements and balances of operators compared with the book; what differs is kept and logged."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, cast

import structlog
from pydantic import Field

from gateway.http.amount import ShownMoney
from gateway.http.endpoint import ApiModel
from gateway.orders.routing import provider_of
from gateway.values.money import CURRENCY_OF, Money
from payments.ledger.book import UnknownName
from payments.ledger.differences import DifferenceKind
from payments.provider import Balance, BalanceTeller, PaymentProvider, Wallet
from payments.reconciliation.balances import Balances
from payments.reconciliation.rules import balance_gap
from payments.reconciliation.statement_format import ReadStatement, StatementLine
from payments.reconciliation.store import Compared, ReconciliationStore
from payments.requests import named

BATCH: Final = 1_000
DAILY_HOURS: Final = 23.5
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """An operator's account as reconciliation sees it. `countries`: where it takes money, ISO codes."""

    key: str
    provider: PaymentProvider
    countries: Sequence[str]

    @property
    def currencies(self) -> frozenset[str]:
        """What it takes money in."""
        can = {country: self.provider.capabilities(country).currencies for country in self.countries}
        return frozenset(CURRENCY_OF[c] for c, known in can.items() if CURRENCY_OF.get(c) in known)

    @property
    def from_float(self) -> bool:
        """Whether what leaves it leaves a wallet of its own."""
        return any(self.provider.capabilities(country).pays_from_float for country in self.countries)


class Comparison(ApiModel):
    """What importing a statement came to."""

    account: str
    lines: int
    new: int = Field(description="Lines that no file before it had.")
    skipped: int = Field(description="Lines that say that no money moved.")
    elsewhere: int = Field(description="Lines of another account at the same operator, which were left out.")
    matched: int
    waiting: int = Field(description="Lines that are asked about at the operator.")
    found: dict[str, int] = Field(description="New differences by kind.")
    fees: list[ShownMoney] = Field(description="Fees that were booked.")
    closed: int = Field(description="Earlier differences that it explains.")


class CheckedWallet(ApiModel):
    """One wallet at one operator."""

    account: str
    wallet: str
    currency: str
    operator_minor: int | None = Field(description="What the operator says; null where it did not answer.")
    book_minor: int
    gap_minor: int | None = Field(description="Beyond what book and money in transit explain.")


class Reconciler:
    """Everything about statements. `accounts`: those that this installation is set up with."""

    def __init__(
        self,
        lines: ReconciliationStore,
        balances: Balances,
        accounts: Mapping[str, Account],
        read: ReadStatement,
    ) -> None:
        self._lines = lines
        self._balances = balances
        self._accounts = accounts
        self._read = read

    async def import_file(self, account: str, name: str, data: bytes, person: str) -> Comparison:
        """Read a statement, keep its lines, compare. Raises MoneyRefused: no such account, unreadable,
        imported before, and then nothing was changed."""
        self._account(account)
        who = named(person)
        statement = await asyncio.to_thread(self._read, account, name, data)
        lines = self._of_account(account, statement.lines)
        new = await self._lines.add_file(account, name, sha256(data).digest(), lines, who)
        compared = await self.compare(account)
        _log.info("statement_imported", provider=account, lines=len(lines), new=new, person=who)
        return Comparison(
            account=account,
            lines=len(lines),
            new=new,
            skipped=statement.skipped,
            elsewhere=len(statement.lines) - len(lines),
            matched=compared.matched,
            waiting=compared.waiting,
            found=dict(compared.found),
            fees=[Money(minor, currency) for currency, minor in sorted(compared.fees.items())],
            closed=compared.closed,
        )

    def _of_account(self, account: str, lines: Sequence[StatementLine]) -> Sequence[StatementLine]:
        """An operator may write the lines of several accounts into one file: those in a currency that only
        another account of it takes are that account's."""
        mine = self._account(account).currencies
        code = provider_of(account)
        others = {c for other in self._accounts.values() if provider_of(other.key) == code for c in other.currencies}
        return [line for line in lines if line.amount.currency not in others - mine]

    async def compare(self, account: str) -> Compared:
        """Compare every line that is not settled, then what statements lack."""
        from_float, after = self._account(account).from_float, 0
        done = Compared()
        while True:
            part, after = await self._lines.compare_lines(account, after, BATCH, from_float=from_float)
            done.matched += part.matched
            done.waiting += part.waiting
            done.found += part.found
            done.fees += part.fees
            if not after:
                break
        lacking = await self._lines.find_missing_there(account, from_float=from_float)
        done.found += Counter({DifferenceKind.MISSING_THERE: lacking})
        done.closed = await self._lines.close_explained(account)
        if done.found:
            _log.error("statement_differs", provider=account, **{k.value: n for k, n in done.found.items()})
        return done

    async def compare_again(self, account: str) -> None:
        """Compare what is not settled, where this installation still has the account."""
        if account in self._accounts:
            await self.compare(account)

    async def check_balances(self) -> list[CheckedWallet]:
        """Ask every operator that reports its wallets' balances, and compare with the book."""
        checked = []
        for account in self._accounts.values():
            for country in account.countries:
                can = account.provider.capabilities(country)
                currency = CURRENCY_OF.get(country)
                if not can.has_balance or currency not in can.currencies or currency is None:
                    continue
                wallets = [Wallet.COLLECTION, *([Wallet.DISBURSEMENT] if can.pays_from_float else [])]
                checked += [await self._check(account, wallet, currency, country) for wallet in wallets]
        return checked

    async def _check(self, account: Account, wallet: Wallet, currency: str, country: str) -> CheckedWallet:
        from_float = account.provider.capabilities(country).pays_from_float
        # The book is read before and after: what is booked while the operator answers is in transit too.
        before, _ = await self._balances.in_book(account.key, wallet, currency, from_float=from_float)
        answer = await cast("BalanceTeller", account.provider).balance(wallet, currency, country)
        book, transit = await self._balances.in_book(account.key, wallet, currency, from_float=from_float)
        log = _log.bind(provider=account.key, wallet=wallet.value, currency=currency)
        operator_minor = gap = None
        if isinstance(answer, Balance):
            operator_minor = answer.available.amount_minor
            gap = min((balance_gap(operator_minor, minor, transit) for minor in (before, book)), key=abs)
            if gap:
                log.error("balance_differs", operator_minor=operator_minor, book_minor=book, gap_minor=gap)
            await self._balances.keep_check(account.key, wallet, answer.available, book_minor=book, gap_minor=gap)
        else:
            log.warning("balance_unknown", error=answer.error)
        return CheckedWallet(
            account=account.key,
            wallet=wallet,
            currency=currency,
            operator_minor=operator_minor,
            book_minor=book,
            gap_minor=gap,
        )

    async def daily(self) -> None:
        """Once a day: compare again what was open, and every balance. Safe to call at any time."""
        if await self._balances.checked_lately(DAILY_HOURS):
            return
        for account in await self._lines.accounts():
            await self.compare_again(account)
        await self.check_balances()

    def _account(self, key: str) -> Account:
        if key not in self._accounts:
            raise UnknownName(f"there is no account {key!r}; there are: {', '.join(self._accounts) or 'none'}")
        return self._accounts[key]
