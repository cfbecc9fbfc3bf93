"""How an evening goes, as the first page and a contest's own have it: figures of now, who leads, and the wallets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web
from markupsafe import Markup

from admin.access.guard import Me
from admin.figures import svg
from admin.figures.rules import MINUTE, day_start, filled, floor, month_start, moved, nice_top, pace_of, share
from admin.figures.store import FIGURES, Periods, Sums
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest, ContestState
from gateway.values.money import Money
from gateway.values.scope import Scope

_LEADERS: Final = 10
_MOVEMENT: Final = timedelta(hours=1)
_LATELY: Final = timedelta(minutes=15)
_CHART: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Period:
    """What was counted today, this month or in all. `money`: one amount a currency."""

    name: str
    votes: int
    money: Sequence[Money]


@dataclass(frozen=True, slots=True)
class Leader:
    """A place of the ranking. `moved`: places gained within the hour."""

    rank: int
    code: str
    name: str
    votes: int
    gained: int
    moved: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet as voters feel it, lately. `share`: of the requests that ended, those that were paid, in per cent;
    `seconds`: the median from the request on the phone to the counted vote."""

    method: str
    asked: int
    paid: int
    ended: int
    share: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns over time. `table`: the intervals with something in them; `peak`: the highest."""

    drawn: Markup
    top: int
    since: datetime
    until: datetime
    peak: tuple[datetime, int] | None
    table: Sequence[tuple[datetime, int]]


@dataclass(frozen=True, slots=True)
class Evening:
    """All of it. `at`: up to when it is counted; `pace`: votes a minute, of the last minute or two; `contests`: each
    with its own sums, those with most votes of the day first; `closed`: accounts that are not asked, and until when;
    `confirming`: votes that count once their operator has answered."""

    at: datetime
    periods: Sequence[Period]
    pace: int
    contests: Sequence[tuple[Contest, Periods]]
    leaders: Sequence[Leader]
    leading: Contest | None
    wallets: Sequence[Wallet]
    closed: Sequence[tuple[str, datetime]]
    chart: Chart
    confirming: int


def chart_of(known: Mapping[datetime, int], since: datetime, until: datetime, step: timedelta = MINUTE) -> Chart:
    """Columns of a span, one an interval."""
    points = filled(known, since, until, step)
    values = [value for _, value in points]
    top = nice_top(values)
    highest = max(points, key=lambda point: point[1], default=None)
    return Chart(
        svg.columns(values, top),
        top,
        floor(since, step),
        until,
        highest if highest and highest[1] > 0 else None,
        [point for point in points if point[1]],
    )


async def evening(request: web.Request, me: Me, contests: Sequence[Contest]) -> Evening:
    """How it goes for these contests together, or went at the moment of the past that is shown. Leaders are shown of
    the contest with most votes of the day, and of now."""
    figures, ids = request.app[FIGURES], [contest.id for contest in contests]
    at = me.as_of or await figures.read_at()
    starts = {one.id: (day_start(at, one.time_zone), month_start(at, one.time_zone)) for one in contests}
    held = await figures.periods(me.scope, starts, at)
    currencies = {contest.id: contest.price.currency for contest in contests}
    periods = []
    for name in ("day", "month", "ever"):
        sums: dict[str, int] = {}
        for one in held:
            currency = currencies[one.contest_id]
            sums[currency] = sums.get(currency, 0) + getattr(one, f"{name}_amount_minor")
        votes = sum(getattr(one, f"{name}_votes") for one in held)
        earned = {currency: minor for currency, minor in sums.items() if minor} or dict.fromkeys(sorted(sums)[:1], 0)
        periods.append(Period(name, votes, [Money(minor, currency) for currency, minor in sorted(earned.items())]))
    slots = await figures.slots(me.scope, ids, at - _CHART, at, step=MINUTE)
    known: dict[datetime, int] = {}
    for slot in slots:
        known[slot.at] = known.get(slot.at, 0) + slot.votes
    ever = {one.contest_id: one.ever_votes for one in held}
    leading = _leading(contests, {one.contest_id: (one.day_votes, one.ever_votes) for one in held})
    return Evening(
        at,
        periods,
        pace_of(known, at),
        _each(contests, held),
        await _leaders(request, me.scope, leading, at, ever[leading.id]) if leading and not me.as_of else [],
        leading,
        [] if me.as_of else await _wallets(request, me.scope, contests, at),
        [] if me.as_of else await figures.closed(),
        chart_of(known, at - _CHART, at),
        0 if me.as_of else sum(request.app[VOTING_SERVICE].confirming(contest.slug) for contest in contests),
    )


def _each(contests: Sequence[Contest], held: Sequence[Periods]) -> list[tuple[Contest, Periods]]:
    sums = {one.contest_id: one for one in held}
    found = [(contest, sums[contest.id]) for contest in contests if contest.id in sums]
    return sorted(found, key=lambda pair: (-pair[1].day_votes, -pair[1].ever_votes, pair[0].name))


def _leading(contests: Sequence[Contest], votes: Mapping[UUID, tuple[int, int]]) -> Contest | None:
    """The contest with most votes of its day; None before the first vote of all."""
    most = max(contests, key=lambda contest: votes.get(contest.id, (0, 0)), default=None)
    return most if most and any(votes.get(most.id, ())) else None


async def _leaders(request: web.Request, scope: Scope, contest: Contest, at: datetime, ever: int) -> list[Leader]:
    lately = await request.app[FIGURES].totals(scope, [contest.id], at - _MOVEMENT, at, ["candidate"])
    gained = {code: sums.votes for code, sums in lately["candidate"].items()}
    entries = request.app[VOTING_SERVICE].counted(contest.slug).entries
    places = moved({entry.code: entry.votes for entry in entries}, gained, ever)
    return [
        Leader(one.rank, one.code, one.name, one.votes, gained.get(one.code, 0), places[one.code])
        for one in entries[:_LEADERS]
    ]


async def _wallets(request: web.Request, scope: Scope, contests: Sequence[Contest], at: datetime) -> list[Wallet]:
    figures, ids = request.app[FIGURES], [contest.id for contest in contests]
    lately = (await figures.totals(scope, ids, at - _LATELY, at, ["method"]))["method"]
    waits = await figures.waits(scope, ids, at - _LATELY)
    return [_wallet(method, lately[method], waits.get(method)) for method in sorted(lately)]


def _wallet(method: str, sums: Sums, seconds: float | None) -> Wallet:
    # What is held, or goes back, was paid as well.
    paid = max(0, sums.paid + sums.held + sums.returned)
    ended = paid + max(0, sums.failed) + max(0, sums.expired)
    return Wallet(method, sums.asked, paid, ended, share(paid, ended), seconds)


def running(contests: Sequence[Contest]) -> list[Contest]:
    """Those whose votes are sold or were."""
    return [contest for contest in contests if contest.state is not ContestState.DRAFT]
