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
from gateway.domain.tally import Ranked, Standing
from gateway.domain.wallet import PaymentMethod
from gateway.ports.house import VoteLine

SEPTETS_MAX: Final = 160
NAME_SEPTETS_MAX: Final = 40
NAME_SEPTETS_MIN: Final = 5
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


def squeezed(make: Callable[[int], str], name_septets_max: int, notice: str = "") -> str:
    """A screen with names in it, which `make` cuts to so many septets: as many as leave room for all
    the rest and for the notice above it."""
    above = f"{gsm.fold(notice)}\n" if notice else ""
    for room in range(name_septets_max, NAME_SEPTETS_MIN - 1, -2):
        text = above + gsm.fold(make(room))
        if gsm.fits(text, SEPTETS_MAX):
            return text
    return fitted(make(NAME_SEPTETS_MIN), notice)


def _around_name(make: Callable[[str], str], name: str, notice: str) -> str:
    folded = gsm.fold(name)
    return squeezed(
        lambda room: make(gsm.cut_on_word(folded, room)), min(gsm.septets(folded), NAME_SEPTETS_MAX), notice
    )


@lru_cache(maxsize=512)
def home(contest_name: str, price: Money, language: str, notice: str) -> str:
    """The first screen: the price, and what may be typed."""

    def make(name: str) -> str:
        return say(language, "ussd.home", contest=name, price=price.spoken())

    return _around_name(make, contest_name, notice)


def candidate_pages(contest: Contest) -> int:
    """How many pages the list of candidates has."""
    return max(1, -(-len(contest.standing) // LIST_SIZE))


def _foot(language: str, *, more: bool) -> str:
    return say(language, "ussd.more_back" if more else "ussd.back")


def candidates(contest: Contest, page: int, language: str, notice: str = "") -> str:
    """A page of candidates, counted from 0; a code may be typed on any page."""
    shown = contest.standing[page * LIST_SIZE : (page + 1) * LIST_SIZE]
    foot = _foot(language, more=page + 1 < candidate_pages(contest))

    def make(room: int) -> str:
        return "\n".join([*(f"{c.code} {gsm.cut_on_word(gsm.fold(c.name), room)}" for c in shown), foot])

    return squeezed(make, LIST_NAME_SEPTETS, notice)


def ranking_pages(standing: Standing) -> int:
    """How many pages the top ten have."""
    return max(1, -(-min(RANKING_SIZE, len(standing.entries)) // LIST_SIZE))


def ranking(standing: Standing, page: int, language: str, notice: str = "") -> str:
    """Half of the top ten; pages are counted from 0."""
    shown = standing.entries[:RANKING_SIZE][page * LIST_SIZE : (page + 1) * LIST_SIZE]
    foot = _foot(language, more=page + 1 < ranking_pages(standing))

    def make(room: int) -> str:
        return "\n".join([*(_ranked(entry, room) for entry in shown), foot])

    return squeezed(make, LIST_NAME_SEPTETS, notice)


def _ranked(entry: Ranked, room: int) -> str:
    votes = f"{entry.votes:,}".replace(",", " ")
    return f"{entry.rank}. {gsm.cut_on_word(gsm.fold(entry.name), room)} {votes}"


def quantity(contest: Contest, candidate: Candidate, language: str, notice: str = "") -> str:
    """Ask how many votes."""

    def make(name: str) -> str:
        return say(language, "ussd.quantity", code=candidate.code, name=name, price=contest.price.spoken())

    return _around_name(make, candidate.name, notice)


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
        phrase = "ussd.confirm_one" if votes == 1 else "ussd.confirm"
        head = say(language, phrase, votes=votes, code=candidate.code, name=name, amount=amount.spoken())
        return "\n".join([head, *lines])

    return _around_name(make, candidate.name, notice)


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


def placed(method: PaymentMethod, amount: Money, language: str, elsewhere: Msisdn | None = None) -> str:
    """The last screen of an order: what happens next, on this phone or on the one that pays."""
    if elsewhere is None:
        return fitted(say(language, f"ussd.placed_{method.value}", amount=amount.spoken()))
    number = elsewhere.masked_gsm()
    return fitted(say(language, f"ussd.placed_elsewhere_{method.value}", amount=amount.spoken(), number=number))


def wallet(method: PaymentMethod, language: str) -> str:
    """A wallet's name."""
    return say(language, f"wallet.{method.value}")
