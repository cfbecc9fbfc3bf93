"""How far events are read, and the numbers that came late or never."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.rollups.rules import GAP_LIFE, Gap, Position, advance

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(seconds=5)
LONG_AGO = NOW - GAP_LIFE


@pytest.mark.parametrize(
    ("before", "read", "after"),
    [
        (Position(), [], Position()),
        (Position(), [1, 2, 3], Position(3)),
        (Position(), [3], Position(3, (Gap(1, 2, NOW),))),
        (Position(3), [4, 6, 9], Position(9, (Gap(5, 5, NOW), Gap(7, 8, NOW)))),
        # What was late came: whole, at the begin, at the end, in the middle.
        (Position(9, (Gap(5, 5, BEFORE),)), [5], Position(9)),
        (Position(9, (Gap(4, 6, BEFORE),)), [4], Position(9, (Gap(5, 6, BEFORE),))),
        (Position(9, (Gap(4, 6, BEFORE),)), [6], Position(9, (Gap(4, 5, BEFORE),))),
        (Position(9, (Gap(4, 8, BEFORE),)), [6, 10], Position(10, (Gap(4, 5, BEFORE), Gap(7, 8, BEFORE)))),
        (
            Position(9, (Gap(4, 6, BEFORE), Gap(8, 8, BEFORE))),
            [8, 5],
            Position(9, (Gap(4, 4, BEFORE), Gap(6, 6, BEFORE))),
        ),
        # A transaction that was undone is not awaited for ever.
        (Position(9, (Gap(4, 6, LONG_AGO), Gap(8, 8, BEFORE))), [], Position(9, (Gap(8, 8, BEFORE),))),
    ],
)
def test_a_position_advances(before: Position, read: list[int], after: Position) -> None:
    assert advance(before, read, NOW) == after
