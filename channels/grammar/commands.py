"""What a text may mean."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.contests.contest import Candidate, Contest
from gateway.orders.rules import Refusal


class Word(StrEnum):
    """Commands that are one word."""

    HELP = "help"
    INFO = "info"
    STOP = "stop"
    START = "start"
    STATUS = "status"
    DEBITED = "debited"
    TICKET = "ticket"
    TOP = "top"
    YES = "yes"
    NO = "no"


class Doubt(StrEnum):
    """Why a text is answered by a question."""

    WHAT = "what"
    READING = "reading"
    SEVERAL = "several"
    LARGE = "large"
    PIN = "pin"
    WHICH_CONTEST = "which_contest"
    WHICH_CANDIDATE = "which_candidate"
    UNKNOWN_CODE = "unknown_code"
    NOT_STANDING = "not_standing"
    QUANTITY = "quantity"
    TOO_MANY = "too_many"
    PRICE = "price"


REFUSED_AS: Final = {
    Doubt.UNKNOWN_CODE: Refusal.UNKNOWN_CANDIDATE,
    Doubt.NOT_STANDING: Refusal.CANDIDATE_NOT_ELIGIBLE,
    Doubt.TOO_MANY: Refusal.TOO_MANY,
}
"""Doubts that no other words would mend: why such an order is refused."""


@dataclass(frozen=True, slots=True)
class Vote:
    """So many votes for an eligible candidate. `counted`: the text has the number."""

    contest: Contest
    code: str
    quantity: int
    counted: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """Not understood well enough to take money. `code`: the candidate's, or as typed where it is
    unknown. `options`: whom a name may mean. `offer`: the one order that may be meant, which YES
    then places. `readings`: other orders that may be meant, or all that one text holds; each has to be
    sent in words of its own."""

    doubt: Doubt
    contest: Contest | None = None
    code: str = ""
    options: tuple[Candidate, ...] = ()
    offer: Vote | None = None
    readings: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Is this receipt genuine? `receipt`: None when its check character does not hold, or when it is
    none at all; `typed`: what stood in its place, without spaces."""

    receipt: str | None
    language: str | None = None
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """A one-word command. `contest`: None when several are possible. `language`: the one that the
    word belongs to, None for a word of both."""

    word: Word
    contest: Contest | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Noise:
    """Nothing to answer."""


Command = Vote | Ask | Check | Say | Noise
