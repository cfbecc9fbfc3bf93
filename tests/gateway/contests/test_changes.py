"""What a document may change, and what it must not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

import pytest

from gateway.contests.changes import ChangeRefused, Entry, Plan, plan
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.values.check_digit import holds
from gateway.values.money import Money
from tests.demo import candidate_id, demo_contest

APPROVED, WITHDRAWN = CandidateStatus.APPROVED, CandidateStatus.WITHDRAWN


def held(*people: tuple[str, str], **changes: Any) -> Contest:
    """A contest with these codes and names; without any, the demo's."""
    made = tuple(Candidate(candidate_id(n), code, name) for n, (code, name) in enumerate(people, start=1))
    values = {"candidates": made, **changes} if people else changes
    return replace(demo_contest(), version=3, **values, _by_code={})


def wanted(**changes: Any) -> Contest:
    return replace(demo_contest(), candidates=(), **changes, _by_code={})


def entry(contest: Contest, code: str, /, **changes: Any) -> Entry:
    """The candidate as an export writes him, changed."""
    person = contest.candidate(code)
    assert person is not None
    return replace(Entry(person.name, person.status, person.id, person.code, person.photo_url), **changes)


def changes_of(made: Plan) -> list[tuple[str, str | None, str]]:
    return [(c.what, c.before, c.after) for c in made.changes]


def refused(contest: Contest | None, like: Contest, *entries: Entry) -> str:
    with pytest.raises(ChangeRefused) as caught:
        plan(contest, like, entries)
    return str(caught.value)


def test_what_is_exported_changes_nothing() -> None:
    contest = held()
    made = plan(contest, wanted(), [entry(contest, c.code) for c in contest.candidates])
    assert (made.changes, made.untouched, made.new) == ((), (), False)
    assert made.contest == contest
    assert made.contest.version == 3


def test_changes_are_listed_one_by_one_and_the_version_grows() -> None:
    contest = held(("01", "Awa"), ("02", "Yao"))
    made = plan(
        contest,
        wanted(name="Miss", price=Money(200, "XOF"), packs=(5, 10)),
        [entry(contest, "01", name="Awa Koné"), entry(contest, "02", status=WITHDRAWN)],
    )
    assert changes_of(made) == [
        ("name", "Star d'Abidjan", "Miss"),
        ("price", "100 FCFA", "200 FCFA"),
        ("packs", "none", "5, 10"),
        ("candidate 01 name", "Awa", "Awa Koné"),
        ("candidate 02 status", "approved", "withdrawn"),
    ]
    assert made.contest.version == 4
    assert [c.name for c in made.changed] == ["Awa Koné", "Yao"]
    assert made.contest.candidate("02") == replace(contest.candidates[1], status=WITHDRAWN)


def test_an_eviction_needs_a_reason() -> None:
    contest = held(("01", "Awa"), ("02", "Yao"))
    with pytest.raises(ChangeRefused, match="candidate 02 is evicted without a reason"):
        plan(contest, contest, [entry(contest, "02", status=CandidateStatus.EVICTED)])
    made = plan(contest, contest, [entry(contest, "02", status=CandidateStatus.EVICTED, reason="Last of the night")])
    (move,) = made.moves
    assert (move.candidate.code, move.before, move.reason) == ("02", APPROVED, "Last of the night")
    at = datetime(2026, 11, 1, tzinfo=UTC)
    people = tuple(replace(c, evicted_at=at) if c.code == "02" else c for c in made.contest.candidates)
    evicted = replace(made.contest, candidates=people, _by_code={})
    named = plan(evicted, evicted, [entry(evicted, "02", name="Yao B.")])
    assert (named.changed[0].evicted_at, [move.former_name for move in named.moves]) == (at, ["Yao"])
    back = plan(evicted, evicted, [entry(evicted, "02", status=APPROVED)])
    assert (back.changed[0].evicted_at, [move.before for move in back.moves]) == (None, [CandidateStatus.EVICTED])


def test_a_new_contest() -> None:
    made = plan(None, wanted(), [Entry("Awa", APPROVED), Entry("Yao", APPROVED, code="07"), Entry("Zoé", APPROVED)])
    assert made.new
    assert [(c.code, c.name) for c in made.contest.candidates] == [("01", "Awa"), ("02", "Zoé"), ("07", "Yao")]
    assert {c.id for c in made.added} == {uuid5(made.contest.id, code) for code in ("01", "02", "07")}
    assert made.contest.version == 1


def test_a_new_contest_with_check_digits() -> None:
    made = plan(None, wanted(check_digits=True), [Entry(name, APPROVED) for name in ("Awa", "Yao", "Zoé")])
    assert [c.code for c in made.added] == ["013", "021", "037"]
    assert all(holds(c.code) for c in made.added)
    assert "does not end in its check digit" in refused(
        None, wanted(check_digits=True), Entry("A", APPROVED, code="014")
    )


