"""Which number may be a number of votes, where a glued number can be parted, and numbers in words."""

from collections.abc import Sequence
from typing import Final

from channels.grammar.commands import Vote
from channels.grammar.words import LARGER, MULTIPLIERS, NUMBERS
from gateway.contests.contest import Contest

QUANTITY_DIGITS_MAX: Final = 9
PHONE_DIGITS_MIN: Final = 8


def is_year(number: int, contest: Contest) -> bool:
    """Whether a number may be the year of the contest, or the one before it."""
    return contest.opens_at.year - 1 <= number <= contest.closes_at.year


def code_width(contest: Contest) -> int | None:
    """Digits of a code where all have as many."""
    widths = {len(candidate.code) for candidate in contest.candidates}
    return widths.pop() if len(widths) == 1 else None


def parted(number: str, contest: Contest) -> Vote | None:
    """`0705` as 07 and 5, where codes have one width and that part is the code of somebody who stands."""
    width = code_width(contest)
    if width is None or not number.isdigit() or not width < len(number) < PHONE_DIGITS_MIN:
        return None
    candidate, count = contest.candidate(number[:width]), int(number[width:])
    if candidate is None or not candidate.eligible or not 1 <= count <= contest.quantity_max:
        return None
    return Vote(contest, candidate.code, count)


def in_digits(tokens: Sequence[str]) -> list[str]:
    """The tokens with each number in words as digits: `quatre vingt douze` as 92, `five hundred` as 500."""
    found: list[str] = []
    said = list(tokens)
    while said:
        value, used = _spoken(said)
        found.append(str(value) if used else said[0])
        said = said[max(used, 1) :]
    return found


def _spoken(tokens: Sequence[str]) -> tuple[int, int]:
    """The number with which the tokens begin, and of how many it is made; none where they begin with a word."""
    total, part, used = 0, 0, 0
    for at, token in enumerate(tokens):
        small = NUMBERS.get(token) or LARGER.get(token)
        if small is not None:
            if token in ("VINGT", "VINGTS") and part % 100 == 4:
                part += 76
            elif _may_follow(part % 100, small):
                part += small
            else:
                break
        elif token in MULTIPLIERS:
            times = MULTIPLIERS[token]
            if times == 100:
                part = (part or 1) * times
            else:
                total, part = total + (part or 1) * times, 0
        elif token in ("ET", "AND") and used == at > 0:
            continue
        else:
            break
        used = at + 1
    return total + part, used


def _may_follow(tens: int, small: int) -> bool:
    """Whether `small` goes on a number that ends in `tens`: `vingt deux`, `soixante douze`, never `cinq sept`."""
    if small < 10:
        return tens % 10 == 0
    return tens in (0, 60, 80) if small < 20 else tens == 0
