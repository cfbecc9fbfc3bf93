"""Candidates as they stood at an earlier moment, by taking back what was changed since. Plain functions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from gateway.contests.changes import Change
from gateway.contests.contest import Candidate, CandidateStatus

# As a change writes that there was nothing.
_NOTHING: Final = "none"


def as_they_stood(people: Iterable[Candidate], since: Sequence[Change]) -> list[Candidate]:
    """Candidates before these changes, which come the latest first, by code. A photo that was kept by us and changed is
    not known; nor is since when somebody was evicted who is so no more."""
    held = {person.code: person for person in people}
    for change in since:
        _, code, *field = change.what.split(" ")
        if field == ["code"]:
            # Who proposed themselves had a number until they were approved.
            person = held.pop(change.after, None)
            if person is not None:
                held[code] = replace(person, code=code)
        elif code in held and change.before is None:
            del held[code]
        elif code in held and field:
            held[code] = _before(held[code], field[0], str(change.before))
    return sorted(held.values(), key=lambda person: person.code)


def _before(person: Candidate, field: str, before: str) -> Candidate:
    value = "" if before == _NOTHING else before
    if field == "name":
        return replace(person, name=before)
    if field == "status":
        return replace(person, status=CandidateStatus(before), evicted_at=None)
    if field == "photo_url":
        return replace(person, photo_url=value or None)
    if field == "photo":
        return replace(person, photo=None)
    if field == "category":
        return replace(person, category=value)
    if field == "text":
        return replace(person, text=value)
    return replace(person, reason=value) if field == "reason" else person
