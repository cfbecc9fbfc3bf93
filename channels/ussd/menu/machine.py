"""From one screen to the next: what is typed where a candidate is chosen, and which rule answers where."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from channels.buying import is_mistyped, named, plain, refusal_words
from channels.phrases import say
from channels.ussd.menu import helping, lists, ordering
from channels.ussd.menu.screen import (
    CODE_DIGITS_SHOWN,
    Show,
    corrected,
    dial_again,
    ended,
    refused,
    turned,
    wrong,
)
from channels.ussd.menu.session import MenuView, Node, Session, Turn
from gateway.contests.contest import Contest
from gateway.contests.service_codes import chosen, last_closed, nearest
from gateway.orders.rules import Refusal, check_candidate, check_window

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


# A candidate, by code, by letters or from a list.


def choose(session: Session, code: str, view: MenuView, again: Show) -> Turn:
    """A candidate by code; the end where the contest is over."""
    if over := check_window(view.contest, view.now):
        return ended(over, session, view)
    if isinstance(check_candidate(view.contest, code), Refusal):
        notice = code_refused(view.contest, session.language, code)
        return corrected(session, view, again, notice, dial_again(view, say(session.language, "ussd.code_here")))
    return ordering.quantity(session.choosing(code), view)


def code_refused(contest: Contest, language: str, code: str) -> str:
    """Why this code cannot be voted for, short enough to stand above the menu."""
    if contest.candidate(code) is not None:
        phrase = "ussd.not_standing"
    else:
        phrase = "ussd.mistyped_code" if is_mistyped(contest, code) else "ussd.unknown_code"
    return say(language, phrase, code=code[:CODE_DIGITS_SHOWN])


def search(session: Session, letters: str, view: MenuView, again: Show) -> Turn:
    """Candidates by the letters of their names; the only one is chosen at once. The end where the contest
    is over."""
    if over := check_window(view.contest, view.now):
        return ended(over, session, view)
    people = named(view.contest, letters)
    if not people:
        return again(session, view, say(session.language, "ussd.not_found", text=letters[:LETTERS_SHOWN]))
    if len(people) == 1:
        return choose(session, people[0].code, view, again)
    return lists.found(session._replace(typed=letters, page=1), view)


def at_list(session: Session, text: str, view: MenuView) -> Turn:
    """A code, letters, another page, or back."""
    return _paged(session, text, view, lists.listing, len(view.contest.eligible))


def at_found(session: Session, text: str, view: MenuView) -> Turn:
    """The same, among those who were found."""
    return _paged(session, text, view, lists.found, len(named(view.contest, session.typed)))


def at_ranking(session: Session, text: str, view: MenuView) -> Turn:
    """The same, in the ranking."""
    return _paged(session, text, view, lists.ranking, len(view.ranking.entries))


def _paged(session: Session, text: str, view: MenuView, again: Show, count: int) -> Turn:
    if is_code(text):
        return choose(session, text, view, again)
    if letters := letters_of(text):
        return search(session, letters, view, again)
    if turn := turned(session, text, view, again, lists.pages_of(count)):
        return turn
    return lists.home(session, view) if text == "0" else wrong(session, view, again)


# The first screens: of a contest, of several, of a dialogue that was cut off.


def at_home(session: Session, text: str, view: MenuView) -> Turn:
    """A code, letters of a name, or a choice."""
    if is_code(text):
        return choose(session, text, view, lists.home)
    if letters := letters_of(text):
        return search(session, letters, view, lists.home)
    match text:
        case "1":
            if over := check_window(view.contest, view.now):
                return ended(over, session, view)
            return lists.listing(session._replace(page=1), view)
        case "2":
            return lists.ranking(session._replace(page=1), view)
        case "3":
            return helping.my_votes(session, view)
        case "4":
            return helping.another_language(session, view)
        case "5":
            return helping.debited(session, view)
        case "6":
            return helping.help_menu(session, view)
        case "0":
            return _begin(session, view)
    return _no_choice(session, text, view)


def _no_choice(session: Session, text: str, view: MenuView) -> Turn:
    """Of one digit, the code that it may be short for."""
    code = f"0{text}"
    sold = check_window(view.contest, view.now) is None and is_code(code)
    if not sold or isinstance(check_candidate(view.contest, code), Refusal):
        return wrong(session, view, lists.home)
    if dial := dial_again(view, code):
        return corrected(session, view, lists.home, say(session.language, "ussd.wrong_choice"), dial)
    return lists.home(session, view, say(session.language, "ussd.code_meant", code=code))


def _begin(session: Session, view: MenuView) -> Turn:
    """The first screen of all: of the contest, or the choice between several."""
    return lists.contests(session, view) if len(lists.choices(view)) > 1 else lists.home(session, view)


def at_contests(session: Session, text: str, view: MenuView) -> Turn:
    """The number of a contest."""
    if turn := turned(session, text, view, lists.contests, lists.pages_of(len(lists.choices(view)))):
        return turn
    if text in ("", "0", "00"):
        return lists.contests(session._replace(page=1) if text == "00" else session, view)
    contest = chosen(view.sharing, text)
    if contest is None:
        return _contest_first(session, text, view)
    refusal = check_window(contest, view.now)
    if refusal is Refusal.NOT_OPEN_YET:
        return lists.contests(session, view, refusal_words(session.language, refusal, contest))
    return lists.home(Session(language=view.spoken_in(contest)), replace(view, contest=contest))


def _contest_first(session: Session, text: str, view: MenuView) -> Turn:
    """A code, or the number of no contest."""
    number, dial = say(session.language, "ussd.number_here"), ""
    if view.behind:
        typed = (text, *view.behind) if is_code(text) else view.behind
        dial = f"{'*'.join((view.contest.service_code.removesuffix('#'), number, *typed))}#"
    return corrected(session, view, lists.contests, say(session.language, "ussd.contest_first"), dial)


def at_resume(session: Session, text: str, view: MenuView) -> Turn:
    """Go on, start again, or a code as on the first screen."""
    anew = Session(language=session.language, contest=session.contest)
    if text == "1":
        if isinstance(check_candidate(view.contest, session.code or ""), Refusal):
            return lists.home(anew, view, code_refused(view.contest, session.language, session.code or ""))
        if session.page and session.votes:
            return ordering.payment_code(session._replace(page=0), view)
        return ordering.confirm(session, view) if session.votes else ordering.quantity(session, view)
    if text in ("2", "0"):
        return _begin(anew, view)
    if is_code(text):
        return choose(anew, text, view, lists.home)
    return wrong(session, view, ordering.resume)


# Every place: what it shows, and what answers an input there.

_PLACES: Final[dict[Node, tuple[Show, Callable[[Session, str, MenuView], Turn]]]] = {
    Node.CONTESTS: (lists.contests, at_contests),
    Node.RESUME: (ordering.resume, at_resume),
    Node.HOME: (lists.home, at_home),
    Node.LIST: (lists.listing, at_list),
    Node.FOUND: (lists.found, at_found),
    Node.RANKING: (lists.ranking, at_ranking),
    Node.MY_VOTES: (helping.my_votes, helping.at_my_votes),
    Node.LANGUAGE: (helping.language, helping.at_language),
    Node.DEBITED: (helping.debited, helping.at_debited),
    Node.TICKET: (helping.ticket, helping.at_ticket),
    Node.HELP: (helping.help_menu, helping.at_help),
    Node.RECEIPT: (helping.receipt, helping.at_receipt),
    Node.RULES: (helping.rules, helping.at_rules),
    Node.QUANTITY: (ordering.quantity, ordering.at_quantity),
    Node.CONFIRM: (ordering.confirm, ordering.at_confirm),
    Node.OTHER_NUMBER: (ordering.other_number, ordering.at_other_number),
    Node.PAYMENT_CODE: (ordering.payment_code, ordering.at_payment_code),
}

# What may still be asked when a contest is over: a vote that was paid in time may be missing.
_AFTERWARDS: Final = frozenset(
    {
        *(Node.HOME, Node.RANKING, Node.MY_VOTES, Node.LANGUAGE, Node.DEBITED, Node.TICKET),
        *(Node.HELP, Node.RECEIPT, Node.RULES),
    }
)


def start(view: MenuView, language: str) -> Turn:
    """The first screen: the choice of a contest where several are open behind the dialled code, else the
    contest's own; the end of one that is not open yet, unless another one behind the code is over."""
    if len(lists.choices(view)) > 1:
        return lists.contests(Session(language=language), view)
    refusal = check_window(view.contest, view.now)
    if refusal is not Refusal.NOT_OPEN_YET:
        return lists.home(Session(language=language), view)
    over = last_closed(view.sharing, view.now)
    if over is None:
        return Turn(refused(refusal, view.contest, language, limit=view.limit), None)
    notice = refusal_words(language, refusal, view.contest)
    return lists.home(Session(language=language), replace(view, contest=over), notice)


def offered(session: Session, view: MenuView) -> Turn | None:
    """The screen that offers to resume what an earlier dialogue of this number had reached; None when that
    cannot be bought any more."""
    sold = check_window(view.contest, view.now) is None
    if not sold or isinstance(check_candidate(view.contest, session.code or ""), Refusal):
        return None
    return ordering.resume(session, view)


def advance(session: Session, text: str, view: MenuView) -> Turn:
    """The next screen after this input; the end when the contest has closed on the way to a vote."""
    if session.node is Node.CONTESTS:
        if not lists.choices(view):
            over = replace(view, contest=nearest(view.sharing or (view.contest,), view.now))
            return start(over, session.language)
        return at_contests(session, text, view)
    refusal = check_window(view.contest, view.now)
    if refusal is not None and not (refusal in lists.OVER and session.node in _AFTERWARDS):
        return ended(refusal, session, view)
    if text == "00":
        return lists.home(Session(language=session.language), view)
    show, answer = _PLACES[session.node]
    return answer(session, text, view) if text else show(session, view)
