"""How an operator's statement may differ from our book, and what may be done about it. Pure.

A statement repairs nothing by itself. A line that our book lacks is asked about at the operator; any
other difference waits for a person, whose decision is a posting with a name and a reason, or the
acceptance of something that moves no money.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from payments.ledger.differences import DifferenceKind
from payments.ledger.postings import Account, Posting


class LineKind(StrEnum):
    """What a line of a statement is about."""

    COLLECTION = "collection"
    REFUND = "refund"
    PAYOUT = "payout"
    DISPUTE = "dispute"  # reversed by the operator, for the payer
    FEE = "fee"
    TRANSFER = "transfer"  # between wallets of ours, or to the bank
    OTHER = "other"


OUTGOING: Final = frozenset({LineKind.REFUND, LineKind.PAYOUT})


class Repair(StrEnum):
    """What a person may decide about a difference."""

    UNEXPLAINED = "unexplained"  # money at the operator without an explanation: booked as that
    RETURNED = "returned"  # money that was not ours was refunded by hand
    OPERATOR_KEPT = "operator_kept"  # booked as the operator's fee, or as lost there
    TO_BANK = "to_bank"  # the operator paid it over to our bank
    TO_FLOAT = "to_float"  # moved from the wallet that collects to the one that pays out
    FROM_BANK = "from_bank"  # we put it in
    ACCEPT = "accept"  # explained, and no money is concerned


@dataclass(frozen=True, slots=True)
class Found:
    """A difference. `amount_minor`: by how much the operator holds more than our book."""

    kind: DifferenceKind
    amount_minor: int
    currency: str
    detail: str


@dataclass(frozen=True, slots=True)
class Group:
    """Open differences that are decided alike. `wallet`: a value of `Wallet`; `day`: of their lines, UTC, else when
    they were found; `sign`: 1 where the operator holds more than the book, -1 less, 0 neither."""

    provider: str
    kind: DifferenceKind
    wallet: str
    currency: str
    day: date
    sign: int

    @property
    def key(self) -> str:
        """The group as one string, as `read_group` takes it."""
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
    more than our book."""
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
