"""What is typed on the way to a vote."""

from dataclasses import replace
from typing import Final

from channels.buying import named, read_count, read_payer, refusal_words
from channels.phrases import say
from channels.ussd import screens
from channels.ussd.menu import shows
from channels.ussd.menu.rules import (
    OTHERS_FROM,
    code_key,
    code_place,
    code_refused,
    dial_again,
    is_code,
    letters_of,
    open_method,
    other_wallets,
    payer_of,
    refused,
    wallet_notice,
)
from channels.ussd.menu.session import Buy, MenuView, Session, Turn
from gateway.contests.service_codes import chosen
from gateway.orders.rules import Refusal, check_candidate, check_window, price_of
from gateway.orders.wallet import APPROVAL_CODES, PAYMENT_CODES, PaymentMethod

# Orange sends six digits; a provider may want more or fewer.
PAYMENT_CODE_MIN: Final = 4
PAYMENT_CODE_MAX: Final = 8
MORE: Final = "9"


def at_contests(session: Session, text: str, view: MenuView) -> Turn:
    """The number of a contest."""
    pages = screens.contest_pages(shows.choices(view))
    if text == MORE and session.page < pages:
        return shows.contests(replace(session, page=session.page + 1), view)
    if text == "0" and session.page > 1:
        return shows.contests(replace(session, page=session.page - 1), view)
    if text in ("", "0", "00"):
        return shows.contests(replace(session, page=1) if text == "00" else session, view)
    contest = chosen(view.sharing, text)
    if contest is None:
        return _contest_first(session, text, view)
    refusal = check_window(contest, view.now)
    if refusal is Refusal.NOT_OPEN_YET:
        return shows.contests(session, view, refusal_words(session.language, refusal, contest))
    return shows.home(Session(language=view.spoken_in(contest)), replace(view, contest=contest))


def _contest_first(session: Session, text: str, view: MenuView) -> Turn:
    """A code, or the number of no contest."""
    number, dial = say(session.language, "ussd.number_here"), ""
    if view.behind:
        typed = (text, *view.behind) if is_code(text) else view.behind
        dial = f"{'*'.join((view.contest.service_code.removesuffix('#'), number, *typed))}#"
    return shows.corrected(session, view, shows.contests, say(session.language, "ussd.contest_first"), dial)


def at_resume(session: Session, text: str, view: MenuView) -> Turn:
    """Go on, start again, or a code as on the first screen."""
    if text == "1":
        if isinstance(check_candidate(view.contest, session.code or ""), Refusal):
            notice = code_refused(view.contest, session.language, session.code or "")
            return shows.home(_forgotten(session), view, notice)
        if session.page and session.votes:
            return shows.payment_code(replace(session, page=0), view)
        return shows.confirm(session, view) if session.votes else shows.quantity(session, view)
    if text in ("2", "0"):
        return begin(_forgotten(session), view)
    if is_code(text):
        return choose(_forgotten(session), text, view, shows.home)
    return shows.wrong(session, view, shows.resume)


def _forgotten(session: Session) -> Session:
    return Session(language=session.language, contest=session.contest)


def begin(session: Session, view: MenuView) -> Turn:
    """The first screen of all: of the contest, or the choice between several."""
    return shows.contests(session, view) if len(shows.choices(view)) > 1 else shows.home(session, view)


def _over(session: Session, view: MenuView) -> Turn | None:
    """The end, where nothing is sold any more."""
    refusal = check_window(view.contest, view.now)
    return None if refusal is None else Turn(refused(refusal, view.contest, session.language, room=view.room), None)


def choose(session: Session, text: str, view: MenuView, again: shows.Show) -> Turn:
    """A candidate by code; the end where the contest is over."""
    if over := _over(session, view):
        return over
    if isinstance(check_candidate(view.contest, text), Refusal):
        notice = code_refused(view.contest, session.language, text)
        return shows.corrected(session, view, again, notice, dial_again(view, say(session.language, "ussd.code_here")))
    return shows.quantity(session.choosing(text), view)


def search(session: Session, letters: str, view: MenuView, again: shows.Show) -> Turn:
    """Candidates by the letters of their names; the only one is chosen at once. The end where the contest
    is over."""
    if over := _over(session, view):
        return over
    people = named(view.contest, letters)
    if not people:
        return again(session, view, shows.not_found(session, letters))
    if len(people) == 1:
        return choose(session, people[0].code, view, again)
    return shows.found(replace(session, typed=letters, page=1), view)


def candidates(session: Session, view: MenuView) -> Turn:
    """The list of those who can be voted for; the end where the contest is over."""
    if over := _over(session, view):
        return over
    return shows.listing(replace(session, page=1), view)


def at_list(session: Session, text: str, view: MenuView) -> Turn:
    """A code, letters, another page, or back."""
    return _paged(session, text, view, shows.listing, screens.candidate_pages(view.contest))


