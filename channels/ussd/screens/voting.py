"""Screens on the way to a vote."""

from functools import lru_cache
from typing import Final

from channels import gsm
from channels.buying import votes_in_words, wallet_name
from channels.phrases import say
from channels.ussd.screens.fitting import SEPTETS_MAX, around_name, fitted
from gateway.contests.contest import Candidate, Contest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn

# Packs are left out, the dearest first, rather than that less than this is left of a name.
_NAME_BESIDE_PACKS: Final = 12
# Stands for a digit of a number: one septet, and in no name or sentence as often in a row.
_NUMBER: Final = "Ψ"


@lru_cache(maxsize=512)
def home(
    contest_name: str,
    price: Money,
    language: str,
    other_language: str,
    notice: str = "",
    *,
    shared: bool = False,
    room: int = SEPTETS_MAX,
) -> str:
    """The first screen: the price, and what may be typed. `other_language`: as its speakers call it, or
    the word for language where there are several; `shared`: whether back leads to other contests."""

    def make(name: str) -> str:
        text = say(language, "ussd.home", contest=name, price=price.spoken(), other=other_language)
        return f"{text}\n{say(language, 'ussd.back')}" if shared else text

    return around_name(make, contest_name, notice, room)


def closed(
    contest_name: str,
    language: str,
    other_language: str,
    notice: str = "",
    *,
    shared: bool = False,
    room: int = SEPTETS_MAX,
) -> str:
    """The first screen of a contest that is over: what may still be asked, under the numbers that it always
    had."""

    def make(name: str) -> str:
        text = say(language, "ussd.closed_home", contest=name, other=other_language)
        return f"{text}\n{say(language, 'ussd.back')}" if shared else text

    return around_name(make, contest_name, notice, room)


def resume(
    contest: Contest, candidate: Candidate, votes: int, language: str, notice: str = "", room: int = SEPTETS_MAX
) -> str:
    """To who was cut off: go on, or start again. `votes` 0: their number was not typed."""
    what = f": {votes_in_words(language, votes)}" if votes else ""

    def make(name: str) -> str:
        return say(language, "ussd.resume", contest=contest.name, code=candidate.code, name=name, votes=what)

    return around_name(make, candidate.name, notice, room)


