"""What a text means: a pure function from text to command. Where money follows, ask, never guess.

`[VOTE|VOTER|V|<keyword>] <code> [x]<number>`, tolerant of case, accents, spaces, glued forms,
punctuation, emoji and digits of other scripts. One number is a vote only when it is a candidate's
code; three numbers, a price, a year or a phone number are a question back to the voter.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.contest import Candidate, Contest
from gateway.domain.receipt import RECEIPT_LENGTH, read_receipt

LENGTH_MAX: Final = 320
VOTE_LENGTH_MAX: Final = 160
QUANTITY_DIGITS_MAX: Final = 9
PHONE_DIGITS_MIN: Final = 8
OPTIONS_MAX: Final = 3
_NAME_WORD_MIN: Final = 3


class Word(StrEnum):
    """Commands that are one word."""

    HELP = "help"
    INFO = "info"
    STOP = "stop"
    START = "start"
    STATUS = "status"
    TOP = "top"


class Doubt(StrEnum):
    """Why a text is answered by a question."""

    WHAT = "what"
    WHICH_CONTEST = "which_contest"
    WHICH_CANDIDATE = "which_candidate"
    UNKNOWN_CODE = "unknown_code"
    NOT_STANDING = "not_standing"
    QUANTITY = "quantity"
    TOO_MANY = "too_many"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Vote:
    """So many votes for a candidate who stands."""

    contest: Contest
    code: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Not understood well enough to take money. `code`: the candidate's, or as typed where it is
    unknown. `options`: whom a name may mean."""

    doubt: Doubt
    contest: Contest | None = None
    code: str = ""
    options: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Is this receipt genuine? None: it is no receipt at all."""

    receipt: str | None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """A one-word command. `contest`: None when several are possible. `language`: the one that the
    word belongs to, None for a word of both."""

    word: Word
    contest: Contest | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Noise:
    """Nothing to answer."""


Command = Vote | Ask | Check | Say | Noise

_WORDS: Final[dict[str, tuple[Word, str | None]]] = {
    "AIDE": (Word.HELP, "fr"),
    "HELP": (Word.HELP, "en"),
    **dict.fromkeys(("INFO", "INFOS"), (Word.INFO, None)),
    "PRIX": (Word.INFO, "fr"),
    "PRICE": (Word.INFO, "en"),
    "STOP": (Word.STOP, None),
    **dict.fromkeys(("ARRET", "ARRETER", "ARRETEZ"), (Word.STOP, "fr")),
    "UNSUBSCRIBE": (Word.STOP, "en"),
    "START": (Word.START, None),
    "REPRENDRE": (Word.START, "fr"),
    **dict.fromkeys(("SOLDE", "STATUT"), (Word.STATUS, "fr")),
    "STATUS": (Word.STATUS, None),
    "TOP": (Word.TOP, None),
    "CLASSEMENT": (Word.TOP, "fr"),
    "RANKING": (Word.TOP, "en"),
}
_CHECKS: Final[dict[str, str | None]] = {"CHECK": None, "VERIFIER": "fr", "VERIFY": "en"}
_VERBS: Final = frozenset({"VOTE", "VOTER", "VOTEZ", "V"})
_INTENT: Final = _VERBS | {"VOTES", "VOIX"}
# Words that change nothing, by where they may stand: before the code, before the number, after it.
_BEFORE_CODE: Final = _VERBS | {"POUR", "FOR", "LE", "LA", "N", "NO", "NUM", "NUMERO", "CANDIDAT", "CANDIDATE", "CODE"}
_POLITE: Final = frozenset({"SVP", "STP", "MERCI", "PLEASE", "THANKS"})
_TIMES: Final = frozenset({"X", "FOIS", "TIMES"})
_AFTER_NUMBER: Final = _POLITE | _TIMES | {"VOTE", "VOTES", "VOIX"}
_PRICES: Final = frozenset({"F", "FR", "FRS", "FRANC", "FRANCS", "FCFA", "CFA", "XOF", "XAF", "EURO", "EUROS"})

# A minus with nothing before it and a digit after it: `07 -5`, where `07-5` and `07 - 5` only separate.
_MINUS: Final = re.compile(r"(?:(?<![^\W_])|(?<=[\s\d]X))-(?=\d)")
# First a word that would be a number but for its letters (`O7`), then numbers, then words.
_TOKEN: Final = re.compile(
    r"(?<![^\W_])(?=\d*[OIL])[\dOIL]*\d[\dOIL]*(?![^\W_])|-?\d+|[^\W\d_]+",
)
_NOT_A_RECEIPT: Final = re.compile(r"V(?:OTE[RZ]?)?\d+")
_DIGITS: Final = frozenset("0123456789")
_LETTERS_AS_DIGITS: Final = str.maketrans("OIL", "011")
# A letter that no word of ours has, so that a number in signs we cannot read is never overlooked.
_UNREADABLE_NUMBER: Final = "\u0241"
_DASHES: Final = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212")
_CROSSES: Final = frozenset("\u00d7\u2715\u2716")


def normal(line: str) -> str:
    """Upper-case letters without accents, ASCII digits, `-` for a minus, and spaces for the rest."""
    out = []
    for character in unicodedata.normalize("NFKD", line.replace("%20", " ")):
        category = unicodedata.category(character)
        if category == "Nd":
            out.append(str(unicodedata.decimal(character)))
        elif category[0] == "L":
            out.append(character.upper())
        elif category[0] == "N":
            out.append(_UNREADABLE_NUMBER)
        elif category[0] == "M" or (category == "Cf" and character != "\u200b"):
            continue
        elif category == "Sc":
            out.append(" F ")
        elif character in _CROSSES:
            out.append("X")
        else:
            out.append("-" if character in _DASHES else " ")
    marked = _MINUS.sub("~", "".join(out))
    return re.sub(r"\bV0TE", "VOTE", marked.replace("-", " ").replace("~", "-"))


def read(text: str, contests: Sequence[Contest]) -> Command:
    """What this text means to the contests that share its short code."""
    lines = [line for line in (normal(raw) for raw in text[:LENGTH_MAX].splitlines()) if _TOKEN.search(line)]
    if not lines or not contests:
        return Noise()
    if spoken := _spoken(lines[0], contests):
        return spoken
    first = _TOKEN.findall(lines[0])
    if len(lines) == 1:
        return _vote(first, contests) if len(text.strip()) <= VOTE_LENGTH_MAX else Noise()
    if len(lines[0]) > VOTE_LENGTH_MAX:
        return Noise()
    rest = [token for line in lines[1:] for token in _TOKEN.findall(line)]
    whole = _vote(first + rest, contests)
    alone = _vote(first, contests)
    if isinstance(whole, Vote) or not isinstance(alone, Vote):
        return whole if isinstance(alone, Noise | Vote) else alone
    # What stands below may be a signature, but not more numbers of a vote.
    below = [token for token in rest if _has_digit(token)]
    return Ask(Doubt.WHAT, alone.contest) if any(len(t) < PHONE_DIGITS_MIN for t in below) else alone


def _spoken(line: str, contests: Sequence[Contest]) -> Command | None:
    """A command or a receipt, where the line is one."""
    chunks = line.split()
    if _is_receipt(chunks):
        return Check(read_receipt(chunks[0]))
    tokens = _TOKEN.findall(line)
    contest, rest, _ = _contest_of(tokens, contests)
    first = "STOP" if tokens[0] == "STOP" else next(iter(rest), "")
    if chunks[0] in _CHECKS:
        return Check(read_receipt("".join(chunks[1:])), _CHECKS[chunks[0]])
    if first in _WORDS:
        word, language = _WORDS[first]
        return Say(word, contest, language)
    return None


def _is_receipt(chunks: list[str]) -> bool:
    """Whether a lone word is a receipt whose check character holds: neither a number nor a vote."""
    word = chunks[0]
    lone = len(chunks) == 1 and len(word) == RECEIPT_LENGTH and not word.isdigit()
    return lone and not _NOT_A_RECEIPT.fullmatch(word) and read_receipt(word) is not None


def _contest_of(tokens: list[str], contests: Sequence[Contest]) -> tuple[Contest | None, list[str], bool]:
    """The contest whose keyword stands in the text, else the only one; the text without keywords,
    and whether there was one. None when several contests remain possible."""
    named: list[Contest] = []
    for contest in contests:
        keyword = _TOKEN.findall(normal(contest.keyword))
        at = _find(keyword, tokens)
        if at is not None:
            named.append(contest)
            tokens = tokens[:at] + tokens[at + len(keyword) :]
    possible = named or contests
    return (possible[0] if len(possible) == 1 else None), tokens, bool(named)


def _find(part: Sequence[str], tokens: Sequence[str]) -> int | None:
    """Where these tokens stand one after the other."""
    if not part:
        return None
    places = range(len(tokens) - len(part) + 1)
    return next((at for at in places if list(tokens[at : at + len(part)]) == list(part)), None)


def _has_digit(token: str) -> bool:
    return not _DIGITS.isdisjoint(token)


def _vote(tokens: list[str], contests: Sequence[Contest]) -> Command:
    contest, tokens, by_keyword = _contest_of(tokens, contests)
    meant = by_keyword or not _INTENT.isdisjoint(tokens)
    if contest is None:
        bare = all(_has_digit(token) or token in _AFTER_NUMBER | _BEFORE_CODE for token in tokens)
        return Ask(Doubt.WHICH_CONTEST) if meant or bare else Noise()
    named = _named(tokens, contest)
    if named is None:
        return _from_code(tokens, contest, meant=meant)
    if not meant:
        return Ask(Doubt.WHICH_CANDIDATE, contest, options=(named[0],) if named[0].standing else ())
    return _from_name(tokens, *named, contest)


def _named(tokens: list[str], contest: Contest) -> tuple[Candidate, int, int] | None:
    """The candidate whose whole name stands in the text, with its place; the longest name wins."""
    found: list[tuple[Candidate, int, int]] = []
    for candidate in contest.candidates:
        name = _TOKEN.findall(normal(candidate.name))
        at = _find(name, tokens)
        if at is not None and not _BEFORE_CODE.issuperset(name) and not all(map(_has_digit, name)):
            found.append((candidate, at, at + len(name)))
    found.sort(key=lambda place: place[1] - place[2])
    alike = len(found) > 1 and found[0][2] - found[0][1] == found[1][2] - found[1][1]
    return found[0] if found and not alike else None


def _from_name(tokens: list[str], candidate: Candidate, start: int, end: int, contest: Contest) -> Command:
    """A vote that names somebody instead of the code, or beside it: both must agree."""
    before, after, code = tokens[:start], tokens[end:], candidate.code
    if any(_has_digit(token) for token in before):
        said, _ = _candidate(before[-1], contest)
        return _from_code(before + after, contest, meant=True) if said is candidate else Ask(Doubt.WHAT, contest)
    if after and after[0] == code:
        return _from_code(before + after, contest, meant=True)
    if any(token.startswith("0") for token in after):
        return Ask(Doubt.WHAT, contest)
    return _from_code([*before, code, *after], contest, meant=True)


def _from_code(tokens: list[str], contest: Contest, *, meant: bool) -> Command:
    """`<code> [x]<number>` with the words that people put around it, in this order and no other."""
    at = next((i for i, token in enumerate(tokens) if token not in _BEFORE_CODE), len(tokens))
    if at == len(tokens) or not _has_digit(tokens[at]):
        return _unclear(tokens, contest, meant=meant)
    code, rest = tokens[at], tokens[at + 1 :]
    times = bool(rest) and rest[0] in _TIMES
    rest = rest[1:] if times else rest
    if not rest:
        return _one_number(code, contest, meant=meant) if not times else _ask_quantity(code, contest)
    if any(token in _PRICES for token in rest):
        found, _ = _candidate(code, contest)
        return Ask(Doubt.PRICE, contest, found.code if found and rest[0] not in _PRICES else "")
    if not _has_digit(rest[0]):
        if _POLITE.issuperset(rest):
            return _one_number(code, contest, meant=meant)
        known = not _INTENT.intersection(rest) and not any(map(_has_digit, rest))
        return _ask_quantity(code, contest) if known and meant else _unclear(tokens, contest, meant=meant)
    number, after = rest[0], rest[1:]
    if not _AFTER_NUMBER.issuperset(after):
        return _unclear(tokens, contest, meant=meant)
    return _two_numbers(code, number, contest, times=times, unit=not _POLITE.issuperset(after))


def _two_numbers(code: str, number: str, contest: Contest, *, times: bool, unit: bool) -> Command:
    """`times`: an x between them; `unit`: a word such as "votes" after them."""
    candidate, exact = _candidate(code, contest)
    if candidate is None:
        return Ask(Doubt.WHAT if len(code) >= PHONE_DIGITS_MIN else Doubt.UNKNOWN_CODE, contest, code)
    if not candidate.standing:
        return Ask(Doubt.NOT_STANDING, contest, candidate.code)
    if not number.isdigit() or not number.strip("0"):
        return Ask(Doubt.QUANTITY, contest, candidate.code)
    if number.startswith("0"):
        # `5 x 07` says it the other way round, and ten digits with a zero are somebody's phone.
        swapped = contest.candidate(number) is not None and (times or not exact)
        if swapped or len(number) >= PHONE_DIGITS_MIN:
            return Ask(Doubt.WHAT, contest)
    if len(number) > QUANTITY_DIGITS_MAX or int(number) > contest.quantity_max:
        return Ask(Doubt.TOO_MANY, contest, candidate.code)
    a_year = contest.opens_at.year - 1 <= int(number) <= contest.closes_at.year
    if a_year and not times and not unit:
        return Ask(Doubt.QUANTITY, contest, candidate.code)
    return Vote(contest, candidate.code, int(number))


def _one_number(number: str, contest: Contest, *, meant: bool) -> Command:
    """A code alone is one vote. `0705` is code and number when it can only be split in one way; a
    number without a leading zero may be a price or a year, and is never split."""
    candidate, exact = _candidate(number, contest)
    if candidate is not None and not candidate.standing:
        return Ask(Doubt.NOT_STANDING, contest, candidate.code)
    readings = [] if candidate is None else [Vote(contest, candidate.code, 1)]
    widths = {len(c.code) for c in contest.candidates}
    width = max(widths, default=0)
    if len(widths) == 1 and number.isdigit() and number.startswith("0") and width < len(number) < PHONE_DIGITS_MIN:
        split, rest = contest.candidate(number[:width]), int(number[width:])
        if split is not None and split.standing and 1 <= rest <= contest.quantity_max:
            readings.append(Vote(contest, split.code, rest))
    if not readings:
        return Ask(Doubt.UNKNOWN_CODE if len(number) <= width else Doubt.WHAT, contest, number)
    # `1` and `2` are also what people answer to a menu that they remember.
    sure = len(readings) == 1 and (meant or exact or len(number) > 1)
    return readings[0] if sure else Ask(Doubt.WHAT, contest)


def _candidate(typed: str, contest: Contest) -> tuple[Candidate | None, bool]:
    """Whose code this is, and whether it was typed exactly: `7` and `O7` are 07 when nothing else is."""
    if found := contest.candidate(typed):
        return found, True
    if not typed.isdigit():
        return contest.candidate(typed.translate(_LETTERS_AS_DIGITS)), False
    value = typed.lstrip("0")
    alike = [c for c in contest.candidates if value and c.code.lstrip("0") == value]
    return (alike[0] if len(alike) == 1 else None), False


def _ask_quantity(code: str, contest: Contest) -> Ask:
    candidate, _ = _candidate(code, contest)
    if candidate is None:
        return Ask(Doubt.UNKNOWN_CODE, contest, code)
    return Ask(Doubt.QUANTITY if candidate.standing else Doubt.NOT_STANDING, contest, candidate.code)


def _unclear(tokens: list[str], contest: Contest, *, meant: bool) -> Command:
    """A question when somebody seems to want a vote, nothing when two people's talk went astray."""
    if not meant and not any(contest.candidate(token) for token in tokens):
        plain = all(_has_digit(token) or token in _BEFORE_CODE | _AFTER_NUMBER for token in tokens)
        return Ask(Doubt.WHAT, contest) if plain and any(map(_has_digit, tokens)) else Noise()
    words = {token for token in tokens if len(token) >= _NAME_WORD_MIN and not _has_digit(token)}
    shared = {c.code: len(words.intersection(_TOKEN.findall(normal(c.name)))) for c in contest.standing}
    near = sorted((c for c in contest.standing if shared[c.code]), key=lambda c: (-shared[c.code], c.code))
    if near and not any(contest.candidate(token) for token in tokens):
        return Ask(Doubt.WHICH_CANDIDATE, contest, options=tuple(near[:OPTIONS_MAX]))
    return Ask(Doubt.WHAT, contest)
