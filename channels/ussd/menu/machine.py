"""From one screen to the next: which rule answers where."""

from dataclasses import replace
from typing import Final

from channels.buying import refusal_words
from channels.ussd.menu import asking, shows, voting
from channels.ussd.menu.rules import refused
from channels.ussd.menu.session import MenuView, Node, Session, Turn
from gateway.contests.service_codes import last_closed, nearest
from gateway.orders.rules import Refusal, check_candidate, check_window

_SHOWN: Final = {
    Node.CONTESTS: shows.contests,
    Node.RESUME: shows.resume,
    Node.HOME: shows.home,
    Node.LIST: shows.listing,
    Node.FOUND: shows.found,
    Node.RANKING: shows.ranking,
    Node.MY_VOTES: shows.my_votes,
    Node.LANGUAGE: shows.language,
    Node.DEBITED: shows.debited,
    Node.TICKET: shows.ticket,
    Node.HELP: shows.help_menu,
    Node.RECEIPT: shows.receipt,
    Node.RULES: shows.rules,
    Node.QUANTITY: shows.quantity,
    Node.CONFIRM: shows.confirm,
    Node.OTHER_NUMBER: shows.other_number,
    Node.PAYMENT_CODE: shows.payment_code,
}

_ANSWERED: Final = {
    Node.CONTESTS: voting.at_contests,
    Node.RESUME: voting.at_resume,
    Node.HOME: asking.at_home,
    Node.LIST: voting.at_list,
    Node.FOUND: voting.at_found,
    Node.RANKING: voting.at_ranking,
    Node.MY_VOTES: asking.at_my_votes,
    Node.LANGUAGE: asking.at_language,
    Node.DEBITED: asking.at_debited,
    Node.TICKET: asking.at_ticket,
    Node.HELP: asking.at_help,
    Node.RECEIPT: asking.at_receipt,
    Node.RULES: asking.at_rules,
    Node.QUANTITY: voting.at_quantity,
    Node.CONFIRM: voting.at_confirm,
    Node.OTHER_NUMBER: voting.at_other_number,
    Node.PAYMENT_CODE: voting.at_payment_code,
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
    if len(shows.choices(view)) > 1:
        return shows.contests(Session(language=language), view)
    refusal = check_window(view.contest, view.now)
    if refusal is not Refusal.NOT_OPEN_YET:
        return shows.home(Session(language=language), view)
    over = last_closed(view.sharing, view.now)
    if over is None:
        return Turn(refused(refusal, view.contest, language, room=view.room), None)
    notice = refusal_words(language, refusal, view.contest)
    return shows.home(Session(language=language), replace(view, contest=over), notice)


def offered(session: Session, view: MenuView) -> Turn | None:
    """The screen that offers to go on, for what an earlier dialogue of this number had reached; None when
    that cannot be bought any more."""
    sold = check_window(view.contest, view.now) is None
    if not sold or isinstance(check_candidate(view.contest, session.code or ""), Refusal):
        return None
    return shows.resume(session, view)


def advance(session: Session, text: str, view: MenuView) -> Turn:
    """The next screen after this input; the end when the contest has closed on the way to a vote."""
    if session.node is Node.CONTESTS:
        if not shows.choices(view):
            over = replace(view, contest=nearest(view.sharing or (view.contest,), view.now))
            return start(over, session.language)
        return voting.at_contests(session, text, view)
    refusal = check_window(view.contest, view.now)
    if refusal is not None and not (refusal is Refusal.CLOSED and session.node in _AFTERWARDS):
        return Turn(refused(refusal, view.contest, session.language, room=view.room), None)
    if text == "00":
        return shows.home(Session(language=session.language), view)
    if text == "":
        return _SHOWN[session.node](session, view)
    return _ANSWERED[session.node](session, text, view)
