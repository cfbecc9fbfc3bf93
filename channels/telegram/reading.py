"""What voters send: words (read by the grammar of texts), deep links, contacts, buttons. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from channels.buying import own_number, read_payer
from channels.grammar import Ask, Command, Doubt, Noise, Vote, count_in, read
from channels.telegram.buttons import ME, tag
from gateway.contests.contest import Candidate, Contest
from gateway.orders.rules import Refusal, check_candidate, check_quantity, check_window, price_of
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn, read_msisdn

_PHONE_TRY_DIGITS: Final = 5
_CODE_AND_NUMBER: Final = 2
_IN_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:\s[0-9]{3})+")
_CANDIDATE_LINKS: Final = (
    re.compile(r"c_(?P<code>[0-9]{2,12})(?:_(?P<slug>[A-Za-z0-9-]{1,48}))?", re.ASCII),
    re.compile(r"c_(?P<slug>[A-Za-z0-9-]{1,48})_(?P<code>[0-9]{2,12})", re.ASCII),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """Votes that may be sold now, priced."""

    contest: Contest
    candidate: Candidate
    count: int
    amount: Money


def read_words(text: str, contests: Sequence[Contest], chosen: Contest | None, now: datetime) -> Command:
    """What words mean in a chat. `chosen`: the contest that it is about."""
    running = [contest for contest in contests if contest.open_at(now)]
    return read(text, contests, selling=(chosen,) if chosen is not None else running)


def in_each(text: str, contests: Sequence[Contest], now: datetime) -> list[Vote]:
    """The order that these words mean in each contest: in the open ones, if there are any."""
    found = [read(text, [contest]) for contest in contests]
    orders = [command.offer if isinstance(command, Ask) else command for command in found]
    read_as = [order for order in orders if isinstance(order, Vote)]
    return [order for order in read_as if order.contest.open_at(now)] or read_as


def unknown_code(text: str, contests: Sequence[Contest]) -> str:
    """The code in these words that no contest has; empty where there is none."""
    found = [read(text, [contest]) for contest in contests]
    codes = {command.code for command in found if isinstance(command, Ask) and command.doubt is Doubt.UNKNOWN_CODE}
    return codes.pop() if len(codes) == 1 else ""


def goes_beyond_a_number(command: Command) -> bool:
    """Whether words are more than an answer while a number is asked for."""
    if isinstance(command, Ask):
        return command.offer is not None or bool(command.readings) or command.doubt is Doubt.PIN
    return not isinstance(command, Noise)


def is_no_phone(words: str, command: Command) -> bool:
    """Whether words are no answer while a phone number is asked for. Digits alone are taken for one, unless they are
    too few, or a code and a number: phone numbers are not grouped like `07 1000`."""
    if isinstance(command, Ask) and command.doubt is Doubt.PIN:
        return True
    digits = sum(character.isdigit() for character in words)
    if 0 < digits < _PHONE_TRY_DIGITS:
        return not isinstance(command, Noise)
    groups = words.split()
    code_and_number = len(groups) == _CODE_AND_NUMBER and not groups[1].startswith("0")
    return (code_and_number or any(map(str.isalpha, words))) and goes_beyond_a_number(command)


def read_count(text: str, contest: Contest) -> int | Refusal:
    """A number of votes as a voter wrote it: `12`, `1 000`, `12 votes`, `douze`."""
    typed = text.strip()
    digits = re.sub(r"\s", "", typed) if _IN_THOUSANDS.fullmatch(typed) else count_in(typed) or typed
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        return Refusal.BAD_QUANTITY
    return check_quantity(contest, int(digits)) or int(digits)


def read_link(payload: str) -> tuple[str, str | None] | None:
    """Code and perhaps the contest's word of a deep link `c_07`, `c_07_star` or `c_star_07`; None for
    another."""
    found = next(filter(None, (form.fullmatch(payload) for form in _CANDIDATE_LINKS)), None)
    return None if found is None else (found["code"], found["slug"])


def find_contest(word: str, contests: Iterable[Contest]) -> Contest | None:
    """The one contest that a button means."""
    named = [contest for contest in contests if tag(contest) == word]
    return named[0] if len(named) == 1 else None


def contests_having(code: str, contests: Iterable[Contest], now: datetime) -> list[Contest]:
    """The open contests that have an eligible candidate with this code; where none is open, the others."""
    having = [c for c in contests if (found := c.candidate(code)) is not None and found.eligible]
    return [c for c in having if c.open_at(now)] or having


def offer(contest: Contest, code: str, count: int, now: datetime) -> Offer | Refusal:
    """Whether so many votes for this code may be sold now, and for how much."""
    if refusal := check_window(contest, now):
        return refusal
    candidate = check_candidate(contest, code)
    if isinstance(candidate, Refusal):
        return candidate
    if refusal := check_quantity(contest, count):
        return refusal
    return Offer(contest, candidate, count, price_of(contest, count))


def read_payer_of(button: str, verified: str | None, contest: Contest) -> Msisdn | Refusal:
    """The number that pays, as a button names it. `verified`: the number that the chat has proved to hold."""
    if button == ME:
        return own_number(verified, contest) or Refusal.BAD_NUMBER
    return read_payer(f"+{button}", contest)


def payer_of(number: Msisdn, verified: str | None) -> str:
    """How a button names this number."""
    return ME if number.e164 == verified else number.digits


def contact_number(phone_number: str, contests: Sequence[Contest]) -> Msisdn | None:
    """The number of a contact, which Telegram sends with or without `+`, in the country of the first contest that it
    fits."""
    digits = "".join(c for c in phone_number if c.isascii() and c.isdigit())
    found = (read_msisdn(f"+{digits}", contest.country, vouched=True) for contest in contests)
    return next((number for number in found if isinstance(number, Msisdn)), None)


def is_own_contact(
    *, contact_user: int | None, sender: int | None, private: bool, forwarded: bool, by_bot: bool
) -> bool:
    """Whether a contact proves its sender's number. Telegram sets the contact's user, but a person may send the
    contact of another one."""
    return private and not forwarded and not by_bot and contact_user is not None and contact_user == sender
