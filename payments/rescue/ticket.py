"""Numbers of tickets as people tell each other: with a check digit, so that a slip of the tongue is no other ticket."""

from typing import Final

from gateway.values.check_digit import holds, with_check_digit

_DIGITS_MAX: Final = 19


def ticket_number(ticket_id: int) -> str:
    """What the voter is told and staff see."""
    return with_check_digit(str(ticket_id))


def read_ticket(told: str) -> int | None:
    """The id of the ticket with this number; None for what is no such number."""
    digits = told.strip()
    if len(digits) > _DIGITS_MAX or digits.startswith("0") or not holds(digits):
        return None
    return int(digits[:-1])
