"""What a text answers to an open question: yes, something else that has to be asked, or neither."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from channels.grammar.commands import Ask, Command, Doubt, Vote
from channels.grammar.offers import with_readings
from channels.grammar.pins import HIDDEN
from channels.grammar.tokens import by_code, sharing_a_word
from channels.grammar.words import (
    AGREED,
    BEFORE_A_CODE,
    BEFORE_CODE,
    NO,
    NUMBERS,
    POLITE,
    UNITS,
    VERBS,
    has_digit,
    normal,
    tokens_of,
)
from gateway.contests.contest import Contest

_BESIDE_A_NUMBER: Final = BEFORE_CODE | UNITS | frozenset(NO)


def affirms(text: str) -> bool:
    """Whether a text is a yes to a question, if one is open: `OUI`, `YES`, `OK`, `1`."""
    left = [token for token in _tokens(text) if token not in POLITE]
    return left == ["1"] or (bool(left) and AGREED.issuperset(left))


def may_reply(text: str) -> bool:
    """Whether a text may be about a question, if one is open: a yes with anything beside it, or a number alone."""
    if HIDDEN.search(text):
        return True
    tokens = _tokens(text)
    return not AGREED.isdisjoint(tokens) or (len(_numbers(tokens)) == 1 and tokens[0] not in VERBS)


def replied(text: str, command: Command, asked: Vote) -> Vote | Ask | None:
    """What a text answers to the question whether `asked` is meant. `command`: the text alone. The order itself: yes.
    An Ask offers it again beside what may be meant instead. None: the text is about something else. Where `asked`
    has no number of votes, the question was how many."""
    if not asked.quantity:
        return _how_many(text, asked)
    if isinstance(command, Ask) and command.doubt is Doubt.PIN:
        warned = replace(command, contest=asked.contest, code=asked.code, offer=asked)
        return warned if command.offer is None else None
    if affirms(text):
        return asked
    tokens = _tokens(text)
    agreed, numbers = not AGREED.isdisjoint(tokens), _numbers(tokens)
    order = command if isinstance(command, Vote) else command.offer if isinstance(command, Ask) else None
    alone = _numbers_alone(tokens, numbers)
    if agreed and numbers and alone and _agree(numbers, asked):
        return asked
    if len(numbers) == 1 and alone:
        return _asked_again(_of_one_number(numbers[0], tokens, asked), asked)
    if not agreed or (order is None and not sharing_a_word(tokens, asked.contest)):
        return None
    return asked if order == asked else _asked_again([order] if order else [], asked)


def _how_many(text: str, asked: Vote) -> Ask | None:
    """The answer to how many votes: a number alone is most likely that, and asked about."""
    tokens = _tokens(text)
    numbers = _numbers(tokens)
    if len(numbers) == 1 and _numbers_alone(tokens, numbers):
        return with_readings(Doubt.READING, _of_one_number(numbers[0], tokens, asked), asked.contest)
    return Ask(Doubt.QUANTITY, asked.contest, asked.code) if affirms(text) else None


def _numbers_alone(tokens: Sequence[str], numbers: Sequence[str]) -> bool:
    """Whether nothing but these numbers, yes, no, and words of courtesy are there."""
    beside = set(tokens).difference(numbers)
    return bool(tokens) and tokens[0] not in VERBS and _BESIDE_A_NUMBER.issuperset(beside)


def _asked_again(others: Sequence[Vote], asked: Vote) -> Ask:
    readings = tuple(vote for vote in others if vote != asked)
    return Ask(Doubt.READING, asked.contest, asked.code, offer=asked, readings=readings)


def _of_one_number(number: str, tokens: Sequence[str], asked: Vote) -> list[Vote]:
    """The number as one of votes for the same candidate, and as the code of another, as far as the words beside
    it allow."""
    contest, at = asked.contest, tokens.index(number)
    digits = str(NUMBERS.get(number, number))
    unit = at + 1 < len(tokens) and tokens[at + 1] in UNITS
    marked = at > 0 and tokens[at - 1] in BEFORE_A_CODE - frozenset(NO)
    readings = []
    count = int(digits) if digits.isdigit() and not digits.startswith("0") and not marked else 0
    if 1 <= count <= contest.quantity_max:
        readings.append(replace(asked, quantity=count))
    candidate, _ = by_code(digits, contest)
    if candidate is not None and candidate.eligible and not unit and number not in NUMBERS:
        readings.append(Vote(contest, candidate.code, 1, counted=False))
    return readings


def _agree(numbers: Sequence[str], asked: Vote) -> bool:
    """Whether these are the numbers of the question, each at most once."""
    left = {"code", "count"}
    for number in numbers:
        digits = str(NUMBERS.get(number, number))
        if "code" in left and _is_code(digits, asked.contest, asked.code):
            left.discard("code")
        elif "count" in left and digits == str(asked.quantity):
            left.discard("count")
        else:
            return False
    return True


def _is_code(digits: str, contest: Contest, code: str) -> bool:
    """Whether a number is this code, and cannot be meant as a number of votes."""
    return digits == code or (digits != digits.lstrip("0") and digits.lstrip("0") == code.lstrip("0"))


def _tokens(text: str) -> list[str]:
    lines = (tokens_of(normal(line)) for line in text.splitlines())
    return next((tokens for tokens in lines if tokens), [])


def _numbers(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if has_digit(token) or token in NUMBERS]
