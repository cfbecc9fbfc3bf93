"""Who is texted after a dialogue that was cut off."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from channels.messages.rules import Reminder, Unfinished, remind

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE = Unfinished(NOON, "CI", sold=True, ordered=False, opted_out=False)


@pytest.mark.parametrize(
    ("one", "minutes", "reminder"),
    [
        (ONE, 10, Reminder.TEXT),
        (ONE, 59, Reminder.TEXT),
        (ONE, 60, Reminder.TOO_LATE),
        (replace(ONE, ordered=True), 10, Reminder.ORDERED),
        (replace(ONE, opted_out=True), 10, Reminder.OPTED_OUT),
        (replace(ONE, sold=False), 10, Reminder.NOT_SOLD),
        (replace(ONE, ordered=True, opted_out=True), 90, Reminder.ORDERED),
    ],
)
def test_by_what_happened(one: Unfinished, minutes: int, reminder: Reminder) -> None:
    assert remind(one, one.reached_at + timedelta(minutes=minutes)) is reminder


@pytest.mark.parametrize(
    ("reached", "country", "reminder"),
    [
        ("19:45", "CI", Reminder.TEXT),  # decided at 19:55
        ("19:55", "CI", Reminder.NIGHT),  # decided at 20:05; morning is too late
        ("03:00", "CI", Reminder.NIGHT),
        ("07:30", "CI", Reminder.TEXT),  # decided at 07:40, sent at 08:00
        ("06:30", "CI", Reminder.NIGHT),
        ("06:45", "CM", Reminder.TEXT),  # an hour ahead
        ("18:55", "CM", Reminder.NIGHT),
    ],
)
def test_by_the_hour_where_the_number_lives(reached: str, country: str, reminder: Reminder) -> None:
    hour, minute = map(int, reached.split(":"))
    at = NOON.replace(hour=hour, minute=minute)
    assert remind(replace(ONE, reached_at=at, country=country), at + timedelta(minutes=10)) is reminder
