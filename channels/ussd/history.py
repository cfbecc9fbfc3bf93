"""Where a request stands in its dialogue: a pure function, because no aggregator sends it.

The transcript, all that a voter typed so far, serves as the turn number. A known transcript is a repeat, a
longer one brings new input, a shorter one is a late copy, another one is another dialogue under a
used session id. Aggregators that send the newest input only have no transcript; theirs is put
together here, and a repeat can only be found by its number or by how soon it comes.
"""

from enum import StrEnum
from typing import Final, NamedTuple

import orjson

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.menu.session import Session
from gateway.values.record import record

# No person reads a screen and types within this time: the same input again is a repeated request.
REPEAT_MILLISECONDS: Final = 1_500
# Grows when the stored form changes, so that a new release does not misread what an old one stored.
_FORM: Final = 6


@record
class Shown:
    """A screen, and whether the voter may type again."""

    text: str
    more: bool


class Remembered(NamedTuple):
    """A dialogue as stored after its latest answer, field by field.

    `tail`: what was dialled behind the service code. `session` None: the dialogue is over. `text`, `more`: the
    screen that was shown. `newest`, `number` and `answered_ms` (Unix time) find repeats of aggregators without a
    transcript, which name the code that was dialled, `service_code`, in the first request only. `opened_ms`: when
    it began. `language`: the one that the number has chosen. `offer`: what its first screen offered to resume.
    `steps`: how many steps on the way to an order are counted, see `how_far`.
    """

    tail: str
    transcript: str
    session: Session | None
    text: str
    more: bool
    newest: str = ""
    number: int | None = None
    answered_ms: int = 0
    service_code: str = ""
    opened_ms: int = 0
    language: str = ""
    offer: Session | None = None
    steps: int = 0

    @property
    def shown(self) -> Shown:
        """The screen that was shown."""
        return Shown(self.text, self.more)

    def packed(self) -> bytes:
        """As stored."""
        return orjson.dumps([_FORM, *self], default=tuple)

    @classmethod
    def unpacked(cls, packed: bytes | None) -> "Remembered | None":
        """What was stored; None when there is nothing or it cannot be read."""
        if packed is None:
            return None
        try:
            form, *fields = orjson.loads(packed)
            if form != _FORM:
                return None
            for place in _SESSIONS:
                if fields[place] is not None:
                    fields[place] = Session.unpacked(fields[place])
            return cls._make(fields)
        except (ValueError, TypeError, IndexError):
            return None


# Where in the stored form a session stands.
_SESSIONS: Final = tuple(map(Remembered._fields.index, ("session", "offer")))


class Step(StrEnum):
    """What to do with a request."""

    REPEAT = "repeat"  # give the stored answer again
    NEXT = "next"  # apply the inputs to what is remembered
    LATE = "late"  # give the answer of that earlier hop; change nothing
    ANEW = "anew"  # apply the inputs from the start


@record
class Place:
    """Where a request stands. `transcript` includes the tail; `inputs` are those to apply, in order;
    `together`: how many of them, from the first, were certainly dialled or typed at once."""

    step: Step
    tail: str = ""
    transcript: str = ""
    inputs: tuple[str, ...] = ()
    together: int = 0


_REPEAT: Final = Place(Step.REPEAT)


def place(turn: UssdTurn, tail: str, stored: Remembered | None, now_ms: int) -> Place:
    """Where this request stands. `tail`: what its service code holds behind the registered one."""
    if turn.transcript is None:
        return _of_newest(turn, tail, stored, now_ms)
    if stored is None:
        # A network may give the tail in both places; typing it twice is not what was dialled.
        once = "" if tail == turn.transcript else tail
        return _replayed(Step.ANEW, once, joined(once, turn.transcript), tail)
    return _of_transcript(joined(stored.tail, turn.transcript), stored)


def _of_transcript(transcript: str, stored: Remembered) -> Place:
    if transcript == stored.transcript:
        return _REPEAT
    added = _suffix(stored.transcript, transcript)
    if added is not None:
        # Whatever comes after the last screen still gets the last screen.
        return _REPEAT if stored.session is None else _next(stored, transcript, added)
    if _suffix(transcript, stored.transcript) is not None:
        return _replayed(Step.LATE, stored.tail, transcript, stored.tail)
    return _replayed(Step.ANEW, stored.tail, transcript, stored.tail)


def _of_newest(turn: UssdTurn, tail: str, stored: Remembered | None, now_ms: int) -> Place:
    if stored is None:
        # An input of a dialogue that we lost belongs to a screen that we do not know: begin again.
        dialled = tail if turn.phase is Phase.START else ""
        return _replayed(Step.ANEW, tail, dialled, dialled)
    if turn.phase is Phase.START:
        if tail != stored.tail or not (turn.session_named or _came_again(turn, stored, now_ms)):
            return _replayed(Step.ANEW, tail, tail, tail)
        if stored.transcript == tail:
            return _REPEAT
        return _replayed(Step.LATE, tail, tail, tail)
    if stored.session is None or _came_again(turn, stored, now_ms):
        return _REPEAT
    return _next(stored, joined(stored.transcript, turn.newest), turn.newest)


def _came_again(turn: UssdTurn, stored: Remembered, now_ms: int) -> bool:
    if turn.number is not None and stored.number is not None:
        return turn.number <= stored.number
    return (
        stored.answered_ms > 0 and turn.newest == stored.newest and now_ms - stored.answered_ms <= REPEAT_MILLISECONDS
    )


def _replayed(step: Step, tail: str, transcript: str, dialled: str) -> Place:
    return Place(step, tail, transcript, split(transcript), len(split(dialled)))


def _next(stored: Remembered, transcript: str, added: str) -> Place:
    inputs = tuple(added.split("*"))
    return Place(Step.NEXT, stored.tail, transcript, inputs, len(inputs))


def split(transcript: str) -> tuple[str, ...]:
    """The inputs of a transcript; none of an empty one."""
    return tuple(transcript.split("*")) if transcript else ()


def joined(before: str, after: str) -> str:
    """Two parts of a transcript as one."""
    return f"{before}*{after}" if before and after else before or after


def _suffix(before: str, after: str) -> str | None:
    """What `after` adds to `before`; None when it does not begin with it."""
    if before == "":
        return after
    if after.startswith(f"{before}*"):
        return after[len(before) + 1 :]
    return None
