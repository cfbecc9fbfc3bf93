"""Which line of a statement is which payment, refund, payout or dispute of ours, and what differs. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from gateway.values.money import Money
from payments.ledger.differences import DifferenceKind
from payments.provider import Wallet
from payments.reconciliation.rules import OUTGOING, Found, LineKind


class MatchedBy(StrEnum):
    """By what a line was found to be one of ours."""

    OUR_REFERENCE = "our_reference"
    OPERATOR_REFERENCE = "operator_reference"
    AMOUNT_NUMBER_TIME = "amount_number_time"


@dataclass(frozen=True, slots=True)
class Line:
    """One line as stored. `amount` is positive in both directions; `payer_index`: keyed hash of
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
    """One payment, refund, payout or lost dispute of ours. `ended`: when the operator was observed to have moved its
    money, None until then. `lines`: lines of statements that are it already; `fee_minor`: what is
    booked of its fee without any; `payment`: what a refund returns, whose order code it has."""

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
        # A refund made outside Spotlight is a refund to the operator, and a lost dispute to us.
        return kind in OUTGOING or kind is LineKind.DISPUTE
    return line is LineKind.OTHER


def by_reference(line: Line, candidates: Iterable[Booked]) -> tuple[Booked, MatchedBy] | None:
    """Which of ours a line names. All lines of a file are read so before any is matched by its number."""
    possible = [booked for booked in candidates if may_be(line.kind, booked.kind)]
    ours = reference_in(line.our_reference) or reference_in(line.external_id)
    codes = {text for text in (line.our_reference, line.external_id) if text}

    def likely(booked: Booked) -> tuple[bool, ...]:
        # Of several refunds of one payment: this very one, else one that was paid and has no line.
        return booked.reference == ours, booked.ended is not None, not booked.lines, booked.amount == line.amount

    named = [
        booked
        for booked in possible
        if (ours is not None and ours in (booked.reference, booked.payment))
        or (booked.order_code is not None and booked.order_code in codes)
    ]
    if named:
        return max(named, key=likely), MatchedBy.OUR_REFERENCE
    for booked in possible:
        # An operator that refunds a payment as a whole names the refund as it names the payment.
        theirs = codes if booked.kind is LineKind.REFUND else ()
        if booked.provider_reference and booked.provider_reference in (line.provider_reference, *theirs):
            return booked, MatchedBy.OPERATOR_REFERENCE
    return None


def by_number(line: Line, candidates: Iterable[Booked]) -> tuple[Booked, MatchedBy] | None:
    """The only one of ours without a line that has the amount, the number and the time of this one."""
    fitting = [
        booked for booked in candidates if may_be(line.kind, booked.kind) and not booked.lines and _fits(line, booked)
    ]
    return (fitting[0], MatchedBy.AMOUNT_NUMBER_TIME) if len(fitting) == 1 else None


def _fits(line: Line, booked: Booked) -> bool:
    if line.at is None or line.payer_index is None or line.payer_index != booked.payer_index:
        return False
    until = booked.ended or booked.began
    return line.amount == booked.amount and booked.began - NUMBER_TIME_WINDOW <= line.at <= until + NUMBER_TIME_WINDOW


def compare(line: Line, booked: Booked) -> list[Found]:
    """What differs between a line and the one of ours that it is."""
    if booked.ended is None:
        return [missing_here(line, f"we do not have the money of {booked.kind.value} {booked.reference} yet")]
    if booked.lines and not line.restated:
        return [_found(DifferenceKind.DOUBLE, line, f"a further line for {booked.kind.value} {booked.reference}")]
    found = []
    if line.amount != booked.amount:
        same = line.amount.currency == booked.amount.currency
        detail = f"the operator has {_plain(line.amount)}, we have {_plain(booked.amount)}"
        more = line.amount.amount_minor - (booked.amount.amount_minor if same else 0)
        found.append(Found(DifferenceKind.AMOUNT, _signed(line.kind, more), line.amount.currency, detail))
    if line.at is not None and not booked.began - DATE_TOLERANCE <= line.at <= booked.ended + DATE_TOLERANCE:
        detail = f"the operator has {line.at.isoformat()}, we have {booked.ended.isoformat()}"
        found.append(Found(DifferenceKind.DATE, 0, line.amount.currency, detail))
    return found


def missing_here(line: Line, detail: str) -> Found:
    """A line whose money our book does not have."""
    return _found(DifferenceKind.MISSING_HERE, line, detail)


