"""How a screen is made to fit, in any language: names are cut, then the sentence above the screen is dropped."""

from collections.abc import Callable
from typing import Final, Protocol

from channels import gsm
from channels.buying import refusal_words
from channels.phrases import say
from channels.ussd.menu.session import MORE, SEPTETS_MAX, MenuView, Session, Turn, Wants
from gateway.contests.contest import Contest
from gateway.orders.rules import Refusal

CODE_DIGITS_SHOWN: Final = 6
NAME_SEPTETS_MAX: Final = 40
NAME_SEPTETS_MIN: Final = 5


class Show(Protocol):
    """A screen that can be shown again with a notice above it."""

    def __call__(self, session: Session, view: MenuView, notice: str = "") -> Turn:
        """The screen, and the session that is there."""
        ...


def fitted(text: str, notice: str = "", limit: int = SEPTETS_MAX) -> str:
    """The screen within its budget: with the notice above it where both fit."""
    screen = gsm.fold(text)
    if notice:
        both = f"{gsm.fold(notice)}\n{screen}"
        if gsm.fits(both, limit):
            return both
    return screen if gsm.fits(screen, limit) else gsm.cut_on_word(screen, limit)


def with_foot(text: str, foot: str, limit: int) -> str:
    """A screen whose text is cut before its last line is."""
    folded = gsm.fold(foot)
    return f"{fitted(text, limit=limit - gsm.septets(folded) - 1)}\n{folded}"


def squeezed(make: Callable[[int], str], name_septets_max: int, notice: str, limit: int) -> str:
    """A screen with names in it, which `make` cuts to so many septets: as many as leave space for all
    the rest and for the notice above it."""
    above = f"{gsm.fold(notice)}\n" if notice else ""
    for septets in range(name_septets_max, NAME_SEPTETS_MIN - 1, -2):
        text = above + gsm.fold(make(septets))
        if gsm.fits(text, limit):
            return text
    return fitted(make(NAME_SEPTETS_MIN), notice, limit)


def around_name(make: Callable[[str], str], name: str, notice: str, limit: int) -> str:
    """A screen around one name."""
    folded = gsm.fold(name)
    return squeezed(
        lambda septets: make(gsm.cut_on_word(folded, septets)),
        min(gsm.septets(folded), NAME_SEPTETS_MAX),
        notice,
        limit,
    )


def last_line(language: str, *, more: bool) -> str:
    """Back, and on where there is more."""
    return say(language, "ussd.more_back" if more else "ussd.back")


def shown(screen: str, session: Session, notice: str = "", wants: Wants | None = None) -> Turn:
    """A turn that stays in the menu; with a notice: the input was not understood."""
    return Turn(screen, session, wants=wants, refused=bool(notice))


def wrong(session: Session, view: MenuView, again: Show) -> Turn:
    """The same screen, with the notice that the input is no choice."""
    return again(session, view, say(session.language, "ussd.wrong_choice"))


def turned(session: Session, text: str, view: MenuView, again: Show, pages: int) -> Turn | None:
    """Another page of what has so many, where one was asked for and there is one."""
    step = 1 if text == MORE and session.page < pages else -1 if text == "0" and session.page > 1 else 0
    return again(session._replace(page=session.page + step), view) if step else None


def corrected(session: Session, view: MenuView, again: Show, notice: str, dial: str) -> Turn:
    """The same screen, with a refusal and where it fits what to dial instead."""
    if dial:
        advice = f"{notice} {say(session.language, 'ussd.dial_again', dial=dial)}"
        turn = again(session, view, advice)
        if gsm.fold(advice) in turn.screen:
            return turn
    return again(session, view, notice)


def dial_again(view: MenuView, *inputs: str) -> str:
    """A long dial that was refused as it is to be dialled, with these inputs before what followed; empty
    where nothing was dialled behind the refused one."""
    if not view.behind:
        return ""
    return f"{'*'.join((view.contest.dial_code.removesuffix('#'), *inputs, *view.behind))}#"


def refused(refusal: Refusal, contest: Contest, language: str, code: str = "", limit: int = SEPTETS_MAX) -> str:
    """A refusal as a screen of its own."""
    return fitted(refusal_words(language, refusal, contest, code[:CODE_DIGITS_SHOWN]), limit=limit)


def ended(refusal: Refusal, session: Session, view: MenuView) -> Turn:
    """The dialogue ends with this refusal."""
    return Turn(refused(refusal, view.contest, session.language, session.code or "", view.limit), None)
