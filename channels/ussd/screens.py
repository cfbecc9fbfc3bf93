"""What the voter sees: each screen as text of at most 160 septets, in any language.

Every screen has parts that may give way: names are cut on a word, an error above a screen is
dropped before the screen itself suffers.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from channels import gsm
from channels.phrases import say
from gateway.domain.contest import Candidate, Contest
from gateway.domain.money import Money
from gateway.domain.msisdn import Msisdn
from gateway.domain.tally import Standing
from gateway.domain.wallet import PaymentMethod
from gateway.ports.house import VoteLine

SEPTETS_MAX: Final = 160
NAME_SEPTETS_MAX: Final = 40
LIST_NAME_SEPTETS: Final = 19
LIST_SIZE: Final = 5
RANKING_SIZE: Final = 10
MY_VOTES_MAX: Final = 4


def fitted(text: str, notice: str = "") -> str:
    """The screen within its budget: with the notice above it where both fit."""
    screen = gsm.fold(text)
    if notice:
        both = f"{gsm.fold(notice)}\n{screen}"
        if gsm.fits(both, SEPTETS_MAX):
            return both
    return screen if gsm.fits(screen, SEPTETS_MAX) else gsm.cut_on_word(screen, SEPTETS_MAX)


def squeezed(make: Callable[[str], str], name: str, notice: str = "") -> str:
    """A screen around a name, which is cut by whole words until everything fits."""
    folded = gsm.fold(name)
    room = min(gsm.septets(folded), NAME_SEPTETS_MAX)
    above = f"{gsm.fold(notice)}\n" if notice else ""
    while room > 8:
        text = above + gsm.fold(make(gsm.cut_on_word(folded, room)))
        if gsm.fits(text, SEPTETS_MAX):
            return text
        room -= 4
    return fitted(make(gsm.cut_on_word(folded, 8)), notice)


@lru_cache(maxsize=512)
def home(contest_name: str, price: Money, language: str, notice: str) -> str:
    """The first screen: the price, and what may be typed."""

    def make(name: str) -> str:
        return say(language, "ussd.home", contest=name, price=price.spoken())

    return squeezed(make, contest_name, notice)


def candidate_pages(contest: Contest) -> int:
    """How many pages the list of candidates has."""
    return max(1, -(-len(contest.standing) // LIST_SIZE))


def _listing(lines: Sequence[str], language: str, *, more: bool, notice: str) -> str:
    foot = say(language, "ussd.more_back" if more else "ussd.back")
    return fitted("\n".join([*lines, foot]), notice)


def candidates(contest: Contest, page: int, language: str, notice: str = "") -> str:
    """A page of candidates; a code may be typed on any page."""
    shown = contest.standing[page * LIST_SIZE : (page + 1) * LIST_SIZE]
    lines = [f"{c.code} {gsm.cut_on_word(gsm.fold(c.name), LIST_NAME_SEPTETS)}" for c in shown]
    return _listing(lines, language, more=page + 1 < candidate_pages(contest), notice=notice)


def ranking_pages(standing: Standing) -> int:
    """How many pages the top ten have."""
    return max(1, -(-min(RANKING_SIZE, len(standing.entries)) // LIST_SIZE))


def ranking(standing: Standing, page: int, language: str, notice: str = "") -> str:
    """Half of the top ten."""
    shown = standing.entries[:RANKING_SIZE][page * LIST_SIZE : (page + 1) * LIST_SIZE]
    lines = []
    for entry in shown:
        votes = f"{entry.votes:,}".replace(",", " ")
        name = gsm.cut_on_word(gsm.fold(entry.name), max(6, 24 - len(votes)))
        lines.append(f"{entry.rank}. {name} {votes}")
    return _listing(lines, language, more=page + 1 < ranking_pages(standing), notice=notice)


def quantity(contest: Contest, candidate: Candidate, language: str, notice: str = "") -> str:
    """Ask how many votes."""

    def make(name: str) -> str:
        return say(language, "ussd.quantity", code=candidate.code, name=name, price=contest.price.spoken())

    return squeezed(make, candidate.name, notice)


def confirm(
    candidate: Candidate,
    votes: int,
    amount: Money,
    payer: Msisdn,
    method: PaymentMethod | None,
    others: Sequence[PaymentMethod],
    language: str,
    notice: str = "",
) -> str:
    """What will be bought, for how much, from which wallet."""
    lines = []
    if method is not None:
        lines.append(say(language, "ussd.pay", wallet=wallet(method, language), number=payer.masked_gsm()))
    lines.append(say(language, "ussd.other_number"))
    lines += [f"{place} {wallet(other, language)}" for place, other in enumerate(others, start=3)]
    lines.append(say(language, "ussd.back"))

    def make(name: str) -> str:
        head = say(language, "ussd.confirm", votes=votes, code=candidate.code, name=name, amount=amount.spoken())
        return "\n".join([head, *lines])

    return squeezed(make, candidate.name, notice)


def other_number(language: str, notice: str = "") -> str:
    """Ask which number pays."""
    return fitted(say(language, "ussd.which_number"), notice)


def my_votes(lines: Sequence[VoteLine], language: str) -> str:
    """A number's latest orders, newest first."""
    if not lines:
        return fitted(f"{say(language, 'ussd.no_votes')}\n{say(language, 'ussd.back')}")
    shown = [_vote_line(line, language) for line in lines[:MY_VOTES_MAX]]
    return fitted("\n".join([*shown, say(language, "ussd.back")]))


def _vote_line(line: VoteLine, language: str) -> str:
    status = say(language, f"ussd.status_{line.status.value}")
    return f"{line.candidate_code} x{line.quantity} {line.receipt or status}"


def placed(method: PaymentMethod, amount: Money, language: str) -> str:
    """The last screen of an order: what happens next, on this phone."""
    return fitted(say(language, f"ussd.placed_{method.value}", amount=amount.spoken()))


def wallet(method: PaymentMethod, language: str) -> str:
    """A wallet's name."""
    return say(language, f"wallet.{method.value}")