def quantity(contest: Contest, candidate: Candidate, language: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """Ask how many votes, with packs and their prices where the contest has them."""
    price = contest.price
    return _quantity(
        price.amount_minor, price.currency, contest.packs, candidate.code, candidate.name, language, notice, room
    )


@lru_cache(maxsize=2048)
def _quantity(
    price_minor: int,
    currency: str,
    of_packs: tuple[int, ...],
    code: str,
    name: str,
    language: str,
    notice: str,
    room: int,
) -> str:
    price = Money(price_minor, currency)
    packs = [f"{count} = {price.times(count).spoken()}" for count in of_packs]

    def make(shortened: str, shown: int) -> str:
        offers = say(language, "ussd.packs", packs=", ".join(packs[:shown])) + "\n" if shown else ""
        return say(language, "ussd.quantity", code=code, name=shortened, price=price.spoken(), packs=offers)

    least = gsm.cut_on_word(gsm.fold(name), _NAME_BESIDE_PACKS)
    above = f"{notice}\n" if notice else ""
    fitting = (n for n in range(len(packs), 0, -1) if gsm.fits(gsm.fold(above + make(least, n)), room))
    shown = next(fitting, 0)
    return around_name(lambda shortened: make(shortened, shown), name, notice, room)


def confirm(
    candidate: Candidate,
    votes: int,
    amount: Money,
    payer: Msisdn,
    method: PaymentMethod | None,
    choices: tuple[tuple[str, str], ...],
    language: str,
    notice: str = "",
    room: int = SEPTETS_MAX,
) -> str:
    """What will be bought, for how much, from which wallet. `choices`: other ways to pay, each with its key."""
    number = payer.masked_gsm()
    of_candidate = (candidate.code, candidate.name)
    screen = _confirm(of_candidate, votes, amount, len(number), method, choices, language, notice, room)
    return screen.replace(_NUMBER * len(number), number)


@lru_cache(maxsize=4096)
def _confirm(
    candidate: tuple[str, str],
    votes: int,
    amount: Money,
    digits: int,
    method: PaymentMethod | None,
    choices: tuple[tuple[str, str], ...],
    language: str,
    notice: str,
    room: int,
) -> str:
    """The same for a number of so many characters: hundreds buy as many votes for the same candidate."""
    code, full_name = candidate
    lines = []
    if method is not None:
        lines.append(say(language, "ussd.pay", wallet=wallet(method, language), number=_NUMBER * digits))
    lines.append(say(language, "ussd.other_number"))
    lines += [f"{key} {choice}" for key, choice in choices]
    lines.append(say(language, "ussd.back"))

    def make(name: str) -> str:
        phrase = "ussd.confirm_one" if votes == 1 else "ussd.confirm"
        head = say(language, phrase, votes=votes, code=code, name=name, amount=amount.spoken())
        return "\n".join([head, *lines])

    return around_name(make, full_name, notice, room)


def check(candidate: Candidate, votes: int, amount: Money, key: str, language: str, room: int = SEPTETS_MAX) -> str:
    """What is about to be bought, after screens that we do not know: whoever reads this types `key`."""

    def make(name: str) -> str:
        phrase = "ussd.confirm_one" if votes == 1 else "ussd.confirm"
        head = say(language, phrase, votes=votes, code=candidate.code, name=name, amount=amount.spoken())
        return "\n".join([head, say(language, "ussd.confirm_again", digits=key), say(language, "ussd.back")])

    return around_name(make, candidate.name, "", room)


def payment_code(
    candidate: Candidate,
    votes: int,
    amount: Money,
    dialled: str,
    where: str,
    language: str,
    notice: str = "",
    room: int = SEPTETS_MAX,
    *,
    elsewhere: bool = False,
) -> str:
    """Ask for the code that the payer fetches by dialling `dialled`. `where`: what is dialled with the code
    then, because a phone holds one dialogue at a time; `elsewhere`: the phone that fetches it, which is
    another one."""

    def make(name: str) -> str:
        what = votes_in_words(language, votes)
        return say(
            language,
            "ussd.which_payment_code_elsewhere" if elsewhere else "ussd.which_payment_code",
            votes=what,
            code=candidate.code,
            name=name,
            amount=amount.spoken(),
            dialled=dialled,
            where=where,
        )

    return around_name(make, candidate.name, notice, room)


def paid_by_code(amount: Money, language: str, room: int = SEPTETS_MAX) -> str:
    """The last screen of an order that a code pays."""
    return fitted(say(language, "ussd.placed_code", amount=amount.spoken()), room=room)


def other_number(language: str, example: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """Ask which number pays. `example`: how one is written there."""
    return fitted(say(language, "ussd.which_number", example=example), notice, room)


def placed(
    method: PaymentMethod,
    amount: Money,
    language: str,
    elsewhere: Msisdn | None = None,
    room: int = SEPTETS_MAX,
    *,
    by_page: bool = False,
    dialled: str = "",
) -> str:
    """The last screen of an order: what happens next, on this phone or on the one that pays. `by_page`:
    the operator asks on its page instead of the phone; `dialled`: what helps either, where there is a code."""
    where = "" if elsewhere is None else "_elsewhere"
    number = "" if elsewhere is None else elsewhere.masked_gsm()
    facts = {"wallet": wallet(method, language), "amount": amount.spoken(), "number": number, "dialled": dialled}
    first, help_with = ("placed_page", "placed_page_code") if by_page else (f"placed_push{where}", "placed_approve")
    told = [first, *([f"{help_with}{where}"] if dialled else []), "placed_receipt"]
    sentences = [say(language, f"ussd.{phrase}", **facts) for phrase in told]
    whole = gsm.fold(" ".join(sentences))
    return fitted(whole if gsm.septets(whole) <= room else " ".join(sentences[:-1]), room=room)


def wallet(method: PaymentMethod, language: str, *, by_page: bool = False) -> str:
    """A wallet's name. `by_page`: with the news that a link comes by SMS."""
    name = wallet_name(language, method)
    return say(language, "ussd.by_link", wallet=name) if by_page else name
