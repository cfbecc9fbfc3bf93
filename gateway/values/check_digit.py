"""A check digit that finds every single wrong digit and every swap of two neighbours.

Source: H. Michael Damm, "Total anti-symmetrische Quasigruppen", Marburg 2004: a quasigroup of
order 10 in which a product changes with any one factor and with the order of two. The digit makes
the product of the whole code 0.
"""

from typing import Final

_PRODUCTS: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def _product(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"not ASCII digits: {digits!r}")
    product = 0
    for digit in digits:
        product = _PRODUCTS[product][int(digit)]
    return product


def with_check_digit(digits: str) -> str:
    """These digits and their check digit. ValueError unless they are ASCII digits."""
    return f"{digits}{_product(digits)}"


def holds(code: str) -> bool:
    """Whether the last digit is the check digit of those before it; False for what is no code."""
    return len(code) > 1 and code.isascii() and code.isdecimal() and _product(code) == 0
