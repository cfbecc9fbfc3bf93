"""What people send, read_webhook by plain rules."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.buying import own_number
from channels.grammar import Vote
from channels.telegram.buttons import tag
from channels.telegram.context import language_hint
from channels.telegram.reading import (
    Offer,
    contact_number,
    find_contest,
    in_each,
    is_own_contact,
    offer,
    payer_of,
    read_count,
    read_link,
    read_payer_of,
    read_words,
)
from gateway.orders.rules import Refusal
from gateway.values.msisdn import Msisdn
from tests.channels.grammar.test_as_people_write import MISS, meaning
from tests.demo import demo_contest

CONTEST = demo_contest()
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("07", "07 x1, a card"),
        (" 07 5 ", "07 x5"),
        ("07x5", "07 x5"),
        ("vote 07 5 votes", "07 x5"),
        ("VOTER 07", "07 x1, a card"),
        ("07 * 5!", "07 x5"),
        ("07 cinq", "07 x5"),
        ("fatou 5", "ask which_candidate: 05 x5"),
        ("07 1000", "ask large: 07 x1000"),
        ("10 07", "ask reading: 07 x10 | 10 x7"),
        ("07 5 0000", "ask pin: 07 x5"),
        ("j'ai été débité", "say debited fr"),
        ("STOP", "say stop"),
        ("Awa", "noise"),
        ("", "noise"),
        ("MISS26 07 5", "07 x5"),
    ],
)
def test_words_are_read_by_the_grammar_of_texts(typed: str, meant: str) -> None:
    command = read_words(typed, [CONTEST, MISS], CONTEST, NOON)
    card = isinstance(command, Vote) and not command.counted
    assert f"{meaning(command)}{', a card' if card else ''}" == meant


def test_words_in_each_contest() -> None:
    over = replace(MISS, closes_at=NOON, _by_code={})
    assert in_each("07 5", [CONTEST, MISS], NOON) == [Vote(CONTEST, "07", 5), Vote(MISS, "07", 5)]
    assert in_each("07 5", [CONTEST, over], NOON) == [Vote(CONTEST, "07", 5)]
    assert in_each("07 5", [over], NOON) == [Vote(over, "07", 5)]
    assert in_each("99 5", [CONTEST, MISS], NOON) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("5", 5),
        (" 1 000 ", 1000),
        ("10\u202f000", 10_000),
        ("12 votes", 12),
        ("cinq", 5),
        ("vingt et un", 21),
        ("beaucoup", Refusal.BAD_QUANTITY),
        ("07 5", Refusal.BAD_QUANTITY),
        ("0", Refusal.BAD_QUANTITY),
        ("10001", Refusal.TOO_MANY),
        ("-3", Refusal.BAD_QUANTITY),
        ("5.5", Refusal.BAD_QUANTITY),
        ("٥", Refusal.BAD_QUANTITY),
        ("9" * 40, Refusal.BAD_QUANTITY),
        ("", Refusal.BAD_QUANTITY),
    ],
)
def test_a_number_of_votes_in_words(typed: str, meant: int | Refusal) -> None:
    assert read_count(typed, CONTEST) == meant


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        ("c_07", ("07", None)),
        ("c_07_star", ("07", "star")),
        ("c_star_07", ("07", "star")),
        ("c_07_2026", ("07", "2026")),
        ("c_07_star-d-abidjan", ("07", "star-d-abidjan")),
        ("", None),
        ("c_7", None),
        ("x_07", None),
        ("c_07_", None),
        ("c_07;drop", None),
        ("c_" + "1" * 60, None),
    ],
)
def test_a_deep_link(payload: str, meant: tuple[str, str | None] | None) -> None:
    assert read_link(payload) == meant


def test_own_contact_proves_a_number_and_nothing_else_does() -> None:
    own: dict[str, Any] = {"contact_user": 55, "sender": 55, "private": True, "forwarded": False, "by_bot": False}
    assert is_own_contact(**own)
    for change in (
        {"contact_user": 56},
        {"contact_user": None},
        {"sender": None},
        {"contact_user": None, "sender": None},
        {"private": False},
        {"forwarded": True},
        {"by_bot": True},
    ):
        assert not is_own_contact(**(own | change))


@pytest.mark.parametrize("phone", ["2250501020304", "+2250501020304", "+225 05 01 02 03 04"])
def test_contacts_come_with_and_without_plus(phone: str) -> None:
    assert contact_number(phone, [CONTEST]) == Msisdn("+2250501020304", "CI")


@pytest.mark.parametrize("phone", ["", "+33612345678", "0501020304", "abc"])
def test_contacts_of_other_countries_are_unknown_here(phone: str) -> None:
    assert contact_number(phone, [CONTEST]) is None


def test_an_offer_is_judged_by_the_rules_of_the_service() -> None:
    good = offer(CONTEST, "07", 5, NOON)
    assert isinstance(good, Offer)
    assert good.amount == CONTEST.price.times(5)
    assert offer(CONTEST, "99", 5, NOON) is Refusal.UNKNOWN_CANDIDATE
    assert offer(CONTEST, "07", 0, NOON) is Refusal.BAD_QUANTITY
    assert offer(CONTEST, "07", 10_001, NOON) is Refusal.TOO_MANY
    assert offer(CONTEST, "07", 5, CONTEST.closes_at) is Refusal.CLOSED


def test_who_pays() -> None:
    mine = "+2250501020304"
    assert read_payer_of("me", mine, CONTEST) == Msisdn(mine, "CI")
    assert read_payer_of("me", None, CONTEST) is Refusal.BAD_NUMBER
    assert read_payer_of("2250701020304", mine, CONTEST) == Msisdn("+2250701020304", "CI")
    assert read_payer_of("33612345678", mine, CONTEST) is Refusal.FOREIGN_NUMBER
    assert read_payer_of("22599", mine, CONTEST) is Refusal.BAD_NUMBER
    assert own_number("+33612345678", CONTEST) is None
    assert payer_of(Msisdn(mine, "CI"), mine) == "me"
    assert payer_of(Msisdn(mine, "CI"), None) == "2250501020304"


def test_a_contest_is_named_by_its_id_and_only_one_may_have_it() -> None:
    twin = replace(CONTEST, slug="twin", _by_code={})
    assert find_contest(tag(CONTEST), [CONTEST]) is CONTEST
    assert find_contest(tag(CONTEST), [CONTEST, twin]) is None
    assert find_contest("000000000000", [CONTEST]) is None


@pytest.mark.parametrize(("code", "spoken"), [("fr-CI", "fr"), ("EN", "en"), ("pt", "en"), (None, "fr"), ("", "fr")])
def test_the_language_of_an_app(code: str | None, spoken: str) -> None:
    assert language_hint(code) == spoken
