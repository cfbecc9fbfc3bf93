"""Comparing an operator's statement with our book: which line is which of ours, what differs, and
what may be done about it. Pure.

A statement repairs nothing by itself. What it says we should have is asked about at the operator; any
other difference waits for a person, whose decision is a posting with a name and a reason, or the
acceptance of something that moves no money.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.values.money import Money
from payments.ledger.postings import Account, Posting


class LineKind(StrEnum):
    """What a line of a statement is about."""

    COLLECTION = "collection"
    REFUND = "refund"
    PAYOUT = "payout"
    DISPUTE = "dispute"  # taken back by the operator, for the payer
    FEE = "fee"
    TRANSFER = "transfer"  # between wallets of ours, or to the bank
    OTHER = "other"


OUTGOING: Final = frozenset({LineKind.REFUND, LineKind.PAYOUT})


class MatchedBy(StrEnum):
    """What told that a line is one of ours."""

    OUR_REFERENCE = "our_reference"
    OPERATOR_REFERENCE = "operator_reference"
    AMOUNT_NUMBER_TIME = "amount_number_time"


class DifferenceKind(StrEnum):
    """How statement and book differ."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    DATE = "date"
    DOUBLE = "double"
    BALANCE = "balance"


class Repair(StrEnum):
    """What a person may decide about a difference."""

    UNEXPLAINED = "unexplained"  # the operator has money that nobody can name: booked as that
    RETURNED = "returned"  # money that was not ours went back to its payer, by hand
    OPERATOR_KEPT = "operator_kept"  # booked as the operator's fee, or as lost there
    TO_BANK = "to_bank"  # the operator paid it over to our bank
    TO_FLOAT = "to_float"  # moved from the wallet that collects to the one that pays out
    FROM_BANK = "from_bank"  # we put it in
    ACCEPT = "accept"  # explained, and no money is concerned


@dataclass(frozen=True, slots=True)
class Line:
    """One line as stored. `amount` is positive whichever way it went; `payer_index`: keyed hash of
    the number on the other side; `restated`: a later statement has the same line with another amount."""

    id: int
    kind: LineKind
    amount: Money
    fee_minor: int = 0
    our_reference: str | None = None
    external_id: str | None = None
    provider_reference: str | None = None
    payer_index: bytes | None = None
    at: datetime | None = None
    restated: bool = False


