"""When an account is closed, for how long, and how it comes back."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.breaker import Health, Window, at_once, closing_seconds, failing, longer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGES_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def window(*calls: tuple[float, bool]) -> Window:
    held = Window()
    for at, failed in calls:
        held = held.after(at, failed=failed)
    return held


def calls(good: int, bad: int, at: float = 0.0) -> Window:
    return window(*[(at, False)] * good, *[(at, True)] * bad)


@pytest.mark.parametrize(
    ("windows", "now", "closes"),
    [
        ([], 0, False),
        ([calls(0, 19)], 0, False),
        ([calls(0, 20)], 0, True),
        ([calls(10, 10)], 0, True),
        ([calls(11, 10)], 0, False),
        ([calls(100, 99)], 0, False),
        ([calls(0, 20, at=0.9)], 59.9, True),
        ([calls(0, 20)], 60, False),
        # Questions that are answered say nothing of prompts that are not.
        ([calls(0, 20), calls(200, 0)], 0, True),
        # Too few of each kind, but nothing works any more.
        ([calls(0, 12), calls(0, 8)], 0, True),
        ([calls(0, 12), calls(13, 0)], 0, False),
    ],
)
def test_failing(windows: list[Window], now: float, closes: bool) -> None:
    assert failing(windows, now) is closes


def test_a_window_forgets_and_stays_small() -> None:
    held = Window()
    for number in range(10_000):
        held = held.after(number / 10, failed=number % 2 == 0)
    assert len(held.seconds) == 60
    assert held.counts(999.9) == (600, 300)
    assert held.counts(2_000) == (0, 0)


@pytest.mark.parametrize(
    ("closed", "closed_seconds", "opened", "seconds"),
    [
        (None, 0, AGES_AGO, 15),
        (None, 120, AGES_AGO, 15),
        (None, 15, NOW - timedelta(seconds=300), 30),
        (None, 15, NOW - timedelta(seconds=301), 15),
        (None, 60, NOW - timedelta(seconds=20), 120),
        (None, 120, NOW, 120),
        (NOW + timedelta(seconds=5), 15, NOW, None),
        (NOW - timedelta(seconds=5), 15, NOW, None),
    ],
)
def test_for_how_long(closed: datetime | None, closed_seconds: int, opened: datetime, seconds: int | None) -> None:
    assert closing_seconds(Health(closed, closed_seconds, opened), NOW) == seconds


def test_each_vain_probe_doubles() -> None:
    held, seen = 0, []
    for _ in range(6):
        held = longer(held)
        seen.append(held)
    assert seen == [15, 30, 60, 120, 120, 120]


@pytest.mark.parametrize(
    ("seconds", "calls_at_once"), [(-1, 4), (0, 4), (2.9, 4), (3, 8), (6, 16), (17.9, 128), (18, 256), (1e9, 256)]
)
def test_what_waited_does_not_arrive_as_a_storm(seconds: float, calls_at_once: int) -> None:
    assert at_once(seconds, 256) == calls_at_once
