"""The menu: a pure function from session and input to screen and next session.

On the first screen and in the list, two or more digits are a candidate's code and one digit is a
choice. `0` goes back and `00` home on every screen. Code, number of votes, `1`: a whole vote.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from channels.phrases import say
from channels.ussd import screens
from gateway.domain.contest import Contest
from gateway.domain.msisdn import Msisdn, NumberFault, read_msisdn
from gateway.domain.order import Refusal, check_candidate, check_quantity, check_window, price_of
from gateway.domain.tally import Standing
from gateway.domain.wallet import PaymentMethod, guess_method, methods_in

QUANTITY_DIGITS_MAX: Final = 9
CODE_DIGITS_SHOWN: Final = 6
_OTHER_LANGUAGE: Final = {"fr": "en", "en": "fr"}


class _Show(Protocol):
    """A screen that can be shown again with a notice above it."""

    def __call__(self, session: "Session", view: "MenuView", notice: str = "") -> "Turn": ...


class Node(StrEnum):
    """Where in the menu a voter is."""

    HOME = "h"
    LIST = "l"
    RANKING = "r"
    MY_VOTES = "m"
    QUANTITY = "q"
    CONFIRM = "c"
    OTHER_NUMBER = "n"


@dataclass(frozen=True, slots=True)
class Session:
    """What is remembered between two screens. `page`: of the list or the ranking, from 1; 0 elsewhere,
    except that the quantity screen keeps the page it was reached from. `payer`: E.164 of a typed
    number; None means the number that dials. `method` None: guessed from the number."""

    node: Node = Node.HOME
    language: str = "fr"
    page: int = 0
    code: str | None = None
    votes: int = 0
    payer: str | None = None
    method: str | None = None

    def packed(self) -> list[str | int | None]:
        """As JSON holds it."""
        return [self.node.value, self.language, self.page, self.code, self.votes, self.payer, self.method]

    @classmethod
    def unpacked(cls, held: list[object]) -> "Session":
        """What `packed` made. Raises ValueError or TypeError for anything else."""
        node, language, page, code, votes, payer, method = held
        return cls(
            Node(str(node)),
            str(language),
            int(page),  # type: ignore[call-overload] # refused by int() itself
            None if code is None else str(code),
            int(votes),  # type: ignore[call-overload] # refused by int() itself
            None if payer is None else str(payer),
            None if method is None else str(method),
        )


@dataclass(frozen=True, slots=True)
class MenuView:
    """What the menu may look at. `dialler`: the number that dials, vouched for by its network."""

    contest: Contest
    standing: Standing
    dialler: Msisdn
    network: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Buy:
    """The voter confirmed this on a screen that showed all of it."""

    code: str
    votes: int
    method: PaymentMethod
    payer: Msisdn
    typed: bool
    language: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes of an input. `session` None: the dialogue ends with this screen. `wants_votes`: the
    screen is made of the number's own votes, which the shell must fetch."""

    screen: str
    session: Session | None
    buy: Buy | None = None
    wants_votes: bool = False


def start(view: MenuView, language: str) -> Turn:
    """The first screen, or the end where nothing is sold."""
    refusal = check_window(view.contest, view.now)
    if refusal is not None:
        return Turn(refused(refusal, view.contest, language), None)
    return _home(Session(language=language), view)


def advance(session: Session, text: str, view: MenuView) -> Turn:
    """The next screen after this input; the end when the contest has closed meanwhile."""
    if check_window(view.contest, view.now) is not None:
        return start(view, session.language)
    if text == "00":
        return _home(Session(language=session.language), view)
    if text == "":
        return _show(session, view)
    return _ANSWERS[session.node](session, text, view)


def refused(refusal: Refusal, contest: Contest, language: str, code: str = "") -> str:
    """A refusal as a screen of its own."""
    return screens.fitted(_sentence(refusal, contest, language, code))


def _sentence(refusal: Refusal, contest: Contest, language: str, code: str = "") -> str:
    return say(
        language,
        f"refusal.{refusal.value}",
        contest=contest.name,
        maximum=contest.quantity_max,
        code=code[:CODE_DIGITS_SHOWN],
    )


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


def _others(method: PaymentMethod | None, view: MenuView) -> tuple[PaymentMethod, ...]:
    return tuple(m for m in methods_in(view.contest.country) if m is not method)


def _home(session: Session, view: MenuView, notice: str = "") -> Turn:
    contest = view.contest
    screen = screens.home(contest.name, contest.price, session.language, notice)
    return Turn(screen, replace(session, node=Node.HOME, page=0))


def _list(session: Session, view: MenuView, notice: str = "") -> Turn:
    screen = screens.candidates(view.contest, session.page - 1, session.language, notice)
    return Turn(screen, replace(session, node=Node.LIST))


def _ranking(session: Session, view: MenuView, notice: str = "") -> Turn:
    screen = screens.ranking(view.standing, session.page - 1, session.language, notice)
    return Turn(screen, replace(session, node=Node.RANKING))


def _quantity(session: Session, view: MenuView, notice: str = "") -> Turn:
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return _home(session, view, notice)
    screen = screens.quantity(view.contest, candidate, session.language, notice)
    return Turn(screen, replace(session, node=Node.QUANTITY))


def _confirm(session: Session, view: MenuView, notice: str = "") -> Turn:
    candidate = view.contest.candidate(session.code or "")
    if candidate is None:
        return _home(session, view, notice)
    method = method_of(session, view)
    screen = screens.confirm(
        candidate,
        session.votes,
        price_of(view.contest, session.votes),
        payer_of(session, view),
        method,
        _others(method, view),
        session.language,
        notice,
    )
    return Turn(screen, replace(session, node=Node.CONFIRM))


