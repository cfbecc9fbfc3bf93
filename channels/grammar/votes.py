"""The strict reading: a vote when the text spells it out in this order and no other, else a question."""

from collections.abc import Sequence
from dataclasses import dataclass

from channels.buying import QUANTITY_DIGITS_MAX
from channels.grammar.commands import Ask, Command, Doubt, Noise, Vote
from channels.grammar.offers import both_orders, completed, with_readings
from channels.grammar.tokens import (
    PHONE_DIGITS_MIN,
    by_code,
    by_name,
    find,
    in_digits,
    is_year,
    name_tokens,
    near,
    parted,
    sharing_a_word,
)
from channels.grammar.words import (
    AFTER_NUMBER,
    AGREED,
    BEFORE_CODE,
    FOR,
    INTENT,
    NUMBERS,
    POLITE,
    PRICES,
    TIMES,
    UNITS,
    has_digit,
)
from gateway.contests.contest import Candidate, Contest


@dataclass(frozen=True, slots=True)
class Addressed:
    """Which contest a text is about, None when several are possible; the text without keywords, and
    whether there was one."""

    contest: Contest | None
    tokens: list[str]
    by_keyword: bool


def addressed(tokens: list[str], contests: Sequence[Contest], selling: Sequence[Contest]) -> Addressed:
    """The contest whose keyword is in the text, else the only one of those that sell."""
    named: list[Contest] = []
    for contest in contests:
        keyword = name_tokens(contest.keyword)
        at = find(keyword, tokens)
        if at is not None:
            named.append(contest)
            tokens = tokens[:at] + tokens[at + len(keyword) :]
    possible = named or selling
    return Addressed(possible[0] if len(possible) == 1 else None, tokens, bool(named))


def read_vote(about: Addressed) -> Command:
    """A vote, a question with what may have been meant, or nothing."""
    contest, tokens = about.contest, about.tokens
    meant = about.by_keyword or not INTENT.isdisjoint(tokens)
    if contest is None:
        bare = all(has_digit(token) or token in AFTER_NUMBER | BEFORE_CODE for token in tokens)
        return Ask(Doubt.WHICH_CONTEST) if meant or (bare and any(map(has_digit, tokens))) else Noise()
    found = _strictly(tokens, contest, meant=meant)
    if isinstance(found, Vote) and not meant and not AGREED.isdisjoint(tokens):
        # `OUI 10` is a yes, and no question was asked.
        return Ask(Doubt.WHAT, contest, found.code, offer=found)
    return completed(found, tokens, contest, meant=meant) if isinstance(found, Ask) else found


def _strictly(tokens: list[str], contest: Contest, *, meant: bool) -> Command:
    named = by_name(tokens, contest)
    if named is None:
        return _number_first(tokens, contest) or _from_code(tokens, contest, meant=meant)
    if not meant:
        return Ask(Doubt.WHICH_CANDIDATE, contest, options=(named[0],) if named[0].eligible else ())
    return _from_name(tokens, *named, contest)


def _from_name(tokens: list[str], candidate: Candidate, start: int, end: int, contest: Contest) -> Command:
    """A vote with a name instead of the code, or beside it: both must agree."""
    before, after, code = tokens[:start], tokens[end:], candidate.code
    if any(has_digit(token) for token in before):
        coded, _ = by_code(before[-1], contest)
        return _from_code(before + after, contest, meant=True) if coded is candidate else Ask(Doubt.WHAT, contest)
    if after and after[0] == code:
        return _from_code(before + after, contest, meant=True)
    if any(token.startswith("0") for token in after):
        return Ask(Doubt.WHAT, contest)
    return _from_code([*before, code, *after], contest, meant=True)


def _number_first(tokens: list[str], contest: Contest) -> Command | None:
    """`5 votes pour 07`: the unit and the preposition leave no second reading."""
    start = _code_place(tokens)
    number, rest = tokens[start : start + 1], tokens[start + 1 :]
    if not number or len(rest) < len(("votes", "pour", "07")) or rest[0] not in UNITS or rest[1] not in FOR:
        return None
    at = 2 + _code_place(rest[2:])
    candidate = contest.candidate(rest[at]) if at < len(rest) else None
    spelled = NUMBERS.get(number[0])
    if candidate is None or not POLITE.issuperset(rest[at + 1 :]) or not (has_digit(number[0]) or spelled):
        return None
    return _two_numbers(candidate.code, str(spelled or number[0]), contest, sure=True)


def _code_place(tokens: Sequence[str]) -> int:
    """Where the words end that people write before the code."""
    return next((i for i, token in enumerate(tokens) if token not in BEFORE_CODE), len(tokens))