def _found(kind: DifferenceKind, line: Line, detail: str) -> Found:
    return Found(kind, _signed(line.kind, line.amount.amount_minor), line.amount.currency, detail)


def _signed(kind: LineKind, amount_minor: int) -> int:
    """What the operator holds more for a line of this kind."""
    return amount_minor if kind in (LineKind.COLLECTION, LineKind.OTHER) else -amount_minor


def _plain(amount: Money) -> str:
    return f"{amount.plain()} {amount.currency}"


@dataclass
class Judged:
    """What comparing some lines came to, before it is written."""

    matched: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    hinted: list[UUID] = field(default_factory=list)
    named: dict[str, datetime | None] = field(default_factory=dict)
    fees: dict[int, tuple[UUID | None, Money, bool]] = field(default_factory=dict)


def judge(lines: Sequence[Line], candidates: Sequence[Booked], *, from_float: bool) -> Judged:
    """Every line against those of ours that it may be; a second line for one of them in this batch is
    recognised as such."""
    batch, ours, unnamed = Judged(), Index(candidates), []
    for line in lines:
        pair = by_reference(line, ours.near(line))
        if pair is None:
            unnamed.append(line)
        else:
            ours.taken(_judge(batch, line, *pair, from_float=from_float))
    for line in unnamed:
        pair = by_number(line, ours.near(line))
        if pair is None:
            if line.kind in (LineKind.DISPUTE, LineKind.REFUND) and line.provider_reference:
                # Reversed, or refunded outside Spotlight: the operator is asked about it.
                batch.named[line.provider_reference] = line.at
            out = line.kind in OUTGOING and from_float
            batch.found.append(_row(missing_here(line, "none of ours fits"), line, None, from_float=out))
        else:
            ours.taken(_judge(batch, line, *pair, from_float=from_float))
    return batch


def _judge(batch: Judged, line: Line, booked: Booked, by: MatchedBy, *, from_float: bool) -> Booked:
    out, settled = line.kind in OUTGOING and from_float, booked.ended is not None
    row = {"id": line.id, "reference": booked.reference, "matched_by": by.value, "settled": settled}
    batch.matched.append(row)
    batch.found += [_row(each, line, booked, from_float=out) for each in compare(line, booked)]
    if not settled:
        batch.hinted.append(booked.reference)
        if booked.kind is LineKind.DISPUTE and booked.provider_reference:
            batch.named[booked.provider_reference] = line.at
    elif line.fee_minor > booked.fee_minor and not line.restated:
        # The fees of a restated line were booked with the first; a balance shows if they changed.
        batch.fees[line.id] = (booked.contest_id, Money(line.fee_minor - booked.fee_minor, line.amount.currency), out)
    return booked


class Index:
    """Candidates by everything that a line may contain of them, so that a long file is read in one pass."""

    def __init__(self, candidates: Sequence[Booked]) -> None:
        self._booked = {booked.reference: booked for booked in candidates}
        self._by: dict[object, list[UUID]] = defaultdict(list)
        for booked in candidates:
            for key in (
                str(booked.reference),
                booked.order_code,
                booked.provider_reference,
                booked.payer_index,
                str(booked.payment) if booked.payment else None,
            ):
                if key is not None:
                    self._by[key].append(booked.reference)

    def near(self, line: Line) -> list[Booked]:
        """Those that share something with a line."""
        keys = {(line.our_reference or "").lower(), line.our_reference, (line.external_id or "").lower()}
        keys |= {line.external_id, line.provider_reference}
        named = {reference for key in (*keys, line.payer_index) if key for reference in self._by.get(key, ())}
        return [self._booked[reference] for reference in sorted(named, key=str)]

    def taken(self, booked: Booked) -> None:
        """A line is this one."""
        self._booked[booked.reference] = replace(booked, lines=booked.lines + 1)


def _row(found: Found, line: Line, booked: Booked | None, *, from_float: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": found.kind.value,
        "line_id": line.id,
        "wallet": (Wallet.DISBURSEMENT if from_float else Wallet.COLLECTION).value,
        "amount_minor": found.amount_minor,
        "currency": found.currency,
        "detail": found.detail,
    }
    if booked is not None:
        row["contest_id"] = booked.contest_id
    if booked is not None and booked.kind is not LineKind.DISPUTE:  # whose own differences name it
        of = {LineKind.REFUND: "refund_reference", LineKind.PAYOUT: "payout_reference"}
        row[of.get(booked.kind, "payment_reference")] = booked.reference
    return row
