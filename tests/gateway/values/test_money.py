"""Money: integers in, integers out."""

import pytest

from gateway.values.money import Money, parse_amount
from leaderboard.ranking import Score, ranking_from
from payments.ledger.postings import VOTES, balanced, held, held_to_owed, owed_back, sale


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("500", "XOF", 500),
        ("500.0", "XOF", 500),
        ("500.00", "XAF", 500),
        (" 500 ", "XOF", 500),
        ("5.00", "EUR", 500),
        ("5", "EUR", 500),
        ("5.5", "EUR", 550),
        ("-5.05", "EUR", -505),
        ("0", "XOF", 0),
        ("500.5", "XOF", None),
        ("5.005", "EUR", None),
        ("5e2", "XOF", None),
        ("", "XOF", None),
        ("500 F", "XOF", None),
        ("٥٠٠", "XOF", None),
        ("1" * 16, "XOF", None),
        ("500", "ZZZ", None),
        ("NaN", "XOF", None),
    ],
)
def test_parse(text: str, currency: str, minor: int | None) -> None:
    found = parse_amount(text, currency)
    assert found == (None if minor is None else Money(minor, currency))


def test_plain_and_spoken() -> None:
    assert Money(500, "XOF").plain() == "500"
    assert Money(505, "EUR").plain() == "5.05"
    assert Money(-5, "EUR").plain() == "-0.05"
    assert Money(1_500_000, "XOF").spoken() == "1 500 000 FCFA"
    assert Money(150_005, "EUR").spoken() == "1 500.05 EUR"


def test_currencies_do_not_mix() -> None:
    assert Money(1, "XOF") + Money(2, "XOF") == Money(3, "XOF")
    with pytest.raises(ValueError, match="cannot add"):
        Money(1, "XOF") + Money(2, "XAF")
    with pytest.raises(ValueError, match="unknown currency"):
        Money(1, "ZZZ")


@pytest.mark.parametrize(
    "legs",
    [
        sale(Money(500, "XOF"), 5),
        held(Money(400, "XOF")),
        owed_back(Money(1, "XAF")),
        held_to_owed(Money(7, "XOF")),
    ],
)
def test_every_entry_balances(legs: tuple) -> None:  # type: ignore[type-arg] # legs of any entry
    assert balanced(legs)
    assert not balanced(legs[:-1])


def test_votes_are_booked_beside_money() -> None:
    assert {leg.currency for leg in sale(Money(500, "XOF"), 5)} == {"XOF", VOTES}


def test_ranking_shares_places() -> None:
    board = ranking_from(
        "star", 9, [Score("03", "C", 5), Score("01", "A", 7), Score("02", "B", 5), Score("04", "D", 0)]
    )
    assert [(e.rank, e.code) for e in board.entries] == [(1, "01"), (2, "02"), (2, "03"), (4, "04")]
    assert (board.version, board.total_votes) == (9, 17)


@pytest.mark.parametrize(
    ("scores", "places"),
    [
        # code, votes, with which entry they were reached; rank and code
        ([("01", 5, 9), ("02", 5, 8)], [(1, "02"), (2, "01")]),
        ([("01", 5, 8), ("02", 5, 9), ("03", 6, 10)], [(1, "03"), (2, "01"), (3, "02")]),
        # Who has no vote has reached nothing.
        ([("01", 0, 0), ("02", 0, 0), ("03", 1, 1)], [(1, "03"), (2, "01"), (2, "02")]),
        ([("01", 5, 7), ("02", 5, 7)], [(1, "01"), (1, "02")]),
        ([], []),
    ],
)
def test_who_reached_their_votes_first_stands_first(
    scores: list[tuple[str, int, int]], places: list[tuple[int, str]]
) -> None:
    board = ranking_from("star", 9, [Score(code, code, votes, reached) for code, votes, reached in scores])
    assert [(entry.rank, entry.code) for entry in board.entries] == places
