"""Rounds of a contest, as tables; and as they are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.contests.changes import ChangeRefused
from gateway.contests.contest import Contest, ContestState, Phase
from gateway.contests.rounds import (
    Round,
    RoundFault,
    change_faults,
    last_begun,
    next_round,
    open_round,
    order_faults,
    sentence_of,
    shown_in,
)
from gateway.contests.steps import Step, stepped
from gateway.orders.rules import Refusal, check_window
from tests.demo import demo_contest

AT = datetime(2026, 6, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    return AT + timedelta(days=day)


def part(number: int, opens: float, closes: float, *, fresh: bool = True) -> Round:
    return Round(number, f"Round {number}", at(opens), at(closes), fresh)


TWO = (part(1, 1, 3), part(2, 5, 7))
CONTEST = replace(demo_contest(), opens_at=at(0), closes_at=at(10), rounds=TWO, _by_code={})


@pytest.mark.parametrize(
    ("day", "selling", "coming", "begun", "phase", "refusal", "window"),
    [
        (-1, None, 1, None, Phase.COMING, Refusal.NOT_OPEN_YET, (1, 3)),
        (0.5, None, 1, None, Phase.COMING, Refusal.NOT_OPEN_YET, (1, 3)),
        (1, 1, 2, 1, Phase.OPEN, None, (1, 3)),
        (2.9, 1, 2, 1, Phase.OPEN, None, (1, 3)),
        (3, None, 2, 1, Phase.COMING, Refusal.BETWEEN_ROUNDS, (5, 7)),
        (5, 2, None, 2, Phase.OPEN, None, (5, 7)),
        (7, None, None, 2, Phase.CLOSED, Refusal.CLOSED, (5, 7)),
        (11, None, None, 2, Phase.CLOSED, Refusal.CLOSED, (5, 7)),
    ],
)
def test_when_votes_are_sold(
    day: float,
    selling: int | None,
    coming: int | None,
    begun: int | None,
    phase: Phase,
    refusal: Refusal | None,
    window: tuple[int, int],
) -> None:
    now = at(day)
    found = [one(TWO, now) for one in (open_round, next_round, last_begun)]
    assert [one.number if one else None for one in found] == [selling, coming, begun]
    assert (CONTEST.phase_at(now), check_window(CONTEST, now)) == (phase, refusal)
    assert CONTEST.window_at(now) == (at(window[0]), at(window[1]))


@pytest.mark.parametrize(
    ("fresh", "number", "shown"),
    [
        ((True, True, True), 2, [2]),
        ((True, False, True), 2, [1, 2]),
        ((True, False, False), 3, [1, 2, 3]),
        ((True, False, True), 3, [3]),
        # With what was sold before there were rounds.
        ((False, False, False), 1, [0, 1]),
        ((False, True, False), 3, [2, 3]),
        ((True,), 0, [0]),
    ],
)
def test_which_votes_a_ranking_shows(fresh: tuple[bool, ...], number: int, shown: list[int]) -> None:
    rounds = [part(place, place, place + 0.5, fresh=one) for place, one in enumerate(fresh, start=1)]
    assert list(shown_in(rounds, number)) == shown


@pytest.mark.parametrize(
    ("rounds", "faults"),
    [
        ([], []),
        (TWO, []),
        ([part(1, 0, 5), part(2, 5, 10)], []),  # one after the other, as long as the contest
        ([part(1, 1, 1)], [(RoundFault.CLOSES_FIRST, 1)]),
        ([part(1, -1, 3)], [(RoundFault.OUTSIDE, 1)]),
        ([part(1, 1, 11)], [(RoundFault.OUTSIDE, 1)]),
        ([part(1, 1, 5), part(2, 4, 7)], [(RoundFault.OVERLAPS, 2)]),
        ([part(1, 5, 7), part(2, 1, 3)], [(RoundFault.OVERLAPS, 2)]),
    ],
)
def test_rounds_are_in_order_within_the_contest(rounds: list[Round], faults: list[tuple[RoundFault, int]]) -> None:
    assert list(order_faults(rounds, at(0), at(10))) == faults
    assert all(sentence_of(*fault) for fault in faults)


@pytest.mark.parametrize(
    ("day", "wanted", "faults"),
    [
        (2, TWO, []),
        (2, (TWO[0],), []),  # the second has not begun
        (2, (replace(TWO[0], name="Other"), part(2, 6, 8, fresh=False)), []),
        (2, (replace(TWO[0], closes_at=at(2.1)), TWO[1]), []),  # brought forward
        (2, (replace(TWO[0], closes_at=at(4)), TWO[1]), []),  # longer
        (2, (replace(TWO[0], opens_at=at(1.5)), TWO[1]), [(RoundFault.BEGUN, 1)]),
        (2, (replace(TWO[0], fresh=False), TWO[1]), [(RoundFault.BEGUN, 1)]),
        (2, (), [(RoundFault.BEGUN, 1)]),
        (4, (replace(TWO[0], closes_at=at(4.5)), TWO[1]), [(RoundFault.OVER, 1)]),
        (4, (TWO[0], part(2, 3.5, 7)), [(RoundFault.IN_THE_PAST, 2)]),
        (2, (*TWO, part(3, 8, 9)), []),
        (8, (*TWO, part(3, 7, 9)), [(RoundFault.IN_THE_PAST, 3)]),
    ],
)
def test_what_has_begun_stays(day: float, wanted: tuple[Round, ...], faults: list[tuple[RoundFault, int]]) -> None:
    assert list(change_faults(TWO, wanted, at(day))) == faults


def test_a_contest_that_is_closed_ends_its_round_and_has_no_later_one() -> None:
    made = stepped(replace(CONTEST, state=ContestState.PUBLISHED, _by_code={}), Step.CLOSE, at(2))
    assert made is not None
    assert made.contest.rounds == (replace(TWO[0], closes_at=at(2)),)
    assert made.contest.phase_at(at(2)) is Phase.CLOSED


def test_a_contest_is_closed_between_two_rounds_and_before_its_first_one() -> None:
    for day, rounds in ((4, TWO[:1]), (0.5, ())):
        contest = replace(CONTEST, state=ContestState.PUBLISHED, _by_code={})
        assert contest.phase_at(at(day)) is Phase.COMING
        made = stepped(contest, Step.CLOSE, at(day))
        assert made is not None
        assert made.contest.rounds == rounds
        assert made.contest.closes_at == at(day)
        with pytest.raises(ChangeRefused):
            stepped(contest, Step.ARCHIVE, at(day))


def shown(contest: Contest) -> int:
    found = contest.round_shown
    return 0 if found is None else found.number


def test_the_round_that_is_shown_is_the_last_that_has_begun() -> None:
    assert shown(replace(CONTEST, reopens_at=at(1), _by_code={})) == 0
    assert shown(replace(CONTEST, reopens_at=at(5), _by_code={})) == 1
    assert shown(replace(CONTEST, reopens_at=None, _by_code={})) == 2
    assert shown(replace(CONTEST, rounds=(), _by_code={})) == 0
