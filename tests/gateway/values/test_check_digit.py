"""Damm's promise, tried on every code of up to four digits."""

from itertools import product

import pytest

from gateway.values.check_digit import holds, with_check_digit

CODES = [with_check_digit("".join(digits)) for width in (1, 2, 3) for digits in product("0123456789", repeat=width)]


def test_the_published_example() -> None:
    assert with_check_digit("572") == "5724"
    assert holds("5724")
    assert not holds("5727")


def test_every_code_holds() -> None:
    assert len(CODES) == 1110
    assert all(holds(code) for code in CODES)


def test_every_wrong_digit_is_found() -> None:
    for code in CODES:
        for place, right in enumerate(code):
            for wrong in set("0123456789") - {right}:
                assert not holds(code[:place] + wrong + code[place + 1 :])


def test_every_swap_of_neighbours_is_found() -> None:
    for code in CODES:
        for place in range(len(code) - 1):
            one, other = code[place], code[place + 1]
            if one != other:
                assert not holds(code[:place] + other + one + code[place + 2 :])


@pytest.mark.parametrize("text", ["", "0", "7", "5724x", "٥٧٢٤", "57 24", "-5724"])
def test_what_is_no_code_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize("text", ["5a", "٥٧٢", " 1"])
def test_only_digits_get_a_check_digit(text: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        with_check_digit(text)
