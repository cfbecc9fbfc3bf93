"""From a chosen candidate to the order: how many votes, the confirmation, the wallet, another number, a code."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from channels import gsm
from channels.buying import (
    BY_CODE,
    dial_with_code,
    phone_wallets,
    read_count,
    read_payer,
    refusal_words,
    votes_in_words,
    wallet_name,
    why_no_wallet,
)
from channels.phrases import say
from channels.ussd.menu.lists import found, home, listing
from channels.ussd.menu.screen import around_name, corrected, dial_again, ended, fitted, shown, wrong
from channels.ussd.menu.session import CHECKING, SEPTETS_MAX, Buy, MenuView, Node, Session, Turn
from gateway.orders.rules import Refusal, check_candidate, price_of
from gateway.orders.wallet import (
    APPROVAL_CODES,
    ON_PHONES,
    PAYMENT_CODES,
    PaymentMethod,
    example_number,
    may_have,
    not_taken_yet,
)
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn

# Keys of the confirmation: 1 pay, 2 another number, from here the other wallets, then the payment code.
OTHERS_FROM: Final = 3
# Orange sends six digits; a provider may want more or fewer.
PAYMENT_CODE_MIN: Final = 4
PAYMENT_CODE_MAX: Final = 8
# Packs are left out, the dearest first, rather than that less than this is left of a name.
_NAME_BESIDE_PACKS: Final = 12
# Stands for a digit of a number: one septet, and in no name or sentence as often in a row.
_NUMBER: Final = "Ψ"


# Who pays, and how.


class Payer:
    """Who pays the order of a session, and by which ways.

    `number`: the typed one, or the one that dials. `method`: the chosen wallet, or the one that the number most
    likely has. `wallets`: those that it may have and that take money now; `others`: those to choose instead.
    """

    def __init__(self, session: Session, view: MenuView) -> None:
        self._view = view
        self.number = Msisdn(session.payer, view.contest.country) if session.payer else view.dialler
        # Only that of the number that dials is known.
        self.network = None if session.payer else view.network
        chosen = session.method
        self.method = PaymentMethod(chosen) if chosen else view.rails.guess(self.number, self.network)
        self.wallets = phone_wallets(view.rails.open_for(self.number, self.network))
        self.others = tuple(other for other in self.wallets if other is not self.method)

    @property
    def open_method(self) -> PaymentMethod | None:
        """The wallet, if it takes money now."""
        return self.method if self.method in self.wallets else None

    def by_code(self) -> tuple[PaymentMethod | None, str]:
        """The wallet that can be paid with a code that the payer fetches, and what is dialled for it: the chosen
        one, else whichever the number may have; None and empty where there is none."""
        country, rails = self._view.contest.country, self._view.rails
        for wallet in ON_PHONES if self.method is None else (self.method,):
            code = PAYMENT_CODES.get((country, wallet))
            if code and rails.with_code(country, wallet) and may_have(self.number, wallet, self.network):
                return wallet, code
        return None, ""

    def notice(self, language: str) -> str:
        """What is to be known of the wallet before anything is paid: that it is not taken here, or is down."""
        if self.method is not None:
            down = self.method not in self._view.rails.open_methods(self._view.contest.country)
            return say(language, "ussd.wallet_down", wallet=wallet_name(language, self.method)) if down else ""
        if not_taken_yet(self.number, self.network, taken=()) is None:
            return ""
        why = why_no_wallet(language, self.number, self.network)
        return why if self.wallets else f"{why} {say(language, 'pay.another_number')}"


def code_key(others: Sequence[PaymentMethod]) -> str:
    """What is typed at the confirmation to pay with a fetched code: the same whether another wallet takes
    money or not, because it is dialled from memory."""
    return str(max(int(BY_CODE), OTHERS_FROM + len(others)))


def dial_for_code(session: Session, view: MenuView) -> str:
    """What the payer's own phone dials once it has the code: the dialogue ends when it dials for one. Empty
    where another phone pays, which leaves this dialogue alone."""
    if session.payer and session.payer != view.dialler.e164:
        return ""
    key = code_key(Payer(session._replace(payer=None, method=None), view).others)
    return dial_with_code(session.language, view.contest.dial_code, session.code or "", session.votes, key)


# How many votes.


def resume(session: Session, view: MenuView, notice: str = "") -> Turn:
    """To a voter who was cut off: go on, or start again. Their number of votes may be unknown."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view, notice)
    language = session.language
    votes = f": {votes_in_words(language, session.votes)}" if session.votes else ""

    def make(name: str) -> str:
        return say(language, "ussd.resume", contest=view.contest.name, code=candidate.code, name=name, votes=votes)

    return shown(around_name(make, candidate.name, notice, view.limit), session.at(Node.RESUME), notice)


