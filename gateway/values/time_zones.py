"""Time zones: which a country has, and an instant as its clocks show it. Source: the IANA database, `zone.tab`."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

# Where nothing is known of a country.
FALLBACK: Final = "UTC"


@cache
def zones() -> Mapping[str, tuple[str, ...]]:
    """ISO 3166 code → the names of the country's zones, the one that most of it has first."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            found[country].append(zone)
    return {country: tuple(names) for country, names in found.items()}


def zone_of(country: str) -> str:
    """The first zone of a country."""
    return zones().get(country, (FALLBACK,))[0]


def known_zone(name: str) -> bool:
    """Whether a zone has this name."""
    return name == FALLBACK or any(name in names for names in zones().values())


def local(instant: datetime, zone: str) -> datetime:
    """An instant as the clocks of a zone show it."""
    return instant.astimezone(ZoneInfo(zone))


def offset(instant: datetime, zone: str) -> str:
    """How far a zone's clocks are from Greenwich then, as people write it: `GMT`, `GMT+1`, `GMT-3:30`."""
    apart = local(instant, zone).utcoffset() or timedelta()
    hours, minutes = divmod(abs(int(apart.total_seconds())) // 60, 60)
    sign = "-" if apart < timedelta() else "+"
    return "GMT" if not apart else f"GMT{sign}{hours}{f':{minutes:02d}' if minutes else ''}"


def digits(instant: datetime, zone: str) -> str:
    """An instant in digits, to the minute: `21/11/2026 20:00 GMT+1`."""
    return f"{local(instant, zone):%d/%m/%Y %H:%M} {offset(instant, zone)}"
