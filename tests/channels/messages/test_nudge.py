"""Who is texted after a dialogue that was cut off."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from channels.messages.nudge import Nudge, Unfinished, judge

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE = Unfinished(NOON, "CI", sold=True, ordered=False, opted_out=False)


@pytest.mark.parametrize(
    ("one", "minutes", "nudge"),
    [
        (ONE, 10, Nudge.TEXT),
        (ONE, 59, Nudge.TEXT),
        (ONE, 60, Nudge.TOO_LATE),
        (replace(ONE, ordered=True), 10, Nudge.ORDERED),
        (replace(ONE, opted_out=True), 10, Nudge.OPTED_OUT),
        (replace(ONE, sold=False), 10, Nudge.NOT_SOLD),
        (replace(ONE, ordered=True, opted_out=True), 90, Nudge.ORDERED),
    ],
)
def test_by_what_happened(one: Unfinished, minutes: int, nudge: Nudge) -> None:
    assert judge(one, one.reached_at + timedelta(minutes=minutes)) is nudge


@pytest.mark.parametrize(
    ("reached", "country", "nudge"),
    [
        ("19:45", "CI", Nudge.TEXT),  # decided at 19:55
        ("19:55", "CI", Nudge.NIGHT),  # decided at 20:05; morning is too late
        ("03:00", "CI", Nudge.NIGHT),
        ("07:30", "CI", Nudge.TEXT),  # decided at 07:40, sent at 08:00
        ("06:30", "CI", Nudge.NIGHT),
        ("06:45", "CM", Nudge.TEXT),  # an hour ahead
        ("18:55", "CM", Nudge.NIGHT),
    ],
)
def test_by_the_hour_where_the_number_lives(reached: str, country: str, nudge: Nudge) -> None:
    hour, minute = map(int, reached.split(":"))
    at = NOON.replace(hour=hour, minute=minute)
    assert judge(replace(ONE, reached_at=at, country=country), at + timedelta(minutes=10)) is nudge
