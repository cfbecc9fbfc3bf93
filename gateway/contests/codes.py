"""Candidates' codes: which may be given, which is given next, and what a wrong one is.

A code that was a candidate's once is never another one's in its contest, also after that candidate was withdrawn. In a
contest with check digits a mistyped code names no candidate, so it never votes for another one.
"""

from collections.abc import Collection, Iterator
from enum import StrEnum
from itertools import combinations, islice
from typing import Final

from gateway.contests.contest import RESERVED_START, Contest, is_code
from gateway.values import check_digit

DIGITS_MIN: Final = 2
DIGITS_MAX: Final = 6


class CodeFault(StrEnum):
    """Why a typed code names no candidate. Each has a phrase, see `phrase_of`."""

    UNKNOWN = "unknown_candidate"
    MISTYPED = "mistyped_code"


class FormFault(StrEnum):
    """Why a code must not be given to a candidate."""

    NOT_DIGITS = "is not made of the digits 0 to 9"
    MENU_CHOICE = "has one digit, which on a screen is a choice of the menu"
    TOO_LONG = "has more than six digits"
    HOME = "begins with 00, which leads to the first screen"
    CHECK_DIGIT = "does not end in its check digit"


class CodesUsedUp(Exception):
    """Every code of this width is or was a candidate's."""


def code_fault(contest: Contest, typed: str) -> CodeFault | None:
    """Why no candidate has this code: MISTYPED where its check digit is wrong, else UNKNOWN. None when a candidate has
    or had it."""
    if contest.candidate(typed) is not None:
        return None
    if contest.check_digits and not check_digit.holds(typed):
        return CodeFault.MISTYPED
    return CodeFault.UNKNOWN


def phrase_of(fault: CodeFault) -> str:
    """Key of the voter's sentence; it takes `code`."""
    return f"refusal.{fault.value}"


def form_fault(code: str, *, check_digits: bool) -> FormFault | None:
    """Why this cannot be a code of a contest with or without check digits; None when it can."""
    if not (code.isascii() and code.isdecimal()):
        return FormFault.NOT_DIGITS
    if len(code) < DIGITS_MIN:
        return FormFault.MENU_CHOICE
    if len(code) > DIGITS_MAX:
        return FormFault.TOO_LONG
    if code.startswith(RESERVED_START):
        return FormFault.HOME
    if check_digits and not check_digit.holds(code):
        return FormFault.CHECK_DIGIT
    return None


def next_code(used: Collection[str], width: int, *, check_digits: bool) -> str:
    """The lowest free code of this width, its check digit included. `used`: every code that the
    contest ever gave. CodesUsedUp when none is left; ValueError for a width that no code has."""
    if not DIGITS_MIN <= width <= DIGITS_MAX:
        raise ValueError(f"a code has {DIGITS_MIN} to {DIGITS_MAX} digits")
    for code in _free(frozenset(used), width, check_digits=check_digits):
        return code
    raise CodesUsedUp(f"no code of {width} digits is left")


def free_codes(used: Collection[str], count: int, *, check_digits: bool) -> list[str]:
    """So many free codes, the lowest first: as wide as the widest so far, wider ones where that has too few left.
    CodesUsedUp when not even six digits have as many."""
    taken = frozenset(used)
    for width in range(usual_width(used, check_digits=check_digits), DIGITS_MAX + 1):
        found = list(islice(_free(taken, width, check_digits=check_digits), count))
        if len(found) == count:
            return found
    raise CodesUsedUp(f"not as many codes as {count} are left")


def _free(taken: frozenset[str], width: int, *, check_digits: bool) -> Iterator[str]:
    for code in _every(width, check_digits=check_digits):
        if code not in taken and form_fault(code, check_digits=check_digits) is None:
            yield code


def _every(width: int, *, check_digits: bool) -> Iterator[str]:
    own = width - 1 if check_digits else width
    for number in range(1, 10**own):
        digits = f"{number:0{own}d}"
        yield check_digit.with_check_digit(digits) if check_digits else digits


def usual_width(codes: Collection[str], *, check_digits: bool) -> int:
    """How wide the next code should be: as wide as the widest so far."""
    given = (len(code) for code in codes if is_code(code))
    return max(given, default=DIGITS_MIN + check_digits)


def one_slip_apart(codes: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of codes that one wrong digit, or one swap of two neighbours, turns into each other."""
    return [(one, other) for one, other in combinations(sorted(codes), 2) if _one_slip(one, other)]


def _one_slip(one: str, other: str) -> bool:
    if len(one) != len(other):
        return False
    places = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(places) == 1:
        return True
    if len(places) != 2 or places[1] != places[0] + 1:
        return False
    first, second = places
    return one[first] == other[second] and one[second] == other[first]
