"""What settlement decides, as tables."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.contests.contest import CandidateStatus
from gateway.values.money import Money
from payments.ledger.postings import Posting, balanced, held, owed_back
from payments.lifecycle import Actor, Observed, State, advance
from payments.settlement.rules import REFUND_REASONS, Confirmed, Verdict, booked, step_of, verdict, verdicts

LAST = datetime(2026, 12, 5, 22, 10, tzinfo=UTC)


APPROVED, WITHDRAWN, EVICTED = CandidateStatus.APPROVED, CandidateStatus.WITHDRAWN, CandidateStatus.EVICTED


def facts(
    confirmed: int = -1,
    *,
    placed: int = -900,
    status: CandidateStatus = APPROVED,
    evicted: int | None = None,
    counted: bool = False,
) -> Confirmed:
    """A payment of an order; seconds after the last instant at which it counts."""
    return Confirmed(
        placed_at=LAST + timedelta(seconds=placed),
        confirmed_at=LAST + timedelta(seconds=confirmed),
        counts_until=LAST,
        candidate_status=status,
        evicted_at=None if evicted is None else LAST + timedelta(seconds=evicted),
        counted_before=counted,
    )


@pytest.mark.parametrize(
    ("confirmed", "status", "counted", "expected"),
    [
        (-1, APPROVED, False, Verdict.COUNT),
        (0, APPROVED, False, Verdict.COUNT),
        (1, APPROVED, False, Verdict.REFUND_LATE),
        (-1, WITHDRAWN, False, Verdict.REFUND_WITHDRAWN),
        (-1, CandidateStatus.REJECTED, False, Verdict.REFUND_WITHDRAWN),
        (1, WITHDRAWN, False, Verdict.REFUND_LATE),
        (-1, APPROVED, True, Verdict.SURPLUS),
        (1, APPROVED, True, Verdict.SURPLUS),
    ],
)
def test_verdict(confirmed: int, status: CandidateStatus, counted: bool, expected: Verdict) -> None:
    assert verdict(facts(confirmed, status=status, counted=counted)) is expected


@pytest.mark.parametrize(
    ("placed", "confirmed", "evicted", "expected"),
    [
        (-660, -650, -640, Verdict.COUNT),  # all of it before
        (-660, -610, -640, Verdict.COUNT),  # paid after
        (-660, -1, -640, Verdict.COUNT),  # within the grace
        (-660, 1, -640, Verdict.REFUND_LATE),
        (-640, -610, -640, Verdict.REFUND_WITHDRAWN),  # by a gateway that did not know of it yet
        (-639, -610, -640, Verdict.REFUND_WITHDRAWN),
    ],
)
def test_a_vote_that_was_placed_before_an_eviction_counts(
    placed: int, confirmed: int, evicted: int, expected: Verdict
) -> None:
    found = facts(confirmed, placed=placed, status=EVICTED, evicted=evicted)
    assert verdict(found) is expected


ONE, OTHER = UUID(int=1), UUID(int=2)
COUNTS, LATE, BEFORE = facts(), facts(1), facts(counted=True)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([], []),
        ([(ONE, COUNTS), (OTHER, COUNTS)], [Verdict.COUNT, Verdict.COUNT]),
        ([(ONE, COUNTS), (ONE, COUNTS)], [Verdict.COUNT, Verdict.SURPLUS]),
        ([(ONE, COUNTS), (OTHER, COUNTS), (ONE, LATE)], [Verdict.COUNT, Verdict.COUNT, Verdict.SURPLUS]),
        ([(ONE, LATE), (ONE, COUNTS)], [Verdict.REFUND_LATE, Verdict.COUNT]),
        ([(ONE, BEFORE), (ONE, COUNTS)], [Verdict.SURPLUS, Verdict.COUNT]),
    ],
)
def test_of_two_payments_for_one_order_the_first_counts(
    batch: list[tuple[UUID, Confirmed]], expected: list[Verdict]
) -> None:
    assert verdicts(batch) == expected


FRANCS = Money(500, "XOF")


@pytest.mark.parametrize(
    ("refusal", "after", "postings"),
    [
        (Verdict.REFUND_LATE, State.REFUND_DUE, owed_back(FRANCS)),
        (Verdict.REFUND_WITHDRAWN, State.REFUND_DUE, owed_back(FRANCS)),
        (Verdict.SURPLUS, State.SURPLUS, held(FRANCS)),
    ],
)
def test_what_does_not_count_is_owed_or_held(refusal: Verdict, after: State, postings: tuple[Posting, ...]) -> None:
    assert advance(State.CONFIRMED, step_of(refusal), Actor.SETTLER) is after
    assert booked(refusal, FRANCS) == postings
    assert balanced(postings)


def test_what_is_refunded_without_a_person_may_take_that_step() -> None:
    for state in State:
        step = advance(state, Observed.CANNOT_COUNT, Actor.SETTLER)
        assert (step is State.REFUND_DUE) == (state in REFUND_REASONS or state is State.CONFIRMED)
