"""What a jury gives candidates: sheets of points, each of one juror for a round and a category. Plain functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.contests.rules import POINTS_MAX

JURORS_MAX: Final = 50
# Candidates on one sheet: it is one line of the public log.
SHEET_MAX: Final = 500

Points = Mapping[str, int]
"""What a juror gives, by the candidate's code."""


class SheetStatus(StrEnum):
    """A sheet counts once another person confirmed it. One that waits is `replaced` by the next of the same round,
    category and juror."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Juror:
    """A member of the jury. `number`: from 1, by which the public log names them."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A juror's points. `round`: 0 where the contest has none; `category`: empty for those without one. `number`: in
    the contest, from 1, in the order in which sheets were confirmed; None while it is not. `leaf`: its index in the
    public log, once that has it."""

    id: UUID
    round: int
    category: str
    juror: int
    points: Points
    status: SheetStatus
    entered_by: str
    entered_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    number: int | None = None
    leaf: int | None = None

    @property
    def place(self) -> tuple[int, str, int]:
        """What a later sheet replaces: round, category, juror."""
        return self.round, self.category, self.juror


class SheetFault(StrEnum):
    """Why points cannot be so. Each has a phrase for staff."""

    NO_JURY = "no_jury"
    NOT_PUBLISHED = "not_published"
    ROUND = "round"
    CATEGORY = "category"
    CANDIDATES = "candidates"
    POINTS = "points"
    JUROR = "juror"
    TOO_MANY = "too_many"
    NAME = "name"
    NAME_HELD = "name_held"
    DECIDED = "decided"
    OWN = "own"
    HAS_SHEETS = "has_sheets"
    CERTIFIED = "certified"


class SheetRefused(Exception):
    """`fault`: why."""

    def __init__(self, fault: SheetFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def judged(contest: Contest, number: int, category: str) -> list[Candidate]:
    """Of whom a sheet for a round and a category says something: who stands there, also those who were evicted since
    the round began. In order of their codes."""
    begun = next((one.opens_at for one in contest.rounds if one.number == number), contest.opens_at)
    return [
        one
        for one in contest.candidates
        if one.category == category
        and (
            one.eligible
            or (one.status is CandidateStatus.EVICTED and one.evicted_at is not None and one.evicted_at >= begun)
        )
    ]


def parts_of(contest: Contest, now: datetime) -> list[tuple[int, str]]:
    """Rounds that have begun, the last one first, and categories with somebody to judge: what sheets are for."""
    return [
        (number, category)
        for number in _begun(contest, now)
        for category in (*contest.categories, "")
        if judged(contest, number, category)
    ]


def check_sheet(
    contest: Contest, number: int, category: str, points: Points, now: datetime, jurors: Sequence[Juror], juror: int
) -> None:
    """Whether a juror's sheet can be entered now: it names each candidate of its round and category and no other.
    Raises SheetRefused."""
    check_jury(contest, now)
    if number not in _begun(contest, now):
        raise SheetRefused(SheetFault.ROUND)
    standing = {one.code for one in judged(contest, number, category)}
    if not standing:
        raise SheetRefused(SheetFault.CATEGORY)
    if juror not in {one.number for one in jurors}:
        raise SheetRefused(SheetFault.JUROR)
    if points.keys() != standing:
        raise SheetRefused(SheetFault.CANDIDATES)
    if len(points) > SHEET_MAX:
        raise SheetRefused(SheetFault.TOO_MANY)
    if not all(0 <= given <= POINTS_MAX for given in points.values()):
        raise SheetRefused(SheetFault.POINTS)


def _begun(contest: Contest, now: datetime) -> list[int]:
    """The numbers of rounds that have begun, the last one first; 0 where the contest has none."""
    return [one.number for one in reversed(contest.rounds) if one.opens_at <= now] if contest.rounds else [0]


def check_jury(contest: Contest, now: datetime) -> None:
    """Whether the contest has a jury that may judge now. Raises SheetRefused."""
    if contest.jury_percent is None:
        raise SheetRefused(SheetFault.NO_JURY)
    if not contest.listed or not contest.has_opened(now):
        raise SheetRefused(SheetFault.NOT_PUBLISHED)


def in_force(sheets: Iterable[Sheet]) -> list[Sheet]:
    """The sheets of which something counts, the one that was confirmed last first."""
    newest = _newest(sheets)
    counting = {sheet.id: sheet for sheet in newest.values()}
    return sorted(counting.values(), key=lambda one: one.number or 0, reverse=True)


def points_of(sheets: Iterable[Sheet]) -> dict[tuple[int, str], int]:
    """The jury's points by round and code: the sum of what each juror gave a candidate last. A candidate who comes to
    another category keeps them."""
    sums: dict[tuple[int, str], int] = {}
    for (number, _, code), sheet in _newest(sheets).items():
        sums[number, code] = sums.get((number, code), 0) + sheet.points[code]
    return sums


def _newest(sheets: Iterable[Sheet]) -> dict[tuple[int, int, str], Sheet]:
    """The confirmed sheet that says last what a juror gives a candidate in a round."""
    confirmed = sorted((one for one in sheets if one.number is not None), key=lambda one: one.number or 0)
    return {(one.round, one.juror, code): one for one in confirmed for code in one.points}
