"""What a demo's crowd shows while it votes."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.cli import demo


@pytest.mark.parametrize(
    ("between", "written"),
    [
        (
            0.0,
            [
                "3 of 9: 4 votes paid, 2 counted",
                "8 of 9: 11 votes paid, 9 counted",
                "9 of 9: 12 votes paid, 12 counted",
            ],
        ),
        (60.0, []),
    ],
)
def test_without_a_terminal_progress_is_a_line_now_and_then(
    between: float, written: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(demo, "_LINE_SECONDS", between)

    def shown(state: str, ended: int, paid: int, counted: int) -> dict[str, object]:
        return {"state": state, "planned": 9, "ended": ended, "votes_paid": paid, "votes_counted": counted}

    answers: Iterator[dict[str, object]] = iter(
        [shown("voting", 3, 4, 2), shown("voting", 8, 11, 9), last := shown("ended", 9, 12, 12)]
    )
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=next(answers)))
    with httpx.Client(transport=transport, base_url="http://country.test") as country:
        assert demo._watched(country, shown("voting", 0, 0, 0)) == last
    assert capsys.readouterr().err.splitlines() == written
