"""Candidates as they stood, by taking back changes."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from admin.candidates.past import as_they_stood
from gateway.contests.changes import Change
from gateway.contests.contest import Candidate, CandidateStatus, Picture

AWA = Candidate(UUID(int=1), "01", "Awa")
OUT = replace(AWA, status=CandidateStatus.EVICTED, evicted_at=datetime(2026, 1, 1, tzinfo=UTC), reason="moins de voix")
PHOTO = replace(AWA, photo=Picture("star/1", (160,), b""))


@pytest.mark.parametrize(
    ("now", "since", "then"),
    [
        (AWA, [], [AWA]),
        (AWA, [Change("candidate 01", None, "Awa (approved)")], []),
        (AWA, [Change("candidate 01 name", "Ava", "Awa")], [replace(AWA, name="Ava")]),
        (AWA, [Change("candidate 01 name", "none", "Awa")], [replace(AWA, name="none")]),
        (
            AWA,
            [Change("candidate 01 category", "none", "Chant"), Change("candidate 01 text", "Née ici", "none")],
            [replace(AWA, text="Née ici")],
        ),
        (
            AWA,
            [Change("candidate 01 photo_url", "https://a.test/1.jpg", "none")],
            [replace(AWA, photo_url="https://a.test/1.jpg")],
        ),
        (PHOTO, [Change("candidate 01 photo", "star/0", "star/1")], [AWA]),
        # The latest first: what a field was before the first change counts.
        (
            AWA,
            [Change("candidate 01 name", "B", "Awa"), Change("candidate 01 name", "A", "B")],
            [replace(AWA, name="A")],
        ),
        (
            OUT,
            [
                Change("candidate 01 reason", "none", "moins de voix"),
                Change("candidate 01 status", "approved", "evicted"),
            ],
            [AWA],
        ),
        (AWA, [Change("candidate 01 status", "evicted", "approved")], [replace(AWA, status=CandidateStatus.EVICTED)]),
        # Who proposed themselves had a number before a code.
        (
            AWA,
            [Change("candidate 001 code", "none", "01"), Change("candidate 001 status", "submitted", "approved")],
            [replace(AWA, code="001", status=CandidateStatus.SUBMITTED)],
        ),
        (
            AWA,
            [
                Change("candidate 001 code", "none", "01"),
                Change("candidate 001 status", "submitted", "approved"),
                Change("candidate 001", None, "Awa (submitted)"),
            ],
            [],
        ),
        # What names another candidate, or a field of another day, changes nothing.
        (AWA, [Change("candidate 02 name", "B", "C"), Change("candidate 01 shoes", "38", "39")], [AWA]),
    ],
)
def test_changes_are_taken_back(now: Candidate, since: list[Change], then: list[Candidate]) -> None:
    assert as_they_stood([now], since) == then


def test_candidates_come_by_code() -> None:
    people = [replace(AWA, id=UUID(int=n), code=f"{n:02}") for n in (3, 1, 2)]
    assert [one.code for one in as_they_stood(people, [])] == ["01", "02", "03"]
