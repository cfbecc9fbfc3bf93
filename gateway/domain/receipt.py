"""Codes that people read out and type: the receipt, and the order code that operators show.

Alphabet: Crockford's base 32 (no I, L, O, U). A receipt is nine random characters (45 bits) and a
check character over GF(32), which finds every single wrong character and every swap of two.
"""

from typing import Final
from uuid import UUID

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECEIPT_LENGTH: Final = 10
RANDOM_BITS: Final = 45
_VALUES: Final = {c: i for i, c in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
# x^5 + x^2 + 1 is primitive over GF(2), so the nine weights are all different.
_POLYNOMIAL: Final = 0b100101


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value & 0b100000 else value


def _check_value(values: list[int]) -> int:
    total = 0
    for value in values:
        total = _times_x(total ^ value)
    return total


def make_receipt(random_bits: int) -> str:
    """The receipt code made of 45 random bits."""
    values = [(random_bits >> (5 * i)) & 31 for i in reversed(range(RECEIPT_LENGTH - 1))]
    return "".join(ALPHABET[v] for v in (*values, _check_value(values)))


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
    bits = reference.int & ((1 << 60) - 1)
    return "SP" + "".join(ALPHABET[(bits >> (5 * i)) & 31] for i in reversed(range(12)))
