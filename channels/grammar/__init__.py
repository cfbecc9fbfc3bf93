"""What a text means: pure functions from text to command. Where money follows, ask, never guess.

`[VOTE|VOTER|V|<keyword>] <code> [x]<number>`, tolerant of case, accents, spaces, glued forms,
punctuation, emoji and digits of other scripts, and of a carrier that drops the keyword. A code is only
ever one that the contest has: `7`, `O7` and `l2` are read as 07 and 12 where no other code can be meant.
`un` to `dix` and `one` to `ten` are numbers of votes behind a code that is typed exactly, and nowhere
codes. One number is a vote only when it is a candidate's code; three numbers, a price, a year or a phone
number are a question back to the voter, and so are two numbers of which each may be the code, and a large
order. The question names the order that may be meant, if there is one, and `YES` places it. A sender who complains
or was charged wants no vote. Of a text of several lines the first one counts; more votes below it are a
question too. Chats are read by the same rules. See `docs/decisions/0011-texts-of-real-people.md`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from channels.buying import asked_first
from channels.grammar.commands import REFUSED_AS, Ask, Check, Command, Doubt, Noise, Say, Vote, Word
from channels.grammar.pins import HIDDEN, without_pin
from channels.grammar.replies import affirms, may_reply, replied
from channels.grammar.tokens import PHONE_DIGITS_MIN, find, in_digits
from channels.grammar.votes import Addressed, addressed, read_vote
from channels.grammar.words import (
    AFTER_NUMBER,
    BEFORE_RECEIPT,
    CHECKS,
    COMMANDS,
    COMPLAINTS,
    DEBITED,
    INTENT,
    NO,
    POLITE,
    PRICE_QUESTIONS,
    YES,
    has_digit,
    has_token,
    normal,
    tokens_of,
)
from gateway.contests.contest import Contest
from gateway.orders.receipt import ALPHABET, RECEIPT_LENGTH, read_receipt

__all__ = [
    "REFUSED_AS",
    "Ask",
    "Check",
    "Command",
    "Doubt",
    "Noise",
    "Say",
    "Vote",
    "Word",
    "affirms",
    "count_in",
    "may_reply",
    "read",
    "replied",
    "without_pin",
]

LENGTH_MAX: Final = 320
VOTE_LENGTH_MAX: Final = 160
_NOT_A_RECEIPT: Final = re.compile(r"V(?:OTE[RZ]?)?\d+")
_RECEIPT_LETTERS: Final = frozenset(ALPHABET + "OIL")
_MIXED: Final = 3
# How many tokens of a long text may be a whole order at its beginning.
_OPENING_MAX: Final = 8


def read(text: str, contests: Sequence[Contest], *, selling: Sequence[Contest] = ()) -> Command:
    """What this text means to the contests that share its short code. `selling`: those that are meant
    where the text has no keyword, such as the open ones; empty: all."""
    if not contests:
        return Noise()
    shown = without_pin(text, contests)
    plain = HIDDEN.sub(" ", shown)
    command = _read(plain, contests, selling or contests)
    if plain != shown:
        command = _warned(command)
    if isinstance(command, Vote) and asked_first(command.contest, command.quantity):
        return Ask(Doubt.LARGE, command.contest, command.code, offer=command)
    return command


def _warned(command: Command) -> Command:
    """What a text that held a PIN comes to: nothing is ordered by it."""
    match command:
        case Vote():
            return Ask(Doubt.PIN, command.contest, command.code, offer=command)
        case Ask():
            return Ask(Doubt.PIN, command.contest, command.code, offer=command.offer)
        case Noise() | Say(word=Word.YES | Word.NO):
            return Ask(Doubt.PIN, getattr(command, "contest", None))
        case _:
            return command


def _read(text: str, contests: Sequence[Contest], meant: Sequence[Contest]) -> Command:
    lines = _lines(text)
    if not lines:
        return Noise()
    if spoken := _spoken(lines[0], contests, meant) or _debited(lines, contests, meant):
        return spoken
    first = addressed(tokens_of(lines[0]), contests, meant)
    if len(lines) == 1:
        alone = read_vote(first) if len(text.strip()) <= VOTE_LENGTH_MAX else _opening(first)
        return _priced(alone, lines[0], first)
    if len(lines[0]) > VOTE_LENGTH_MAX:
        return _opening(first)
    alone = read_vote(first)
    whole = read_vote(addressed([token for line in lines for token in tokens_of(line)], contests, meant))
    if isinstance(whole, Vote) or not isinstance(alone, Vote):
        return whole if isinstance(alone, Noise | Vote) else alone
    # The lines below may be a signature, but no further vote.
    more = any(_votes_too(tokens_of(line)) for line in lines[1:])
    if not more:
        return alone
    return whole if isinstance(whole, Ask) and whole.doubt is Doubt.SEVERAL else Ask(Doubt.WHAT, alone.contest)


def _opening(about: Addressed) -> Command:
    """A text too long for a vote: a question where it begins with a whole order, else nothing."""
    for end in range(min(len(about.tokens), _OPENING_MAX), 0, -1):
        order = read_vote(replace(about, tokens=about.tokens[:end]))
        if isinstance(order, Vote) and order.counted:
            return Ask(Doubt.WHAT, order.contest, order.code, offer=order)
    return Noise()


def _priced(command: Command, line: str, about: Addressed) -> Command:
    """The command; for a text that asks what a vote costs, an order is offered, which names its price."""
    language = _first_language(tokens_of(line), PRICE_QUESTIONS)
    if language is None:
        return command
    if isinstance(command, Vote):
        return Ask(Doubt.WHAT, command.contest, command.code, offer=command)
    return command if isinstance(command, Ask) and command.offer else Say(Word.INFO, about.contest, language)


def _first_language(tokens: Sequence[str], phrases: Iterable[tuple[tuple[str, ...], str]]) -> str | None:
    """The language of the first of these phrases in the text."""
    return next((language for words, language in phrases if find(words, tokens) is not None), None)


def _lines(text: str) -> list[str]:
    """The lines with a number or a word, normal."""
    return [line for line in map(normal, text[:LENGTH_MAX].splitlines()) if has_token(line)]


def _votes_too(tokens: list[str]) -> bool:
    """Whether a line below the first may belong to a vote: it begins like one, and has a number that
    is no phone number."""
    numbers = [token for token in tokens if has_digit(token)]
    begins = has_digit(tokens[0]) or tokens[0] in INTENT
    return begins and any(len(number) < PHONE_DIGITS_MIN for number in numbers)


def count_in(text: str) -> str:
    """The digits of a number of votes alone, with its unit or in words: `12 votes`, `douze`, `x5`; empty
    where there is none."""
    lines = _lines(text)
    tokens = in_digits(tokens_of(lines[0])) if len(lines) == 1 else []
    number = [token for token in tokens if token not in AFTER_NUMBER]
    return number[0] if len(number) == 1 and number[0].isdigit() and text.strip()[-1:].isalpha() else ""


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
    left = [token for token in about.tokens if token not in POLITE]
    for word, words in ((Word.YES, YES), (Word.NO, NO)):
        if len(left) == 1 and left[0] in words:
            return Say(word, about.contest, words[left[0]])
    return None


def _debited(lines: Sequence[str], contests: Sequence[Contest], selling: Sequence[Contest]) -> Say | None:
    """A text, of any length, by a sender who was charged or complains."""
    tokens = [token for line in lines for token in tokens_of(line)]
    language = next((DEBITED[token] for token in tokens if token in DEBITED), None) or _first_language(
        tokens, COMPLAINTS
    )
    if language is None:
        return None
    return Say(Word.DEBITED, addressed(tokens, contests, selling).contest, language)


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
