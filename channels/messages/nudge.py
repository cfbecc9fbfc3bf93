"""Who was cut off after choosing a candidate gets one text, and when not. Pure: the time is given."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from channels.messages.texting import quiet_until

KIND: Final = "resume"
# Until then a new dialogue offers to go on; a text that comes much later is a stranger's.
NUDGE_AFTER: Final = timedelta(minutes=10)
NUDGE_BEFORE: Final = timedelta(minutes=60)


class Nudge(StrEnum):
    """What becomes of an unfinished dialogue: a text, or the reason why there is none."""

    TEXT = "texted"
    ORDERED = "ordered"
    OPTED_OUT = "opted out"
    NOT_SOLD = "not sold"
    TOO_LATE = "too late"
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What the decision needs to know. `country`: where the number lives. `sold`: whether the candidate
    can still be voted for; `ordered`: whether the number bought in this contest since."""

    reached_at: datetime
    country: str | None
    sold: bool
    ordered: bool
    opted_out: bool


def judge(one: Unfinished, now: datetime) -> Nudge:
    """Whether the voter is texted, at the earliest hour at which that may be."""
    if one.ordered:
        return Nudge.ORDERED
    if one.opted_out:
        return Nudge.OPTED_OUT
    if not one.sold:
        return Nudge.NOT_SOLD
    end = one.reached_at + NUDGE_BEFORE
    if now >= end:
        return Nudge.TOO_LATE
    morning = quiet_until(KIND, one.country, now)
    return Nudge.NIGHT if morning is not None and morning >= end else Nudge.TEXT
