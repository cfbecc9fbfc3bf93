"""Codes that people read out and type: the receipt, and the order code that operators show.

Alphabet: Crockford's base 32 (no I, L, O, U). A receipt is nine random characters (45 bits) and a
check character over GF(32), which finds every single wrong character and every swap of two.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECEIPT_LENGTH: Final = 10
RANDOM_BITS: Final = 45
_VALUES: Final = {c: i for i, c in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
# x^5 + x^2 + 1 is primitive over GF(2), so the nine weights are all different.
_POLYNOMIAL: Final = 0b100101
# The value times x, for each value of the field.
_TIMES_X: Final = tuple((v << 1) ^ _POLYNOMIAL if v & 0b10000 else v << 1 for v in range(32))
# Ten bits as two characters: every order has two codes, and is sold while a host shouts.
_PAIRS: Final = tuple(first + second for first in ALPHABET for second in ALPHABET)


def _check_value(values: Iterable[int]) -> int:
    total = 0
    for value in values:
        total = _TIMES_X[total ^ value]
    return total


def _shares(pairs_behind: int) -> tuple[int, ...]:
    """What each pair adds to the check value with so many pairs behind it: a sum over GF(32) is one of shares."""
    return tuple(_check_value([pair >> 5, pair & 31, *[0, 0] * pairs_behind]) for pair in range(1024))


_LAST, _FOURTH, _THIRD, _SECOND, _FIRST = (_shares(behind) for behind in range(5))


def make_receipt(random_bits: int) -> str:
    """The receipt code made of 45 random bits."""
    first, second, third = random_bits >> 40 & 31, random_bits >> 30 & 1023, random_bits >> 20 & 1023
    fourth, last = random_bits >> 10 & 1023, random_bits & 1023
    check = ALPHABET[_FIRST[first] ^ _SECOND[second] ^ _THIRD[third] ^ _FOURTH[fourth] ^ _LAST[last]]
    return f"{ALPHABET[first]}{_PAIRS[second]}{_PAIRS[third]}{_PAIRS[fourth]}{_PAIRS[last]}{check}"


def read_receipt(text: str) -> str | None:
    """The code as we write it, from what a person typed; None when its check does not hold."""
    typed = text.strip().upper().replace("-", "").replace(" ", "")
    if len(typed) != RECEIPT_LENGTH or any(c not in _VALUES for c in typed):
        return None
    values = [_VALUES[c] for c in typed]
    if _check_value(values[:-1]) != values[-1]:
        return None
    return "".join(ALPHABET[v] for v in values)


def order_code(reference: UUID) -> str:
    """What operators show beside a payment: `SP` and twelve characters, made from our reference."""
    bits = reference.int
    first = f"{_PAIRS[bits >> 50 & 1023]}{_PAIRS[bits >> 40 & 1023]}{_PAIRS[bits >> 30 & 1023]}"
    return f"SP{first}{_PAIRS[bits >> 20 & 1023]}{_PAIRS[bits >> 10 & 1023]}{_PAIRS[bits & 1023]}"
