"""What a text means: pure functions from text to command. Where money follows, ask, never guess.

`[VOTE|VOTER|V|<keyword>] <code> [x]<number>`, tolerant of case, accents, spaces, glued forms,
punctuation, emoji and digits of other scripts, and of a carrier that drops the keyword. A code is only
ever one that the contest has: `7`, `O7` and `l2` are read as 07 and 12 where nobody else can be meant.
`un` to `dix` and `one` to `ten` are numbers of votes behind a code that is typed exactly, and nowhere
codes. One number is a vote only when it is somebody's code; three numbers, a price, a year or a phone
number are a question back to the voter. The question names the one order that may be meant, if there
is one, and `YES` places it. Whoever says that they were charged wants no vote. Of a text of several lines
the first one counts; more votes below it are a question too. See `docs/decisions/0011-texts-of-real-people.md`.
"""

import re
from collections.abc import Sequence
from typing import Final

from channels.sms.grammar.commands import Ask, Check, Command, Doubt, Noise, Say, Vote, Word
from channels.sms.grammar.numbers import PHONE_DIGITS_MIN
from channels.sms.grammar.votes import Addressed, addressed, read_vote
from channels.sms.grammar.words import (
    AGREED,
    BEFORE_RECEIPT,
    CHECKS,
    COMMANDS,
    DEBITED,
    INTENT,
    NO,
    POLITE,
    YES,
    has_digit,
    normal,
    says_something,
    tokens_of,
)
from gateway.domain.contest import Contest
from gateway.domain.receipt import ALPHABET, RECEIPT_LENGTH, read_receipt

__all__ = ["Ask", "Check", "Command", "Doubt", "Noise", "Say", "Vote", "Word", "affirms", "read"]

LENGTH_MAX: Final = 320
VOTE_LENGTH_MAX: Final = 160
_NOT_A_RECEIPT: Final = re.compile(r"V(?:OTE[RZ]?)?\d+")
_RECEIPT_LETTERS: Final = frozenset(ALPHABET + "OIL")
_MIXED: Final = 3


def read(text: str, contests: Sequence[Contest], *, selling: Sequence[Contest] = ()) -> Command:
    """What this text means to the contests that share its short code. `selling`: those that are meant
    where no keyword stands in the text, such as the open ones; empty: all."""
    meant = selling or contests
    lines = _lines(text)
    if not lines or not contests:
        return Noise()
    if spoken := _spoken(lines[0], contests, meant) or _debited(lines, contests, meant):
        return spoken
    first = addressed(tokens_of(lines[0]), contests, meant)
    if len(lines) == 1:
        return read_vote(first) if len(text.strip()) <= VOTE_LENGTH_MAX else Noise()
    if len(lines[0]) > VOTE_LENGTH_MAX:
        return Noise()
    alone = read_vote(first)
    whole = read_vote(addressed([token for line in lines for token in tokens_of(line)], contests, meant))
    if isinstance(whole, Vote) or not isinstance(alone, Vote):
        return whole if isinstance(alone, Noise | Vote) else alone
    # What stands below may be a signature, but not more of a vote.
    more = any(_votes_too(tokens_of(line)) for line in lines[1:])
    return Ask(Doubt.WHAT, alone.contest) if more else alone


def affirms(text: str) -> bool:
    """Whether a text says yes to a question, if one is open: `OUI`, `YES`, `OK`, `1`."""
    lines = _lines(text)
    tokens = tokens_of(lines[0]) if lines else []
    said = [token for token in tokens if token not in POLITE]
    return said == ["1"] or (bool(said) and AGREED.issuperset(said))


def _lines(text: str) -> list[str]:
    """The lines that say something, normal."""
    return [line for line in map(normal, text[:LENGTH_MAX].splitlines()) if says_something(line)]


def _votes_too(tokens: list[str]) -> bool:
    """Whether a line below the first may belong to a vote: it begins like one, and has a number that
    is nobody's phone."""
    numbers = [token for token in tokens if has_digit(token)]
    begins = has_digit(tokens[0]) or tokens[0] in INTENT
    return begins and any(len(number) < PHONE_DIGITS_MIN for number in numbers)


def _spoken(line: str, contests: Sequence[Contest], selling: Sequence[Contest]) -> Command | None:
    """A command or a receipt, where the line is one."""
    tokens = tokens_of(line)
    about = addressed(tokens, contests, selling)
    if check := _receipt(line, about):
        return check
    first = "STOP" if tokens[0] == "STOP" else next(iter(about.tokens), "")
    if first in COMMANDS:
        word, language = COMMANDS[first]
        return Say(word, about.contest, language)
    said = [token for token in about.tokens if token not in POLITE]
    for word, words in ((Word.YES, YES), (Word.NO, NO)):
        if len(said) == 1 and said[0] in words:
            return Say(word, about.contest, words[said[0]])
    return None


def _debited(lines: Sequence[str], contests: Sequence[Contest], selling: Sequence[Contest]) -> Say | None:
    """Somebody who says, in however many words, that they were charged."""
    tokens = [token for line in lines for token in tokens_of(line)]
    said = next((token for token in tokens if token in DEBITED), None)
    if said is None:
        return None
    return Say(Word.DEBITED, addressed(tokens, contests, selling).contest, DEBITED[said])


def _receipt(line: str, about: Addressed) -> Check | None:
    """A receipt behind CHECK, or alone."""
    first = next(iter(about.tokens), "")
    if first in CHECKS:
        rest = line.partition(first)[2].split()
        while rest and rest[0] in BEFORE_RECEIPT:
            rest = rest[1:]
        whole = "".join(rest).replace("-", "")
        typed = rest[0] if rest and read_receipt(rest[0]) else whole
        return Check(read_receipt(typed), CHECKS[first], typed)
    word = line.strip()
    if len(word) != RECEIPT_LENGTH or word.isdigit() or not word.isalnum() or _NOT_A_RECEIPT.fullmatch(word):
        return None
    receipt = read_receipt(word)
    return Check(receipt, None, word) if receipt or _looks_like_one(word, about) else None


def _looks_like_one(word: str, about: Addressed) -> bool:
    """Whether a lone word whose check does not hold is a mistyped receipt rather than a vote."""
    letters = sum(character.isalpha() for character in word)
    mixed = letters >= _MIXED and RECEIPT_LENGTH - letters >= _MIXED and _RECEIPT_LETTERS.issuperset(word)
    return mixed and not about.by_keyword and INTENT.isdisjoint(about.tokens)
