"""Stripe's test cards: what becomes of a payment by each.

Source: Stripe's page on testing. A real number is refused: these pages are never shown to a real bank.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Card:
    """`decline`: the reason, empty where it is paid. `challenge`: the bank asks the payer first (3-D Secure).
    `disputed`: the payer goes to the bank afterwards."""

    decline: str = ""
    challenge: bool = False
    disputed: bool = False


CARDS: Final = MappingProxyType(
    {
        "4242424242424242": Card(),
        "5555555555554444": Card(),
        "4000000000000002": Card("card_declined"),
        "4000000000009995": Card("insufficient_funds"),
        "4000000000000069": Card("expired_card"),
        "4000000000000127": Card("incorrect_cvc"),
        "4000000000000119": Card("processing_error"),
        "4000002760003184": Card(challenge=True),
        "4000008400001629": Card("card_declined", challenge=True),
        "4000000000000259": Card(disputed=True),
    }
)
SHOWN: Final = (
    ("4242424242424242", "paid"),
    ("4000000000000002", "declined"),
    ("4000000000009995", "no_funds"),
    ("4000002760003184", "challenge"),
    ("4000000000000259", "disputed"),
)
"""Cards that the page offers, and the word for what each does."""
_EXPIRY: Final = re.compile(r"(0[1-9]|1[0-2])\s*/?\s*(?:20)?(\d{2})", re.ASCII)


def read_card(number: str, expiry: str, cvc: str, now: tuple[int, int]) -> Card | str:
    """The card that was typed, or what is wrong with it. `now`: year and month."""
    digits = re.sub(r"[\s-]", "", number)
    if not re.fullmatch(r"\d{12,19}", digits, re.ASCII) or not _fits(digits):
        return "incorrect_number"
    until = _EXPIRY.fullmatch(expiry.strip())
    if until is None or (2000 + int(until[2]), int(until[1])) < now:
        return "invalid_expiry"
    if not re.fullmatch(r"\d{3,4}", cvc.strip(), re.ASCII):
        return "invalid_cvc"
    return CARDS.get(digits, "not_a_test_card")


def _fits(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
