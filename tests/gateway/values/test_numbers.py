"""Numbers as they are typed."""

import pytest

from gateway.values.numbers import whole_number


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("7", 7),
        (" 007 ", 7),
        ("0", 0),
        ("999999999", 999_999_999),
        ("1000000000", None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1 000", None),
        ("1_000", None),
        ("²", None),
        ("٣", None),
        ("x", None),
    ],
)
def test_digits_of_ascii_alone_are_a_whole_number(typed: str, read: int | None) -> None:
    assert whole_number(typed) == read
