"""The book: balanced postings, written once, read as of any instant; and the fee plans that share it out."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.direct import Direct
from gateway.storage.engine import scoped
from gateway.storage.rows import document, recordset
from gateway.values.csv_text import csv_line
from payments.ledger.postings import OF_ORGANISERS, FeePlan, Posting, balanced
from payments.requests import Scope
from payments.rollups.book_days import BOOKED_THEN


class MoneyRefused(Exception):
    """A request about money is refused and nothing was changed; the text gives the reason."""


class UnknownName(MoneyRefused):
    """There is no such contest, organiser, account or row; the text lists those that exist."""


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


def unbalanced(lines: Iterable[TrialLine]) -> dict[str, int]:
    """Currencies that do not balance, each with what is left over."""
    left: Counter[str] = Counter()
    for line in lines:
        left[line.currency] += line.balance_minor
    return {currency: minor for currency, minor in left.items() if minor}


@dataclass(frozen=True, slots=True)
class DatedFeePlan:
    """A fee plan with the instant from which it holds for orders that are counted. `method`: paid in which way; empty:
    in any that has no plan of its own."""

    currency: str
    method: str
    valid_from: datetime
    plan: FeePlan
    created_by: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One balanced transaction. `contest_id`: whose book; None for money that moves between accounts of
    ours."""

    tx: UUID
    contest_id: UUID | None
    memo: str
    legs: tuple[Posting, ...]


_LEGS: Final = "tx uuid, contest_id uuid, provider text, account text, currency text, amount_minor bigint, memo text"
_POST: Final = Direct(
    text(f"""
insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo) select * from {recordset(_LEGS)}
""")
)


async def post(connection: AsyncConnection, entries: Sequence[tuple[LedgerEntry, str]]) -> None:
    """Write transactions, each with the code of the provider whose money it is. All legs go in one
    statement, where the database checks their balance. Raises ValueError for one that does not."""
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
    await _POST.rows(connection, document(rows))


# Few enough that nobody else in the process waits long for them.
_STREAMED_ROWS: Final = 500
HEADER: Final = ("id", "at", "tx", "contest", "provider", "account", "currency", "amount_minor", "memo")
_UNTIL: Final = "p.at <= coalesce(cast(:at as timestamptz), 'infinity')"
_OF: Final = """(cast(:contest as uuid) is null or p.contest_id = cast(:contest as uuid))
  and (cast(:scope as uuid) is null or c.organiser_id = cast(:scope as uuid)
    and p.account = any(cast(:accounts as text[])))"""

# Summed before anything is looked up: there are many lines, and few sums.
_BALANCES: Final = text(f"""
select c.slug as contest, b.provider, b.account, b.currency, b.amount_minor
from (
  select p.contest_id, p.provider, p.account, p.currency, sum(p.amount_minor)::bigint as amount_minor
  from {BOOKED_THEN} p
  where (cast(:contest as uuid) is null or p.contest_id = cast(:contest as uuid))
    and (cast(:scope as uuid) is null or p.account = any(cast(:accounts as text[])) and p.contest_id = any(array(
      select id from contests where organiser_id = cast(:scope as uuid))))
  group by 1, 2, 3, 4 having sum(p.amount_minor) <> 0) b
  left join contests c on c.id = b.contest_id
order by 1 nulls last, 3, 2, 4
""")
_TRIAL: Final = text(f"""
select account, currency, sum(debit_minor)::bigint as debit_minor, sum(credit_minor)::bigint as credit_minor
from {BOOKED_THEN} b group by 1, 2 order by 2, 1
""")
_JOURNAL: Final = text(f"""
select p.id, p.at, p.tx::text, c.slug as contest, p.provider, p.account, p.currency, p.amount_minor, p.memo
from postings p left join contests c on c.id = p.contest_id where {_UNTIL} and {_OF} order by p.id
""")
_JOURNAL_LENGTH: Final = text(f"""
select count(*) from (select from postings p left join contests c on c.id = p.contest_id where {_UNTIL} and {_OF}
  limit cast(:limit as bigint)) counted
""")
_PLANS: Final = text("""
select currency, method, valid_from, percent_bp, fixed_minor, minimum_minor, created_by from fee_plans
where organiser_id = :organiser and created_at <= coalesce(cast(:at as timestamptz), 'infinity')
order by currency, method, valid_from desc
""")


