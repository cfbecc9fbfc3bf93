"""Statements and balances of operators compared with the book; what differs is kept and logged."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, cast

import structlog

from gateway.orders.routing import provider_of
from gateway.values.money import CURRENCY_OF, Money
from payments.ledger.book import UnknownName
from payments.ledger.differences import DifferenceKind
from payments.provider import Balance, BalanceTeller, PaymentProvider, Wallet
from payments.reconciliation.balances import Balances
from payments.reconciliation.differences import Difference, Differences, GroupLine, StatementFile
from payments.reconciliation.rules import Found, Group, balance_gap
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


@dataclass(frozen=True, slots=True)
class Summary:
    """What one comparison came to. `lines`, `new` and `elsewhere`: of a file that was imported; the last
    are those of another account at the same operator, which were left out."""

    account: str
    lines: int = 0
    new: int = 0
    skipped: int = 0
    elsewhere: int = 0
    matched: int = 0
    waiting: int = 0
    found: Mapping[DifferenceKind, int] = field(default_factory=dict)
    fees: Sequence[Money] = ()
    closed: int = 0


@dataclass(frozen=True, slots=True)
class CheckedBalance:
    """One wallet at one operator. `gap_minor`: beyond what book and money in transit explain; None: the
    operator did not say."""

    account: str
    wallet: Wallet
    currency: str
    operator_minor: int | None
    book_minor: int
    gap_minor: int | None


class Reconciler:
    """Everything about statements. `accounts`: those that this installation is set up with."""

    def __init__(
        self,
        lines: ReconciliationStore,
        differences: Differences,
        balances: Balances,
        accounts: Mapping[str, Account],
        read: ReadStatement,
    ) -> None:
        self._lines = lines
        self._differences = differences
        self._balances = balances
        self._accounts = accounts
        self._read = read

    async def import_file(self, account: str, name: str, data: bytes, person: str) -> Summary:
        """Read a statement, keep its lines, compare. Raises MoneyRefused: no such account, unreadable,
        imported before, and then nothing was changed."""
        self._account(account)
        who = named(person)
        statement = await asyncio.to_thread(self._read, account, name, data)
        lines = self._of_account(account, statement.lines)
        file = await self._lines.add_file(account, name, sha256(data).digest(), lines, who)
        compared = await self.compare(account)
        _log.info("statement_imported", provider=account, lines=file.lines, new=file.new, person=who)
        return Summary(
            account,
            file.lines,
            file.new,
            statement.skipped,
            len(statement.lines) - len(lines),
            compared.matched,
            compared.waiting,
            compared.found,
            compared.fees,
            compared.closed,
        )

    def _of_account(self, account: str, lines: Sequence[StatementLine]) -> Sequence[StatementLine]:
        """An operator may write the lines of several accounts into one file: those in a currency that only
        another account of it takes are that account's."""
        mine = self._account(account).currencies
        code = provider_of(account)
        others = {c for other in self._accounts.values() if provider_of(other.key) == code for c in other.currencies}
        return [line for line in lines if line.amount.currency not in others - mine]

    async def compare(self, account: str) -> Summary:
        """Compare every line that is not settled, then what statements lack."""
        from_float = self._account(account).from_float
        passes: list[Compared] = []
        after = 0
        while True:
            compared, after = await self._lines.compare_lines(account, after, BATCH, from_float=from_float)
            passes.append(compared)
            if not after:
                break
        lacking = await self._lines.find_missing_there(account, from_float=from_float)
        closed = await self._lines.close_explained(account)
        found = sum((Counter(each.found) for each in passes), Counter({DifferenceKind.MISSING_THERE: lacking}))
        summary = Summary(
            account,
            matched=sum(each.matched for each in passes),
            waiting=sum(each.waiting for each in passes),
            found={kind: count for kind, count in found.items() if count},
            fees=_summed(fee for each in passes for fee in each.fees),
            closed=closed,
        )
        if summary.found:
            _log.error("statement_differs", provider=account, **{k.value: n for k, n in summary.found.items()})
        return summary

    async def differences(
        self, *, open_only: bool = True, account: str | None = None, group: Group | None = None, limit: int = 500
    ) -> Sequence[Difference]:
        """Differences, the oldest first."""
        return await self._differences.differences(open_only=open_only, account=account, group=group, limit=limit)

    async def groups(self, account: str | None = None) -> Sequence[GroupLine]:
        """Open differences by what is decided alike."""
        return await self._differences.groups(account=account)

    async def files(self) -> Sequence[StatementFile]:
        """The latest imports."""
        return await self._differences.files()

    async def compare_again(self, account: str) -> None:
        """Compare what is not settled, where this installation still has the account."""
        if account in self._accounts:
            await self.compare(account)

    async def check_balances(self) -> list[CheckedBalance]:
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

    async def _check(self, account: Account, wallet: Wallet, currency: str, country: str) -> CheckedBalance:
        from_float = account.provider.capabilities(country).pays_from_float
        # The book is read before and after: what is booked while the operator answers is in transit too.
        before, _ = await self._balances.in_book(account.key, wallet, currency, from_float=from_float)
        answer = await cast("BalanceTeller", account.provider).balance(wallet, currency, country)
        book, transit = await self._balances.in_book(account.key, wallet, currency, from_float=from_float)
        log = _log.bind(provider=account.key, wallet=wallet.value, currency=currency)
        if not isinstance(answer, Balance):
            log.warning("balance_unknown", error=answer.error)
            return CheckedBalance(account.key, wallet, currency, None, book, None)
        operator_minor = answer.available.amount_minor
        gaps = sorted((balance_gap(operator_minor, minor, transit) for minor in (before, book)), key=abs)
        gap = gaps[0]
        found = None
        if gap:
            detail = (
                f"the operator has {Money(operator_minor, currency).plain()}, the book {Money(book, currency).plain()}"
            )
            found = Found(DifferenceKind.BALANCE, gap, currency, f"{wallet.value}: {detail} {currency}")
            log.error("balance_differs", operator_minor=operator_minor, book_minor=book, gap_minor=gap)
        await self._balances.keep_check(
            account.key, wallet, currency, operator_minor=operator_minor, book_minor=book, found=found
        )
        return CheckedBalance(account.key, wallet, currency, operator_minor, book, gap)

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


def _summed(fees: Iterable[Money]) -> list[Money]:
    sums: Counter[str] = Counter()
    for fee in fees:
        sums[fee.currency] += fee.amount_minor
    return [Money(minor, currency) for currency, minor in sorted(sums.items())]