def quantity(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The question for the number of votes, with packs and their prices where the contest has them."""
    contest = view.contest
    candidate = contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view, notice)
    screen = _quantity(
        contest.price, contest.packs, candidate.code, candidate.name, session.language, notice, view.limit
    )
    return shown(screen, session.at(Node.QUANTITY), notice)


@lru_cache(maxsize=2048)
def _quantity(
    price: Money, of_packs: tuple[int, ...], code: str, name: str, language: str, notice: str, limit: int
) -> str:
    packs = [f"{count} = {price.times(count).spoken()}" for count in of_packs]

    def make(shortened: str, kept: int) -> str:
        offers = say(language, "ussd.packs", packs=", ".join(packs[:kept])) + "\n" if kept else ""
        return say(language, "ussd.quantity", code=code, name=shortened, price=price.spoken(), packs=offers)

    least = gsm.cut_on_word(gsm.fold(name), _NAME_BESIDE_PACKS)
    above = f"{notice}\n" if notice else ""
    fitting = (n for n in range(len(packs), 0, -1) if gsm.fits(gsm.fold(above + make(least, n)), limit))
    kept = next(fitting, 0)
    return around_name(lambda shortened: make(shortened, kept), name, notice, limit)


def at_quantity(session: Session, text: str, view: MenuView) -> Turn:
    """How many votes, or back to where the candidate was chosen."""
    if text == "0":
        unchosen = session._replace(code=None, votes=0)
        if not session.page:
            return home(unchosen, view)
        return found(unchosen, view) if session.typed else listing(unchosen, view)
    votes = read_count(text, view.contest)
    if isinstance(votes, Refusal):
        notice = refusal_words(session.language, votes, view.contest)
        dial = dial_again(view, session.code or "", say(session.language, "ussd.votes_here"))
        return corrected(session, view, quantity, notice, dial)
    return confirm(session._replace(votes=votes), view)


# The confirmation.


def confirm(session: Session, view: MenuView, notice: str = "") -> Turn:
    """What is bought, for how much, from which wallet."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view, notice)
    payer, language = Payer(session, view), session.language
    by_page = tuple(view.rails.by_page(view.contest.country, other) for other in payer.others)
    number = payer.number.masked_gsm()
    screen = _confirm(
        (candidate.code, candidate.name),
        session.votes,
        price_of(view.contest, session.votes),
        len(number),
        payer.open_method,
        _choices(payer.others, by_page, payer.by_code()[1], language),
        language,
        notice or payer.notice(language),
        view.limit,
    )
    asked = session.confirming(view.contest.price.amount_minor)
    return shown(screen.replace(_NUMBER * len(number), number), asked, notice)


@lru_cache(maxsize=256)
def _choices(
    others: tuple[PaymentMethod, ...], by_page: tuple[bool, ...], dialled: str, language: str
) -> tuple[str, ...]:
    """Other ways to pay, each with its key. `by_page`: a link comes by SMS."""
    lines = []
    for key, (other, page) in enumerate(zip(others, by_page, strict=True), start=OTHERS_FROM):
        name = wallet_name(language, other)
        lines.append(f"{key} {say(language, 'ussd.by_link', wallet=name) if page else name}")
    if dialled:
        lines.append(f"{code_key(others)} {say(language, 'ussd.with_code', dialled=dialled)}")
    return tuple(lines)


@lru_cache(maxsize=4096)
def _confirm(
    candidate: tuple[str, str],
    votes: int,
    amount: Money,
    digits: int,
    method: PaymentMethod | None,
    choices: tuple[str, ...],
    language: str,
    notice: str,
    limit: int,
) -> str:
    """For a number of so many characters: hundreds buy as many votes for the same candidate."""
    code, full_name = candidate
    lines = []
    if method is not None:
        lines.append(say(language, "ussd.pay", wallet=wallet_name(language, method), number=_NUMBER * digits))
    lines += [say(language, "ussd.other_number"), *choices, say(language, "ussd.back")]

    def make(name: str) -> str:
        return "\n".join([_bought(code, name, votes, amount, language), *lines])

    return around_name(make, full_name, notice, limit)


def _bought(code: str, name: str, votes: int, amount: Money, language: str) -> str:
    phrase = "ussd.confirm_one" if votes == 1 else "ussd.confirm"
    return say(language, phrase, votes=votes, code=code, name=name, amount=amount.spoken())


def check(session: Session, view: MenuView, key: str) -> Turn:
    """What is bought, before its confirmation and after screens that we do not know, to be left by typing
    `key`."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view)
    language, amount = session.language, price_of(view.contest, session.votes)

    def make(name: str) -> str:
        head = _bought(candidate.code, name, session.votes, amount, language)
        return "\n".join([head, say(language, "ussd.confirm_again", digits=key), say(language, "ussd.back")])

    screen = around_name(make, candidate.name, "", view.limit)
    asked = session.confirming(view.contest.price.amount_minor)
    return shown(screen, asked._replace(typed=f"{CHECKING}{key}"))


def at_confirm(session: Session, text: str, view: MenuView) -> Turn:
    """Pay, another number, another wallet, or back."""
    if text == "0":
        return quantity(session, view)
    if text == "2":
        return other_number(session, view)
    payer = Payer(session, view)
    if text == "1":
        if payer.open_method is None:
            return confirm(session, view, payer.notice(session.language) or say(session.language, "ussd.which_wallet"))
        return _buy(session, payer, payer.open_method, view)
    others = payer.others
    if text.isascii() and text.isdecimal() and len(text) == 1 and 0 <= int(text) - OTHERS_FROM < len(others):
        return confirm(session._replace(method=others[int(text) - OTHERS_FROM].value), view)
    if text == code_key(others) and payer.by_code()[0]:
        return payment_code(session, view)
    return wrong(session, view, confirm)


def _buy(
    session: Session, payer: Payer, method: PaymentMethod, view: MenuView, payment_code: str | None = None
) -> Turn:
    """The last screen of an order. `payment_code`: what the payer fetched and typed."""
    candidate = check_candidate(view.contest, session.code or "")
    if isinstance(candidate, Refusal):
        return ended(candidate, session, view)
    if session.price not in (0, view.contest.price.amount_minor):
        # Nobody pays another amount than the one that they confirmed.
        return confirm(session, view, say(session.language, "ussd.price_changed"))
    number, country, language = payer.number, view.contest.country, session.language
    amount = price_of(view.contest, session.votes)
    if payment_code is None:
        by_page = view.rails.by_page(country, method)
        dialled = (PAYMENT_CODES if by_page else APPROVAL_CODES).get((country, method), "")
        elsewhere = number if number != view.dialler else None
        screen = placed(method, amount, language, elsewhere, view.limit, by_page=by_page, dialled=dialled)
    else:
        screen = fitted(say(language, "ussd.placed_code", amount=amount.spoken()), limit=view.limit)
    buy = Buy(candidate.code, session.votes, method, number, session.payer is not None, language, payment_code)
    return Turn(screen, None, buy)


def placed(
    method: PaymentMethod,
    amount: Money,
    language: str,
    elsewhere: Msisdn | None = None,
    limit: int = SEPTETS_MAX,
    *,
    by_page: bool = False,
    dialled: str = "",
) -> str:
    """The last screen of an order: what happens next, on this phone or on the one that pays. `by_page`:
    the operator asks on its page instead of the phone; `dialled`: what helps either, where there is a code."""
    where = "" if elsewhere is None else "_elsewhere"
    number = "" if elsewhere is None else elsewhere.masked_gsm()
    facts = {"wallet": wallet_name(language, method), "amount": amount.spoken(), "number": number, "dialled": dialled}
    first, help_with = ("placed_page", "placed_page_code") if by_page else (f"placed_push{where}", "placed_approve")
    phrases = [first, *([f"{help_with}{where}"] if dialled else []), "placed_receipt"]
    sentences = [say(language, f"ussd.{phrase}", **facts) for phrase in phrases]
    whole = gsm.fold(" ".join(sentences))
    return fitted(whole if gsm.septets(whole) <= limit else " ".join(sentences[:-1]), limit=limit)


# A code that the payer fetches, and another number that pays.


def payment_code(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The question for the code that the payer fetched. Says what to dial with the code, because a phone
    holds one dialogue at a time, or on which other phone it is fetched."""
    candidate = view.contest.candidate(session.code or "")
    payer = Payer(session, view)
    _, dialled = payer.by_code()
    if candidate is None or not dialled:
        return confirm(session, view, notice)
    again, language = dial_for_code(session, view), session.language
    phrase = "ussd.which_payment_code" if again else "ussd.which_payment_code_elsewhere"
    facts = {
        "votes": votes_in_words(language, session.votes),
        "code": candidate.code,
        "amount": price_of(view.contest, session.votes).spoken(),
        "dialled": dialled,
        "where": again or payer.number.masked_gsm(),
    }
    screen = around_name(lambda name: say(language, phrase, name=name, **facts), candidate.name, notice, view.limit)
    return shown(screen, session.at(Node.PAYMENT_CODE), notice)


def at_payment_code(session: Session, text: str, view: MenuView) -> Turn:
    """The code with which the payer pays, which confirms the order too: its screen shows all of it."""
    payer = Payer(session, view)
    wallet, _ = payer.by_code()
    if text == "0" or wallet is None:
        return confirm(session, view)
    if not (text.isascii() and text.isdecimal() and PAYMENT_CODE_MIN <= len(text) <= PAYMENT_CODE_MAX):
        return payment_code(session, view, say(session.language, "ussd.wrong_payment_code"))
    return _buy(session, payer, wallet, view, text)


def other_number(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The question for the number that pays."""
    text = say(session.language, "ussd.which_number", example=example_number(view.contest.country))
    return shown(fitted(text, notice, view.limit), session.at(Node.OTHER_NUMBER), notice)


def at_other_number(session: Session, text: str, view: MenuView) -> Turn:
    """The number that pays."""
    if text == "0":
        return confirm(session, view)
    payer = read_payer(text, view.contest)
    if isinstance(payer, Refusal):
        return other_number(session, view, refusal_words(session.language, payer, view.contest))
    return confirm(session._replace(payer=payer.e164, method=None), view)
