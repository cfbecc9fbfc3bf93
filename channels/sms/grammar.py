"""What a text means: a pure function from text to command. Where money follows, ask, never guess.

`[VOTE|VOTER|V|<keyword>] <code> [x]<number>`, tolerant of case, accents, spaces, glued forms,
punctuation, emoji and digits of other scripts. One number is a vote only when it is a candidate's
code; three numbers, a price or a phone number are a question back to the voter.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.contest import Contest
from gateway.domain.receipt import RECEIPT_LENGTH, read_receipt

LENGTH_MAX: Final = 320
QUANTITY_DIGITS_MAX: Final = 7


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
    UNKNOWN_CODE = "unknown_code"
    QUANTITY = "quantity"


@dataclass(frozen=True, slots=True)
class Vote:
    """So many votes for a candidate who stands."""

    contest: Contest
    code: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Not understood well enough to take money. `code`: as typed, where there was one."""

    doubt: Doubt
    contest: Contest | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Is this receipt genuine? None: it is no receipt at all."""

    receipt: str | None


@dataclass(frozen=True, slots=True)
class Say:
    """A one-word command."""

    word: Word


@dataclass(frozen=True, slots=True)
class Noise:
    """Nothing to answer."""


Command = Vote | Ask | Check | Say | Noise

_WORDS: Final = {
    **dict.fromkeys(("AIDE", "HELP"), Word.HELP),
    **dict.fromkeys(("INFO", "INFOS", "PRIX", "PRICE"), Word.INFO),
    **dict.fromkeys(("STOP", "ARRET", "ARRETER", "UNSUBSCRIBE"), Word.STOP),
    **dict.fromkeys(("START", "REPRENDRE"), Word.START),
    **dict.fromkeys(("SOLDE", "STATUS", "STATUT"), Word.STATUS),
    **dict.fromkeys(("TOP", "CLASSEMENT", "RANKING"), Word.TOP),
}
_CHECKS: Final = frozenset({"CHECK", "VERIFIER", "VERIFY"})
_VOTES: Final = frozenset({"VOTE", "VOTER", "VOTEZ", "VOTES", "V", "V0TE"})
# Words that people put around a vote and that change nothing.
_FILLERS: Final = frozenset(
    {"POUR", "FOR", "LE", "LA", "N", "NO", "NUM", "NUMERO", "CANDIDAT", "FOIS", "TIMES", "X", "CODE"}
)
_PRICES: Final = frozenset({"F", "FCFA", "CFA", "FR", "FRANCS", "XOF", "XAF"})
# A minus with nothing before it and a digit after it: `07 -5`, where `07-5` and `07 - 5` only separate.
_NEGATIVE: Final = re.compile(r"(?<![0-9A-Z])-[0-9]")
_TOKEN: Final = re.compile(r"[A-Z]+|[0-9]+")


def normal(text: str) -> str:
    """Upper-case ASCII letters and digits, everything else a space."""
    folded = unicodedata.normalize("NFKC", text)
    out = []
    for character in unicodedata.normalize("NFD", folded):
        category = unicodedata.category(character)
        if character.isdecimal():
            out.append(str(int(character)))
        elif category == "Mn":
            continue
        elif character.isascii() and character.isalpha():
            out.append(character.upper())
        else:
            out.append("-" if character in "-\u2212\u2013" else " ")
    return "".join(out)


def read(text: str, contests: Sequence[Contest]) -> Command:
    """What this text means to the contests that share its short code."""
    lines = [line for line in text[:LENGTH_MAX].splitlines() if line.strip()]
    if not lines or not contests:
        return Noise()
    line = normal(lines[0])
    words = re.findall(r"[A-Z0-9]+", line)
    if not words:
        return Ask(Doubt.WHAT, _only(contests))
    if words[0] in _CHECKS:
        return Check(read_receipt("".join(words[1:])) if len(words) > 1 else None)
    if len(words) == 1 and len(words[0]) == RECEIPT_LENGTH and not words[0].isdigit() and read_receipt(words[0]):
        return Check(read_receipt(words[0]))
    if words[0] in _WORDS:
        return Say(_WORDS[words[0]])
    return _vote(line, contests)


def _only(contests: Sequence[Contest]) -> Contest | None:
    return contests[0] if len(contests) == 1 else None


def _vote(line: str, contests: Sequence[Contest]) -> Command:
    contest = _only(contests)
    tokens = _repaired(_TOKEN.findall(line.replace("V0TE", "VOTE")), contests)
    by_keyword = {c.keyword.upper(): c for c in contests}
    numbers: list[str] = []
    for token in tokens:
        if token.isdigit():
            numbers.append(token)
        elif token in by_keyword:
            contest = by_keyword[token]
        elif token in _PRICES and numbers:
            return Ask(Doubt.WHAT, contest)
        elif token not in _VOTES and token not in _FILLERS:
            return _by_name(line, contest) or Ask(Doubt.WHAT, contest)
    if contest is None:
        return Ask(Doubt.WHICH_CONTEST)
    if _NEGATIVE.search(line):
        return Ask(Doubt.QUANTITY, contest, numbers[0] if numbers else "")
    return _from_numbers(numbers, contest)


def _repaired(tokens: list[str], contests: Sequence[Contest]) -> list[str]:
    """Letters typed for digits inside a number (`O7`, `l2`), when that gives a candidate's code."""
    repaired: list[str] = []
    position = 0
    while position < len(tokens):
        pair = "".join(tokens[position : position + 2])
        swapped = pair.replace("O", "0").replace("L", "1").replace("I", "1")
        mixed = not pair.isdigit() and not pair.isalpha() and swapped.isdigit()
        if mixed and any(c.candidate(swapped) for c in contests):
            repaired.append(swapped)
            position += 2
        else:
            repaired.append(tokens[position])
            position += 1
    return repaired


