"""How an operator's statement is written: which column says what, and the operator's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from payments.reconciliation.comparison import LineKind


class Field(StrEnum):
    """What a column may say."""

    OUR_REFERENCE = "our_reference"
    EXTERNAL_ID = "external_id"  # what we asked the operator to show: our order code
    PROVIDER_REFERENCE = "provider_reference"
    NUMBER = "number"  # of the other side, whichever way the money went
    PAYER = "payer"
    PAYEE = "payee"
    AMOUNT = "amount"  # negative for money that left, unless the kind says so
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
    says it.
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
