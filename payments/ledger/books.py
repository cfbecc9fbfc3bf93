"""What is asked of the book: balances, the trial balance, the journal, fee plans."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from payments.ledger.postings import FeePlan


class MoneyRefused(Exception):
    """What was asked about money cannot be done, and nothing was changed; the text says why."""


class UnknownName(MoneyRefused):
    """There is no such contest, organiser, account or row; the text says which there are."""


@dataclass(frozen=True, slots=True)
class BookBalance:
    """What one account holds for one contest at one account of an operator. Debits are positive.

    `contest`: its slug; None for money that concerns no single contest. `currency` may be VOTES.
    """

    contest: str | None
    provider: str
    account: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One account of the trial balance: everything booked on either side. `credit_minor` is positive."""

    account: str
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """What is left, debits positive."""
        return self.debit_minor - self.credit_minor


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One leg as it was written."""

    id: int
    at: datetime
    tx: UUID
    contest: str | None
    provider: str
    account: str
    currency: str
    amount_minor: int
    memo: str


@dataclass(frozen=True, slots=True)
class DatedFeePlan:
    """A fee plan with the instant from which it holds for orders that are counted."""

    currency: str
    valid_from: datetime
    plan: FeePlan
    created_by: str


class Book(Protocol):
    """The book as it is read. `at`: an instant in the past, None for now; `contest`: a slug, None for all.

    A slug that nobody has raises UnknownName.
    """

    async def balances(self, *, at: datetime | None = None, contest: str | None = None) -> Sequence[BookBalance]:
        """Everything that is not zero."""
        ...

    async def trial(self, *, at: datetime | None = None) -> Sequence[TrialLine]:
        """Both sides of every account; per currency they agree."""
        ...

    def journal(self, *, at: datetime | None = None, contest: str | None = None) -> AsyncIterator[JournalLine]:
        """Every leg in the order of writing."""
        ...

    async def fee_plans(self, organiser: str) -> Sequence[DatedFeePlan]:
        """The fee plans of an organiser, by currency and latest first."""
        ...

    async def set_fee_plan(
        self, organiser: str, currency: str, plan: FeePlan, *, valid_from: datetime | None, actor: str
    ) -> DatedFeePlan:
        """A further plan, from an instant that is not past; None: from now. Counted votes keep their fee.
        Raises MoneyRefused."""
        ...
