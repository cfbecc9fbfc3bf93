"""Receipt codes: ten characters, the last of which finds every ordinary mistake."""

import itertools
import random
from uuid import UUID, uuid4

import pytest

from gateway.orders.receipt import ALPHABET, RANDOM_BITS, make_receipt, order_code, read_receipt


def test_reads_what_it_makes() -> None:
    for bits in (0, 1, (1 << RANDOM_BITS) - 1, 123_456_789_012):
        code = make_receipt(bits)
        assert len(code) == 10
        assert read_receipt(code) == code


def test_every_wrong_character_is_found() -> None:
    code = make_receipt(random.Random(7).getrandbits(RANDOM_BITS))
    for place, wrong in itertools.product(range(10), ALPHABET):
        if wrong != code[place]:
            assert read_receipt(code[:place] + wrong + code[place + 1 :]) is None


def test_every_swap_is_found() -> None:
    code = make_receipt(random.Random(11).getrandbits(RANDOM_BITS))
    for a, b in itertools.combinations(range(10), 2):
        swapped = list(code)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        if code[a] != code[b]:
            assert read_receipt("".join(swapped)) is None


def test_typed_forms_mean_the_same() -> None:
    code = make_receipt(5_000_000_001)
    spoken = f" {code[:5]}-{code[5:]} ".lower().replace("0", "o").replace("1", "l")
    assert read_receipt(spoken) == code


@pytest.mark.parametrize("typed", ["", "SHORT", "0" * 11, "ÀÀÀÀÀÀÀÀÀÀ", "UUUUUUUUUU", "💥" * 10])
def test_other_text_is_no_receipt(typed: str) -> None:
    assert read_receipt(typed) is None


def test_order_code_fits_every_operator() -> None:
    codes = {order_code(uuid4()) for _ in range(2000)}
    assert len(codes) == 2000
    assert all(4 <= len(code) <= 20 and code.isalnum() and code.isupper() for code in codes)
    reference = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
    assert order_code(reference) == order_code(reference)
