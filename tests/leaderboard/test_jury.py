"""A jury and the voters decide together, as tables."""

from fractions import Fraction

import pytest

from leaderboard.jury import Judged, judged_ranking, shown_share


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
