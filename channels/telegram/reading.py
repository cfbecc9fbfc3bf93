"""What people send, judged by plain rules: words, deep links, contacts, buttons."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from channels.telegram.callbacks import ME, tag
from gateway.domain.contest import Candidate, Contest
from gateway.domain.money import Money
from gateway.domain.msisdn import Msisdn, NumberFault, read_msisdn
from gateway.domain.order import Refusal, check_candidate, check_quantity, check_window, price_of

FOUND_MAX: Final = 8
_TYPED_MAX: Final = 80
_VOTE: Final = re.compile(
    r"(?:(?:vote[rz]?|v)\s*)?(?P<code>[0-9]{2,6})(?:\s*[\sx×*,;:/-]\s*(?P<count>[0-9]{1,7}))?(?:\s*votes?)?[.!]?",
    re.IGNORECASE | re.ASCII,
)
_CANDIDATE_LINKS: Final = (
    re.compile(r"c_(?P<code>[0-9]{2,12})(?:_(?P<slug>[A-Za-z0-9-]{1,48}))?", re.ASCII),
    re.compile(r"c_(?P<slug>[A-Za-z0-9-]{1,48})_(?P<code>[0-9]{2,12})", re.ASCII),
)


@dataclass(frozen=True, slots=True)
class TypedVote:
    """A code, and perhaps a number of votes, as somebody wrote them."""

    code: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Offer:
    """Votes that may be sold at this moment, priced."""

    contest: Contest
    candidate: Candidate
    count: int
    amount: Money


def read_vote(text: str) -> TypedVote | None:
    """`07`, `07 5`, `vote 07 x5`; None for anything else."""
    found = _VOTE.fullmatch(text.strip()[:_TYPED_MAX])
    if found is None:
        return None
    return TypedVote(found["code"], int(found["count"]) if found["count"] else None)


def read_count(text: str, contest: Contest) -> int | Refusal:
    """A number of votes as somebody wrote it."""
    digits = text.strip().replace(" ", "").replace("\u202f", "").replace("\u00a0", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        return Refusal.BAD_QUANTITY
    return check_quantity(contest, int(digits)) or int(digits)


def read_link(payload: str) -> tuple[str, str | None] | None:
    """Code and perhaps the contest's word of a deep link `c_07`, `c_07_star` or `c_star_07`; None for
    another."""
    found = next(filter(None, (form.fullmatch(payload) for form in _CANDIDATE_LINKS)), None)
    return None if found is None else (found["code"], found["slug"])


def search(contest: Contest, typed: str) -> tuple[Candidate, ...]:
    """Candidates who stand and whose name has these words, accents and case aside."""
    words = plain(typed[:_TYPED_MAX]).split()
    if not words:
        return ()
    named = (c for c in contest.standing if all(word in plain(c.name) for word in words))
    return tuple(named)[:FOUND_MAX]


def plain(text: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def find_contest(word: str, contests: Iterable[Contest]) -> Contest | None:
    """The one contest that a button means."""
    named = [contest for contest in contests if tag(contest) == word]
    return named[0] if len(named) == 1 else None


def standing_under(code: str, contests: Iterable[Contest], now: datetime) -> list[Contest]:
    """The open contests in which this code stands; of none open, all in which it stands."""
    having = [c for c in contests if (found := c.candidate(code)) is not None and found.standing]
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


def read_number(text: str, contest: Contest) -> Msisdn | Refusal:
    """A number as somebody wrote it, of the contest's country."""
    found = read_msisdn(text, contest.country)
    if isinstance(found, Msisdn):
        return found
    return Refusal.FOREIGN_NUMBER if found is NumberFault.FOREIGN else Refusal.BAD_NUMBER


def own_number(verified: str | None, contest: Contest) -> Msisdn | None:
    """The number that a chat has proved to hold, where the contest's country is its own."""
    found = read_msisdn(verified, contest.country, vouched=True) if verified else None
    return found if isinstance(found, Msisdn) else None


def read_payer(word: str, verified: str | None, contest: Contest) -> Msisdn | Refusal:
    """The number that a button makes pay."""
    if word == ME:
        return own_number(verified, contest) or Refusal.BAD_NUMBER
    return read_number(f"+{word}", contest)


def payer_word(number: Msisdn, verified: str | None) -> str:
    """How a button names this number."""
    return ME if number.e164 == verified else number.digits


def contact_number(phone_number: str, contests: Sequence[Contest]) -> Msisdn | None:
    """The number of a contact, which Telegram sends with or without `+`, by the first contest of whose
    country it is."""
    digits = "".join(c for c in phone_number if c.isascii() and c.isdigit())
    found = (read_msisdn(f"+{digits}", contest.country, vouched=True) for contest in contests)
    return next((number for number in found if isinstance(number, Msisdn)), None)


def is_own_contact(
    *, contact_user: int | None, sender: int | None, private: bool, forwarded: bool, by_bot: bool
) -> bool:
    """Whether a contact proves its sender's number: the server sets the contact's user, but anybody may
    pass on the card of somebody else."""
    return private and not forwarded and not by_bot and contact_user is not None and contact_user == sender