def at_found(session: Session, text: str, view: MenuView) -> Turn:
    """The same, among those who were found."""
    return _paged(session, text, view, shows.found, screens.pages_of(len(named(view.contest, session.typed))))


def at_ranking(session: Session, text: str, view: MenuView) -> Turn:
    """The same, in the ranking."""
    return _paged(session, text, view, shows.ranking, screens.ranking_pages(view.ranking))


def _paged(session: Session, text: str, view: MenuView, again: shows.Show, pages: int) -> Turn:
    if is_code(text):
        return choose(session, text, view, again)
    if letters := letters_of(text):
        return search(session, letters, view, again)
    if text == MORE and session.page < pages:
        return again(replace(session, page=session.page + 1), view)
    if text == "0":
        return again(replace(session, page=session.page - 1), view) if session.page > 1 else shows.home(session, view)
    return shows.wrong(session, view, again)


def at_quantity(session: Session, text: str, view: MenuView) -> Turn:
    """How many votes, or back to where the candidate was chosen."""
    if text == "0":
        unchosen = replace(session, code=None, votes=0)
        if not session.page:
            return shows.home(unchosen, view)
        return shows.found(unchosen, view) if session.typed else shows.listing(unchosen, view)
    votes = read_count(text, view.contest)
    if isinstance(votes, Refusal):
        notice = refusal_words(session.language, votes, view.contest)
        dial = dial_again(view, session.code or "", say(session.language, "ussd.votes_here"))
        return shows.corrected(session, view, shows.quantity, notice, dial)
    return shows.confirm(session.wanting(votes), view)


def at_confirm(session: Session, text: str, view: MenuView) -> Turn:
    """Pay, another number, another wallet, or back."""
    if text == "0":
        return shows.quantity(session, view)
    if text == "1":
        method = open_method(session, view)
        if method is None:
            notice = wallet_notice(session, view) or say(session.language, "ussd.which_wallet")
            return shows.confirm(session, view, notice)
        return _buy(session, method, view)
    if text == "2":
        return shows.other_number(session, view)
    others = other_wallets(session, view)
    if text.isascii() and text.isdecimal() and len(text) == 1 and 0 <= int(text) - OTHERS_FROM < len(others):
        return shows.confirm(replace(session, method=others[int(text) - OTHERS_FROM].value), view)
    if text == code_key(others) and code_place(session, view) is not None:
        return shows.payment_code(session, view)
    return shows.wrong(session, view, shows.confirm)


def _buy(session: Session, method: PaymentMethod, view: MenuView) -> Turn:
    candidate = check_candidate(view.contest, session.code or "")
    if isinstance(candidate, Refusal):
        return Turn(refused(candidate, view.contest, session.language, session.code or "", view.room), None)
    payer = payer_of(session, view)
    elsewhere = payer if payer != view.dialler else None
    amount = price_of(view.contest, session.votes)
    country = view.contest.country
    by_page = view.rails.by_page(country, method)
    codes = PAYMENT_CODES if by_page else APPROVAL_CODES
    dialled = codes.get((country, method), "")
    screen = screens.placed(method, amount, session.language, elsewhere, view.room, by_page=by_page, dialled=dialled)
    buy = Buy(candidate.code, session.votes, method, payer, session.payer is not None, session.language)
    return Turn(screen, None, buy)


def at_payment_code(session: Session, text: str, view: MenuView) -> Turn:
    """The code with which the payer pays, which confirms the order too: its screen shows all of it."""
    if text == "0":
        return shows.confirm(session, view)
    place = code_place(session, view)
    if place is None:
        return shows.confirm(session, view)
    if not (text.isascii() and text.isdecimal() and PAYMENT_CODE_MIN <= len(text) <= PAYMENT_CODE_MAX):
        return shows.payment_code(session, view, say(session.language, "ussd.wrong_payment_code"))
    candidate = check_candidate(view.contest, session.code or "")
    if isinstance(candidate, Refusal):
        return Turn(refused(candidate, view.contest, session.language, session.code or "", view.room), None)
    screen = screens.paid_by_code(price_of(view.contest, session.votes), session.language, view.room)
    payer, typed = payer_of(session, view), session.payer is not None
    buy = Buy(candidate.code, session.votes, place[0], payer, typed, session.language, payment_code=text)
    return Turn(screen, None, buy)


def at_other_number(session: Session, text: str, view: MenuView) -> Turn:
    """The number that pays."""
    if text == "0":
        return shows.confirm(session, view)
    payer = read_payer(text, view.contest)
    if isinstance(payer, Refusal):
        return shows.other_number(session, view, refusal_words(session.language, payer, view.contest))
    return shows.confirm(replace(session, payer=payer.e164, method=None), view)
