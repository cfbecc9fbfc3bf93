"""What reconciliation asks of statements and of storage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from payments.ledger.books import MoneyRefused
from payments.provider import Wallet
from payments.reconciliation.comparison import DifferenceKind, Found, Group, InTransit, LineKind, Repair


class StatementUnreadable(MoneyRefused):
    """A file that is no statement of this operator; the text says where and why."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of a statement that says that money moved.

    `number`: where it stands in the file. `key`: the same in every file that shows it, and another for
    every other line. `amount` is positive. `payer`: E.164. `raw`: its cells, numbers masked.
    """

    number: int
    key: str
    kind: LineKind
    amount: Money
    fee_minor: int
    our_reference: str | None
    external_id: str | None
    provider_reference: str | None
    payer: str | None = field(repr=False)
    at: datetime | None
    raw: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Statement:
    """A file as read. `skipped`: lines that say that no money moved."""

    lines: Sequence[StatementLine]
    skipped: int


ReadStatement = Callable[[str, str, bytes], Statement]
"""Account, file name and content. Raises StatementUnreadable."""


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """`new`: lines that no file before it had."""

    file_id: UUID
    lines: int
    new: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What one pass over lines came to. `waiting`: lines that are asked about at the operator."""

    matched: int = 0
    waiting: int = 0
    found: Mapping[DifferenceKind, int] = field(default_factory=dict)
    fees: Sequence[Money] = ()
    closed: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference as it stands. `offered`: what may be decided. `line`: cells of the statement's line.
    `request`: a request about it that waits or is being done."""

    id: int
    provider: str
    kind: DifferenceKind
    amount_minor: int
    currency: str
    detail: str
    found_at: datetime
    status: str
    wallet: Wallet
    offered: Sequence[Repair]
    reference: UUID | None
    line: Mapping[str, str]
    resolution: str | None = None
    note: str | None = None
    resolved_by: str | None = None
    ledger_tx: UUID | None = None
    request: UUID | None = None


@dataclass(frozen=True, slots=True)
class GroupLine:
    """Open differences that are decided alike. `asked`: so many of them are in a request that waits."""

    group: Group
    many: int
    amount_minor: int
    asked: int


@dataclass(frozen=True, slots=True)
class StatementFile:
    """An import. `open`: its open differences."""

    id: UUID
    provider: str
    name: str
    lines: int
    imported_by: str
    imported_at: datetime
    undone_at: datetime | None
    open: int


class ReconciliationStore(Protocol):
    """Statements, lines and differences. Every method is one transaction, safe to run twice."""

    async def add_file(
        self, account: str, name: str, sha256: bytes, lines: Sequence[StatementLine], person: str
    ) -> ImportedFile:
        """Keep a file's lines; those that are there stay as they are. Raises MoneyRefused when this very
        file was imported before."""
        ...

    async def accounts(self) -> Sequence[str]:
        """Accounts that have statements."""
        ...

    async def compare_lines(self, account: str, after: int, limit: int, *, from_float: bool) -> tuple[Compared, int]:
        """Compare lines that are not settled, from `after` on; where it stopped, 0 at the end."""
        ...

    async def find_missing_there(self, account: str, *, from_float: bool) -> int:
        """Note what a statement of its time lacks a day later; how many are new."""
        ...

    async def close_explained(self, account: str) -> int:
        """Close what has come in meanwhile; how many."""
        ...


class DifferenceStore(Protocol):
    """Differences and imports, read."""

    async def differences(
        self, *, open_only: bool = True, account: str | None = None, group: Group | None = None, limit: int = 500
    ) -> Sequence[Difference]:
        """The oldest differences, of an account or of a group."""
        ...

    async def groups(self, *, account: str | None = None, limit: int = 500) -> Sequence[GroupLine]:
        """Open differences by what is decided alike, the oldest day first."""
        ...

    async def files(self, limit: int = 50) -> Sequence[StatementFile]:
        """The latest imports."""
        ...


class BalanceStore(Protocol):
    """The book's side of what operators say that wallets hold."""

    async def in_book(self, account: str, wallet: Wallet, currency: str, *, from_float: bool) -> tuple[int, InTransit]:
        """What the book says that a wallet holds, and what may be on its way."""
        ...

    async def checked_lately(self, hours: float) -> bool:
        """Whether there was a check within so many hours."""
        ...

    async def keep_check(
        self, account: str, wallet: Wallet, currency: str, *, operator_minor: int, book_minor: int, found: Found | None
    ) -> bool:
        """Keep a check; opens, replaces or closes the difference of this wallet. Whether one was opened."""
        ...
