"""The loose reading: the orders that a doubtful text may mean. They are only ever asked about."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from channels.buying import QUANTITY_DIGITS_MAX
from channels.grammar.commands import Ask, Doubt, Vote
from channels.grammar.tokens import (
    PHONE_DIGITS_MIN,
    by_code,
    by_name,
    in_digits,
    is_like,
    is_year,
    parted,
    sharing_a_word,
)
from channels.grammar.words import (
    AFTER_NUMBER,
    AND,
    BEFORE_A_CODE,
    BEFORE_CODE,
    NEGATIONS,
    PRICES,
    UNITS,
    has_digit,
    letters_as_digits,
)
from gateway.contests.contest import Candidate, Contest
from gateway.values.money import Money, parse_amount

_OFFERED: Final = frozenset({Doubt.WHAT, Doubt.WHICH_CANDIDATE, Doubt.QUANTITY, Doubt.PRICE})
_SEVERAL_MAX: Final = 3
_A_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class _Roles:
    """The numbers of a text by the words beside them: a candidate's code, a number of votes, an amount
    of money; `free`: no such word."""

    codes: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    amounts: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)


def completed(asked: Ask, tokens: Sequence[str], contest: Contest, *, meant: bool) -> Ask:
    """The question with the orders that may be meant, so that it need not explain how to vote. `meant`: a word
    asks for a vote."""
    if asked.doubt not in _OFFERED or not NEGATIONS.isdisjoint(tokens):
        return asked
    numbered = in_digits(tokens)
    roles = _roles(numbered, contest)
    if roles is None or len(roles.codes) > 1 or len(roles.counts) > 1 or len(roles.amounts) > 1:
        several = _several(numbered, contest)
        return Ask(Doubt.SEVERAL, contest, readings=several) if several else asked
    if several := _several(numbered, contest):
        return Ask(Doubt.SEVERAL, contest, readings=several)
    marked = by_code(roles.codes[0], contest)[0] if roles.codes else None
    named = _named(asked, tokens, contest)
    if roles.codes and (marked is None or not marked.eligible or named not in (None, marked)):
        return asked
    if marked is not None:
        return _for_a_person(asked, marked, roles, numbered, contest)
    if named is not None and (len(roles.free) < _A_PAIR or named.code in roles.free):
        return _for_a_person(asked, named, roles, numbered, contest)
    if named is not None and by_name(tokens, contest) is not None:
        return asked
    return _by_numbers(asked, roles, numbered, contest, meant=meant)


def _roles(tokens: Sequence[str], contest: Contest) -> _Roles | None:
    """What each number is. None where one cannot be read, or is a phone number."""
    roles = _Roles()
    for at, token in enumerate(tokens):
        if not has_digit(token):
            continue
        number = letters_as_digits(token)
        if not number.isdigit() or len(number) >= PHONE_DIGITS_MIN:
            return None
        before, after = tokens[at - 1] if at else "", tokens[at + 1] if at + 1 < len(tokens) else ""
        padded_code = number.startswith("0") and contest.candidate(number) is not None
        if after in PRICES:
            roles.amounts.append(number)
        elif after in UNITS and not padded_code:
            roles.counts.append(number)
        elif before in BEFORE_A_CODE:
            roles.codes.append(number)
        else:
            roles.free.append(number)
    return roles


def _named(asked: Ask, tokens: Sequence[str], contest: Contest) -> Candidate | None:
    """Who is named: by the whole name, or as the only one with such a name or a word of it."""
    whole = by_name(tokens, contest)
    if whole is not None:
        return whole[0] if whole[0].eligible else None
    alike = asked.options or sharing_a_word(tokens, contest)
    return alike[0] if len(alike) == 1 else None


def _order(candidate: Candidate, count: int, contest: Contest, *, counted: bool = True) -> Vote | None:
    if not candidate.eligible or not 1 <= count <= contest.quantity_max or is_year(count, contest):
        return None
    return Vote(contest, candidate.code, count, counted)


def _reading(code: str, number: str, contest: Contest) -> Vote | None:
    candidate = contest.candidate(code)
    return None if candidate is None else _order(candidate, int(number), contest)


def both_orders(first: str, second: str, contest: Contest) -> list[Vote]:
    """The readings of two numbers of which each may be the code. A zero before the first leaves one; one before the
    second alone puts its reading first."""
    readings = [r for r in (_reading(first, second, contest), _reading(second, first, contest)) if r]
    if contest.candidate(first) is None and not second.startswith("0") and (loose := _loosely(first, second, contest)):
        readings.append(loose)
    if first.startswith("0") == second.startswith("0"):
        return readings
    return readings[:1] if first.startswith("0") else readings[::-1]


def with_readings(doubt: Doubt, readings: Sequence[Vote], contest: Contest) -> Ask:
    """A question about these orders, of which YES places the first."""
    if not readings:
        return Ask(Doubt.WHAT, contest)
    first, *others = readings
    return Ask(doubt if others else Doubt.WHAT, contest, first.code, offer=first, readings=tuple(others))


def _by_numbers(asked: Ask, roles: _Roles, tokens: Sequence[str], contest: Contest, *, meant: bool) -> Ask:
    """No candidate is named, and no word marks the number that is the code."""
    if roles.amounts:
        others = [*roles.free, *roles.counts]
        person = contest.candidate(roles.free[0]) if len(roles.free) == 1 else None
        return (
            asked if person is None or len(others) > _A_PAIR else _for_a_person(asked, person, roles, tokens, contest)
        )
    if roles.counts:
        code = by_code(roles.free[0], contest)[0] if len(roles.free) == 1 else None
        return asked if code is None else replace(asked, offer=_order(code, int(roles.counts[0]), contest))
    if len(roles.free) == _A_PAIR:
        first, second = roles.free
        readings = both_orders(first, second, contest)
        if len(readings) > 1:
            return with_readings(Doubt.READING, readings, contest)
        return replace(asked, offer=readings[0] if readings else _loosely(first, second, contest))
    if len(roles.free) == 1 and meant and asked.doubt is Doubt.WHAT:
        return replace(asked, offer=_parted(roles.free[0], tokens, contest))
    return asked


def _loosely(first: str, second: str, contest: Contest) -> Vote | None:
    """`7 cinq`: no exact code, but the first can only mean one."""
    candidate, _ = by_code(first, contest)
    return None if candidate is None else _reading(candidate.code, second, contest)


def _for_a_person(asked: Ask, person: Candidate, roles: _Roles, tokens: Sequence[str], contest: Contest) -> Ask:
    """The candidate is known, so another number is one of votes, or two candidates are meant."""
    rest = list(roles.free)
    if person.code in rest:
        rest.remove(person.code)
    counts = [*roles.counts, *rest]
    known = replace(asked, code=person.code) if asked.doubt in (Doubt.PRICE, Doubt.QUANTITY) else asked
    if len(counts) > 1:
        return known
    if roles.amounts:
        return replace(known, offer=_for_a_price(roles.amounts[0], counts, person, contest))
    if counts:
        order = _order(person, int(counts[0]), contest)
        other = contest.candidate(counts[0]) if rest and counts[0].startswith("0") else None
        if other is None:
            return replace(known, offer=order)
        readings = tuple(r for r in (_order(other, 1, contest), order) if r)
        return Ask(Doubt.READING, contest, readings=readings)
    words = BEFORE_CODE | AFTER_NUMBER
    only_a_name = all(has_digit(token) or token in words or is_like(token, person.name) for token in tokens)
    return replace(known, offer=_order(person, 1, contest, counted=False)) if only_a_name else known


def _for_a_price(amount: str, counts: Sequence[str], person: Candidate, contest: Contest) -> Vote | None:
    """As many votes as an amount pays for, when it pays for whole ones, and for as many as are named."""
    if len(amount) > QUANTITY_DIGITS_MAX:
        return None
    read = parse_amount(amount, contest.currency)
    count = None if read is None else _votes_for(read, contest.price)
    if count is None or (counts and int(counts[0]) != count):
        return None
    return _order(person, count, contest)


def _votes_for(amount: Money, price: Money) -> int | None:
    count, left = divmod(amount.amount_minor, price.amount_minor)
    return None if left else count


def _parted(number: str, tokens: Sequence[str], contest: Contest) -> Vote | None:
    """`105` as 10 and 5, when there is no other word."""
    known = BEFORE_CODE | AFTER_NUMBER
    if is_year(int(number), contest) or not all(has_digit(token) or token in known for token in tokens):
        return None
    glued = parted(number, contest)
    # A zero behind the code is the end of a round sum rather than the start of a number.
    padded = glued is not None and number[len(glued.code)] == "0"
    return None if padded else glued


def _several(tokens: Sequence[str], contest: Contest) -> tuple[Vote, ...]:
    """`07 5 et 08 3`, `07 et 03`: the orders, where every number of the text belongs to one; else none."""
    numbers = [token for token in tokens if has_digit(token)]
    if not all(number.isdigit() and len(number) < PHONE_DIGITS_MIN for number in numbers) or set(tokens) & PRICES:
        return ()
    joined = any(has_digit(a) and b in AND for a, b in pairwise(tokens))
    if len(numbers) == _A_PAIR and joined and all(number.startswith("0") for number in numbers):
        orders = [_reading(number, "1", contest) for number in numbers]
    elif len(numbers) in (4, 2 * _SEVERAL_MAX):
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        orders = [None if count.startswith("0") else _reading(code, count, contest) for code, count in pairs]
    else:
        return ()
    found = [order for order in orders if order is not None]
    return tuple(found) if len(found) == len(orders) == len({order.code for order in found}) else ()
