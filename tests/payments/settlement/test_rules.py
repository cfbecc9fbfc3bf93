"""What settlement decides, as tables."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.ledger.postings import Posting, balanced, held, owed_back
from payments.lifecycle import Actor, Observed, State, advance
from payments.settlement.rules import REFUND_REASONS, Confirmed, Verdict, booked, step_of, verdict, verdicts

CLOSE = datetime(2026, 12, 5, 22, 0, tzinfo=UTC)


def facts(placed: int = -60, confirmed: int = -1, *, eligible: bool = True, counted: bool = False) -> Confirmed:
    return Confirmed(
        placed_at=CLOSE + timedelta(seconds=placed),
        confirmed_at=CLOSE + timedelta(seconds=confirmed),
        closes_at=CLOSE,
        late_seconds=600,
        candidate_eligible=eligible,
        counted_before=counted,
    )


@pytest.mark.parametrize(
    ("placed", "confirmed", "eligible", "counted", "expected"),
    [
        (-60, -1, True, False, Verdict.COUNT),
        (-1, 600, True, False, Verdict.COUNT),
        (-1, 601, True, False, Verdict.REFUND_LATE),
        (0, 10, True, False, Verdict.REFUND_LATE),
        (-60, -1, False, False, Verdict.REFUND_WITHDRAWN),
        (-60, -1, True, True, Verdict.SURPLUS),
        (-1, 601, True, True, Verdict.SURPLUS),
    ],
)
def test_verdict(placed: int, confirmed: int, eligible: bool, counted: bool, expected: Verdict) -> None:
    assert verdict(facts(placed, confirmed, eligible=eligible, counted=counted)) is expected


ONE, OTHER = UUID(int=1), UUID(int=2)
COUNTS, LATE, BEFORE = facts(), facts(-1, 601), facts(counted=True)


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
