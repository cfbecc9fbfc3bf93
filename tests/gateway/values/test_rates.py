"""Token buckets, accounts that slow down, and how much of what is tried is tried again."""

import pytest

from gateway.values.rates import Buckets, Pace, Rate, Tries, rate_left


@pytest.mark.parametrize(
    ("rate", "moments", "taken"),
    [
        (Rate(1, 1), [0.0, 0.5, 1.0, 1.9, 2.0], [True, False, True, False, True]),
        (Rate(2, 3), [0.0] * 5, [True] * 3 + [False] * 2),
        (Rate(2, 3), [0.0] * 3 + [0.5, 0.5, 1.0], [True] * 3 + [True, False, True]),
        (Rate(0.1, 3), [0.0] * 4 + [9.9, 10.0, 1000.0, 1000.0], [True] * 3 + [False, False, True, True, True]),
    ],
)
def test_so_many_at_once_and_so_many_a_second(rate: Rate, moments: list[float], taken: list[bool]) -> None:
    buckets = Buckets(rate)
    assert [buckets.take("one", 1e6 + at) for at in moments] == taken


def test_each_name_has_its_own() -> None:
    buckets = Buckets(Rate(1, 1))
    assert [buckets.take(name, 0.0) for name in "aabba"] == [True, False, True, False, False]


def test_names_beyond_the_most_are_not_limited_until_others_are_full_again() -> None:
    buckets = Buckets(Rate(1, 1), names_max=2)
    assert [buckets.take(name, 0.0) for name in ("a", "b", "c", "c", "a")] == [True, True, True, True, False]
    assert [buckets.take(name, 2.0) for name in ("c", "c")] == [True, False]
    assert len(buckets._full_at) <= 2


NOW = 1_000.0


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        (0, 0.9),
        (4.9, 0.9),
        (5, 1.0),
        (1e9, 1.0),
    ],
)
def test_a_tenth_for_five_seconds(seconds: float, share: float) -> None:
    assert Pace().slower(NOW).at(NOW + seconds) == share


@pytest.mark.parametrize(
    ("slowed", "share"),
    [
        # Calls that were in progress report it too.
        ([0, 0.2, 0.9], 0.9),
        ([0, 1], 0.675),
        ([0, 1, 2], 0.50625),
        ([0, 6], 0.9),
        ([0, 1, 2, 7], 0.545625),
        (list(range(0, 200, 2)), 2.0**-10),
    ],
)
def test_slowed_down_again(slowed: list[float], share: float) -> None:
    pace = Pace()
    for seconds in slowed:
        pace = pace.slower(NOW + seconds)
    assert pace.at(NOW + slowed[-1]) == pytest.approx(share)


def test_what_was_lost_comes_back_by_steps() -> None:
    pace = Pace(0.5, NOW)
    assert [pace.at(NOW + seconds) for seconds in (0, 4, 5, 9, 10, 15, 20, 25, 60)] == [
        0.5, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0,
    ]  # fmt: skip


def test_without_a_slow_down_the_whole_rate_is_there() -> None:
    assert Pace().at(NOW) == 1.0


@pytest.mark.parametrize(
    ("per_second", "share", "left"),
    [
        (10, 1.0, 10),
        (10, 0.9, 9),
        (30, 0.9, 27),
        (10, 0.5, 5),
        (10, 0.125, 1),
        (10, 2.0**-10, 1),
        (1, 0.5, 1),
        (3, 0.5, 1),
        (5, 0.625, 3),
    ],
)
def test_never_less_than_one_a_second(per_second: int, share: float, left: int) -> None:
    assert rate_left(per_second, share) == left


def tried(first: int, again: int, at: float = NOW) -> Tries:
    tries = Tries()
    for number in range(first + again):
        tries = tries.after(at, again=number >= first)
    return tries


@pytest.mark.parametrize(
    ("tries", "now", "may"),
    [
        (Tries(), NOW, True),
        # Ten a minute in any case.
        (tried(0, 9), NOW, True),
        (tried(0, 10), NOW, False),
        (tried(100, 10), NOW, False),
        # Beyond that a tenth of the first tries.
        (tried(109, 10), NOW, False),
        (tried(110, 10), NOW, True),
        (tried(1000, 99), NOW, True),
        (tried(1000, 100), NOW, False),
        # Of the last minute.
        (tried(0, 10), NOW + 59, False),
        (tried(0, 10), NOW + 60, True),
        (tried(1000, 99).after(NOW + 60, again=False), NOW + 60, True),
    ],
)
def test_a_tenth_may_be_tried_again(tries: Tries, now: float, may: bool) -> None:
    assert tries.may_repeat(now) is may


def test_what_is_kept_stays_small() -> None:
    tries = Tries()
    for number in range(5_000):
        tries = tries.after(number / 10, again=number % 20 == 0)
    assert len(tries.seconds) == 60
