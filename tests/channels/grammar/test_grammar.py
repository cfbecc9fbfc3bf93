"""What texts mean: every way that people write a vote, and everything that must be asked instead."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from channels.grammar import Ask, Check, Command, Doubt, Noise, Say, Vote, Word, read
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.orders.receipt import make_receipt
from tests.demo import demo_contest

STAR = demo_contest()
MISS = replace(STAR, id=UUID(int=2), slug="miss", name="Miss Abobo", keyword="MISS26", _by_code={})
RECEIPT = make_receipt(123_456_789_012)

FIVE_FOR_07 = [
    "VOTE 07 5",
    "vote07 5",
    "Vote 07x5",
    "V 7 x5",
    "V.7.5",
    "STAR 07*5",
    "07 5",
    "07-5",
    "VOTE 07 5 fois",
    "VOTER POUR 07 5",
    "Vote n°07, 5 votes",
    "VOTE+07+5",
    '"VOTE 07 5"',
    "vote 07 5 🔥",
    "VOTE\u00a007\u00a05",
    "ＶＯＴＥ　０７　５",
    "VOTE ٠٧ ٥",
    "V0TE 07 5",
    "VOTE 07 5\nAwa de Yopougon",
    "VOTE 07 5\r\nAwa, tel 05 01 02 03 04".replace("05 01 02 03 04", "0501020304"),
    "VOTE 07 5\n" + "un tres long texte " * 20,
    "VOTE0705",
    "vote075",
    "VOTE%2007%205",
    "0️⃣7️⃣ x 5️⃣",
    "Vote O7 5",
    "VOTE 07\n5",
    "VOTE 07 × 5",
    "VOTE 07 - 5",
    "\u200eVOTE 07 5\u200f",
    "VOTE STAR 07 5",
    "STAR vote 07 5 svp",
    "voter numero 07: 5 voix, merci",
    "VOTE Awa Ouattara 5",
    "VOTE 07 Awa Ouattara 5",
    "VOTE Awa Ouattara 07 x5",
    "VOTE 007 5",
]

ONE_FOR_07 = ["VOTE 07", "07", "v7", "VOTER POUR LE 07 SVP", "STAR 07", "vote awa ouattara", "VOTE 07 Awa Ouattara"]

ASKED = [
    ("VOTE", Doubt.WHAT),
    ("VOTE 500", Doubt.WHAT),
    ("VOTE 1010", Doubt.WHAT),
    ("VOTE 105", Doubt.WHAT),
    ("VOTE 2026", Doubt.WHAT),
    ("VOTE 0501020304", Doubt.WHAT),
    ("VOTE 07 0501020304", Doubt.WHAT),
    ("VOTE 07 5 3", Doubt.WHAT),
    ("VOTE 07 1 000", Doubt.WHAT),
    ("VOTE 07 1.5", Doubt.WHAT),
    ("VOTE 07 5\nVOTE 03 2", Doubt.SEVERAL),
    ("VOTE 07 5\n12", Doubt.WHAT),
    ("5x07", Doubt.WHAT),
    ("10 x 07", Doubt.READING),
    ("10 07", Doubt.READING),
    ("VOTE 07 05", Doubt.READING),
    ("VOTE 07 10000", Doubt.LARGE),
    ("VOTE 07 5 0000", Doubt.PIN),
    ("VOTE 07 5 " + "a" * 200, Doubt.WHAT),
    ("VOTE 5 Awa Ouattara", Doubt.WHAT),
    ("VOTE Awa Ouattara 03 5", Doubt.WHAT),
    ("VOTE Awa Ouattara 010", Doubt.WHAT),
    ("VOTE 07 5 NON", Doubt.WHAT),
    ("1", Doubt.WHAT),
    ("7", Doubt.WHAT),
    ("non stop 07", Doubt.WHAT),
    ("VOTE 99 5", Doubt.UNKNOWN_CODE),
    ("VOTE 99", Doubt.UNKNOWN_CODE),
    ("VOTE 00 5", Doubt.UNKNOWN_CODE),
    ("VOTE -07 5", Doubt.UNKNOWN_CODE),
    ("VOTE 07 0", Doubt.QUANTITY),
    ("VOTE 07 -5", Doubt.QUANTITY),
    ("VOTE 07 \u22125", Doubt.QUANTITY),
    ("VOTE 07 x-5", Doubt.QUANTITY),
    ("VOTE 07 x", Doubt.QUANTITY),
    ("VOTE 07 1O", Doubt.QUANTITY),
    ("VOTE 7 cinq", Doubt.QUANTITY),
    ("VOTE 07 beaucoup", Doubt.QUANTITY),
    ("VOTE 07 пять", Doubt.QUANTITY),
    ("VOTE 07 五", Doubt.QUANTITY),
    ("VOTE 07 2026", Doubt.QUANTITY),
    ("VOTE 07 10001", Doubt.TOO_MANY),
    ("VOTE 07 1000000000", Doubt.TOO_MANY),
    ("VOTE 07 " + "9" * 100, Doubt.TOO_MANY),
    ("VOTE 07 500F", Doubt.PRICE),
    ("VOTE 07 500 FCFA", Doubt.PRICE),
    ("VOTE 07 500€", Doubt.PRICE),
    ("VOTE 500 F", Doubt.PRICE),
    ("VOTE Awa", Doubt.WHICH_CANDIDATE),
    ("Awa Ouattara", Doubt.WHICH_CANDIDATE),
]

WORDS = [
    ("AIDE", Word.HELP, "fr"),
    ("help!", Word.HELP, "en"),
    ("Info", Word.INFO, None),
    ("STOP", Word.STOP, None),
    ("stop.", Word.STOP, None),
    ("STOP VOTE", Word.STOP, None),
    ("STOP VOTE 07 5", Word.STOP, None),
    ("STAR STOP", Word.STOP, None),
    ("Arrêter", Word.STOP, "fr"),
    ("unsubscribe", Word.STOP, "en"),
    ("START", Word.START, None),
    ("reprendre", Word.START, "fr"),
    ("Solde", Word.STATUS, "fr"),
    ("STATUS", Word.STATUS, None),
    ("TOP", Word.TOP, None),
    ("top star", Word.TOP, None),
    ("star top 10", Word.TOP, None),
    ("classement", Word.TOP, "fr"),
]

NOISE = ["", "   ", "????", "🔥🔥", "\n\n", "merci", "ok", "bonjour", "RDV 14h30", "a" * 200 + " 07 5"]


def alone(text: str, contest: Contest = STAR) -> Command:
    return read(text, [contest])


@pytest.mark.parametrize("text", FIVE_FOR_07)
def test_five_votes(text: str) -> None:
    assert alone(text) == Vote(STAR, "07", 5)


@pytest.mark.parametrize("text", ONE_FOR_07)
def test_number_one_when_absent(text: str) -> None:
    assert alone(text) == Vote(STAR, "07", 1)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("VOTE 07 10000", 10_000),
        ("VOTE 07 2000", 2_000),
        ("VOTE 07 x2026", 2_026),
        ("VOTE 07 2026 votes", 2_026),
        ("VOTE 07 21", 21),
    ],
)
def test_large_numbers_are_asked_about_once(text: str, quantity: int) -> None:
    large = Vote(STAR, "07", quantity)
    assert alone(text) == Ask(Doubt.LARGE, STAR, "07", offer=large)
    assert alone(text, replace(STAR, confirm_above=quantity, _by_code={})) == replace(
        large, contest=replace(STAR, confirm_above=quantity, _by_code={})
    )


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, 20),
        ({"packs": (5, 10)}, 100),
        ({"packs": (1,)}, 10),
        ({"confirm_above": 3}, 3),
        ({"confirm_above": 50, "packs": (5, 10)}, 50),
    ],
)
def test_above_what_a_contest_asks(changes: dict[str, Any], asked: int) -> None:
    contest = replace(STAR, **changes, _by_code={})
    assert contest.asks_above == asked
    assert isinstance(alone(f"07 {asked}", contest), Vote)
    assert isinstance(alone(f"07 {asked + 1}", contest), Ask)


@pytest.mark.parametrize(("text", "doubt"), ASKED)
def test_asks_and_never_guesses(text: str, doubt: Doubt) -> None:
    command = alone(text)
    assert isinstance(command, Ask), command
    assert command.doubt is doubt


@pytest.mark.parametrize(("text", "word", "language"), WORDS)
def test_words(text: str, word: Word, language: str | None) -> None:
    assert alone(text) == Say(word, STAR, language)


@pytest.mark.parametrize("text", NOISE)
def test_noise_is_not_answered(text: str) -> None:
    assert alone(text) == Noise()


@pytest.mark.parametrize(
    ("text", "receipt"),
    [
        (f"CHECK {RECEIPT}", RECEIPT),
        (f"verifier {RECEIPT[:5]}-{RECEIPT[5:].lower()}", RECEIPT),
        (RECEIPT.lower(), RECEIPT),
        ("CHECK", None),
        (f"CHECK {RECEIPT[:-1]}", None),
        (f"CHECK {RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", None),
    ],
)
def test_receipts(text: str, receipt: str | None) -> None:
    command = alone(text)
    assert isinstance(command, Check)
    assert command.receipt == receipt


def test_a_partial_name_offers_at_most_three() -> None:
    crowd = tuple(Candidate(UUID(int=n), f"{n:02d}", f"Awa {family}") for n, family in enumerate("ABCDE", start=1))
    command = alone("VOTE Awa 5", replace(STAR, candidates=crowd, _by_code={}))
    assert isinstance(command, Ask)
    assert command.doubt is Doubt.WHICH_CANDIDATE
    assert [c.code for c in command.options] == ["01", "02", "03"]


def test_two_people_of_one_name_are_asked_about() -> None:
    twins = (Candidate(UUID(int=1), "01", "Awa Koné"), Candidate(UUID(int=2), "02", "AWA KONE"))
    command = alone("VOTE Awa Koné 5", replace(STAR, candidates=twins, _by_code={}))
    assert isinstance(command, Ask)
    assert {c.code for c in command.options} == {"01", "02"}


@pytest.mark.parametrize("text", ["VOTE 07 5", "VOTE 07", "07", "VOTE Awa Ouattara 5", "VOTE 07 cinq"])
def test_who_withdrew_gets_no_vote(text: str) -> None:
    people = tuple(replace(c, status=CandidateStatus.WITHDRAWN) if c.code == "07" else c for c in STAR.candidates)
    contest = replace(STAR, candidates=people, _by_code={})
    assert alone(text, contest) == Ask(Doubt.NOT_STANDING, contest, "07")


def test_glued_is_asked_when_codes_differ_in_length() -> None:
    contest = replace(STAR, candidates=(*STAR.candidates, Candidate(UUID(int=99), "0705", "Long")), _by_code={})
    assert alone("VOTE0705", contest) == Vote(contest, "0705", 1)
    assert isinstance(alone("VOTE075", contest), Ask)


@pytest.mark.parametrize(
    ("text", "slug"),
    [("STAR 07 5", "star"), ("MISS26 07 5", "miss"), ("miss 26 07 5", "miss"), ("VOTE 07 5 miss26", "miss")],
)
def test_the_keyword_decides_between_contests(text: str, slug: str) -> None:
    command = read(text, [STAR, MISS])
    assert isinstance(command, Vote)
    assert (command.contest.slug, command.code, command.quantity) == (slug, "07", 5)


@pytest.mark.parametrize("text", ["VOTE 07 5", "07 5", "STAR MISS26 07 5", "VOTE"])
def test_several_contests_without_one_keyword_are_asked_about(text: str) -> None:
    assert read(text, [STAR, MISS]) == Ask(Doubt.WHICH_CONTEST)


def test_words_for_several_contests() -> None:
    assert read("TOP", [STAR, MISS]) == Say(Word.TOP, None, None)
    assert read("TOP MISS26", [STAR, MISS]) == Say(Word.TOP, MISS, None)
    assert read("STOP", [STAR, MISS]) == Say(Word.STOP, None, None)


def test_no_contest_no_meaning() -> None:
    assert read("VOTE 07 5", []) == Noise()
