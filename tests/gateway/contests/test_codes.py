"""Codes: what may be given, what is given next, what a wrong one is called."""

from dataclasses import replace

import pytest

from gateway.contests.codes import (
    CodeFault,
    CodesUsedUp,
    FormFault,
    code_fault,
    form_fault,
    next_code,
    one_slip_apart,
    usual_width,
)
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.values.check_digit import holds, with_check_digit
from tests.demo import candidate_id, demo_contest


def checked(*numbers: str) -> Contest:
    """A contest with check digits and these candidates; the last one is withdrawn."""
    people = [Candidate(candidate_id(n), with_check_digit(text), f"N{n}") for n, text in enumerate(numbers, start=1)]
    people[-1] = replace(people[-1], status=CandidateStatus.WITHDRAWN)
    return replace(demo_contest(), check_digits=True, candidates=tuple(people), _by_code={})


def test_a_mistyped_code_is_distinguished_from_an_unknown_one() -> None:
    contest = checked("01", "02")
    assert [c.code for c in contest.candidates] == ["013", "021"]
    assert code_fault(contest, "013") is None
    assert code_fault(contest, "021") is None, "withdrawn, but still a candidate's"
    assert code_fault(contest, "031") is CodeFault.MISTYPED
    assert code_fault(contest, "103") is CodeFault.MISTYPED
    assert code_fault(contest, with_check_digit("77")) is CodeFault.UNKNOWN
    assert code_fault(contest, "abc") is CodeFault.MISTYPED


def test_without_check_digits_a_code_is_only_unknown() -> None:
    assert code_fault(demo_contest(), "13") is CodeFault.UNKNOWN
    assert code_fault(demo_contest(), "07") is None


def test_no_slip_votes_for_another_candidate() -> None:
    used: list[str] = []
    for _ in range(60):
        used.append(next_code(used, 3, check_digits=True))
    assert one_slip_apart(used) == []
    assert len(set(used)) == 60


@pytest.mark.parametrize(
    ("code", "check_digits", "fault"),
    [
        ("07", False, None),
        ("123456", False, None),
        ("5724", True, None),
        ("5727", True, FormFault.CHECK_DIGIT),
        ("7", False, FormFault.MENU_CHOICE),
        ("", False, FormFault.NOT_DIGITS),
        ("0x", False, FormFault.NOT_DIGITS),
        ("٠٧", False, FormFault.NOT_DIGITS),
        ("1234567", False, FormFault.TOO_LONG),
        ("00", False, FormFault.HOME),
        ("001", False, FormFault.HOME),
        ("000", True, FormFault.HOME),
    ],
)
def test_what_may_be_a_code(code: str, check_digits: bool, fault: FormFault | None) -> None:
    assert form_fault(code, check_digits=check_digits) is fault


def test_codes_are_given_in_order_and_never_again() -> None:
    assert next_code([], 2, check_digits=False) == "01"
    assert next_code(["01", "03"], 2, check_digits=False) == "02"
    assert next_code(["07"], 3, check_digits=False) == "010", "001 to 009 lead home"
    first = next_code([], 3, check_digits=True)
    assert (first, holds(first)) == ("013", True)
    assert next_code([first], 3, check_digits=True) == "021"


def test_a_full_contest_says_so() -> None:
    every = [f"{n:02d}" for n in range(1, 100)]
    assert next_code(every[:-1], 2, check_digits=False) == "99"
    with pytest.raises(CodesUsedUp):
        next_code(every, 2, check_digits=False)
    with pytest.raises(CodesUsedUp):
        next_code([with_check_digit(str(n)) for n in range(1, 10)], 2, check_digits=True)


@pytest.mark.parametrize("width", [0, 1, 7])
def test_no_code_has_this_width(width: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        next_code([], width, check_digits=False)


def test_the_width_follows_the_codes() -> None:
    assert usual_width([], check_digits=False) == 2
    assert usual_width([], check_digits=True) == 3
    assert usual_width(["07", "0123"], check_digits=True) == 4


def test_pairs_that_one_slip_confuses() -> None:
    assert one_slip_apart(["12", "21", "13", "45", "123"]) == [("12", "13"), ("12", "21")]
    assert one_slip_apart(["123", "321", "132"]) == [("123", "132")]
