"""What stands against certifying a result."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.result.rules import Line, Open, Standing, lines_of
from gateway.contests.contest import Contest, ContestState
from gateway.contests.rounds import Round
from tests.demo import demo_contest

END = datetime(2026, 11, 23, 20, tzinfo=UTC)
LAST = END + timedelta(minutes=10)
SECOND = timedelta(seconds=1)
CLEAN = Standing(
    entries=7, logged=7, size=9, signed=9, pending=0, held=0, provisional=0, requests=0, disputes=0, differences=0
)


def contest(**values: Any) -> Contest:
    opens = END - timedelta(days=9)
    made = replace(demo_contest(), opens_at=opens, closes_at=END, late_seconds=600, _by_code={})
    return replace(made, **values, _by_code={})


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
            (contest(), replace(CLEAN, **{what.value: 3}), LAST + SECOND, [Line(what, False, 3)])
            for what in (Open.PENDING, Open.HELD, Open.PROVISIONAL, Open.REQUESTS, Open.DISPUTES, Open.DIFFERENCES)
        ),
        (contest(), replace(CLEAN, entries=8), LAST + SECOND, [Line(Open.LOG, False, 1)]),
        (contest(), replace(CLEAN, signed=8), LAST + SECOND, [Line(Open.LOG, False)]),
        (contest(), replace(CLEAN, entries=0, logged=0, size=0, signed=0), LAST + SECOND, [Line(Open.LOG, False)]),
    ],
)
def test_what_must_be_none_is_listed(of: Contest, standing: Standing, now: datetime, left: list[Line]) -> None:
    lines = lines_of(of, standing, now)
    assert [line for line in lines if not line.done] == left
    assert len(lines) == (1 if of.state is ContestState.DRAFT else len(Open) - 1)
