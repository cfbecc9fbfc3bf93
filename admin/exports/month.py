"""The month of a contest: what was ordered, counted and shared out, by day, wallet, channel and candidate, beside the
book of the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.figures.rules import DAY
from admin.figures.store import Figures, Sums
from gateway.contests.contest import Contest
from gateway.storage.engine import scoped
from payments.ledger.postings import Account
from payments.requests import Scope

YEARS: Final = range(2020, 2200)
# What was sold less what was taken back, our share of it, and what went back to payers.
_BOOKED: Final = text("""
select cast(date_trunc('day', at, :zone) at time zone :zone as date) as day,
  cast(coalesce(-sum(amount_minor) filter (where account = :sales), 0) as bigint) as sales,
  cast(coalesce(-sum(amount_minor) filter (where account = :fees), 0) as bigint) as fees,
  cast(coalesce(sum(amount_minor) filter (where account = :owed and amount_minor > 0), 0) as bigint) as refunded
from postings
where contest_id = :contest and account in (:sales, :fees, :owed) and currency = :currency
  and at >= :since and at < :until
group by 1 order by 1
""")


@dataclass(frozen=True, slots=True)
class Booked:
    """What the book says of a day, in minor units."""

    sales: int = 0
    fees: int = 0
    refunded: int = 0

    def __add__(self, other: "Booked") -> "Booked":
        """Of both."""
        return Booked(self.sales + other.sales, self.fees + other.fees, self.refunded + other.refunded)


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a contest. `days`: each day of it on which anything happened, with the book of that day; `parts`: the
    sums by facet (`method`, `channel`, `candidate`) and key."""

    contest: Contest
    first: date
    days: Sequence[tuple[date, Sums, Booked]]
    total: Sums
    parts: Mapping[str, Mapping[str, Sums]]

    @property
    def booked(self) -> Booked:
        """What the book says of the whole month."""
        return sum((booked for _, _, booked in self.days), Booked())


PARTS: Final = ("method", "channel", "candidate")


def read_month(name: str) -> date | None:
    """The first day of a month like 2026-11; None for what is none of ours."""
    try:
        first = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return first if first.year in YEARS else None


def span_of(first: date, zone: str) -> tuple[datetime, datetime]:
    """When a month begins and ends by the clocks of a zone."""
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    since, until = (datetime(day.year, day.month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) for day in (first, after))
    return since, until


class Months:
    """Reads months. `contest`: within the scope of who asks."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._figures = Figures(engine)

    async def orders(self, contest: Contest, scope: Scope, first: date) -> int:
        """How many orders a month has."""
        since, until = span_of(first, contest.time_zone)
        found = await self._figures.totals(scope, [contest.id], since, until, ["all"])
        return found["all"].get("", Sums()).orders

    async def read(self, contest: Contest, scope: Scope, first: date) -> Month:
        """A month of a contest."""
        zone, (since, until) = contest.time_zone, span_of(first, contest.time_zone)
        asked = {
            "contest": contest.id,
            "currency": contest.price.currency,
            "since": since,
            "until": until,
            "zone": zone,
            "sales": Account.SALES.value,
            "fees": Account.PLATFORM_FEE.value,
            "owed": Account.REFUNDS_OWED.value,
        }
        parts = await self._figures.totals(scope, [contest.id], since, until, ["all", *PARTS])
        slots = await self._figures.slots(scope, [contest.id], since, until, step=DAY, zone=zone)
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_BOOKED, asked)).all()
        sums = {slot.at.astimezone(ZoneInfo(zone)).date(): slot for slot in slots}
        booked = {row.day: Booked(row.sales, row.fees, row.refunded) for row in rows}
        days = [(day, sums.get(day) or Sums(), booked.get(day, Booked())) for day in sorted({*sums, *booked})]
        return Month(contest, first, days, parts["all"].get("", Sums()), {part: parts[part] for part in PARTS})
