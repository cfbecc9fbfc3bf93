"""Candidates found by the first letters of their names, as a keypad phone types them."""

from dataclasses import replace

import pytest

from channels.buying import named
from channels.ussd.menu.machine import letters_of
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from tests.channels.ussd.service import view
from tests.channels.ussd.test_menu import Call
from tests.demo import candidate_id, demo_contest

NAMES = ("Aïcha Traoré", "Kouadio N'Guessan", "Ɛgbɛ Ɔkɔ", "Jean-Baptiste Koné", "Zoé", "Œdipe Sow")


def contest_of(*names: str, status: CandidateStatus = CandidateStatus.APPROVED) -> Contest:
    people = tuple(Candidate(candidate_id(n), f"{n:02d}", name, status) for n, name in enumerate(names, start=1))
    return replace(demo_contest(), candidates=people, _by_code={})


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("aic", ["01"]),
        ("AICHA", ["01"]),
        ("trao", ["01"]),
        ("Traoré", ["01"]),
        ("ko", ["02", "04"]),
        ("guess", ["02"]),
        ("n gu", ["02"]),
        ("egb", ["03"]),
        ("bap", ["04"]),
        ("jean ko", ["04"]),
        ("ko jean", ["04"]),
        ("oe", ["06"]),
        ("raoré", []),
        ("zz", []),
    ],
)
def test_letters_begin_a_part_of_a_name(typed: str, codes: list[str]) -> None:
    letters = letters_of(typed)
    assert letters is not None
    assert [c.code for c in named(contest_of(*NAMES), letters)] == codes


@pytest.mark.parametrize("typed", ["", "a", "1", "07", "0701020304", "a1", "💥", "??", "- -", "*"])
def test_what_is_no_search(typed: str) -> None:
    assert letters_of(typed) is None


def test_who_does_not_stand_is_not_found() -> None:
    assert named(contest_of(*NAMES, status=CandidateStatus.WITHDRAWN), "zo") == ()


@pytest.mark.parametrize("path", [[], ["1"], ["2"], ["kou"]], ids=str)
def test_one_match_is_chosen_at_once(path: list[str]) -> None:
    Call().type(*path, "awa").shows("07 Awa Ouattara", "Combien de votes?").type("5").shows("5 votes pour 07")


@pytest.mark.parametrize("path", [[], ["1"]], ids=str)
def test_several_are_listed_and_a_code_chooses(path: list[str]) -> None:
    call = Call().type(*path, "ko").shows("01 Aya Koné", "02 Kouadio", "04 Yao Kouassi", "11 Akissi Konan")
    assert "Awa" not in call.screen
    call.type("11").shows("11 Akissi Konan", "Combien de votes?").type("0").shows("01 Aya Koné", "11 Akissi Konan")


def test_no_match_is_shown_and_the_screen_stays() -> None:
    Call().type("zzz").shows("Aucun nom ne commence par zzz.", "1 Candidats")
    Call().type("1", "zzz").shows("Aucun nom ne commence par zzz.", "01 Aya Koné")


def test_many_matches_have_pages() -> None:
    many = view(contest=contest_of(*(f"Koffi {letter}" for letter in "ABCDEFG")))
    call = Call(many).type("koffi").shows("01 Koffi A", "05 Koffi E", "9 Suite")
    call.type("9").shows("06 Koffi F").type("0").shows("01 Koffi A").type("0").shows("1 Candidats")
