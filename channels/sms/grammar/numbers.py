"""Which number may be a number of votes, and where a glued number can be parted."""

from typing import Final

from channels.sms.grammar.commands import Vote
from gateway.domain.contest import Contest

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
    if candidate is None or not candidate.standing or not 1 <= count <= contest.quantity_max:
        return None
    return Vote(contest, candidate.code, count)
