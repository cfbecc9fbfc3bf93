"""Time and order of figures: which intervals cover a span, where a day begins, who moved in a ranking."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from gateway.storage.purging import MINUTE_DAYS

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cover:
    """The minutes from `since` to `hours`, the hours from there to `minutes`, and the minutes from there to `until`."""

    since: datetime
    hours: datetime
    minutes: datetime
    until: datetime


def floor(at: datetime, step: timedelta) -> datetime:
    """The last whole minute or hour of UTC."""
    return at - (at - datetime.min.replace(tzinfo=UTC)) % step


def cover(since: datetime, until: datetime) -> Cover:
    """The fewest intervals of the rollups that are within a span. Its begin and end are cut to whole minutes, the end
    upwards."""
    first = floor(since, MINUTE)
    last = max(first, until if until == floor(until, MINUTE) else floor(until, MINUTE) + MINUTE)
    hours = floor(first, HOUR) if first == floor(first, HOUR) else floor(first, HOUR) + HOUR
    minutes = floor(last, HOUR)
    return Cover(first, hours, minutes, last) if hours < minutes else Cover(first, last, last, last)


def minutes_from(now: datetime) -> datetime:
    """From when on it is known by the minute what was sold by channel, wallet, candidate and prefix."""
    return floor(now - timedelta(days=MINUTE_DAYS), HOUR)


def known_span(since: datetime, until: datetime, now: datetime) -> tuple[datetime, datetime]:
    """A span as it is known: of long ago by whole hours, those that it begins and ends in included."""
    known = minutes_from(now)
    end = until if until >= known else floor(until + HOUR - timedelta.resolution, HOUR)
    return since if since >= known else floor(since, HOUR), end


def day_start(at: datetime, zone: str) -> datetime:
    """When the day of this instant began, by the clocks of a zone."""
    local = at.astimezone(ZoneInfo(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def month_start(at: datetime, zone: str) -> datetime:
    """When the month of this instant began, by the clocks of a zone."""
    local = at.astimezone(ZoneInfo(zone))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def filled(
    known: Mapping[datetime, int], since: datetime, until: datetime, step: timedelta
) -> list[tuple[datetime, int]]:
    """Every interval of a span with its value, 0 where nothing is known."""
    first = floor(since, step)
    return [(at, known.get(at, 0)) for at in (first + n * step for n in range(-((first - until) // step)))]


def pace_of(by_minute: Mapping[datetime, int], at: datetime) -> int:
    """How many a minute there are, by the minute that is not over yet and the one before."""
    whole = floor(at, MINUTE)
    many = by_minute.get(whole, 0) + by_minute.get(whole - MINUTE, 0)
    return round(many * (MINUTE / (at - whole + MINUTE)))


def ranks(votes: Mapping[str, int]) -> dict[str, int]:
    """The place of each; equals share one."""
    ordered = sorted(votes.values(), reverse=True)
    first = {value: place for place, value in reversed(list(enumerate(ordered, start=1)))}
    return {name: first[value] for name, value in votes.items()}


def moved(now: Mapping[str, int], gained: Mapping[str, int], ever: int) -> dict[str, int]:
    """How many places each went up since they `gained` these votes; negative: down. `ever`: all votes by the source of
    `gained`, which may lag behind `now`. No one moved where there were no votes before, or where `now` lags behind."""
    earlier = {name: votes - gained.get(name, 0) for name, votes in now.items()}
    if ever <= sum(gained.values()) or min(earlier.values(), default=0) < 0:
        return dict.fromkeys(now, 0)
    after, before = ranks(now), ranks(earlier)
    return {name: before[name] - after[name] for name in now}


def share(part: int, whole: int) -> int | None:
    """Per cent, rounded; None of nothing."""
    return None if whole <= 0 else round(100 * part / whole)


def nice_top(values: Iterable[int]) -> int:
    """A round number that no value is above, for the top of a scale: one digit and noughts."""
    highest = max((0, *values))
    unit = 1
    while True:
        for digit in (1, 2, 3, 4, 5, 6, 8):
            if digit * unit >= highest:
                return digit * unit
        unit *= 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work of one kind that waits for a person. `about`: its phrase; `bad`: money or votes are wrong until then;
    `contest`: the name of the only one that it is about."""

    about: str
    count: int
    address: str
    bad: bool = False
    contest: str = ""


def by_urgency(found: Sequence[Waiting]) -> list[Waiting]:
    """What there is of it, what is bad first, else as given."""
    return sorted((one for one in found if one.count), key=lambda one: not one.bad)
