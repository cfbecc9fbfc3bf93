"""When a circuit opens, for how long, and how it closes."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.accounts.breaker import CallOutcome, Health, Window, after_failure, after_probe, at_once, failing, longer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGES_AGO = datetime(1970, 1, 1, tzinfo=UTC)


ANSWERED, SLOW, THROTTLED, FAILED = CallOutcome


def window(*calls: tuple[float, CallOutcome]) -> Window:
    held = Window()
    for at, went in calls:
        held = held.after(at, went)
    return held


def calls(good: int, bad: int, at: float = 0.0) -> Window:
    return window(*[(at, ANSWERED)] * good, *[(at, FAILED)] * bad)


def spread(*went: CallOutcome, apart: float) -> Window:
    return window(*((number * apart, how) for number, how in enumerate(went)))


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
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
def test_failing(windows: list[Window], now: float, opens: bool) -> None:
    assert failing(windows, now) is opens


@pytest.mark.parametrize("how", [SLOW, THROTTLED, FAILED])
def test_what_is_no_good_answer_is_a_failure_among_many(how: CallOutcome) -> None:
    assert failing([window(*[(0.0, how)] * 10, *[(0.0, ANSWERED)] * 10)], 0)


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        # Four in a row over any time, or five within half a minute, may be bad luck.
        ([spread(*[FAILED] * 4, apart=600)], 1800, False),
        ([spread(*[FAILED] * 5, apart=7.4)], 600, False),
        ([spread(*[FAILED] * 5, apart=7.5)], 30, True),
        ([spread(*[FAILED] * 5, apart=3600)], 14_400, True),
        ([spread(*[FAILED] * 6, apart=6)], 30, True),
        # An operator that answers is there, late or busy or not.
        ([spread(FAILED, FAILED, FAILED, FAILED, ANSWERED, FAILED, apart=10)], 50, False),
        ([spread(FAILED, FAILED, FAILED, FAILED, SLOW, FAILED, apart=10)], 50, False),
        ([spread(FAILED, FAILED, FAILED, FAILED, THROTTLED, FAILED, apart=10)], 50, False),
        ([spread(*[THROTTLED] * 9, apart=10)], 80, False),
        ([spread(ANSWERED, *[FAILED] * 5, apart=10)], 50, True),
        # Of one kind: questions that are answered do not end a row of prompts that are not.
        ([spread(*[FAILED] * 5, apart=10), spread(*[ANSWERED] * 15, apart=3)], 45, True),
        ([spread(*[FAILED] * 3, apart=10), spread(*[FAILED] * 3, apart=10)], 20, False),
    ],
)
def test_few_calls_that_break_in_a_row(windows: list[Window], now: float, opens: bool) -> None:
    assert failing(windows, now) is opens


def test_a_window_forgets_and_stays_small() -> None:
    held = Window()
    for number in range(10_000):
        held = held.after(number / 10, ANSWERED if number % 2 else FAILED)
    assert len(held.seconds) == 60
    assert held.counts(999.9) == (600, 300)
    assert held.counts(2_000) == (0, 0)


@pytest.mark.parametrize(
    ("until", "open_seconds", "changed", "seconds"),
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
def test_for_how_long(until: datetime | None, open_seconds: int, changed: datetime, seconds: int | None) -> None:
    assert after_failure(Health(until, open_seconds, changed), NOW) == seconds


@pytest.mark.parametrize(
    ("until", "open_seconds", "alive", "seconds"),
    [
        (NOW, 15, True, 0),
        (NOW, 15, False, 30),
        (NOW, 120, False, 120),
        # Another process closed it meanwhile.
        (None, 15, True, None),
        (None, 15, False, None),
    ],
)
def test_after_a_probe(until: datetime | None, open_seconds: int, alive: bool, seconds: int | None) -> None:
    assert after_probe(Health(until, open_seconds, NOW), alive=alive) == seconds


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
