"""When a ranking is hidden, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.contests.blackout import Blackout, BlackoutFault, BlackoutRefused, ended, planned

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


DARK, COMING = Blackout(after(-60)), Blackout(after(60), after(120))
OVER = Blackout(after(-60), None, after(-10))


@pytest.mark.parametrize(
    ("blackout", "minutes", "hides", "coming"),
    [
        (COMING, 0, False, True),
        (COMING, 60, True, False),
        (COMING, 121, True, False),  # only a person announces
        (DARK, 0, True, False),
        (OVER, -61, False, True),
        (OVER, -11, True, False),
        (OVER, -10, False, False),
    ],
)
def test_figures_are_hidden_from_the_moment_until_the_announcement(
    blackout: Blackout, minutes: float, hides: bool, coming: bool
) -> None:
    assert (blackout.hides_at(after(minutes)), blackout.coming_at(after(minutes))) == (hides, coming)


@pytest.mark.parametrize(
    ("held", "begins", "announcement", "expected"),
    [
        (None, None, None, Blackout(NOON)),
        (None, after(-0.5), None, Blackout(NOON)),  # typed in minutes
        (None, after(60), after(120), COMING),
        (OVER, after(60), None, Blackout(after(60))),
        (COMING, after(30), None, Blackout(after(30))),
        (COMING, None, after(5), Blackout(NOON, after(5))),
        (DARK, None, after(5), Blackout(after(-60), after(5))),
        (DARK, after(-60), None, DARK),
        (replace(DARK, sealed=True), None, after(5), Blackout(after(-60), after(5), sealed=True)),
        (None, after(-2), None, BlackoutFault.PAST),
        (None, after(60), after(60), BlackoutFault.ORDER),
        (None, None, after(-1), BlackoutFault.ORDER),
        (DARK, after(60), None, BlackoutFault.BEGUN),
        (DARK, None, after(-1), BlackoutFault.ORDER),
    ],
)
def test_what_is_asked_for(
    held: Blackout | None, begins: datetime | None, announcement: datetime | None, expected: Blackout | BlackoutFault
) -> None:
    if isinstance(expected, Blackout):
        assert planned(held, begins, announcement, NOON) == expected
        return
    with pytest.raises(BlackoutRefused) as refused:
        planned(held, begins, announcement, NOON)
    assert refused.value.fault is expected


def test_only_what_is_hidden_or_will_be_ends() -> None:
    assert ended(DARK, NOON) == Blackout(after(-60), None, NOON)
    assert ended(COMING, NOON) is None
    for held in (None, OVER, replace(DARK, sealed=True)):
        with pytest.raises(BlackoutRefused):
            ended(held, NOON)
    assert ended(replace(COMING, sealed=True), NOON) is None
    # Sealed or not is settled once it has begun.
    for sealed in (False, True):
        held = replace(DARK, sealed=sealed)
        assert planned(held, None, None, NOON, sealed=sealed) == held
        with pytest.raises(BlackoutRefused):
            planned(held, None, None, NOON, sealed=not sealed)
