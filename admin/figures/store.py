"""Votes, money and orders as the rollups have them: one model that page and API show.

A figure counts what happened within its span: a refund of today takes its votes out of today, whenever they were cast.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.figures.reasons import reasons_then
from admin.figures.rules import HOUR, MINUTE, cover, floor
from channels.messages.dialogue_steps import DialogueStep
from gateway.contests.contest import Contest
from gateway.contests.directory import read_contest
from gateway.http.endpoint import ApiModel
from gateway.storage.engine import scoped
from gateway.values.scope import Scope
from payments.requests import ActRefused, Why
from payments.rollups.store import SUMS

# Before anything was sold.
EVER: Final = datetime(2020, 1, 1, tzinfo=UTC)
# The last votes of a contest, whose time from the request to the count is looked at.
_LAST_VOTES: Final = 300
_SUMMED: Final = ", ".join(f"cast(coalesce(sum({name}), 0) as bigint) as {name}" for name in SUMS)
_OF: Final = "contest_id = any(cast(:contests as uuid[])) and facet = any(cast(:facets as text[]))"
_ROWS: Final = f"""(
  select * from rollup_hours where {_OF} and at >= :hours and at < :minutes
  union all select * from rollup_minutes where {_OF} and at >= :since and at < :hours
  union all select * from rollup_minutes where {_OF} and at >= :minutes and at < :until) r"""
_TOTALS: Final = text(f"select facet, key, {_SUMMED} from {_ROWS} group by 1, 2")
_BY_MINUTE: Final = text(f"""
select key, at, {_SUMMED} from rollup_minutes where {_OF} and at >= :since and at < :until group by 1, 2 order by 2
""")
_BY_HOUR: Final = text(f"select key, date_trunc('hour', at) as at, {_SUMMED} from {_ROWS} group by 1, 2 order by 2")
_BY_DAY: Final = text(f"""
select key, date_trunc('day', at, :zone) as at, {_SUMMED} from {_ROWS} group by 1, 2 order by 2
""")
_BY_CONTEST: Final = text(f"""
select c.id as contest_id,
  {
    ", ".join(
        f"cast(coalesce(sum(r.{n}) filter (where r.at >= c.{s}), 0) as bigint) as {s}_{n}"
        for s in ("day", "month", "ever")
        for n in ("votes", "amount_minor")
    )
}
from unnest(cast(:contests as uuid[]), cast(:days as timestamptz[]), cast(:months as timestamptz[]))
    as k(id, day, month) cross join lateral (select k.*, timestamptz '-infinity' as ever) c
  left join {_ROWS} on r.contest_id = c.id
group by 1
""")
# What was held waited for a person and not for the wallet.
_WAITS: Final = text(f"""
select p.method, cast(percentile_cont(0.5) within group (order by extract(epoch from p.settled_at - p.sent_at))
    as double precision) as seconds
from unnest(cast(:contests as uuid[])) as c(id) cross join lateral (
    select t.payment_reference from tally_entries t where t.contest_id = c.id and t.kind = 'vote'
    order by t.seq desc limit {_LAST_VOTES}) l
  join payments p on p.reference = l.payment_reference
where p.settled_at >= :since and p.sent_at is not null and p.decide_by is null
group by 1
""")
_TO_REVIEW: Final = text("""
select c.slug, c.name, (select count(*) from candidates k where k.contest_id = c.id and k.status = 'submitted')
  + (select count(*) from candidate_corrections r where r.contest_id = c.id and r.reason is null)
  + (select count(*) from video_uploads u join candidates k on k.id = u.candidate_id
      where u.contest_id = c.id and u.state = 'ready' and k.status in ('submitted', 'approved')) as many
from contests c where c.id = any(cast(:contests as uuid[])) order by c.name
""")
# A log is seconds behind its tally, unless it does not go on.
_UNLOGGED: Final = text("""
select c.slug, c.name, h.next_seq - l.next_seq as many
from contests c join contest_heads h on h.contest_id = c.id join log_heads l on l.contest_id = c.id
where c.id = any(cast(:contests as uuid[])) and now() - make_interval(secs => :seconds) > (
  select counted_at from tally_entries where contest_id = c.id and seq = l.next_seq)
