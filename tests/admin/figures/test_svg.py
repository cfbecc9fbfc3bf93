"""Charts draw what they are given, and nothing of it as words."""

from admin.figures import svg


def test_columns_mark_the_highest_and_leave_out_nothing() -> None:
    drawn = svg.columns([5, 0, 10, -2], 10)
    assert drawn.startswith('<svg viewBox="0 0 4 100"')
    assert '<path class="col" d="M0 100H0.86V50H0Z"/>' in drawn
    assert '<path class="peak" d="M2 100H2.86V0H2Z"/>' in drawn
    assert drawn.count("<path") == 2
    assert "<path" not in svg.columns([], 1)


def test_lines_have_a_point_for_each_value() -> None:
    drawn = svg.lines([[0, 5, 10], [10, 20, 0]], 10)
    assert '<polyline class="s1" points="0,100 1,50 2,0"/>' in drawn
    assert '<polyline class="s2" points="0,0 1,0 2,100"/>' in drawn


def test_a_bar_fills_its_share() -> None:
    assert 'd="M0 0H25V1H0Z"' in svg.bar(1, 4)
    assert 'd="M0 0H0V1H0Z"' in svg.bar(-1, 4)
    assert 'd="M0 0H100V1H0Z"' in svg.bar(9, 4)
