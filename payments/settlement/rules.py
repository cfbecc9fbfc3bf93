"""What settlement decides about confirmed payments, and why votes leave the count: pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.contests.contest import CandidateStatus
from gateway.values.money import Money
from gateway.values.record import record
from payments.ledger.postings import Posting, held, owed_back
from payments.lifecycle import UNDECIDED, Observed, State


class Verdict(StrEnum):
    """What settlement does with a confirmed payment."""

    COUNT = "count"
    REFUND_LATE = "late"
    REFUND_WITHDRAWN = "candidate_withdrawn"
    SURPLUS = "double"
    HOLD = "hold"


@record
class Confirmed:
    """What the decision needs to know of a confirmed payment. `counts_until`: by the rules under which its vote was
    placed; `evicted_at`: since when its candidate is evicted."""

    confirmed_at: datetime
    placed_at: datetime
    counts_until: datetime
    candidate_status: CandidateStatus
    evicted_at: datetime | None
    counted_before: bool


def verdict(payment: Confirmed) -> Verdict:
    """Count it, or give it back, and why.

    Known to be paid by the last instant of the rules under which it was ordered counts, whatever the rules became
    since. A vote for a candidate who withdrew after the order was placed is given back; one that was placed before its
    candidate was evicted counts.
    """
    if payment.counted_before:
        return Verdict.SURPLUS
    if payment.confirmed_at > payment.counts_until:
        return Verdict.REFUND_LATE
    if not stands(payment.candidate_status, payment.evicted_at, payment.placed_at):
        return Verdict.REFUND_WITHDRAWN
    return Verdict.COUNT


def stands(status: CandidateStatus, evicted_at: datetime | None, placed_at: datetime) -> bool:
    """Whether a vote that was placed at this moment may count for a candidate of this state."""
    if status is CandidateStatus.EVICTED:
        return evicted_at is not None and placed_at < evicted_at
    return status is CandidateStatus.APPROVED


def verdicts(batch: Iterable[tuple[UUID, Confirmed]]) -> list[Verdict]:
    """The verdict on each payment of a batch, given with its order; of two payments for one order the first counts."""
    counted: set[UUID] = set()
    found = []
    for order, payment in batch:
        one = Verdict.SURPLUS if order in counted else verdict(payment)
        if one is Verdict.COUNT:
            counted.add(order)
        found.append(one)
    return found


_STEPS: Final = {Verdict.SURPLUS: Observed.COUNTED_BEFORE, Verdict.HOLD: Observed.SUSPECT}


def step_of(refusal: Verdict) -> Observed:
    """The step of a confirmed payment that does not count, or not yet."""
    return _STEPS.get(refusal, Observed.CANNOT_COUNT)


def booked(refusal: Verdict, amount: Money) -> tuple[Posting, ...]:
    """The postings of a confirmed payment that does not count: a surplus is held until it is given back, what looks
    suspicious until it is decided about."""
    return held(amount) if refusal in _STEPS else owed_back(amount)


REFUND_REASONS: Final = {State.SURPLUS: "double", State.MISMATCHED: "mismatch", State.HELD: UNDECIDED}
"""States that turn into refunds without a person, what is held once the time to decide is over, with the refund's
reason."""


class Adjusted(StrEnum):
    """Why a vote left the count, as the tally says it unless a person gave a reason."""

    REFUND = "refund"
    REVIEW = "refused after review"
    VOIDED = "voided window"
    REVERSED = "the payment was reversed at the operator"
    UNCONFIRMED = "the operator does not confirm the payment"
