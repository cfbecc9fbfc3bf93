"""Each place of the menu as a turn: its screen, and the session that is there."""

from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from channels import gsm
from channels.buying import named
from channels.phrases import languages_for, say
from channels.ussd import screens
from channels.ussd.menu.rules import (
    LETTERS_SHOWN,
    OTHERS_FROM,
    code_key,
    code_place,
    dial_for_code,
    language_choice,
    open_method,
    other_wallets,
    payer_of,
    wallet_notice,
)
from channels.ussd.menu.session import CHECKING, MenuView, Node, Session, Turn, Wants
from gateway.contests.contest import Contest
from gateway.contests.service_codes import numbered, open_among
from gateway.orders.rules import Refusal, check_window, price_of
from gateway.orders.wallet import PaymentMethod, example_number


class Show(Protocol):
    """A screen that can be shown again with a notice above it."""

    def __call__(self, session: Session, view: MenuView, notice: str = "") -> Turn:
        """The place's turn."""
        ...


def _turn(screen: str, session: Session, notice: str = "", wants: Wants | None = None) -> Turn:
    return Turn(screen, session, wants=wants, refused=bool(notice))


def choices(view: MenuView) -> tuple[tuple[int, Contest], ...]:
    """The open contests behind the dialled code, each with its number; none where there is no choice."""
    if len(view.sharing) < 2:
        return ()
    selling = open_among(view.sharing, view.now)
    return tuple((number, contest) for number, contest in numbered(view.sharing) if contest in selling)


