"""Zones of countries, and what their clocks show."""

from datetime import UTC, datetime

import pytest

from gateway.values.time_zones import digits, known_zone, local, zone_of, zones


@pytest.mark.parametrize(
    ("country", "zone", "clock"),
    [
        ("CI", "Africa/Abidjan", "20:00"),
        ("CM", "Africa/Douala", "21:00"),
        ("CD", "Africa/Kinshasa", "21:00"),
        ("KE", "Africa/Nairobi", "23:00"),
        ("XX", "UTC", "20:00"),
    ],
)
def test_a_country_has_a_zone_and_its_clocks_a_time(country: str, zone: str, clock: str) -> None:
    assert zone_of(country) == zone
    assert f"{local(datetime(2026, 11, 21, 20, tzinfo=UTC), zone):%H:%M}" == clock


def test_a_zone_is_known_by_its_name_and_by_no_other() -> None:
    assert all(known_zone(name) for names in zones().values() for name in names)
    assert known_zone("UTC")
    assert not any(map(known_zone, ("", "Abidjan", "GMT+1", "Africa/Abidjan ", "../etc/passwd")))


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("Africa/Abidjan", "21/11/2026 23:30 GMT"),
        ("Africa/Douala", "22/11/2026 00:30 GMT+1"),
        ("Asia/Kolkata", "22/11/2026 05:00 GMT+5:30"),
        ("America/St_Johns", "21/11/2026 20:00 GMT-3:30"),
    ],
)
def test_an_instant_is_written_with_its_distance_from_greenwich(zone: str, written: str) -> None:
    assert digits(datetime(2026, 11, 21, 23, 30, tzinfo=UTC), zone) == written
