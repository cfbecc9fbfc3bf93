"""A jury and the voters decide together, as tables."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest

from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.contests.jury import Sheet, SheetStatus, in_force, points_of
from gateway.contests.rounds import Round
from leaderboard.final import FinalRanking, final_rankings
from leaderboard.jury import Judged, judged_ranking, shown_share
from tests.demo import demo_contest


def judged(*given: tuple[int, ...]) -> list[Judged]:
    """Candidates 01, 02, … with votes, points, and when they reached them."""
    return [Judged(f"{place:02d}", f"N{place}", *one) for place, one in enumerate(given, start=1)]


@pytest.mark.parametrize(
    ("weight", "given", "expected"),
    [
        # 60 % of 3/4 and 40 % of 1/4 are 55 %.
        (40, [(300, 10), (100, 30)], [(1, "01", "11/20"), (2, "02", "9/20")]),
        # The jury turns the voters' order round.
        (60, [(300, 10), (100, 30)], [(1, "02", "11/20"), (2, "01", "9/20")]),
        # Equal to the last digit: both share the place, and the next one is skipped.
        (50, [(300, 10), (100, 30), (0, 0)], [(1, "01", "1/2"), (1, "02", "1/2"), (3, "03", "0")]),
        # Or who had their votes first stands first.
        (50, [(300, 10, 9), (100, 30, 4)], [(1, "02", "1/2"), (2, "01", "1/2")]),
        # Scores that any rounding would make equal are not.
        (1, [(10**12 + 1, 1), (10**12, 1)], [(1, "01", None), (2, "02", None)]),
        # Thirds add up exactly.
        (33, [(1, 1), (1, 1), (1, 1)], [(1, "01", "1/3"), (1, "02", "1/3"), (1, "03", "1/3")]),
        # Before the first vote, before the first point, before both.
        (40, [(0, 1), (0, 3)], [(1, "02", "3/10"), (2, "01", "1/10")]),
        (40, [(1, 0), (3, 0)], [(1, "02", "9/20"), (2, "01", "3/20")]),
        (40, [(0, 0), (0, 0)], [(1, "01", "0"), (1, "02", "0")]),
        (40, [], []),
        # Without a jury the votes decide, whatever points there are.
        (0, [(1, 9), (3, 0), (3, 5)], [(1, "02", "3/7"), (1, "03", "3/7"), (3, "01", "1/7")]),
        (0, [(3, 0, 5), (3, 0, 4)], [(1, "02", "1/2"), (2, "01", "1/2")]),
        (99, [(10**9, 0), (0, 1)], [(1, "02", "99/100"), (2, "01", "1/100")]),
    ],
)
def test_places_follow_the_formula(
    weight: int, given: list[tuple[int, ...]], expected: list[tuple[int, str, str | None]]
) -> None:
    places = judged_ranking(weight, judged(*given))
    assert [(one.rank, one.code) for one in places] == [(rank, code) for rank, code, _ in expected]
    for one, (_, _, score) in zip(places, expected, strict=True):
        assert score is None or one.score == Fraction(score)
    if sum(one.votes for one in places) and sum(one.points for one in places):
        assert sum(one.score for one in places) == 1


@pytest.mark.parametrize(("weight", "given"), [(-1, [(1, 1)]), (100, [(1, 1)]), (40, [(-1, 1)]), (40, [(1, -1)])])
def test_what_no_jury_can_have_is_refused(weight: int, given: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"weight|less than nothing"):
        judged_ranking(weight, judged(*given))


@pytest.mark.parametrize(
    ("share", "shown"),
    [("0", 0), ("1", 10_000), ("1/3", 3333), ("2/3", 6667), ("1/20000", 1), ("1/20001", 0), ("11/20", 5500)],
)
def test_shares_are_rounded_where_they_are_shown(share: str, shown: int) -> None:
    assert shown_share(Fraction(share)) == shown


def star(**values: Any) -> Contest:
    """Four candidates: 01 and 02 sing, 03 dances, 04 is in no category and was evicted."""
    people = [Candidate(uuid4(), f"{n:02d}", f"N{n}", category=of) for n, of in enumerate(("S", "S", "D", ""), start=1)]
    people[3] = replace(people[3], status=CandidateStatus.EVICTED, evicted_at=OPENS + timedelta(hours=5))
    return replace(demo_contest(), **{"candidates": tuple(people), "categories": ("S", "D"), **values}, _by_code={})


OPENS = demo_contest().opens_at
ROUNDS = tuple(
    Round(n, f"R{n}", OPENS + timedelta(hours=at), OPENS + timedelta(hours=at + 4), fresh)
    for n, (at, fresh) in enumerate([(0, True), (6, False)], start=1)
)


def shown(rankings: list[FinalRanking]) -> list[tuple[int, str | None, list[tuple[int | None, str, int, int]]]]:
    return [
        (one.round, one.category, [(place.rank, place.code, place.votes, place.points) for place in one.places])
        for one in rankings
    ]


@pytest.mark.parametrize(
    ("values", "votes", "points", "expected"),
    [
        # Without a jury by votes alone; the evicted stand last, and of each category there is a ranking.
        (
            {},
            {"01": 5, "02": 7, "03": 7, "04": 9},
            {"01": 50},
            [
                (0, None, [(1, "02", 7, 0), (1, "03", 7, 0), (3, "01", 5, 50), (None, "04", 9, 0)]),
                (0, "S", [(1, "02", 7, 0), (2, "01", 5, 50)]),
                (0, "D", [(1, "03", 7, 0)]),
                (0, "", [(None, "04", 9, 0)]),
            ],
        ),
        # Half and half: 5/12 and 50/50 against 7/12 and 0.
        ({"jury_percent": 50, "categories": ()}, {"01": 5, "02": 7}, {"01": 50}, None),
        # A round that goes on with the votes before has their points too; an earlier one, its own and who was there.
        (
            {"rounds": ROUNDS, "jury_percent": 1},
            {"1:01": 5, "2:02": 7, "1:04": 1},
            {"1:01": 3, "2:01": 4},
            [
                (2, None, [(1, "02", 7, 0), (2, "01", 5, 7), (3, "03", 0, 0), (None, "04", 1, 0)]),
                (2, "S", [(1, "02", 7, 0), (2, "01", 5, 7)]),
                (2, "D", [(1, "03", 0, 0)]),
                (2, "", [(None, "04", 1, 0)]),
                (1, None, [(1, "01", 5, 3), (2, "04", 1, 0), (3, "02", 0, 0), (3, "03", 0, 0)]),
                (1, "S", [(1, "01", 5, 3), (2, "02", 0, 0)]),
                (1, "D", [(1, "03", 0, 0)]),
                (1, "", [(1, "04", 1, 0)]),
            ],
        ),
    ],
)
def test_final_rankings_are_of_each_round_and_category(
    values: dict[str, Any], votes: dict[str, int], points: dict[str, int], expected: Any
) -> None:
    found = final_rankings(star(**values), votes, {}, points, {"01"})
    if expected is not None:
        assert shown(found) == expected
    else:
        first, second, *_ = found[0].places
        assert (first.code, first.score, second.score) == ("01", Fraction(17, 24), Fraction(7, 24))
        assert [place.code for place in found[0].places if place.reinstated] == ["01"]


def sheet(number: int | None, points: dict[str, int], juror: int = 1, category: str = "S", round_: int = 0) -> Sheet:
    status = SheetStatus.WAITING if number is None else SheetStatus.CONFIRMED
    return Sheet(uuid4(), round_, category, juror, points, status, "awa", OPENS, number=number)


def test_what_a_juror_gave_a_candidate_last_counts() -> None:
    given = [
        sheet(3, {"01": 9, "02": 1}),
        sheet(1, {"01": 100, "02": 100}),
        sheet(2, {"01": 5, "02": 5, "03": 40}, juror=2),
        sheet(None, {"01": 77, "02": 77}, juror=2),
        sheet(4, {"03": 30}, category="D"),
        sheet(5, {"01": 8}, round_=2),
    ]
    # The third came to another category since: what another juror gave before still counts.
    assert points_of(given) == {(0, "01"): 14, (0, "02"): 6, (0, "03"): 70, (2, "01"): 8}
    assert [one.number for one in in_force(given)] == [5, 4, 3, 2]