def contests(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The choice of a contest."""
    page = min(max(session.page, 1), screens.contest_pages(choices(view)))
    screen = screens.contests(choices(view), page - 1, session.language, notice, view.room)
    return _turn(screen, Session(Node.CONTESTS, session.language, page=page), notice)


def home(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A contest's first screen; of one that is over, what may still be asked."""
    contest, other, shared = view.contest, language_choice(session, view.contest), len(choices(view)) > 1
    if check_window(contest, view.now) is Refusal.CLOSED:
        screen = screens.closed(contest.name, session.language, other, notice, shared=shared, room=view.room)
    else:
        screen = screens.home(
            contest.name, contest.price, session.language, other, notice, shared=shared, room=view.room
        )
    return _turn(screen, session.at_home(contest.slug), notice)


def resume(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The offer to go on where the last dialogue was cut off."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view, notice)
    screen = screens.resume(view.contest, candidate, session.votes, session.language, notice, view.room)
    return _turn(screen, session.at(Node.RESUME), notice)


def listing(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of candidates."""
    screen = screens.candidates(view.contest, session.page - 1, session.language, notice, view.room)
    return _turn(screen, replace(session, node=Node.LIST, typed=""), notice)


def found(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of the candidates whose names have the typed letters."""
    people = named(view.contest, session.typed)
    page = min(max(session.page, 1), screens.pages_of(len(people)))
    screen = screens.people(people, page - 1, session.language, notice, view.room)
    return _turn(screen, replace(session, node=Node.FOUND, page=page), notice)


def not_found(session: Session, letters: str) -> str:
    """Nobody has these letters."""
    return say(session.language, "ussd.not_found", text=letters[:LETTERS_SHOWN])


def ranking(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of the ranking."""
    screen = screens.ranking(view.ranking, session.page - 1, session.language, notice, room=view.room)
    wants = None if notice else Wants.FAVOURITE
    return _turn(screen, session.at(Node.RANKING), notice, wants)


def my_votes(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The number's own votes, which are fetched."""
    return _turn("", session.at(Node.MY_VOTES), notice, Wants.VOTES)


def language(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The choice of a language."""
    screen = screens.languages(languages_for(view.contest), session.language, notice, view.room)
    return _turn(screen, session.at(Node.LANGUAGE), notice)


def debited(session: Session, view: MenuView, notice: str = "") -> Turn:
    """What became of the number's payments, which is looked into."""
    return _turn("", replace(session, node=Node.DEBITED, page=0), notice, Wants.RESCUE)


def ticket(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A person will look: the ticket is opened, or found open."""
    return _turn("", session.at(Node.TICKET), notice, Wants.TICKET)


def help_menu(session: Session, view: MenuView, notice: str = "") -> Turn:
    """What else there is."""
    screen = screens.help_menu(session.language, notice, view.room)
    return _turn(screen, replace(session, node=Node.HELP, page=0, typed=""), notice)


def receipt(session: Session, view: MenuView, notice: str = "") -> Turn:
    """Which receipt? Or what a typed one proves, which is fetched."""
    here = session.at(Node.RECEIPT)
    if session.typed and not notice:
        return _turn("", here, wants=Wants.RECEIPT)
    return _turn(screens.receipt_question(session.language, notice, view.room), here, notice)


def rules(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of rules and price."""
    screen = screens.rules(view.contest, session.page - 1, session.language, notice, view.room)
    return _turn(screen, session.at(Node.RULES), notice)


def quantity(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The question for the number of votes."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view, notice)
    screen = screens.quantity(view.contest, candidate, session.language, notice, view.room)
    return _turn(screen, session.at(Node.QUANTITY), notice)


def confirm(session: Session, view: MenuView, notice: str = "") -> Turn:
    """What is bought, for how much, from which wallet."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view, notice)
    others, country, language = other_wallets(session, view), view.contest.country, session.language
    asked = tuple(view.rails.by_page(country, other) for other in others)
    choices = _choices(others, asked, code_of(session, view), language)
    screen = screens.confirm(
        candidate,
        session.votes,
        price_of(view.contest, session.votes),
        payer_of(session, view),
        open_method(session, view),
        choices,
        language,
        notice or wallet_notice(session, view),
        view.room,
    )
    return _turn(screen, session.at(Node.CONFIRM), notice)


@lru_cache(maxsize=256)
def _choices(
    others: tuple[PaymentMethod, ...], by_page: tuple[bool, ...], dialled: str, language: str
) -> tuple[tuple[str, str], ...]:
    """Other ways to pay, each with its key."""
    found = [
        (str(key), screens.wallet(other, language, by_page=page))
        for key, (other, page) in enumerate(zip(others, by_page, strict=True), start=OTHERS_FROM)
    ]
    if dialled:
        found.append((code_key(others), say(language, "ussd.with_code", dialled=dialled)))
    return tuple(found)


def check(session: Session, view: MenuView, key: str) -> Turn:
    """What is bought, before its confirmation, to be left by typing `key`."""
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return home(session, view)
    amount = price_of(view.contest, session.votes)
    screen = screens.check(candidate, session.votes, amount, key, session.language, view.room)
    return _turn(screen, replace(session.at(Node.CONFIRM), typed=f"{CHECKING}{key}"))


def code_of(session: Session, view: MenuView) -> str:
    """What is dialled for a code that pays; empty where there is none."""
    found = code_place(session, view)
    return "" if found is None else found[1]


def payment_code(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The question for the code that the payer fetched."""
    candidate = view.contest.candidate(session.code or "")
    dialled = code_of(session, view)
    if candidate is None or not dialled:
        return confirm(session, view, notice)
    amount = price_of(view.contest, session.votes)
    again = dial_for_code(session, view)
    where = again or payer_of(session, view).masked_gsm()
    screen = screens.payment_code(
        candidate, session.votes, amount, dialled, where, session.language, notice, view.room, elsewhere=not again
    )
    return _turn(screen, session.at(Node.PAYMENT_CODE), notice)


def other_number(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The question for the number that pays."""
    screen = screens.other_number(session.language, example_number(view.contest.country), notice, view.room)
    return _turn(screen, session.at(Node.OTHER_NUMBER), notice)


def wrong(session: Session, view: MenuView, again: Show) -> Turn:
    """The same screen, with the news that the input is no choice."""
    return again(session, view, say(session.language, "ussd.wrong_choice"))


def corrected(session: Session, view: MenuView, again: Show, notice: str, dial: str) -> Turn:
    """The same screen, with a refusal and where it fits what to dial instead."""
    if dial:
        advice = f"{notice} {say(session.language, 'ussd.dial_again', dial=dial)}"
        turn = again(session, view, advice)
        if gsm.fold(advice) in turn.screen:
            return turn
    return again(session, view, notice)
