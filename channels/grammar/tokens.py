"""What the tokens of a text are: a candidate by code or name, a number of votes, a number in words."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from channels.grammar.commands import Vote
from channels.grammar.words import (
    BEFORE_CODE,
    LARGER,
    MULTIPLIERS,
    NUMBERS,
    has_digit,
    letters_as_digits,
    normal,
    tokens_of,
)
from gateway.contests.contest import Candidate, Contest

OPTIONS_MAX: Final = 3
_NAME_WORD_MIN: Final = 3
# Shorter words are like too many others, and so are words that share less than this.
_ALIKE_WORD_MIN: Final = 4
_ALIKE: Final = 0.8
PHONE_DIGITS_MIN: Final = 8


@lru_cache(maxsize=8192)
def name_tokens(name: str) -> tuple[str, ...]:
    """A name or a keyword as tokens of a normal text."""
    return tuple(tokens_of(normal(name)))


def find(part: Sequence[str], tokens: Sequence[str]) -> int | None:
    """Where these tokens follow each other."""
    if not part:
        return None
    places = range(len(tokens) - len(part) + 1)
    return next((at for at in places if list(tokens[at : at + len(part)]) == list(part)), None)


def by_code(typed: str, contest: Contest) -> tuple[Candidate | None, bool]:
    """Whose code this is, and whether it was typed exactly: `7` and `O7` are 07 when nothing else is.
    Only codes that exist are ever found, so a code with a mistyped check digit is never found."""
    if found := contest.candidate(typed):
        return found, True
    if not typed.isdigit():
        return contest.candidate(letters_as_digits(typed)), False
    value = typed.lstrip("0")
    alike = [c for c in contest.candidates if value and c.code.lstrip("0") == value]
    return (alike[0] if len(alike) == 1 else None), False


def by_name(tokens: Sequence[str], contest: Contest) -> tuple[Candidate, int, int] | None:
    """The candidate whose whole name is in the text, with its place; the longest name wins."""
    found: list[tuple[Candidate, int, int]] = []
    for candidate in contest.candidates:
        name = name_tokens(candidate.name)
        at = find(name, tokens)
        if at is not None and not BEFORE_CODE.issuperset(name) and not all(map(has_digit, name)):
            found.append((candidate, at, at + len(name)))
    found.sort(key=lambda place: place[1] - place[2])
    alike = len(found) > 1 and found[0][2] - found[0][1] == found[1][2] - found[1][1]
    return found[0] if found and not alike else None


def near(tokens: Sequence[str], contest: Contest) -> tuple[Candidate, ...]:
    """At most three eligible candidates whose name has most of these words, or else words like them."""
    words = _name_words(tokens)
    found = _sharing(words, contest)
    if not found:
        names = {word for c in contest.eligible for word in name_tokens(c.name) if len(word) >= _ALIKE_WORD_MIN}
        typed = [word for word in words - BEFORE_CODE if len(word) >= _ALIKE_WORD_MIN]
        found = _sharing(
            {like for word in typed for like in get_close_matches(word, sorted(names), 3, _ALIKE)}, contest
        )
    return found[:OPTIONS_MAX]


def sharing_a_word(tokens: Sequence[str], contest: Contest) -> tuple[Candidate, ...]:
    """The eligible candidates whose name has one of these words, letter by letter."""
    return _sharing(_name_words(tokens), contest)


def _name_words(tokens: Sequence[str]) -> set[str]:
    return {token for token in tokens if len(token) >= _NAME_WORD_MIN and not has_digit(token)}


def is_like(word: str, name: str) -> bool:
    """Whether this is a word of that name, or like one."""
    words = name_tokens(name)
    return word in words or (len(word) >= _ALIKE_WORD_MIN and bool(get_close_matches(word, words, 1, _ALIKE)))


def _sharing(words: set[str], contest: Contest) -> tuple[Candidate, ...]:
    shared = {c.code: len(words.intersection(name_tokens(c.name))) for c in contest.eligible}
    having = [c for c in contest.eligible if shared[c.code]]
    return tuple(sorted(having, key=lambda c: (-shared[c.code], c.code)))


def is_year(number: int, contest: Contest) -> bool:
    """Whether a number may be the year of the contest, or the one before it."""
    return contest.opens_at.year - 1 <= number <= contest.closes_at.year


def parted(number: str, contest: Contest) -> Vote | None:
    """`0705` as 07 and 5, where codes have one width and that part is the code of an eligible candidate."""
    widths = {len(candidate.code) for candidate in contest.candidates}
    width = next(iter(widths), 0)
    if len(widths) != 1 or not number.isdigit() or not width < len(number) < PHONE_DIGITS_MIN:
        return None
    candidate, count = contest.candidate(number[:width]), int(number[width:])
    if candidate is None or not candidate.eligible or not 1 <= count <= contest.quantity_max:
        return None
    return Vote(contest, candidate.code, count)


def in_digits(tokens: Sequence[str]) -> list[str]:
    """The tokens with each number in words as digits: `quatre vingt douze` as 92, `five hundred` as 500."""
    found: list[str] = []
    rest = list(tokens)
    while rest:
        value, used = _spoken(rest)
        found.append(str(value) if used else rest[0])
        rest = rest[max(used, 1) :]
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