def _from_code(tokens: list[str], contest: Contest, *, meant: bool) -> Command:
    """`<code> [x]<number>` with the words that people put around it."""
    at = _code_place(tokens)
    if at == len(tokens) or not has_digit(tokens[at]):
        return _unclear(tokens, contest, meant=meant)
    code, rest = tokens[at], tokens[at + 1 :]
    times = bool(rest) and rest[0] in TIMES
    rest = rest[1:] if times else rest
    if not rest:
        return _one_number(code, contest, meant=meant) if not times else _ask_quantity(code, contest)
    if any(token in PRICES for token in rest):
        found, _ = by_code(code, contest)
        return Ask(Doubt.PRICE, contest, found.code if found and rest[0] not in PRICES else "")
    if rest[0] in UNITS and not _padded(code, contest) and not any(map(has_digit, rest)):
        # `5 votes` has a number and no candidate.
        return _unclear(tokens, contest, meant=meant)
    number, after = rest[0], rest[1:]
    if number in NUMBERS and by_code(code, contest)[1]:
        number = str(NUMBERS[number])
    if not has_digit(number):
        if POLITE.issuperset(rest):
            return _one_number(code, contest, meant=meant)
        known = not INTENT.intersection(rest) and not any(map(has_digit, rest)) and not sharing_a_word(rest, contest)
        return _ask_quantity(code, contest) if known and meant else _unclear(tokens, contest, meant=meant)
    if not AFTER_NUMBER.issuperset(after):
        return _unclear(tokens, contest, meant=meant)
    unit = not POLITE.issuperset(after)
    if _in_doubt(code, number, contest, unit=unit, times=times, meant=meant):
        return with_readings(Doubt.READING, both_orders(code, number, contest), contest)
    return _two_numbers(code, number, contest, marked=times or unit)


def _in_doubt(code: str, number: str, contest: Contest, *, unit: bool, times: bool, meant: bool) -> bool:
    """Whether the second number may be the code as well: where it is written as only codes are, with a zero; where
    only it is a code as it stands; and where nothing shows that the order of the grammar was followed. `unit`: a
    word such as "votes" follows it; `times`: an x precedes it; `meant`: there is a verb or a keyword."""
    if not code.isdigit() or contest.candidate(number) is None:
        return False
    if number.startswith("0"):
        return not (unit and code.startswith("0"))
    if contest.candidate(code) is None:
        return not (unit or (times and meant))
    return code != number and not (unit or times or meant or code.startswith("0"))


def _padded(number: str, contest: Contest) -> bool:
    """Whether a number is written as only codes are: with a zero before it."""
    return number.startswith("0") and contest.candidate(number) is not None


def _two_numbers(code: str, number: str, contest: Contest, *, marked: bool = False, sure: bool = False) -> Command:
    """`marked`: a sign or a word marks the second as the number of votes; `sure`: nothing else can be meant."""
    candidate, _ = by_code(code, contest)
    if candidate is None:
        return Ask(Doubt.WHAT if len(code) >= PHONE_DIGITS_MIN else Doubt.UNKNOWN_CODE, contest, code)
    if not candidate.eligible:
        return Ask(Doubt.NOT_STANDING, contest, candidate.code)
    if not number.isdigit() or not number.strip("0"):
        return Ask(Doubt.QUANTITY, contest, candidate.code)
    if number.startswith("0") and len(number) >= PHONE_DIGITS_MIN:
        return Ask(Doubt.WHAT, contest)
    if len(number) > QUANTITY_DIGITS_MAX or int(number) > contest.quantity_max:
        return Ask(Doubt.TOO_MANY, contest, candidate.code)
    if is_year(int(number), contest) and not (marked or sure):
        return Ask(Doubt.QUANTITY, contest, candidate.code)
    return Vote(contest, candidate.code, int(number))


def _one_number(number: str, contest: Contest, *, meant: bool) -> Command:
    """A code alone is one vote. `0705` is code and number when it can only be parted in one way; a
    number without a leading zero may be a price or a year, and is never parted."""
    candidate, exact = by_code(number, contest)
    if candidate is not None and not candidate.eligible:
        return Ask(Doubt.NOT_STANDING, contest, candidate.code)
    readings = [] if candidate is None else [Vote(contest, candidate.code, 1, counted=False)]
    if number.startswith("0") and (glued := parted(number, contest)):
        readings.append(glued)
    if not readings:
        width = max((len(c.code) for c in contest.candidates), default=0)
        return Ask(Doubt.UNKNOWN_CODE if len(number) <= width else Doubt.WHAT, contest, number)
    # `1` and `2` are also what people answer to a menu that they remember.
    sure = len(readings) == 1 and (meant or exact or len(number) > 1)
    return readings[0] if sure else Ask(Doubt.WHAT, contest)


def _ask_quantity(code: str, contest: Contest) -> Ask:
    candidate, _ = by_code(code, contest)
    if candidate is None:
        return Ask(Doubt.UNKNOWN_CODE, contest, code)
    return Ask(Doubt.QUANTITY if candidate.eligible else Doubt.NOT_STANDING, contest, candidate.code)


def _name_and_number(tokens: list[str], contest: Contest) -> bool:
    """`je veux 3 fatou`, `cinq pour fatou`: a word of a candidate's name, and a number beside it. `une` is no number
    in talk."""
    numbers = [token for token in in_digits(tokens) if has_digit(token)]
    return bool(set(numbers) - {"1"} or any(map(has_digit, tokens))) and bool(sharing_a_word(tokens, contest))


def _unclear(tokens: list[str], contest: Contest, *, meant: bool) -> Command:
    """A question when the sender seems to want a vote, nothing for a text that was meant for another person."""
    with_code = any(contest.candidate(token) for token in tokens)
    if not meant and not with_code and not _name_and_number(tokens, contest):
        plain = all(has_digit(token) or token in BEFORE_CODE | AFTER_NUMBER for token in tokens)
        return Ask(Doubt.WHAT, contest) if plain and any(map(has_digit, tokens)) else Noise()
    if not with_code and (options := near(tokens, contest)):
        return Ask(Doubt.WHICH_CANDIDATE, contest, options=options)
    return Ask(Doubt.WHAT, contest)
