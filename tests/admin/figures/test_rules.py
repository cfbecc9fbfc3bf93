"""Spans, days, places, and scales."""

from datetime import UTC, datetime, timedelta

import pytest

from admin.figures.rules import (
    HOUR,
    MINUTE,
    Cover,
    Waiting,
    by_urgency,
    cover,
    day_start,
    filled,
    known_span,
    month_start,
    moved,
    nice_top,
    pace_of,
    ranks,
    share,
)


def at(hour: int, minute: int = 0, second: int = 0, day: int = 21) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


LONG_AGO = at(20) - timedelta(days=91)


@pytest.mark.parametrize(
    ("since", "until", "covered"),
    [
        # Whole hours; an end within a minute takes the whole minute.
        (at(20), at(22), Cover(at(20), at(20), at(22), at(22))),
        (at(20, 15), at(22, 30, 1), Cover(at(20, 15), at(21), at(22), at(22, 31))),
        # No whole hour is within.
        (at(20, 15), at(20, 45), Cover(at(20, 15), at(20, 45), at(20, 45), at(20, 45))),
        (at(20, 15), at(21, 45), Cover(at(20, 15), at(21, 45), at(21, 45), at(21, 45))),
        (at(20), at(20), Cover(at(20), at(20), at(20), at(20))),
    ],
)
def test_a_span_is_covered(since: datetime, until: datetime, covered: Cover) -> None:
    assert cover(since, until) == covered


@pytest.mark.parametrize(
    ("since", "until", "known"),
    [
        (at(20, 15), at(20, 45), (at(20, 15), at(20, 45))),
        (LONG_AGO + 15 * MINUTE, LONG_AGO + 45 * MINUTE, (LONG_AGO, LONG_AGO + HOUR)),
        (LONG_AGO, LONG_AGO + HOUR, (LONG_AGO, LONG_AGO + HOUR)),
        (LONG_AGO + 15 * MINUTE, at(20, 45), (LONG_AGO, at(20, 45))),
    ],
)
def test_long_ago_is_known_by_whole_hours(since: datetime, until: datetime, known: tuple[datetime, datetime]) -> None:
    assert known_span(since, until, at(21, 30)) == known


def test_days_and_months_begin_by_the_clocks_of_the_contest() -> None:
    late = at(23, 30)
    assert day_start(late, "Africa/Abidjan") == at(0)
    assert day_start(late, "Africa/Douala") == at(23)
    assert month_start(late, "Africa/Douala") == datetime(2026, 10, 31, 23, tzinfo=UTC)


def test_every_interval_of_a_span_has_a_value() -> None:
    assert filled({at(20, 1): 7}, at(20, 0, 30), at(20, 2, 30), MINUTE) == [(at(20), 0), (at(20, 1), 7), (at(20, 2), 0)]
    assert filled({}, at(20), at(22), HOUR) == [(at(20), 0), (at(21), 0)]
    assert filled({}, at(0), at(0), timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("by_minute", "pace"),
    [
        ({}, 0),
        ({at(20, 4): 100}, 0),
        ({at(20, 5): 60}, 40),
        ({at(20, 6): 30}, 20),
        ({at(20, 5): 60, at(20, 6): 30}, 60),
    ],
)
def test_the_pace_of_now(by_minute: dict[datetime, int], pace: int) -> None:
    assert pace_of(by_minute, at(20, 6, 30)) == pace


def test_places_and_who_moved() -> None:
    now = {"01": 10, "02": 10, "03": 7, "04": 0}
    assert ranks(now) == {"01": 1, "02": 1, "03": 3, "04": 4}
    # An hour ago 03 led with 6, and 02 had none.
    assert moved(now, {"01": 5, "02": 10, "03": 1}, 27) == {"01": 1, "02": 2, "03": -2, "04": -1}
    assert moved({"01": 3, "02": 1}, {"01": 3, "02": 1}, 4) == {"01": 0, "02": 0}
    assert moved({"01": 0, "02": 4}, {"01": 5}, 6) == {"01": 0, "02": 0}  # a ranking that is behind
    assert moved({"01": 9, "02": 4}, {"01": 6, "02": 4}, 10) == {"01": 0, "02": 0}  # figures that are behind


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(1, 3, 33), (2, 2, 100), (0, 5, 0), (0, 0, None), (1, -1, None)]
)
def test_a_share(part: int, whole: int, percent: int | None) -> None:
    assert share(part, whole) == percent


@pytest.mark.parametrize(
    ("values", "top"),
    [([], 1), ([0], 1), ([-3], 1), ([3], 3), ([7, 10], 10), ([7], 8), ([101], 200), ([2094], 3000), ([801], 1000)],
)
def test_the_top_of_a_scale_is_round(values: list[int], top: int) -> None:
    assert nice_top(values) == top


def test_what_is_bad_waits_first() -> None:
    found = [Waiting("tickets", 2, "/t"), Waiting("held", 0, "/h", bad=True), Waiting("differences", 1, "/d", bad=True)]
    assert [one.about for one in by_urgency(found)] == ["differences", "tickets"]
