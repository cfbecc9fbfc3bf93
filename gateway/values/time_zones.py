"""Time zones: which a country has, and an instant as its clocks show it. Source: the IANA database, `zone.tab`."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
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
