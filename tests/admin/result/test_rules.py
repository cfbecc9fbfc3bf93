"""What stands against certifying a result."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from admin.result.rules import Line, Open, Standing, lines_of, undecided_points
from gateway.contests.contest import Contest, ContestState
from gateway.contests.jury import Sheet, SheetStatus
from gateway.contests.rounds import Round
from tests.demo import demo_contest

END = datetime(2026, 11, 23, 20, tzinfo=UTC)
LAST = END + timedelta(minutes=10)
SECOND = timedelta(seconds=1)
CLEAN = Standing(
    7, 7, 9, 9, unlogged=0, pending=0, held=0, provisional=0, requests=0, disputes=0, differences=0, jury=0
)


def contest(**values: Any) -> Contest:
    opens = END - timedelta(days=9)
    made = replace(demo_contest(), opens_at=opens, closes_at=END, late_seconds=600, _by_code={})
    return replace(made, **values, _by_code={})


def having(**values: Any) -> Standing:
    return replace(CLEAN, **values)


EARLY = (Round(1, "Final", END - timedelta(days=9), END - timedelta(days=1)),)


@pytest.mark.parametrize(
    ("of", "standing", "now", "left"),
    [
        (contest(), CLEAN, LAST + SECOND, []),
        (contest(), CLEAN, LAST, [Line(Open.LATE, False, until=LAST)]),
        (contest(), CLEAN, END - SECOND, [Line(Open.VOTING, False, until=END), Line(Open.LATE, False)]),
        (contest(state=ContestState.DRAFT), CLEAN, LAST + SECOND, [Line(Open.DRAFT, False)]),
        (contest(state=ContestState.ARCHIVED), CLEAN, LAST + SECOND, []),
        # Called off before its end: what was ordered may still be paid.
        (
            contest(state=ContestState.ARCHIVED),
            CLEAN,
            END - SECOND,
            [Line(Open.VOTING, False, until=END), Line(Open.LATE, False)],
        ),
        # The last round may end before the contest.
        (contest(rounds=EARLY), CLEAN, END - timedelta(hours=1), []),
        *(
            (contest(), having(**{what.value: 3}), LAST + SECOND, [Line(what, False, 3)])
            for what in (Open.PENDING, Open.HELD, Open.PROVISIONAL, Open.REQUESTS, Open.DISPUTES, Open.DIFFERENCES)
        ),
        (contest(jury_percent=30), replace(CLEAN, jury=2), LAST + SECOND, [Line(Open.JURY, False, 2)]),
        (contest(), replace(CLEAN, entries=8), LAST + SECOND, [Line(Open.LOG, False, 1)]),
        (contest(), replace(CLEAN, unlogged=2), LAST + SECOND, [Line(Open.LOG, False, 2)]),
        (contest(), replace(CLEAN, rules_logged=False), LAST + SECOND, [Line(Open.LOG, False)]),
        (contest(), replace(CLEAN, signed=8), LAST + SECOND, [Line(Open.LOG, False)]),
        (contest(), replace(CLEAN, entries=0, logged=0, size=0, signed=0), LAST + SECOND, [Line(Open.LOG, False)]),
    ],
)
def test_what_must_be_none_is_listed(of: Contest, standing: Standing, now: datetime, left: list[Line]) -> None:
    lines = lines_of(of, standing, now)
    assert [line for line in lines if not line.done] == left
    assert len(lines) == (1 if of.state is ContestState.DRAFT else len(Open) - 2 + (of.jury_percent is not None))


def sheet(status: SheetStatus, category: str = "", number: int | None = None, of_round: int = 0) -> Sheet:
    return Sheet(uuid4(), of_round, category, 1, {"01": 5}, status, "awa@house.test", END, number=number)


@pytest.mark.parametrize(
    ("of", "sheets", "many"),
    [
        (contest(), [], 0),
        (contest(jury_percent=30), [], 1),
        (contest(jury_percent=30), [sheet(SheetStatus.CONFIRMED, number=1)], 0),
        (contest(jury_percent=30), [sheet(SheetStatus.WAITING)], 2),
        (contest(jury_percent=30), [sheet(SheetStatus.CONFIRMED, number=1), sheet(SheetStatus.WAITING)], 1),
        # Of an earlier round: the last one is judged, too.
        (contest(jury_percent=30, rounds=EARLY), [sheet(SheetStatus.CONFIRMED, number=1)], 1),
        (contest(jury_percent=30, rounds=EARLY), [sheet(SheetStatus.CONFIRMED, number=1, of_round=1)], 0),
        # Nobody stands in this category.
        (contest(jury_percent=30, categories=("Danse",)), [sheet(SheetStatus.CONFIRMED, number=1)], 0),
    ],
)
def test_the_points_of_a_jury_are_confirmed(of: Contest, sheets: list[Sheet], many: int) -> None:
    assert undecided_points(of, sheets) == many