def _other_number(session: Session, view: MenuView, notice: str = "") -> Turn:
    return Turn(screens.other_number(session.language, notice), replace(session, node=Node.OTHER_NUMBER))


def _my_votes(session: Session) -> Turn:
    return Turn("", replace(session, node=Node.MY_VOTES), wants_votes=True)


def _show(session: Session, view: MenuView) -> Turn:
    """The same screen once more."""
    match session.node:
        case Node.HOME:
            return _home(session, view)
        case Node.LIST:
            return _list(session, view)
        case Node.RANKING:
            return _ranking(session, view)
        case Node.MY_VOTES:
            return _my_votes(session)
        case Node.QUANTITY:
            return _quantity(session, view)
        case Node.CONFIRM:
            return _confirm(session, view)
        case Node.OTHER_NUMBER:
            return _other_number(session, view)


def _choose_candidate(session: Session, text: str, view: MenuView, again: _Show) -> Turn:
    found = check_candidate(view.contest, text)
    if found is Refusal.UNKNOWN_CANDIDATE:
        return again(session, view, say(session.language, "ussd.unknown_code", code=text[:CODE_DIGITS_SHOWN]))
    if isinstance(found, Refusal):
        return again(session, view, _sentence(found, view.contest, session.language, text))
    return _quantity(replace(session, code=text), view)


def _wrong(session: Session, view: MenuView, again: _Show) -> Turn:
    return again(session, view, say(session.language, "ussd.wrong_choice"))


def _at_home(session: Session, text: str, view: MenuView) -> Turn:
    if len(text) >= 2 and text.isdecimal():
        return _choose_candidate(session, text, view, _home)
    match text:
        case "1":
            return _list(replace(session, page=1), view)
        case "2":
            return _ranking(replace(session, page=1), view)
        case "3":
            return _my_votes(session)
        case "4":
            return _home(replace(session, language=_OTHER_LANGUAGE.get(session.language, "fr")), view)
        case "0":
            return _home(session, view)
    return _wrong(session, view, _home)


def _at_list(session: Session, text: str, view: MenuView) -> Turn:
    if len(text) >= 2 and text.isdecimal():
        return _choose_candidate(session, text, view, _list)
    if text == "9" and session.page < screens.candidate_pages(view.contest):
        return _list(replace(session, page=session.page + 1), view)
    if text == "0":
        return _list(replace(session, page=session.page - 1), view) if session.page > 1 else _home(session, view)
    return _wrong(session, view, _list)


def _at_ranking(session: Session, text: str, view: MenuView) -> Turn:
    if text == "9" and session.page < screens.ranking_pages(view.standing):
        return _ranking(replace(session, page=session.page + 1), view)
    if text == "0":
        return _ranking(replace(session, page=session.page - 1), view) if session.page > 1 else _home(session, view)
    return _wrong(session, view, _ranking)


def _at_my_votes(session: Session, text: str, view: MenuView) -> Turn:
    return _home(session, view) if text == "0" else _my_votes(session)


def _at_quantity(session: Session, text: str, view: MenuView) -> Turn:
    if text == "0":
        unchosen = replace(session, code=None)
        return _list(unchosen, view) if session.page else _home(unchosen, view)
    readable = text.isascii() and text.isdecimal()
    votes = int(text) if readable and len(text) <= QUANTITY_DIGITS_MAX else None
    if votes is None:
        refusal: Refusal | None = Refusal.TOO_MANY if readable else Refusal.BAD_QUANTITY
    else:
        refusal = check_quantity(view.contest, votes)
    if refusal is not None:
        return _quantity(session, view, _sentence(refusal, view.contest, session.language))
    return _confirm(replace(session, votes=votes or 0), view)


def _at_confirm(session: Session, text: str, view: MenuView) -> Turn:
    method = method_of(session, view)
    others = _others(method, view)
    if text == "0":
        return _quantity(session, view)
    if text == "1":
        if method is None:
            return _confirm(session, view, say(session.language, "ussd.which_wallet"))
        return _buy(session, method, view)
    if text == "2":
        return _other_number(session, view)
    if text.isascii() and text.isdecimal() and len(text) == 1 and 3 <= int(text) < 3 + len(others):
        return _confirm(replace(session, method=others[int(text) - 3].value), view)
    return _wrong(session, view, _confirm)


def _buy(session: Session, method: PaymentMethod, view: MenuView) -> Turn:
    candidate = check_candidate(view.contest, session.code or "")
    if isinstance(candidate, Refusal):
        return Turn(refused(candidate, view.contest, session.language, session.code or ""), None)
    payer = payer_of(session, view)
    elsewhere = payer if payer != view.dialler else None
    amount = price_of(view.contest, session.votes)
    screen = screens.placed(method, amount, session.language, elsewhere)
    buy = Buy(candidate.code, session.votes, method, payer, session.payer is not None, session.language)
    return Turn(screen, None, buy)


def _at_other_number(session: Session, text: str, view: MenuView) -> Turn:
    if text == "0":
        return _confirm(session, view)
    read = read_msisdn(text, view.contest.country)
    if isinstance(read, NumberFault):
        foreign = read is NumberFault.FOREIGN
        refusal = Refusal.FOREIGN_NUMBER if foreign else Refusal.BAD_NUMBER
        return _other_number(session, view, _sentence(refusal, view.contest, session.language))
    return _confirm(replace(session, payer=read.e164, method=None), view)


_ANSWERS: Final = {
    Node.HOME: _at_home,
    Node.LIST: _at_list,
    Node.RANKING: _at_ranking,
    Node.MY_VOTES: _at_my_votes,
    Node.QUANTITY: _at_quantity,
    Node.CONFIRM: _at_confirm,
    Node.OTHER_NUMBER: _at_other_number,
}