class Book:
    """The book as it is read. `at`: an instant in the past, None for now; `contest`: a slug, None for all; `scope`: an
    organiser sees whose the money of their contests is, and not where it is.

    A slug that does not exist raises UnknownName.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def balances(
        self, scope: Scope, *, at: datetime | None = None, contest: str | None = None
    ) -> Sequence[BookBalance]:
        """Everything that is not zero."""
        async with scoped(self._engine, scope) as connection:
            asked = {"at": at, **await _asked(connection, contest, scope)}
            rows = (await connection.execute(_BALANCES, asked)).all()
        return [BookBalance(*row) for row in rows]

    async def trial(self, *, at: datetime | None = None) -> Sequence[TrialLine]:
        """Both sides of every account, of all organisers."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_TRIAL, {"at": at})).all()
        return [TrialLine(*row) for row in rows]

    async def journal_csv(
        self, scope: Scope, *, at: datetime | None = None, contest: str | None = None, separator: str = ","
    ) -> AsyncIterator[str]:
        """Header first, then every leg in the order of writing, some hundreds in memory at a time. Amounts are minor
        units, debits positive."""
        yield csv_line(HEADER, separator)
        async with scoped(self._engine, scope) as connection:
            asked = {"at": at, **await _asked(connection, contest, scope)}
            sized = await connection.execution_options(yield_per=_STREAMED_ROWS)
            async with sized.stream(_JOURNAL, asked) as rows:
                async for leg in rows:
                    yield csv_line(leg, separator)

    async def journal_length(
        self, scope: Scope, *, at: datetime | None = None, contest: str | None = None, at_most: int | None = None
    ) -> int:
        """How many legs the journal has. `at_most`: no more are counted."""
        async with scoped(self._engine, scope) as connection:
            asked = {"at": at, "limit": at_most, **await _asked(connection, contest, scope)}
            return int((await connection.execute(_JOURNAL_LENGTH, asked)).scalar_one())

    async def fee_plans(self, organiser: str, scope: Scope, *, at: datetime | None = None) -> Sequence[DatedFeePlan]:
        """The fee plans of an organiser, by currency and latest first."""
        async with scoped(self._engine, scope) as connection:
            of = await organiser_id(connection, organiser, scope)
            return [_dated(row) for row in await connection.execute(_PLANS, {"organiser": of, "at": at})]


def _dated(row: Any) -> DatedFeePlan:  # noqa: ANN401 - a row of either statement
    plan = FeePlan(row.percent_bp, row.fixed_minor, row.minimum_minor)
    return DatedFeePlan(row.currency, row.method, row.valid_from, plan, row.created_by)


_ORGANISERS: Final = """
select id from organisers where (cast(:scope as uuid) is null or id = cast(:scope as uuid))
"""
_CONTESTS: Final = """
select id from contests where (cast(:scope as uuid) is null or organiser_id = cast(:scope as uuid))
"""


async def organiser_id(connection: AsyncConnection, slug: str, scope: Scope) -> UUID:
    """The organiser of this slug. Raises UnknownName."""
    return await _named(connection, _ORGANISERS, "organiser", slug, scope)


async def contest_id(connection: AsyncConnection, slug: str, scope: Scope) -> UUID:
    """The contest of this slug. Raises UnknownName."""
    return await _named(connection, _CONTESTS, "contest", slug, scope)


async def _asked(connection: AsyncConnection, contest: str | None, scope: Scope) -> dict[str, object]:
    of = None if contest is None else await contest_id(connection, contest, scope)
    return {"contest": of, "scope": scope, "accounts": sorted(OF_ORGANISERS)}


async def _named(connection: AsyncConnection, of_scope: str, what: str, slug: str, scope: Scope) -> UUID:
    asked = {"slug": slug, "scope": scope}
    found: UUID | None = (await connection.execute(text(f"{of_scope} and slug = :slug"), asked)).scalar_one_or_none()
    if found is None:
        listed = text(f"{of_scope.replace('select id', 'select slug')} order by slug limit 20")
        known = (await connection.execute(listed, asked)).scalars()
        raise UnknownName(f"there is no {what} {slug!r}; there are: {', '.join(known) or 'none'}")
    return found
