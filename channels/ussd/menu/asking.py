"""What is typed on the first screen and where a voter asks for something else than a vote."""

from dataclasses import replace

from channels.phrases import languages_for, say
from channels.ussd import screens
from channels.ussd.menu import shows
from channels.ussd.menu.rules import dial_again, is_code, letters_of, other_languages
from channels.ussd.menu.session import MenuView, Session, Turn
from channels.ussd.menu.voting import MORE, begin, candidates, choose, search
from gateway.orders.receipt import RECEIPT_LENGTH, read_receipt
from gateway.orders.rules import Refusal, check_candidate, check_window


def at_home(session: Session, text: str, view: MenuView) -> Turn:
    """A code, letters of a name, or a choice."""
    if is_code(text):
        return choose(session, text, view, shows.home)
    if letters := letters_of(text):
        return search(session, letters, view, shows.home)
    match text:
        case "1":
            return candidates(session, view)
        case "2":
            return shows.ranking(replace(session, page=1), view)
        case "3":
            return shows.my_votes(session, view)
        case "4":
            return _another_language(session, view)
        case "5":
            return shows.debited(session, view)
        case "6":
            return shows.help_menu(session, view)
        case "0":
            return begin(session, view)
    return _no_choice(session, text, view)


def _no_choice(session: Session, text: str, view: MenuView) -> Turn:
    """Of one digit, the code that it may be short for."""
    code = f"0{text}"
    sold = check_window(view.contest, view.now) is None and is_code(code)
    if not sold or isinstance(check_candidate(view.contest, code), Refusal):
        return shows.wrong(session, view, shows.home)
    if dial := dial_again(view, code):
        return shows.corrected(session, view, shows.home, say(session.language, "ussd.wrong_choice"), dial)
    return shows.home(session, view, say(session.language, "ussd.code_meant", code=code))


def _another_language(session: Session, view: MenuView) -> Turn:
    """The other language at once, or a choice where there are several."""
    others = other_languages(session, view.contest)
    if len(others) == 1:
        return _speaking(session, others[0], view)
    return shows.language(session, view)


def at_language(session: Session, text: str, view: MenuView) -> Turn:
    """The number of a language."""
    if text == "0":
        return shows.home(session, view)
    for place, language in enumerate(languages_for(view.contest), start=1):
        if text == str(place):
            return _speaking(session, language, view)
    return shows.wrong(session, view, shows.language)


def _speaking(session: Session, language: str, view: MenuView) -> Turn:
    return replace(shows.home(replace(session, language=language), view), chosen=language)


def at_my_votes(session: Session, text: str, view: MenuView) -> Turn:
    """Back; anything else shows them again."""
    return shows.home(session, view) if text == "0" else shows.my_votes(session, view)


def at_debited(session: Session, text: str, view: MenuView) -> Turn:
    """Back, or a person, where that was offered (`page` 1); anything else looks again."""
    if text == "0":
        return shows.home(replace(session, page=0), view)
    if text == "1" and session.page:
        return shows.ticket(session, view)
    return shows.debited(session, view)


def at_ticket(session: Session, text: str, view: MenuView) -> Turn:
    """Back; anything else shows the ticket again."""
    return shows.home(replace(session, page=0), view) if text == "0" else shows.ticket(session, view)


def at_help(session: Session, text: str, view: MenuView) -> Turn:
    """A receipt, the rules, or back."""
    match text:
        case "1":
            return shows.receipt(session, view)
        case "2":
            return shows.rules(replace(session, page=1), view)
        case "0":
            return shows.home(session, view)
    return shows.wrong(session, view, shows.help_menu)


def at_receipt(session: Session, text: str, view: MenuView) -> Turn:
    """The characters of a receipt, or back."""
    if text == "0":
        return shows.help_menu(session, view)
    code = read_receipt(text)
    if code is None:
        count = len(text.replace("-", "").replace(" ", ""))
        wrong = "receipt_mistyped" if count == RECEIPT_LENGTH else "receipt_length"
        notice = say(session.language, f"ussd.{wrong}", count=count)
        return shows.receipt(replace(session, typed=""), view, notice)
    return shows.receipt(replace(session, typed=code), view)


def at_rules(session: Session, text: str, view: MenuView) -> Turn:
    """Another page, or back."""
    pages = len(screens.rules_pages(view.contest, session.language, view.room))
    if text == MORE and session.page < pages:
        return shows.rules(replace(session, page=session.page + 1), view)
    if text == "0":
        if session.page > 1:
            return shows.rules(replace(session, page=session.page - 1), view)
        return shows.help_menu(session, view)
    return shows.wrong(session, view, shows.rules)
