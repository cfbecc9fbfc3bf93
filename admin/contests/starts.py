"""What a new contest begins with: one of our templates, or another contest."""

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gateway.contests.document import FORMAT, ContestPart, Document, OrganiserPart
from gateway.values.money import CURRENCY_OF, parse_amount
from gateway.values.time_zones import local, zone_of

# A week to add candidates and photos before votes are sold; then it is open in the morning and closes in the evening.
_DAYS_BEFORE: Final = 7
_OPENS_HOUR: Final = 8
_CLOSES_HOUR: Final = 22


@cache
def starts() -> Mapping[str, Mapping[str, Any]]:
    """The templates by name."""
    return tomllib.loads(files(__package__).joinpath("starts.toml").read_text("utf-8"))


def from_template(
    template: str, *, name: str, country: str, language: str, organiser: OrganiserPart, now: datetime
) -> Document:
    """A contest by one of our templates, without candidates and codes. `country`: one with a currency of ours. KeyError
    for an unknown template."""
    given, currency, zone = starts()[template], CURRENCY_OF[country], zone_of(country)
    price = parse_amount(given["price"], currency)
    opens = _at(local(now, zone) + timedelta(days=_DAYS_BEFORE), _OPENS_HOUR)
    part = {
        "slug": "draft",
        "name": name,
        "country": country,
        "price": {"amount_minor": price.amount_minor if price else 0, "currency": currency},
        "opens_at": opens,
        "closes_at": _at(opens + timedelta(days=given["days"]), _CLOSES_HOUR),
        "time_zone": zone,
        "language": language,
        "quantity_max": given["quantity_max"],
        "packs": given["packs"],
        "rules": given["rules"],
    }
    return Document(format=FORMAT, organiser=organiser, contest=ContestPart.model_validate(part))


def from_contest(document: Document, *, name: str, now: datetime) -> Document:
    """A contest like another one, for as long, without its candidates and codes."""
    part = document.contest
    opens = _at(local(now, part.time_zone) + timedelta(days=_DAYS_BEFORE), _OPENS_HOUR)
    changed = {"name": name, "opens_at": opens, "closes_at": opens + (part.closes_at - part.opens_at)}
    later = opens - part.opens_at
    moved = [
        one.model_copy(update={"opens_at": one.opens_at + later, "closes_at": one.closes_at + later})
        for one in part.rounds
    ]
    changed |= {"rounds": moved}
    changed |= {"service_code": "", "short_code": "", "keyword": ""}
    copied = part.model_copy(update=changed)
    return document.model_copy(update={"contest": copied, "candidates": []})


def _at(day: datetime, hour: int) -> datetime:
    return day.replace(hour=hour, minute=0, second=0, microsecond=0)
