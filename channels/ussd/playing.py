"""Inputs applied one after the other: to the remembered session, or all from the start.

A transcript that is played from the start may be a long dial, or a dialogue that our store lost. The
screens that the voter saw in the second case are not known for certain: the first one may have been
an offer to resume, and a code that is known now may have been refused then. Where such a doubt is possible
another screen comes before the confirmation. It shows what would be bought and asks for two digits that are
printed on it: nothing that was typed for other screens can confirm it by accident.

What came together with a refused input was typed for a screen that was never shown: it is dropped. Where a
transcript does not show what came together, it is what reads as the rest of a long dial; anything after it
was typed on the screen that shows the refusal.
"""

import hashlib
import re
from dataclasses import replace
from typing import Final

from channels.phrases import say
from channels.ussd.caller import Caller
from channels.ussd.history import Place, Remembered
from channels.ussd.menu.machine import advance, is_code, offered
from channels.ussd.menu.ordering import check, confirm
from channels.ussd.menu.screen import fitted
from channels.ussd.menu.session import CHECKING, Node, Session, Turn
from gateway.contests.contest import Contest
from gateway.contests.service_codes import chosen
from gateway.values.record import record

INPUTS_MAX: Final = 60
# The first screen's choice of a language.
LANGUAGE: Final = "4"
# Back and home.
_LEAVES: Final = frozenset({"0", "00"})
# How a long dial ends: pay, another wallet or a payment code, before them another number.
_END: Final = r"(?:1|[3-9](?:\*(?:1|\d{4,8}))?)"
_PAYING: Final = rf"(?:{_END}|2(?:\*\d{{8,15}}(?:\*{_END})?)?|\d{{4,8}})"
_BEHIND_VOTES: Final = re.compile(rf"{_PAYING}(?=\*|$)")
_BEHIND_CODE: Final = re.compile(rf"[1-9]\d{{0,8}}(?:\*{_PAYING})?(?=\*|$)")
_VOTES_CHOSEN: Final = frozenset({Node.QUANTITY, Node.CONFIRM, Node.OTHER_NUMBER, Node.PAYMENT_CODE})


@record
class Played:
    """What comes of the inputs. `before`: the session when the last one came; `chosen`: the language that
    one of them chose."""

    turn: Turn
    before: Session | None
    chosen: str = ""


def typed(text: str) -> str:
    """An input as meant: digits of other scripts folded, the closing `#` of some networks dropped."""
    trimmed = text.strip()
    if not trimmed.isascii():
        trimmed = "".join(str(int(c)) if c.isdecimal() else c for c in trimmed)
    return trimmed.removesuffix("#").rstrip()


def continued(stored: Remembered, found: Place, caller: Caller) -> Played:
    """New inputs, applied to what is remembered."""
    return _applied(Turn(stored.shown.text, stored.session), tuple(map(typed, found.inputs)), found, caller)


def replayed(found: Place, caller: Caller, offer: Session | None) -> Played:
    """All inputs, applied from the start. `offer`: what was offered on the first screen of this dialogue,
    as far as we know."""
    inputs = tuple(map(typed, found.inputs))
    opening = offered(offer, caller.view(offer)) if offer is not None else None
    if opening is not None:
        return _applied(opening, inputs, found, caller)
    named = _named_contest(inputs, caller)
    if named is not None:
        return _applied(caller.in_contest(named), inputs[1:], found, caller, lost=True)
    return _applied(caller.first_screen(), inputs, found, caller, lost=True, doubtful=_may_answer_offer(inputs))


def _may_answer_offer(inputs: tuple[str, ...]) -> bool:
    """Whether what was typed first meant something else if the first screen was an offer: there a code and
    `0` are what they are on the first screen, nothing and another language show either again, and letters
    are no name."""
    first = next((text for text in inputs if text not in ("", LANGUAGE)), "0")
    return first != "0" and not is_code(first)


def _named_contest(inputs: tuple[str, ...], caller: Caller) -> Contest | None:
    """The contest that a long dial names before its candidate, also while no other one is open: the
    number was printed when there were several."""
    if len(caller.sharing) < 2 or len(inputs) < 2 or len(inputs[0]) != 1 or not is_code(inputs[1]):
        return None
    return chosen(caller.sharing, inputs[0])


def _checking(session: Session) -> str:
    """What is to be typed before this session's confirmation; empty where nothing is."""
    asked = session.node is Node.CONFIRM and session.typed.startswith(CHECKING)
    return session.typed.removeprefix(CHECKING) if asked else ""


def _key(caller: Caller, inputs: tuple[str, ...]) -> str:
    """Two digits: the same each time that these inputs are played."""
    played = "*".join((caller.dialler.e164, *inputs)).encode(errors="replace")
    return str(10 + int.from_bytes(hashlib.blake2b(played, digest_size=4).digest()) % 90)


def _applied(
    now: Turn, inputs: tuple[str, ...], found: Place, caller: Caller, *, lost: bool = False, doubtful: bool = False
) -> Played:
    """`lost`: the screens that were shown may have been others than those that are made now; `doubtful`:
    what was typed would then have meant something else."""
    before = now.session
    if found.transcript.count("*") >= INPUTS_MAX:
        contest = caller.view(before).contest
        text = say(contest.language, "ussd.session_over", service_code=contest.dial_code)
        return Played(Turn(fitted(text, limit=caller.limit), None), before)
    at, chosen = 0, ""
    while at < len(inputs) and now.session is not None:
        text, at = inputs[at], at + 1
        before = now.session
        view = caller.view(before)
        key = _checking(before)
        if key and text == key:
            now, doubtful, lost = confirm(before._replace(typed=""), view), False, False
            continue
        if key and text not in _LEAVES:
            now = check(before, view, key)
            continue
        here = before._replace(typed="") if key else before
        now = advance(here, text, view)
        doubtful, chosen = doubtful or (lost and now.refused), now.chosen or chosen
        if now.buy is not None and doubtful:
            now = check(before, view, _key(caller, inputs[: at - 1]))
        elif now.refused and (dropped := _together(before, inputs, at, found.together)):
            now = advance(here, text, replace(view, behind=dropped))
            at += len(dropped)
    return Played(now, before, chosen)


def _together(before: Session, inputs: tuple[str, ...], at: int, together: int) -> tuple[str, ...]:
    """Of the inputs from `at` on, those that came at once with the one before them, which was refused.
    `together`: how many inputs certainly came first and at once; 0 where that is not known."""
    if together:
        return inputs[at:together]
    if before.node is Node.CONTESTS:
        # Typed for a contest that is not known.
        return inputs[at:]
    behind = _BEHIND_VOTES if before.node in _VOTES_CHOSEN else _BEHIND_CODE
    read = behind.match("*".join(inputs[at:]))
    return inputs[at : at + read.group().count("*") + 1] if read else ()
