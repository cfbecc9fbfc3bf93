"""Token buckets: how many at once, how many after a time, and no memory without end."""

import pytest

from gateway.values.buckets import Buckets, Rate


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


def test_names_beyond_the_most_are_not_told_apart_until_others_are_full_again() -> None:
    buckets = Buckets(Rate(1, 1), names_max=2)
    assert [buckets.take(name, 0.0) for name in ("a", "b", "c", "c", "a")] == [True, True, True, True, False]
    assert [buckets.take(name, 2.0) for name in ("c", "c")] == [True, False]
    assert len(buckets._full_at) <= 2