@dataclass(frozen=True, slots=True)
class Booked:
    """One payment, refund, payout or lost dispute of ours. `ended`: when the operator was seen to have moved its
    money, None as long as it was not. `lines`: lines of statements that are it already; `fee_minor`: what is
    booked of its fee without any; `payment`: what a refund gives back, whose order code it has."""

    reference: UUID
    kind: LineKind
    amount: Money
    began: datetime
    ended: datetime | None
    order_code: str | None = None
    provider_reference: str | None = None
    payer_index: bytes | None = None
    lines: int = 0
    contest_id: UUID | None = None
    fee_minor: int = 0
    payment: UUID | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A difference. `amount_minor`: by how much the operator holds more than our book says."""

    kind: DifferenceKind
    amount_minor: int
    currency: str
    detail: str


@dataclass(frozen=True, slots=True)
class Group:
    """Open differences that are decided alike. `wallet`: the word of the port; `day`: of their lines, UTC, else when
    they were found; `sign`: 1 where the operator holds more than the book says, -1 less, 0 neither."""

    provider: str
    kind: DifferenceKind
    wallet: str
    currency: str
    day: date
    sign: int

    @property
    def key(self) -> str:
        """The group in one word, as `read_group` takes it."""
        way = {1: "more", -1: "less", 0: "even"}[self.sign]
        return "/".join((self.provider, self.kind.value, self.wallet, self.currency, self.day.isoformat(), way))


def read_group(key: str) -> Group | None:
    """The group of a key; None where it is none."""
    parts = key.strip().split("/")
    sign = {"more": 1, "less": -1, "even": 0}
    try:
        provider, kind, wallet, currency, day, way = parts
        return Group(provider, DifferenceKind(kind), wallet, currency, date.fromisoformat(day), sign[way])
    except (ValueError, KeyError):
        return None


NUMBER_TIME_WINDOW: Final = timedelta(minutes=10)
DATE_TOLERANCE: Final = timedelta(hours=24)


def reference_in(text: str | None) -> UUID | None:
    """Our own reference in a cell, if it is one."""
    try:
        return UUID(text.strip()) if text else None
    except ValueError:
        return None


def may_be(line: LineKind, kind: LineKind) -> bool:
    """Whether a line of this kind can be one of ours of that kind."""
    if line is LineKind.COLLECTION:
        return kind is LineKind.COLLECTION
    if line is LineKind.DISPUTE:
        return kind is LineKind.DISPUTE
    if line in OUTGOING or line is LineKind.TRANSFER:
        # What was given back past us is a refund to the operator, and a lost dispute to us.
        return kind in OUTGOING or kind is LineKind.DISPUTE
    return line is LineKind.OTHER


def match(line: Line, candidates: Iterable[Booked]) -> tuple[Booked, MatchedBy] | None:
    """Which of ours a line is: by our reference, by the operator's, or by amount, number and time where
    exactly one of ours that has no line yet fits."""
    held = list(candidates)
    return by_reference(line, held) or by_number(line, held)


def by_reference(line: Line, candidates: Iterable[Booked]) -> tuple[Booked, MatchedBy] | None:
    """Which of ours a line names. All lines of a file are read so before any is matched by its number."""
    possible = [held for held in candidates if may_be(line.kind, held.kind)]
    ours = reference_in(line.our_reference) or reference_in(line.external_id)
    codes = {text for text in (line.our_reference, line.external_id) if text}

    def likely(held: Booked) -> tuple[bool, ...]:
        # Of several refunds of one payment: this very one, else one that was paid and has no line.
        return held.reference == ours, held.ended is not None, not held.lines, held.amount == line.amount

    named = [
        held
        for held in possible
        if (ours is not None and ours in (held.reference, held.payment))
        or (held.order_code is not None and held.order_code in codes)
    ]
    if named:
        return max(named, key=likely), MatchedBy.OUR_REFERENCE
    for held in possible:
        # An operator that gives a payment back as a whole names the refund as it names the payment.
        theirs = codes if held.kind is LineKind.REFUND else ()
        if held.provider_reference and held.provider_reference in (line.provider_reference, *theirs):
            return held, MatchedBy.OPERATOR_REFERENCE
    return None


def by_number(line: Line, candidates: Iterable[Booked]) -> tuple[Booked, MatchedBy] | None:
    """The only one of ours without a line that has the amount, the number and the time of this one."""
    fitting = [held for held in candidates if may_be(line.kind, held.kind) and not held.lines and _fits(line, held)]
    return (fitting[0], MatchedBy.AMOUNT_NUMBER_TIME) if len(fitting) == 1 else None


def _fits(line: Line, held: Booked) -> bool:
    if line.at is None or line.payer_index is None or line.payer_index != held.payer_index:
        return False
    until = held.ended or held.began
    return line.amount == held.amount and held.began - NUMBER_TIME_WINDOW <= line.at <= until + NUMBER_TIME_WINDOW


def compare(line: Line, held: Booked) -> list[Found]:
    """What differs between a line and the one of ours that it is."""
    if held.ended is None:
        return [missing_here(line, f"we do not have the money of {held.kind.value} {held.reference} yet")]
    if held.lines and not line.restated:
        return [_found(DifferenceKind.DOUBLE, line, f"a further line for {held.kind.value} {held.reference}")]
    found = []
    if line.amount != held.amount:
        same = line.amount.currency == held.amount.currency
        detail = f"the operator says {_plain(line.amount)}, we have {_plain(held.amount)}"
        more = line.amount.amount_minor - (held.amount.amount_minor if same else 0)
        found.append(Found(DifferenceKind.AMOUNT, _signed(line.kind, more), line.amount.currency, detail))
    if line.at is not None and not held.began - DATE_TOLERANCE <= line.at <= held.ended + DATE_TOLERANCE:
        detail = f"the operator says {line.at.isoformat()}, we have {held.ended.isoformat()}"
        found.append(Found(DifferenceKind.DATE, 0, line.amount.currency, detail))
    return found


def missing_here(line: Line, detail: str) -> Found:
    """A line whose money our book does not have."""
    return _found(DifferenceKind.MISSING_HERE, line, detail)


def missing_there(kind: LineKind, amount: Money, detail: str) -> Found:
    """One of ours that a statement of its time does not have."""
    return Found(DifferenceKind.MISSING_THERE, -_signed(kind, amount.amount_minor), amount.currency, detail)


def _found(kind: DifferenceKind, line: Line, detail: str) -> Found:
    return Found(kind, _signed(line.kind, line.amount.amount_minor), line.amount.currency, detail)


def _signed(kind: LineKind, amount_minor: int) -> int:
    """What the operator holds more for a line of this kind."""
    return amount_minor if kind in (LineKind.COLLECTION, LineKind.OTHER) else -amount_minor


def _plain(amount: Money) -> str:
    return f"{amount.plain()} {amount.currency}"


def offered(kind: DifferenceKind, amount_minor: int, *, from_float: bool) -> tuple[Repair, ...]:
    """What may be decided about a difference. `from_float`: it is about the wallet that pays out."""
    if amount_minor == 0 or kind is DifferenceKind.DATE:
        return (Repair.ACCEPT,)
    if amount_minor > 0:
        more: tuple[Repair, ...] = (Repair.UNEXPLAINED,)
        if kind in (DifferenceKind.DOUBLE, DifferenceKind.MISSING_HERE):
            more = (*more, Repair.RETURNED)
        if from_float:
            more = (*more, Repair.FROM_BANK, Repair.TO_FLOAT)
        return more
    less: tuple[Repair, ...] = (Repair.OPERATOR_KEPT,)
    if kind in (DifferenceKind.MISSING_HERE, DifferenceKind.BALANCE):
        less = (*less, Repair.TO_BANK)
        if not from_float:
            less = (*less, Repair.TO_FLOAT)
    return less


def postings(repair: Repair, amount_minor: int, currency: str, *, from_float: bool) -> Sequence[tuple[Posting, ...]]:
    """The transactions that a decision books, in order. `amount_minor`: by how much the operator holds
    more than our book says."""
    place = Account.OPERATOR_FLOAT if from_float else Account.OPERATOR_CLEARING
    other = {
        Repair.UNEXPLAINED: Account.UNEXPLAINED,
        Repair.RETURNED: Account.UNEXPLAINED,
        Repair.OPERATOR_KEPT: Account.OPERATOR_FEE,
        Repair.TO_BANK: Account.BANK,
        Repair.FROM_BANK: Account.BANK,
        Repair.TO_FLOAT: Account.OPERATOR_CLEARING if from_float else Account.OPERATOR_FLOAT,
    }.get(repair)
    if other is None or amount_minor == 0:
        return ()
    arrived = (Posting(place, currency, amount_minor), Posting(other, currency, -amount_minor))
    if repair is not Repair.RETURNED:
        return (arrived,)
    return (arrived, tuple(Posting(leg.account, leg.currency, -leg.amount) for leg in arrived))


FEES_IN_TRANSIT_BP: Final = 300
"""The most that we expect an operator to keep of payments that no statement has shown yet."""


@dataclass(frozen=True, slots=True)
class InTransit:
    """Money of one wallet that may or may not have moved, in minor units.

    `coming`: asked of payers, no final answer. `arrived`: confirmed, not yet in the book. `leaving`: sent
    out, no final answer. `unstated`: collected lately, on no statement yet, so with fees unknown.
    """

    coming: int = 0
    arrived: int = 0
    leaving: int = 0
    unstated: int = 0


def balance_gap(operator_minor: int, book_minor: int, transit: InTransit) -> int:
    """By how much an operator's balance is beyond what the book and money in transit explain; 0 when
    they explain it, negative when the operator has too little."""
    fees = transit.unstated * FEES_IN_TRANSIT_BP // 10_000
    least = book_minor + transit.arrived - transit.leaving - fees
    most = book_minor + transit.arrived + transit.coming
    if operator_minor < least:
        return operator_minor - least
    return max(0, operator_minor - most)
