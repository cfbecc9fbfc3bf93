"""Inputs applied one after the other: what is remembered goes on, or all is played from the start.

A transcript that is played from the start may be a long dial, or a dialogue that our store lost. The
screens that the voter saw in the second case are not known for certain: a first screen may have been
an offer to go on, a code may have been refused then and known now. So where such a doubt is possible
another screen comes before the confirmation, which shows what would be bought and is left by two digits
that stand on it: what was typed for other screens answers neither.
"""

import hashlib
from dataclasses import replace
from typing import Final

from channels.phrases import say
from channels.ussd import screens
from channels.ussd.caller import Caller
from channels.ussd.history import Place, Remembered
from channels.ussd.menu import Node, Session, Turn, advance, offered
from channels.ussd.menu.rules import is_code
from channels.ussd.menu.session import CHECKING
from channels.ussd.menu.shows import check, confirm
from gateway.domain.contest import Contest
from gateway.domain.record import record
from gateway.domain.service_codes import chosen

INPUTS_MAX: Final = 60
# The first screen's choice of a language.
LANGUAGE: Final = "4"
# Back and home.
_LEAVES: Final = frozenset({"0", "00"})


@record
class Played:
    """What comes of the inputs. `before`: the session when the last one came."""

    turn: Turn
    before: Session | None


def typed(text: str) -> str:
    """An input as meant: digits of other scripts folded, the closing `#` of some networks dropped."""
    trimmed = text.strip()
    if not trimmed.isascii():
        trimmed = "".join(str(int(c)) if c.isdecimal() else c for c in trimmed)
    return trimmed.removesuffix("#").rstrip()


def continued(held: Remembered, found: Place, caller: Caller) -> Played:
    """New inputs, applied to what is remembered."""
    return _applied(Turn(held.shown.text, held.session), tuple(map(typed, found.inputs)), found, caller)


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
    said = "*".join((caller.dialler.e164, *inputs)).encode(errors="replace")
    return str(10 + int.from_bytes(hashlib.blake2b(said, digest_size=4).digest()) % 90)


def _applied(
    now: Turn, inputs: tuple[str, ...], found: Place, caller: Caller, *, lost: bool = False, doubtful: bool = False
) -> Played:
    """`lost`: the screens that were shown may have been others than those that are made now; `doubtful`:
    what was typed would then have meant something else."""
    before = now.session
    if found.transcript.count("*") >= INPUTS_MAX:
        contest = caller.view(before).contest
        text = say(contest.language, "ussd.session_over", service_code=contest.dial_code)
        return Played(Turn(screens.fitted(text, room=caller.room), None), before)
    for at, text in enumerate(inputs):
        if now.session is None:
            break
        before = now.session
        view = caller.view(before)
        key = _checking(before)
        if key and text == key:
            now, doubtful, lost = confirm(replace(before, typed=""), view), False, False
            continue
        if key and text not in _LEAVES:
            now = check(before, view, key)
            continue
        now = advance(replace(before, typed="") if key else before, text, view)
        doubtful = doubtful or (lost and now.refused)
        if now.buy is not None and doubtful:
            now = check(before, view, _key(caller, inputs[:at]))
        elif now.refused and before.node is Node.CONTESTS and len(inputs) > 1:
            # What follows was typed for a contest that is not known.
            break
    return Played(now, before)
