"""What the columns of exported tables hold, as a spreadsheet of a language reads it. Plain functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from admin.orders.listed import OrderLine
from gateway.contests.contest import Candidate
from gateway.values.csv_text import Cell
from gateway.values.money import Money
from gateway.values.time_zones import local

MARK: Final = "\ufeff"
"""By which spreadsheets know UTF-8."""
_SEPARATORS: Final[Mapping[str, str]] = {"fr": ";"}
_DECIMALS: Final[Mapping[str, str]] = {"fr": ","}

Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """How a language and a contest write cells. `word`: what a code of a section is called; `zone`: whose clocks."""

    language: str
    zone: str
    word: Callable[[str, str], str]
    operator: Callable[[str], str]

    @property
    def separator(self) -> str:
        """Between cells: where a comma is part of numbers, a semicolon."""
        return _SEPARATORS.get(self.language, ",")

    def money(self, amount_minor: int | None, currency: str) -> Cell:
        """An amount without its currency; a whole number where the currency has no smaller unit."""
        if amount_minor is None:
            return None
        plain = Money(amount_minor, currency).plain()
        return int(plain) if plain.lstrip("-").isdigit() else plain.replace(".", _DECIMALS.get(self.language, "."))

    def moment(self, at: datetime | None) -> Cell:
        """As spreadsheets read it, by the clocks of the contest."""
        return None if at is None else f"{local(at, self.zone):%Y-%m-%d %H:%M:%S}"


CANDIDATE_COLUMNS: Final = ("code", "name", "category", "text", "photo", "status", "votes")
ORDER_COLUMNS: Final = (
    "order",
    "placed_at",
    "state",
    "code",
    "candidate",
    "votes",
    "amount",
    "currency",
    "channel",
    "wallet",
    "payer",
    "receipt",
    "counted_at",
)
PAYMENT_COLUMNS: Final = (
    "payment",
    "order",
    "placed_at",
    "confirmed_at",
    "counted_at",
    "state",
    "wallet",
    "operator",
    "operator_reference",
    "payer",
    "amount",
    "received",
    "currency",
    "fee",
)


def candidate_cells(person: Candidate, votes: int, by: Written) -> Row:
    """A line of `CANDIDATE_COLUMNS`, which an import reads again."""
    status = by.word("admin_candidate_status", person.status.value)
    return (person.code, person.name, person.category, person.text, person.photo_url, status, votes)


def order_cells(line: OrderLine, by: Written) -> Row:
    """A line of `ORDER_COLUMNS`."""
    return (
        str(line.vote_id),
        by.moment(line.placed_at),
        by.word("admin_payment", line.status),
        line.candidate_code,
        line.candidate_name,
        line.votes,
        by.money(line.amount.amount_minor, line.amount.currency),
        line.amount.currency,
        by.word("admin_channel", line.channel),
        by.word("admin_method", line.method),
        line.payer,
        line.receipt,
        by.moment(line.settled_at),
    )


def payment_cells(line: OrderLine, by: Written) -> Row:
    """A line of `PAYMENT_COLUMNS`."""
    currency = line.amount.currency
    # Written where it is another amount than what was asked for.
    received = line.received_minor if line.received_minor is not None else line.amount.amount_minor
    return (
        str(line.reference),
        str(line.vote_id),
        by.moment(line.placed_at),
        by.moment(line.confirmed_at),
        by.moment(line.settled_at),
        by.word("admin_payment", line.status),
        by.word("admin_method", line.method),
        by.operator(line.provider),
        line.provider_reference,
        line.payer,
        by.money(line.amount.amount_minor, currency),
        by.money(received if line.confirmed_at else None, line.received_currency or currency),
        line.received_currency or currency,
        by.money(line.fee_minor, currency),
    )
