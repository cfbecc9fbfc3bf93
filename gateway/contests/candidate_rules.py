"""What a candidate's fields may hold, and which states follow which. Plain functions."""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from gateway.contests.contest import Candidate, CandidateStatus
from gateway.values.names import is_readable, outline, spaced, strange_sign

NAME_LENGTH_MAX: Final = 200
CATEGORY_LENGTH_MAX: Final = 60
CATEGORIES_MAX: Final = 40
TEXT_LENGTH_MAX: Final = 1_000
PHOTO_LENGTH_MAX: Final = 2_000
REASON_LENGTH_MAX: Final = 500
_ADDRESS: Final = re.compile(r"https://[^\s\"<>]+")


class Column(StrEnum):
    """What is typed of a candidate, in a form or in a column of a file."""

    CODE = "code"
    NAME = "name"
    CATEGORY = "category"
    TEXT = "text"
    PHOTO = "photo"
    STATUS = "status"


class FieldFault(StrEnum):
    """Why a field cannot be kept as it was typed. Each has a phrase."""

    NAME_MISSING = "name_missing"
    NAME_WITHOUT_LETTER = "name_without_letter"
    TOO_LONG = "too_long"
    STRANGE_SIGN = "strange_sign"
    NOT_AN_ADDRESS = "not_an_address"


LENGTH_MAX: Final = {
    Column.NAME: NAME_LENGTH_MAX,
    Column.CATEGORY: CATEGORY_LENGTH_MAX,
    Column.TEXT: TEXT_LENGTH_MAX,
    Column.PHOTO: PHOTO_LENGTH_MAX,
}


def tidy(column: Column, typed: str) -> str:
    """A field as it is kept: one line, or the lines of a presentation without empty ends."""
    if column is not Column.TEXT:
        return spaced(typed)
    lines = typed.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").replace("\u00a0", " ").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def field_fault(column: Column, text: str) -> FieldFault | None:
    """Why a tidy field cannot be kept; None when it can."""
    if column is Column.NAME and not text:
        return FieldFault.NAME_MISSING
    if strange_sign(text, lines=column is Column.TEXT) is not None:
        return FieldFault.STRANGE_SIGN
    if len(text) > LENGTH_MAX[column]:
        return FieldFault.TOO_LONG
    if column is Column.NAME and not is_readable(text):
        return FieldFault.NAME_WITHOUT_LETTER
    if column is Column.PHOTO and text and _ADDRESS.fullmatch(text) is None:
        return FieldFault.NOT_AN_ADDRESS
    return None


def look_alike(name: str, people: Collection[Candidate]) -> Candidate | None:
    """A candidate whose name looks like this one; who was rejected is none."""
    seen = outline(name)
    standing = (person for person in people if person.status is not CandidateStatus.REJECTED)
    return next((person for person in standing if outline(person.name) == seen), None)


class MoveFault(StrEnum):
    """Why a candidate's state does not change."""

    NO_REASON = "no_reason"
    HAS_VOTES = "has_votes"
    NOT_SUBMITTED = "not_submitted"
    NOT_IN_THE_CONTEST = "not_in_the_contest"


def move_fault(held: CandidateStatus, wanted: CandidateStatus, reason: str, *, has_votes: bool) -> MoveFault | None:
    """Why a candidate cannot come to a state; None when they can. Who has votes is withdrawn, not rejected: the votes
    stay in the tally. Evicted is who stood in the contest; that, and coming back from it, has a reason. No candidate
    becomes a submitted one again."""
    if wanted is held:
        return None
    if wanted is CandidateStatus.SUBMITTED:
        return MoveFault.NOT_SUBMITTED
    if wanted is CandidateStatus.REJECTED and has_votes:
        return MoveFault.HAS_VOTES
    if wanted is CandidateStatus.EVICTED and held is not CandidateStatus.APPROVED:
        return MoveFault.NOT_IN_THE_CONTEST
    wants_reason = wanted in (CandidateStatus.REJECTED, CandidateStatus.EVICTED) or held is CandidateStatus.EVICTED
    if wants_reason and not reason:
        return MoveFault.NO_REASON
    return None