def test_a_later_candidate_gets_a_code_that_was_never_used() -> None:
    contest = held(("01", "Awa"), ("02", "Yao"))
    gone = replace(contest, candidates=(contest.candidates[0], replace(contest.candidates[1], status=WITHDRAWN)))
    made = plan(gone, wanted(), [Entry("Zoé", APPROVED)])
    assert [(c.code, c.name) for c in made.added] == [("03", "Zoé")]
    assert made.untouched == ("01", "02")
    again = plan(made.contest, wanted(), [Entry("Zoé", APPROVED)])
    assert again.changes == ()


@pytest.mark.parametrize("status", [APPROVED, WITHDRAWN])
def test_a_code_is_never_given_to_another_candidate(status: CandidateStatus) -> None:
    contest = held(("01", "Awa"), ("02", "Yao"))
    people = (contest.candidates[0], replace(contest.candidates[1], status=status))
    contest = replace(contest, candidates=people, _by_code={})
    assert "code 02 is Yao's and never Zoé's" in refused(contest, wanted(), Entry("Zoé", APPROVED, code="02"))


def test_a_code_is_never_changed() -> None:
    contest = held(("01", "Awa"))
    assert "the code of Awa is 01 for ever, not 05" in refused(contest, wanted(), entry(contest, "01", code="05"))
    assert plan(contest, wanted(), [entry(contest, "01", code=None)]).changes == ()


@pytest.mark.parametrize(
    ("like", "entries", "fault"),
    [
        ({"country": "CM"}, [], "the country of a contest cannot change"),
        ({"price": Money(100, "XAF")}, [], "the currency of a contest cannot change"),
        ({"organiser_id": candidate_id(77)}, [], "the organiser of a contest cannot change"),
        ({"check_digits": True}, [], "check digits cannot begin now: 01"),
        ({}, [Entry("Zoé", APPROVED, id=candidate_id(99))], "no candidate of this contest has the id"),
        (
            {},
            [Entry("Zoé", APPROVED, code="05"), Entry("Léa", APPROVED, code="05")],
            "code 05 is in the document twice",
        ),
        ({}, [Entry("Zoé", APPROVED, code="001")], "code 001 (Zoé) begins with 00"),
        ({}, [Entry("Zoé", APPROVED, code="5")], "code 5 (Zoé) has one digit"),
    ],
)
def test_what_must_not_be(like: dict[str, Any], entries: list[Entry], fault: str) -> None:
    assert fault in refused(held(("01", "Awa")), wanted(**like), *entries)


def test_every_fault_is_reported_at_once() -> None:
    found = refused(held(("01", "Awa")), wanted(country="CM"), Entry("Zoé", APPROVED, code="01"))
    assert found.count("\n") == 1


def test_a_full_contest_takes_no_more_candidates() -> None:
    contest = held(*((f"{n:02d}", f"N{n}") for n in range(1, 100)))
    assert "no code of 2 digits is left" in refused(contest, wanted(), Entry("Zoé", APPROVED))


def nominated(**changes: Any) -> Contest:
    """A contest in which two proposed themselves."""
    people = (("01", "Awa"), ("000001", "Léa"), ("000002", "Zita"))
    contest = held(*people, **changes)
    waits = [replace(one, status=CandidateStatus.SUBMITTED) if not one.has_code else one for one in contest.candidates]
    return replace(contest, candidates=tuple(waits), _by_code={})


def test_a_nomination_gets_a_code_when_it_is_approved_and_no_earlier() -> None:
    contest = nominated()
    rejected = entry(contest, "000001", status=CandidateStatus.REJECTED, reason="Too young")
    approved = entry(contest, "000002", status=APPROVED)
    made = plan(contest, wanted(), [rejected, approved])
    assert [(one.code, one.name) for one in made.contest.candidates] == [
        ("000001", "Léa"),
        ("01", "Awa"),
        ("02", "Zita"),
    ]
    assert ("candidate 000002 code", "none", "02") in changes_of(made)
    assert [one.id for one in made.changed] == [candidate_id(2), candidate_id(3)]
    withdrawn = plan(contest, wanted(), [entry(contest, "000001", status=WITHDRAWN)]).changed[0]
    assert (withdrawn.code, withdrawn.public) == ("000001", False)


def test_codes_that_a_document_names_go_before_those_of_nominations() -> None:
    contest = nominated()
    both = [entry(contest, code, status=APPROVED) for code in ("000001", "000002")]
    made = plan(contest, wanted(), [*both, Entry("Yao", APPROVED, code="02"), Entry("Binta", APPROVED)])
    assert {one.name: one.code for one in made.contest.candidates if one.name != "Awa"} == {
        "Yao": "02",
        "Binta": "03",
        "Léa": "04",
        "Zita": "05",
    }


def test_numbers_of_nominations_are_no_codes() -> None:
    contest = nominated()
    same = plan(contest, wanted(), [entry(contest, one.code) for one in contest.candidates])
    assert same.changes == ()
    with_digits = replace(contest, candidates=contest.candidates[1:], check_digits=True, _by_code={})
    made = plan(with_digits, wanted(check_digits=True), [entry(contest, "000001", status=APPROVED)])
    assert (len(made.changed[0].code), holds(made.changed[0].code)) == (3, True)
    assert "begins with 00" in refused(contest, wanted(), Entry("Yao", APPROVED, code="000009"))
