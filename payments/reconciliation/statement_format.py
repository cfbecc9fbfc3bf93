"""How an operator's statement is written: the meaning of its columns, and the operator's own words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.values.money import Money
from payments.ledger.book import MoneyRefused
from payments.reconciliation.rules import LineKind


class StatementUnreadable(MoneyRefused):
    """A file that is no statement of this operator; the text gives place and reason."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of a statement about money that moved.

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
    """A file as read. `skipped`: lines of money that did not move."""

    lines: Sequence[StatementLine]
    skipped: int


ReadStatement = Callable[[str, str, bytes], Statement]
"""Account, file name and content. Raises StatementUnreadable."""


class Field(StrEnum):
    """What a column may contain."""

    OUR_REFERENCE = "our_reference"
    EXTERNAL_ID = "external_id"  # what we asked the operator to show: our order code
    PROVIDER_REFERENCE = "provider_reference"
    NUMBER = "number"  # of the other side, in both directions
    PAYER = "payer"
    PAYEE = "payee"
    AMOUNT = "amount"  # negative for money that left, unless the kind shows it
    CREDIT = "credit"
    DEBIT = "debit"
    FEE = "fee"
    CURRENCY = "currency"
    STATUS = "status"
    KIND = "kind"
    DATE = "date"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class StatementFormat:
    """Statements of one operator, CSV or XLSX.

    `columns`: names of each column, compared without case, accents and punctuation; the head may stand
    below some lines of other text. `paid`: words of `STATUS` for money that moved, in lower case; with
    none, every line counts. `kinds`: words of `KIND` in lower case; others are `OTHER`. `dates`: besides
    ISO 8601, as `strptime` reads them. `decimal`: the mark before a fraction. `currency`: where no column
    contains it.
    """

    code: str
    columns: Mapping[Field, tuple[str, ...]]
    paid: frozenset[str] = frozenset()
    kinds: Mapping[str, LineKind] = field(default_factory=dict)
    dates: tuple[str, ...] = ()
    decimal: str = "."
    currency: str | None = None


# What the simulated operators call their columns; every format takes them too, so that a demo can be
# reconciled.
SIMULATED: Mapping[Field, str] = {
    Field.OUR_REFERENCE: "our_reference",
    Field.EXTERNAL_ID: "external_id",
    Field.PROVIDER_REFERENCE: "provider_reference",
    Field.NUMBER: "msisdn",
    Field.AMOUNT: "amount",
    Field.FEE: "fee",
    Field.CURRENCY: "currency",
    Field.STATUS: "status",
    Field.KIND: "kind",
    Field.DATE: "completed_at",
}
SIMULATED_PAID = frozenset({"successful"})
SIMULATED_KINDS: Mapping[str, LineKind] = {
    "collection": LineKind.COLLECTION,
    "refund": LineKind.REFUND,
    "transfer": LineKind.PAYOUT,
    "payout": LineKind.PAYOUT,
    "disbursement": LineKind.PAYOUT,
    "dispute": LineKind.DISPUTE,
}


def orange_statement(code: str, currency: str) -> StatementFormat:
    """Statements of the accounts of one Orange company."""
    return StatementFormat(
        code=code,
        columns={
            Field.PROVIDER_REFERENCE: ("Référence", "Transaction Id", "txnid"),
            Field.EXTERNAL_ID: ("Order Id", "Référence marchand"),
            Field.DATE: ("Date",),
            Field.TIME: ("Heure",),
            Field.STATUS: ("Statut", "Status"),
            Field.KIND: ("Service",),
            Field.NUMBER: ("N° de Compte", "N° Compte"),
            Field.CREDIT: ("Crédit",),
            Field.DEBIT: ("Débit",),
            Field.FEE: ("Frais",),
            Field.CURRENCY: ("Devise",),
        },
        paid=frozenset({"succès", "succes", "success"}),
        kinds={
            "merchant payment": LineKind.COLLECTION,
            "web payment": LineKind.COLLECTION,
            "cash in": LineKind.PAYOUT,  # into the wallet of a customer
            "refund": LineKind.REFUND,
            "commission": LineKind.FEE,
            "channel to bank": LineKind.TRANSFER,
        },
        dates=("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"),
        decimal=",",
        currency=currency,
    )
