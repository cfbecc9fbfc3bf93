"""Rounds of a contest: when each sells votes, and which votes its ranking shows. Plain functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

ROUNDS_MAX: Final = 20
NAME_LENGTH_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Round:
    """A part of a contest's time in which votes are sold. `number`: from 1, in order of time; `fresh`: its ranking
    begins at zero, else with the votes of the round before."""

    number: int
    name: str
    opens_at: datetime
    closes_at: datetime
    fresh: bool = True

    def __str__(self) -> str:
        times = f"{self.opens_at:%Y-%m-%d %H:%M:%S %Z} to {self.closes_at:%Y-%m-%d %H:%M:%S %Z}"
        return f"{self.number} {self.name} ({times}, {'from zero' if self.fresh else 'carried over'})"


def open_round(rounds: Sequence[Round], now: datetime) -> Round | None:
    """The round that sells votes at this instant."""
    return next((one for one in rounds if one.opens_at <= now < one.closes_at), None)


def next_round(rounds: Sequence[Round], now: datetime) -> Round | None:
    """The first round that has not begun."""
    return next((one for one in rounds if now < one.opens_at), None)


def last_begun(rounds: Sequence[Round], now: datetime) -> Round | None:
    """The round whose ranking is shown: the last one that has begun."""
    return next((one for one in reversed(rounds) if one.opens_at <= now), None)


def shown_in(rounds: Sequence[Round], number: int) -> range:
    """The rounds whose votes the ranking of this round shows: back to the last one that begins at zero. Round 0 is what
    was sold before the first one."""
    begins = [one.number for one in rounds if one.fresh and one.number <= number]
    return range(max(begins, default=0), number + 1)


class RoundFault(StrEnum):
    """Why rounds cannot be so. Each has a phrase for staff."""

    CLOSES_FIRST = "closes_first"
    OVERLAPS = "overlaps"
    OUTSIDE = "outside"
    BEGUN = "begun"
    OVER = "over"
    IN_THE_PAST = "in_the_past"


_TEXTS: Final = {
    RoundFault.CLOSES_FIRST: "round {} opens after it closes",
    RoundFault.OVERLAPS: "round {} begins before the one before it is over",
    RoundFault.OUTSIDE: "round {} is not between the opening and the closing of the contest",
    RoundFault.BEGUN: "round {} has begun: it stays, with its beginning and its count",
    RoundFault.OVER: "round {} is over: its end cannot change",
    RoundFault.IN_THE_PAST: "round {} cannot begin in the past",
}


def sentence_of(fault: RoundFault, number: int) -> str:
    """A fault of a round as a sentence for operators."""
    return _TEXTS[fault].format(number)


def order_faults(rounds: Sequence[Round], opens_at: datetime, closes_at: datetime) -> Iterator[tuple[RoundFault, int]]:
    """What is wrong with the times of rounds of a contest that is open between these, with the round's number."""
    before: Round | None = None
    for one in rounds:
        if one.opens_at >= one.closes_at:
            yield RoundFault.CLOSES_FIRST, one.number
        elif one.opens_at < opens_at or one.closes_at > closes_at:
            yield RoundFault.OUTSIDE, one.number
        elif before is not None and one.opens_at < before.closes_at:
            yield RoundFault.OVERLAPS, one.number
        before = one


def change_faults(held: Sequence[Round], wanted: Sequence[Round], now: datetime) -> Iterator[tuple[RoundFault, int]]:
    """Why the rounds of a contest that is published cannot change so: votes went by those that have begun."""
    later = {one.number: one for one in wanted}
    for one in held:
        if now < one.opens_at:
            break
        new = later.pop(one.number, None)
        if new is None or (new.opens_at, new.fresh) != (one.opens_at, one.fresh):
            yield RoundFault.BEGUN, one.number
        elif now >= one.closes_at and new.closes_at != one.closes_at:
            yield RoundFault.OVER, one.number
    for one in later.values():
        if one.opens_at < now:
            yield RoundFault.IN_THE_PAST, one.number
