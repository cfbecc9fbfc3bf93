"""The loose reading: the one order that a doubtful text may mean. It is only ever asked about."""

from collections.abc import Sequence
from typing import Final

from channels.sms.grammar.commands import Ask, Doubt, Vote
from channels.sms.grammar.numbers import PHONE_DIGITS_MIN, QUANTITY_DIGITS_MAX, is_year, parted
from channels.sms.grammar.people import by_code, by_name, is_like
from channels.sms.grammar.words import (
    AFTER_NUMBER,
    BEFORE_CODE,
    LARGER_NUMBERS,
    NEGATIONS,
    NUMBERS,
    PRICES,
    has_digit,
    letters_as_digits,
)
from gateway.domain.contest import Candidate, Contest
from gateway.domain.money import Money, parse_amount

_OFFERED: Final = frozenset({Doubt.WHAT, Doubt.WHICH_CANDIDATE, Doubt.QUANTITY, Doubt.PRICE})
_A_PAIR: Final = 2


def offer(asked: Ask, tokens: Sequence[str], contest: Contest, *, meant: bool) -> Vote | None:
    """The order to ask about instead of explaining how to vote; None when there is none, or several."""
    if asked.doubt not in _OFFERED or not (NEGATIONS | LARGER_NUMBERS).isdisjoint(tokens):
        return None
    person = _person(asked, tokens, contest)
    if not PRICES.isdisjoint(tokens):
        return _for_a_price(tokens, contest, person)
    numbers = _numbers(tokens)
    if numbers is None:
        return None
    if person is not None:
        return _for_a_person(person, numbers, tokens, contest)
    if len(numbers) == _A_PAIR:
        first, second = numbers
        readings = [r for r in (_reading(first, second, contest), _reading(second, first, contest)) if r]
        return readings[0] if len(readings) == 1 else None if readings else _loosely(first, second, contest)
    if len(numbers) == 1 and meant and asked.doubt is Doubt.WHAT:
        return _parted(numbers[0], tokens, contest)
    return None


def _person(asked: Ask, tokens: Sequence[str], contest: Contest) -> Candidate | None:
    """Who is named: by the whole name, or as the only one with such a name."""
    named = by_name(tokens, contest)
    if named is not None:
        return named[0] if named[0].standing else None
    return asked.options[0] if len(asked.options) == 1 else None


def _numbers(tokens: Sequence[str]) -> list[str] | None:
    """Every number, also those that are words. None when one of them is none, or a phone number."""
    found = [str(NUMBERS.get(token, token)) for token in tokens]
    numbers = [letters_as_digits(token) for token in found if has_digit(token)]
    plain = all(number.isdigit() and len(number) < PHONE_DIGITS_MIN for number in numbers)
    return numbers if plain else None


def _reading(code: str, number: str, contest: Contest) -> Vote | None:
    candidate = contest.candidate(code)
    if candidate is None or not candidate.standing:
        return None
    return _order(candidate, int(number), contest)


def _loosely(first: str, second: str, contest: Contest) -> Vote | None:
    """`7 cinq`: nobody's code exactly, but the first can only mean one."""
    candidate, _ = by_code(first, contest)
    return None if candidate is None else _reading(candidate.code, second, contest)


def _order(candidate: Candidate, count: int, contest: Contest) -> Vote | None:
    if not 1 <= count <= contest.quantity_max or is_year(count, contest):
        return None
    return Vote(contest, candidate.code, count)


def _for_a_person(person: Candidate, numbers: list[str], tokens: Sequence[str], contest: Contest) -> Vote | None:
    """A name with at most one number beside the code. A number that is a code means somebody."""
    rest = list(numbers)
    if person.code in rest:
        rest.remove(person.code)
    if not rest:
        known = BEFORE_CODE | AFTER_NUMBER
        only_a_name = all(has_digit(token) or token in known or is_like(token, person.name) for token in tokens)
        return _order(person, 1, contest) if only_a_name else None
    if len(rest) > 1 or contest.candidate(rest[0]) is not None:
        return None
    return _order(person, int(rest[0]), contest)


def _for_a_price(tokens: Sequence[str], contest: Contest, person: Candidate | None) -> Vote | None:
    """As many votes as an amount pays for, when it pays for whole ones."""
    at = next(i for i, token in enumerate(tokens) if token in PRICES)
    others = [token for i, token in enumerate(tokens) if has_digit(token) and i != at - 1]
    if at == 0 or not tokens[at - 1].isdigit() or len(tokens[at - 1]) > QUANTITY_DIGITS_MAX:
        return None
    amount = parse_amount(tokens[at - 1], contest.currency)
    if person is None and len(others) == 1:
        said = contest.candidate(others[0])
        person, others = (said, []) if said is not None and said.standing else (None, others)
    if amount is None or person is None or set(others) - {person.code}:
        return None
    count = _votes_for(amount, contest.price)
    return None if count is None else _order(person, count, contest)


def _votes_for(amount: Money, price: Money) -> int | None:
    count, left = divmod(amount.amount_minor, price.amount_minor)
    return None if left else count


def _parted(number: str, tokens: Sequence[str], contest: Contest) -> Vote | None:
    """`105` as 10 and 5, when nothing else is said."""
    known = BEFORE_CODE | AFTER_NUMBER
    if is_year(int(number), contest) or not all(has_digit(token) or token in known for token in tokens):
        return None
    glued = parted(number, contest)
    # A zero behind the code is the end of a round sum rather than the start of a number.
    padded = glued is not None and number[len(glued.code)] == "0"
    return None if padded else glued
