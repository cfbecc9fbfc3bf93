"""What an input means: codes, names, numbers of votes, wallets. And how a refusal is told."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from channels.buying import BY_CODE, dial_with_code, phone_wallets, plain, refusal_words, wallet_name, why_no_wallet
from channels.phrases import language_name, languages_for, say
from channels.ussd import screens
from channels.ussd.menu.session import MenuView, Session
from gateway.contests.codes import CodeFault, code_fault
from gateway.contests.contest import Contest
from gateway.orders.rules import Refusal
from gateway.orders.wallet import (
    ON_PHONES,
    PAYMENT_CODES,
    PaymentMethod,
    guess_method,
    may_have,
    not_taken_yet,
)
from gateway.values.msisdn import Msisdn

CODE_DIGITS_SHOWN: Final = 6
# At the confirmation: behind pay and another number stand the other wallets, then the payment code.
OTHERS_FROM: Final = 3
LETTERS_MIN: Final = 2
LETTERS_MAX: Final = 20
LETTERS_SHOWN: Final = 12


def is_code(text: str) -> bool:
    """Whether an input is a candidate's code and not a choice."""
    return len(text) >= 2 and text.isascii() and text.isdecimal()


def letters_of(text: str) -> str | None:
    """The letters of a name that were typed, as they are compared; None when it is no search."""
    words = plain(text[: 4 * LETTERS_MAX])
    letters = sum(c.isalpha() for c in words)
    if letters < LETTERS_MIN or any(c.isdecimal() for c in words):
        return None
    return words[:LETTERS_MAX].strip()


def payer_of(session: Session, view: MenuView) -> Msisdn:
    """The number that pays: the typed one, or the one that dials."""
    return Msisdn(session.payer, view.contest.country) if session.payer else view.dialler


def method_of(session: Session, view: MenuView) -> PaymentMethod | None:
    """The wallet: the chosen one, or the one that the number most likely has."""
    if session.method is not None:
        return PaymentMethod(session.method)
    if session.payer:
        return guess_method(payer_of(session, view))
    return guess_method(view.dialler, view.network)


def _network_of(session: Session, view: MenuView) -> str | None:
    """Of the number that pays: only that of the one that dials is known."""
    return None if session.payer else view.network


def wallets_of(session: Session, view: MenuView) -> tuple[PaymentMethod, ...]:
    """The wallets that the paying number may have, and that take money now."""
    return phone_wallets(view.rails.open_for(payer_of(session, view), _network_of(session, view)))


def open_method(session: Session, view: MenuView) -> PaymentMethod | None:
    """The wallet of `method_of`, if it takes money now."""
    method = method_of(session, view)
    return method if method in wallets_of(session, view) else None


def other_wallets(session: Session, view: MenuView) -> tuple[PaymentMethod, ...]:
    """The wallets that may be chosen instead."""
    method = method_of(session, view)
    return tuple(other for other in wallets_of(session, view) if other is not method)


def code_place(session: Session, view: MenuView) -> tuple[PaymentMethod, str] | None:
    """The wallet that can be paid with a code that the payer fetches, and what is dialled for it: the
    chosen one, else whichever the number may have."""
    country, method = view.contest.country, method_of(session, view)
    payer, network = payer_of(session, view), _network_of(session, view)
    for candidate in ON_PHONES if method is None else (method,):
        code = PAYMENT_CODES.get((country, candidate))
        if code is not None and view.rails.with_code(country, candidate) and may_have(payer, candidate, network):
            return candidate, code
    return None


def code_key(others: Sequence[PaymentMethod]) -> str:
    """What is typed at the confirmation to pay with a fetched code: the same whether another wallet takes
    money or not, because it is dialled from memory."""
    return str(max(int(BY_CODE), OTHERS_FROM + len(others)))


def dial_for_code(session: Session, view: MenuView) -> str:
    """What the payer's own phone dials once it has the code: the dialogue ends when it dials for one. Empty
    where another phone pays, which leaves this dialogue alone."""
    if session.payer and session.payer != view.dialler.e164:
        return ""
    key = code_key(other_wallets(replace(session, payer=None, method=None), view))
    return dial_with_code(session.language, view.contest.dial_code, session.code or "", session.votes, key)


def wallet_notice(session: Session, view: MenuView) -> str:
    """What is to be said of the wallet before anything is paid: that nobody here takes it, or that it does
    not answer now."""
    method, language = method_of(session, view), session.language
    if method is not None:
        down = method not in view.rails.open_methods(view.contest.country)
        return say(language, "ussd.wallet_down", wallet=wallet_name(language, method)) if down else ""
    if not_taken_yet(payer_of(session, view), _network_of(session, view)) is None:
        return ""
    told = [why_no_wallet(language, payer_of(session, view), _network_of(session, view))]
    if not wallets_of(session, view):
        told.append(say(language, "pay.another_number"))
    return " ".join(told)


def other_languages(session: Session, contest: Contest) -> tuple[str, ...]:
    """The languages of a contest that are not spoken now."""
    return tuple(code for code in languages_for(contest) if code != session.language)


def language_choice(session: Session, contest: Contest) -> str:
    """What the choice of a language is called: the other one, where there are two."""
    spoken = languages_for(contest)
    return _choice_of(session.language, spoken)


@lru_cache(maxsize=256)
def _choice_of(language: str, spoken: tuple[str, ...]) -> str:
    others = [code for code in spoken if code != language]
    return language_name(others[0]) if len(others) == 1 else say(language, "ussd.language")


def refused(refusal: Refusal, contest: Contest, language: str, code: str = "", room: int = screens.SEPTETS_MAX) -> str:
    """A refusal as a screen of its own."""
    return screens.fitted(refusal_words(language, refusal, contest, code[:CODE_DIGITS_SHOWN]), room=room)


def code_refused(contest: Contest, language: str, code: str) -> str:
    """Why this code cannot be voted for, short enough to stand above the menu."""
    fault = code_fault(contest, code)
    if fault is None:
        phrase = "ussd.not_standing"
    else:
        phrase = "ussd.mistyped_code" if fault is CodeFault.MISTYPED else "ussd.unknown_code"
    return say(language, phrase, code=code[:CODE_DIGITS_SHOWN])


def dial_again(view: MenuView, *inputs: str) -> str:
    """A long dial that was refused as it is to be dialled, with these inputs before what followed; empty
    where nothing was dialled behind the refused one."""
    if not view.behind:
        return ""
    return f"{'*'.join((view.contest.dial_code.removesuffix('#'), *inputs, *view.behind))}#"
