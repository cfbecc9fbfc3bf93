"""A contest's charts, by page. Each shows what the rollups have, says what it counts, and has its table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web
from markupsafe import Markup

from admin.access.guard import Me, page, show
from admin.figures import svg
from admin.figures.evening import Chart, chart_of
from admin.figures.rules import DAY, HOUR, MINUTE, filled, floor, minutes_from, nice_top, share
from admin.figures.store import EVER, FIGURES, Figures, Slot, Sums
from admin.figures.summary import Funnel, funnel_of
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.storage.purging import MINUTE_DAYS
from gateway.values.money import Money
from gateway.values.time_zones import local
from payments.requests import Right

PAGE: Final = "/admin/contests/{slug}/figures"
_COMPARED: Final = 5
_TEN_MINUTES: Final = timedelta(minutes=10)
# Of the phrases that say by what candidates are compared.
_UNITS: Final = {_TEN_MINUTES: "minutes", HOUR: "hours", DAY: "days"}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that is offered. `length` None: all of it."""

    name: str
    step: timedelta
    length: timedelta | None


SPANS: Final = {
    one.name: one
    for one in (
        Span("hours", MINUTE, 6 * HOUR),
        Span("days", HOUR, 3 * DAY),
        Span("ever", DAY, None),
    )
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A channel, a wallet, a country or a prefix with its votes; `percent`: of all votes."""

    key: str
    votes: int
    amount: Money
    percent: int | None
    drawn: Markup


@dataclass(frozen=True, slots=True)
class Stage:
    """A step on the way to a counted vote; `left`: who did not come so far from the step before, in per cent."""

    name: str
    many: int
    left: int | None
    drawn: Markup


@dataclass(frozen=True, slots=True)
class Compared:
    """Candidates against each other. `table`: an interval with the votes of each."""

    names: Sequence[tuple[str, str]]
    top: int
    drawn: Markup
    table: Sequence[tuple[datetime, Sequence[int]]]


def bars(held: Mapping[str, Sums], currency: str) -> list[Bar]:
    """The most votes first."""
    whole, top = sum(one.votes for one in held.values()), max((one.votes for one in held.values()), default=0)
    ordered = sorted(held.items(), key=lambda item: (-item[1].votes, item[0]))
    return [
        Bar(key, one.votes, Money(one.amount, currency), share(one.votes, whole), svg.bar(one.votes, top))
        for key, one in ordered
        if one.votes
    ]


def by_country(by_prefix: Mapping[str, Sums]) -> dict[str, Sums]:
    """Sums of prefixes, by the country that each begins with."""
    found: dict[str, Counter[str]] = {}
    for prefix, one in by_prefix.items():
        found.setdefault(prefix.partition(" ")[0], Counter()).update(one.model_dump())
    return {country: Sums(**dict(sums)) for country, sums in found.items()}


def stages(funnel: Funnel) -> list[Stage]:
    """The steps in their order."""
    counts = [(name, getattr(funnel, name)) for name in Funnel.model_fields]
    top = max(many for _, many in counts)
    before = [None, *(many for _, many in counts)]
    return [
        Stage(name, many, share(max(0, earlier - many), earlier) if earlier else None, svg.bar(many, top))
        for (name, many), earlier in zip(counts, before, strict=False)
    ]


def compared(
    slots: Sequence[Slot], names: Mapping[str, str], since: datetime, until: datetime, step: timedelta
) -> Compared:
    """Lines of these candidates, in the order of `names`."""
    known: dict[str, dict[datetime, int]] = {code: {} for code in names}
    for slot in slots:
        if slot.key in known:
            known[slot.key][slot.at] = slot.votes
    points = [filled(known[code], since, until, step) for code in names]
    values = [[votes for _, votes in line] for line in points]
    top = nice_top(votes for line in values for votes in line)
    table = [
        (row[0][0], [votes for _, votes in row]) for row in zip(*points, strict=True) if any(votes for _, votes in row)
    ]
    return Compared(list(names.items()), top, svg.lines(values, top), table)


@page(Right.READ_ORDERS)
async def charts(request: web.Request, me: Me) -> web.StreamResponse:
    """A contest's charts of a stretch of time. 404."""
    figures = request.app[FIGURES]
    contest = await figures.contest(request.match_info["slug"], me.scope)
    at = me.as_of or await figures.read_at()
    chosen = SPANS.get(request.query.get("span", ""), SPANS["hours"])
    since = max(EVER, contest.opens_at) if chosen.length is None else at - chosen.length
    since = min(since, at)
    known_from = minutes_from(await figures.read_at())
    # No later one than the moment that is shown.
    since, at = (one if one >= known_from else floor(one, HOUR) for one in (since, at))
    whole = [contest.id]
    totals = await figures.totals(me.scope, whole, since, at, ["all", "channel", "method", "prefix", "candidate"])
    over = await _over_time(figures, me, contest, since, at, chosen)
    currency = contest.price.currency
    sums = totals["all"].get("", Sums())
    paid = sums.paid + sums.held + sums.returned
    return show(
        request,
        me,
        "figures/charts.html",
        contest=contest,
        phase=contest.phase_at(request.app[VOTING_SERVICE].now()),
        spans=SPANS,
        chosen=chosen.name,
        compared_by=_UNITS[_compared_step(chosen, since, known_from)],
        since=since,
        at=at,
        kept_days=MINUTE_DAYS,
        long_ago=since < known_from,
        over=over,
        sums=sums,
        earned=Money(sums.amount, currency),
        held=(Money(sums.held_amount, currency), share(sums.held, paid)),
        returned=(Money(sums.returned_amount, currency), share(sums.returned, paid)),
        by={
            "channel": bars(totals["channel"], currency),
            "method": bars(totals["method"], currency),
            "country": bars(by_country(totals["prefix"]), currency),
            "prefix": bars(totals["prefix"], currency),
        },
        stages=stages(funnel_of(await figures.steps(me.scope, whole, since, at), totals["channel"])),
        reasons=await figures.reasons(me.scope, contest.id, at if me.as_of else None),
        compared=await _compared(
            request, me, contest, totals["candidate"], since, at, _compared_step(chosen, since, known_from)
        ),
        candidates=[one for one in contest.candidates if one.has_code and one.public],
    )


async def _over_time(figures: Figures, me: Me, contest: Contest, since: datetime, at: datetime, chosen: Span) -> Chart:
    slots = await figures.slots(me.scope, [contest.id], since, at, step=chosen.step, zone=contest.time_zone)
    if chosen.step != DAY:
        return chart_of({slot.at: slot.votes for slot in slots}, since, at, chosen.step)
    first = local(since, contest.time_zone).replace(tzinfo=at.tzinfo)
    last = local(at, contest.time_zone).replace(tzinfo=at.tzinfo)
    days = {local(slot.at, contest.time_zone).replace(tzinfo=at.tzinfo): slot.votes for slot in slots}
    return chart_of(days, floor(first, DAY), last, DAY)


def _compared_step(chosen: Span, since: datetime, known_from: datetime) -> timedelta:
    """A minute is too short to compare people in; of long ago there are hours alone."""
    if chosen.step != MINUTE:
        return chosen.step
    return _TEN_MINUTES if since >= known_from else HOUR


async def _compared(
    request: web.Request,
    me: Me,
    contest: Contest,
    totals: Mapping[str, Sums],
    since: datetime,
    at: datetime,
    step: timedelta,
) -> Compared:
    names = {one.code: one.name for one in contest.candidates}
    wanted = [code for code in request.query.getall("candidate", []) if code in names][:_COMPARED]
    most = sorted((code for code in totals if code in names), key=lambda code: (-totals[code].votes, code))
    codes = list(dict.fromkeys(wanted)) or most[:_COMPARED]
    read = MINUTE if step == _TEN_MINUTES else step
    # Days are those of the contest's clocks, each by the instant of UTC that has its date.
    zone = contest.time_zone if step == DAY else "UTC"
    slots = await request.app[FIGURES].slots(me.scope, [contest.id], since, at, step=read, facet="candidate", zone=zone)
    merged: Counter[tuple[str, datetime]] = Counter()
    since, at = (local(instant, zone).replace(tzinfo=UTC) for instant in (since, at))
    for slot in slots:
        merged[slot.key, floor(local(slot.at, zone).replace(tzinfo=UTC), step)] += slot.votes
    rows = [Slot(key=key, at=when, votes=votes) for (key, when), votes in merged.items()]
    return compared(rows, {code: names[code] for code in codes}, since, at, step)


def setup(app: web.Application) -> None:
    """Serve them. The application needs FIGURES, VOTING_SERVICE and mounted pages."""
    app.router.add_get(PAGE, charts)
