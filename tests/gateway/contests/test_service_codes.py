"""Numbers by which contests of one service code are chosen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.contests.contest import Contest
from gateway.contests.service_codes import chosen, menu_numbers, nearest, numbered, open_among
from tests.demo import demo_contest

BASE = demo_contest()
NOON = BASE.opens_at + timedelta(days=100)


def contest(slug: str, opens: int, closes: int = 200) -> Contest:
    """One that opens and closes so many days after the demo opens."""
    start = BASE.opens_at
    return replace(
        BASE, slug=slug, opens_at=start + timedelta(days=opens), closes_at=start + timedelta(days=closes), _by_code={}
    )


def test_numbers_go_by_opening_and_leave_nine_out() -> None:
    sharing = [contest(f"c{n}", n) for n in range(12, 0, -1)]
    assert [number for number, _ in numbered(sharing)] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]
    assert [found.slug for _, found in numbered(sharing)][:3] == ["c1", "c2", "c3"]


def test_a_number_stays_when_a_later_contest_comes_and_an_earlier_one_closes() -> None:
    first, second = contest("b", 1), contest("a", 2)
    later, closed = contest("0", 3), contest("b", 1, 50)
    for sharing in ([first, second], [second, first, later], [later, closed, second]):
        found = chosen(sharing, "2")
        assert found is not None
        assert found.slug == "a"
    assert chosen([first, second], "3") is None
    assert chosen([first, second], "9") is None


def test_open_ones_and_the_nearest() -> None:
    over, now, coming, later = contest("o", 1, 50), contest("n", 2), contest("c", 120), contest("l", 130)
    assert open_among([coming, now, over], NOON) == (now,)
    assert nearest([over, later, coming], NOON) == coming
    assert nearest([over, contest("p", 0, 60)], NOON).slug == "p"


@pytest.mark.parametrize(
    ("closings", "numbers"),
    [((200,), {}), ((200, 50), {}), ((200, 200), {"c0": 1, "c1": 2}), ((50, 200, 200), {"c0": 1, "c1": 2, "c2": 3})],
)
def test_a_number_is_dialled_only_where_there_is_a_choice(closings: tuple[int, ...], numbers: dict[str, int]) -> None:
    sharing = [contest(f"c{n}", n, closing) for n, closing in enumerate(closings)]
    assert menu_numbers(sharing, NOON) == numbers


def test_what_to_dial() -> None:
    assert BASE.dial_code == "*789#"
    assert replace(BASE, menu_number=2, _by_code={}).dial_code == "*789*2#"
    assert replace(BASE, menu_number=2, service_code="", _by_code={}).dial_code == ""