order by c.name
""").bindparams(seconds=60)
_STEPS: Final = text("""
select step, cast(sum(many) as bigint) as many from dialogue_steps
where contest_id = any(cast(:contests as uuid[])) and at >= :since and at < :until group by 1
""")
_REASONS: Final = text("""
select coalesce(reason, 'not_answered') as reason, count(*) as many from (
  (select reason from payments where contest_id = :contest and status = 'failed' order by placed_at desc limit 1000)
  union all
  (select reason from payments where contest_id = :contest and status = 'expired' order by placed_at desc limit 1000)
) p group by 1 order by 2 desc, 1
""")
_CLOSED: Final = text("select account, closed_until from account_health where closed_until > now() order by account")
_READ_AT: Final = text("select read_at from rollup_position")


class Sums(ApiModel):
    """What happened in an interval. `held`, `failed` and `expired` count orders that came to be so, less those that no
    longer are; `returned`: that are not counted though they were paid, and go back."""

    orders: int = 0
    asked: int = 0
    paid: int = 0
    failed: int = 0
    expired: int = 0
    held: int = 0
    returned: int = 0
    votes: int = 0
    amount: int = Field(0, validation_alias="amount_minor")
    held_amount: int = Field(0, validation_alias="held_minor")
    returned_amount: int = Field(0, validation_alias="returned_minor")


class Slot(Sums):
    """An interval of a facet: of one channel, wallet or candidate. `at`: when it begins."""

    key: str
    at: datetime


class Periods(ApiModel):
    """Votes and money of a contest, in minor units: of the day and month of its own clocks, and in all."""

    contest_id: UUID
    day_votes: int
    day_amount_minor: int
    month_votes: int
    month_amount_minor: int
    ever_votes: int
    ever_amount_minor: int


class Figures:
    """Reads of the rollups. `contests`: within the scope of who asks."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read_at(self) -> datetime:
        """Up to when the rollups are complete, but for what is on its way."""
        async with self._engine.connect() as connection:
            at: datetime = (await connection.execute(_READ_AT)).scalar_one()
        return at

    async def contest(self, slug: str, scope: Scope) -> Contest:
        """The contest, also a draft. Raises ActRefused for one that is not in the scope."""
        async with scoped(self._engine, scope) as connection:
            found = await read_contest(connection, slug, scope)
        if found is None:
            raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
        return found

    async def closed(self) -> list[tuple[str, datetime]]:
        """Accounts at operators that are not asked, because they fail, each with until when."""
        async with self._engine.connect() as connection:
            return [(row.account, row.closed_until) for row in await connection.execute(_CLOSED)]

    async def totals(
        self, scope: Scope, contests: Sequence[UUID], since: datetime, until: datetime, facets: Sequence[str]
    ) -> dict[str, dict[str, Sums]]:
        """Sums of a span by facet and key."""
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_TOTALS, _asked(contests, since, until, facets))).all()
        found: dict[str, dict[str, Sums]] = {facet: {} for facet in facets}
        for row in rows:
            found[row.facet][row.key] = _read(Sums, row)
        return found

    async def slots(
        self,
        scope: Scope,
        contests: Sequence[UUID],
        since: datetime,
        until: datetime,
        *,
        step: timedelta,
        facet: str = "all",
        zone: str = "UTC",
    ) -> list[Slot]:
        """The intervals of a span in which something happened. `step`: a minute, an hour, or a day of `zone`."""
        asked = _asked(contests, since, until, [facet])
        async with scoped(self._engine, scope) as connection:
            rows = await _slots(connection, asked, step, zone)
        return [_read(Slot, row) for row in rows]

    async def periods(
        self, scope: Scope, starts: Mapping[UUID, tuple[datetime, datetime]], until: datetime
    ) -> list[Periods]:
        """Day, month and all time of contests. `starts`: when the day and the month of each began."""
        last = cover(until, until).until
        asked = {
            "contests": [*starts],
            "facets": ["all"],
            "days": [day for day, _ in starts.values()],
            "months": [month for _, month in starts.values()],
            "hours": EVER,
            "minutes": floor(last, HOUR),
            "since": last,
            "until": last,
        }
        async with scoped(self._engine, scope) as connection:
            return [_read(Periods, row) for row in await connection.execute(_BY_CONTEST, asked)]

    async def waits(self, scope: Scope, contests: Sequence[UUID], since: datetime) -> dict[str, float]:
        """By wallet, the median seconds from the request on the payer's phone to the counted vote, of the last votes
        that were counted since."""
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_WAITS, {"contests": [*contests], "since": since})).all()
        return {row.method: row.seconds for row in rows}

    async def steps(
        self, scope: Scope, contests: Sequence[UUID], since: datetime, until: datetime
    ) -> dict[DialogueStep, int]:
        """How many USSD dialogues of a span came how far."""
        asked = {"contests": [*contests], "since": floor(since, MINUTE), "until": until}
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_STEPS, asked)).all()
        return dict.fromkeys(DialogueStep, 0) | {DialogueStep(row.step): row.many for row in rows}

    async def reasons(self, scope: Scope, contest: UUID, at: datetime | None = None) -> list[tuple[str, int]]:
        """Why the newest orders of a contest that were not paid were not, the most frequent reason first. `at`: those
        that were placed by then, and not paid then; None: now."""
        async with scoped(self._engine, scope) as connection:
            if at is not None:
                return await reasons_then(connection, contest, at)
            rows = (await connection.execute(_REASONS, {"contest": contest})).all()
        return [(row.reason, row.many) for row in rows]

    async def unlogged(self, scope: Scope, contests: Sequence[UUID]) -> list[tuple[str, str, int]]:
        """Address and name of contests whose public log does not go on, with how many entries it lacks."""
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_UNLOGGED, {"contests": [*contests]})).all()
        return [(row.slug, row.name, row.many) for row in rows]

    async def to_review(self, scope: Scope, contests: Sequence[UUID]) -> list[tuple[str, str, int]]:
        """Address and name of contests, with how many candidates, corrections and videos wait there for a person."""
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_TO_REVIEW, {"contests": [*contests]})).all()
        return [(row.slug, row.name, row.many) for row in rows]


FIGURES: web.AppKey[Figures] = web.AppKey("figures", Figures)


async def _slots(
    connection: AsyncConnection, asked: Mapping[str, Any], step: timedelta, zone: str
) -> Sequence[Row[Any]]:
    if step == MINUTE:
        return (await connection.execute(_BY_MINUTE, asked)).all()
    if step == HOUR:
        return (await connection.execute(_BY_HOUR, asked)).all()
    return (await connection.execute(_BY_DAY, {**asked, "zone": zone})).all()


def _asked(contests: Sequence[UUID], since: datetime, until: datetime, facets: Sequence[str]) -> dict[str, Any]:
    covered = cover(since, until)
    return {
        "contests": [*contests],
        "facets": [*facets],
        "since": covered.since,
        "hours": covered.hours,
        "minutes": covered.minutes,
        "until": covered.until,
    }


def _read(kind: type[Any], row: Row[Any]) -> Any:  # noqa: ANN401 - of each kind
    return kind.model_validate(row, from_attributes=True)
