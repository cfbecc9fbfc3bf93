"""How a screen is made to fit: names give way, then the sentence above it."""

from collections.abc import Callable
from typing import Final

from channels import gsm
from channels.phrases import say

SEPTETS_MAX: Final = 160
NAME_SEPTETS_MAX: Final = 40
NAME_SEPTETS_MIN: Final = 5
LIST_NAME_SEPTETS: Final = 19


def fitted(text: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """The screen within its budget: with the notice above it where both fit."""
    screen = gsm.fold(text)
    if notice:
        both = f"{gsm.fold(notice)}\n{screen}"
        if gsm.fits(both, room):
            return both
    return screen if gsm.fits(screen, room) else gsm.cut_on_word(screen, room)


def with_foot(text: str, foot: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """A screen whose text is cut before its last line is."""
    folded = gsm.fold(foot)
    return f"{fitted(text, notice, room - gsm.septets(folded) - 1)}\n{folded}"


def squeezed(make: Callable[[int], str], name_septets_max: int, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """A screen with names in it, which `make` cuts to so many septets: as many as leave room for all
    the rest and for the notice above it."""
    above = f"{gsm.fold(notice)}\n" if notice else ""
    for septets in range(name_septets_max, NAME_SEPTETS_MIN - 1, -2):
        text = above + gsm.fold(make(septets))
        if gsm.fits(text, room):
            return text
    return fitted(make(NAME_SEPTETS_MIN), notice, room)


def around_name(make: Callable[[str], str], name: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """A screen around one name."""
    folded = gsm.fold(name)
    return squeezed(
        lambda septets: make(gsm.cut_on_word(folded, septets)),
        min(gsm.septets(folded), NAME_SEPTETS_MAX),
        notice,
        room,
    )


def foot(language: str, *, more: bool) -> str:
    """The last line: back, and on where there is more."""
    return say(language, "ussd.more_back" if more else "ussd.back")
