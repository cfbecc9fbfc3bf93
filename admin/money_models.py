"""Shapes of the API about the book and about statements."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from admin.texts import Line
from gateway.http.endpoint import ApiModel, InputModel
from payments.reconciliation.differences import Difference
from payments.reconciliation.rules import Repair


class Instant(InputModel):
    """Of what, and when."""

    at: datetime | None = Field(None, description="An instant in the past; without it, now.")
    contest: Line | None = Field(None, max_length=100)


class Balance(ApiModel):
    """What one account holds; debits are positive. The currency may be VOTES."""

    contest: str | None
    provider: str
    account: str
    amount: int
    currency: str


class Balances(ApiModel):
    """Everything that is not zero."""

    balances: list[Balance]


class TrialLine(ApiModel):
    """Both sides of one account."""

    account: str
    currency: str
    debit: int
    credit: int
    balance: int


class Trial(ApiModel):
    """The trial balance."""

    lines: list[TrialLine]
    balances: bool


class DifferenceLine(ApiModel):
    """A difference between a statement and the book."""

    id: int
    provider: str
    kind: str
    amount: int = Field(description="By how much the operator holds more than the book says.")
    currency: str
    wallet: str
    detail: str
    found_at: datetime
    status: str
    offered: list[str]
    reference: UUID | None
    resolution: str | None
    note: str | None
    resolved_by: str | None


class Differences(ApiModel):
    """Differences, the oldest first."""

    differences: list[DifferenceLine]


class DifferenceGroup(ApiModel):
    """Open differences that are decided alike."""

    key: str = Field(description="The subject of a request about all of them.")
    provider: str
    kind: str
    wallet: str
    currency: str
    day: date
    count: int
    amount: int
    asked: int = Field(description="So many are in a request that waits.")


class DifferenceGroups(ApiModel):
    """Groups of open differences, the oldest day first."""

    groups: list[DifferenceGroup]


class ImportedStatement(ApiModel):
    """A statement that was imported. Its id is the subject of a request to take it back."""

    id: UUID
    provider: str
    name: str
    lines: int
    imported_by: str
    imported_at: datetime
    undone_at: datetime | None
    open: int = Field(description="Its open differences.")


class Statements(ApiModel):
    """The latest imports."""

    statements: list[ImportedStatement]


class Resolution(InputModel):
    """What somebody decides about a difference."""

    repair: Repair
    reason: Line = Field(max_length=500)
    operator_reference: Line | None = Field(None, max_length=64)


def difference_of(held: Difference) -> DifferenceLine:
    """A difference as the API tells it."""
    return DifferenceLine(
        id=held.id,
        provider=held.provider,
        kind=held.kind.value,
        amount=held.amount_minor,
        currency=held.currency,
        wallet=held.wallet.value,
        detail=held.detail,
        found_at=held.found_at,
        status=held.status,
        offered=[repair.value for repair in held.offered],
        reference=held.reference,
        resolution=held.resolution,
        note=held.note,
        resolved_by=held.resolved_by,
    )