def _from_numbers(numbers: list[str], contest: Contest) -> Command:
    if not numbers or len(numbers) > 2 or any(len(n) > QUANTITY_DIGITS_MAX for n in numbers[:1]):
        return Ask(Doubt.WHAT, contest)
    code = numbers[0]
    if len(numbers) == 1 and not _stands(contest, code):
        return _glued(code, contest)
    if not _stands(contest, code):
        padded = code.zfill(2)
        if len(code) == 1 and _stands(contest, padded):
            code = padded
        else:
            return Ask(Doubt.UNKNOWN_CODE, contest, code)
    quantity = int(numbers[1]) if len(numbers) == 2 else 1
    if quantity < 1 or quantity > contest.quantity_max or len(numbers[-1]) > QUANTITY_DIGITS_MAX:
        return Ask(Doubt.QUANTITY, contest, code)
    return Vote(contest, code, quantity)


def _glued(number: str, contest: Contest) -> Command:
    """`0705`: only when all codes are equally long and the only split gives a code and a number."""
    widths = {len(c.code) for c in contest.candidates}
    padded = number.zfill(2)
    if len(number) == 1 and _stands(contest, padded):
        return Vote(contest, padded, 1)
    if len(widths) != 1 or len(number) > max(widths) + 3:
        return Ask(Doubt.WHAT, contest)
    width = widths.pop()
    code, rest = number[:width], number[width:]
    if rest and _stands(contest, code) and 1 <= int(rest) <= contest.quantity_max:
        return Vote(contest, code, int(rest))
    known = len(number) <= width
    return Ask(Doubt.UNKNOWN_CODE if known else Doubt.WHAT, contest, number)


def _stands(contest: Contest, code: str) -> bool:
    candidate = contest.candidate(code)
    return candidate is not None and candidate.standing


def _by_name(line: str, contest: Contest | None) -> Command | None:
    """A candidate's whole name instead of the code: asked back with the code, never guessed."""
    if contest is None:
        return None
    words = " ".join(re.findall(r"[A-Z]+", line))
    for candidate in contest.standing:
        name = " ".join(re.findall(r"[A-Z]+", normal(candidate.name)))
        if name and words.removeprefix("VOTE ").removeprefix("VOTER ").removeprefix("POUR ") == name:
            return Ask(Doubt.QUANTITY, contest, candidate.code)
    return None
