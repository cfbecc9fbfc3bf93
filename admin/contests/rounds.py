"""The rounds of a contest by page: added, renamed, moved, removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.contests.pages import PAGE
from admin.contests.store import STAFF_CONTESTS, ChangedMeanwhile, Held
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.contests.document import RoundPart
from gateway.contests.rounds import NAME_LENGTH_MAX, ROUNDS_MAX, Round, change_faults, order_faults
from gateway.values.names import is_readable
from gateway.values.numbers import whole_number
from gateway.values.time_zones import local
from payments.requests import Right

ROUNDS: Final = f"{PAGE}/{{slug}}/rounds"
_INSTANT: Final = "%Y-%m-%dT%H:%M"
_FIELDS: Final = ("name", "opens", "closes")


@dataclass(slots=True)
class Row:
    """A round in the form. `held`: as it is, None for a new one; `fault`: its phrase; `begun`: its beginning stays;
    `over`: its end too."""

    place: int
    typed: Mapping[str, str]
    held: Round | None = None
    begun: bool = False
    over: bool = False
    fault: str = ""
    read: Round | None = field(default=None, repr=False)


def rows_of(contest: Contest, typed: Form | None, now: datetime) -> list[Row]:
    """The lines of the form: a round each, and an empty one. `typed`: what was sent."""
    shown = [
        Row(
            place,
            {
                "name": one.name,
                "opens": f"{local(one.opens_at, contest.time_zone):{_INSTANT}}",
                "closes": f"{local(one.closes_at, contest.time_zone):{_INSTANT}}",
                "fresh": "1" if one.fresh else "0",
            },
            one,
            contest.public and one.opens_at <= now,
            contest.public and one.closes_at <= now,
        )
        for place, one in enumerate(contest.rounds, start=1)
    ]
    if len(shown) < ROUNDS_MAX:
        shown.append(Row(len(shown) + 1, {"name": "", "opens": "", "closes": "", "fresh": "1"}))
    if typed is not None:
        for row in shown:
            row.typed = {name: typed.get(f"{name}_{row.place}", value).strip() for name, value in row.typed.items()}
    return shown


def read_rows(rows: Sequence[Row], contest: Contest, typed: Form, now: datetime) -> tuple[Round, ...]:
    """The rounds that typed lines mean, in order of time; what is wrong stands in the lines."""
    for row in rows:
        removed = typed.get(f"remove_{row.place}") == "1"
        empty = row.held is None and not any(row.typed[name] for name in _FIELDS)
        if not removed and not empty:
            _read(row, contest)
    read = sorted(((row.read, row) for row in rows if row.read is not None), key=lambda pair: pair[0].opens_at)
    found = [replace(one, number=number) for number, (one, _) in enumerate(read, start=1)]
    if not any(row.fault for row in rows):
        faults = [*order_faults(found, contest.opens_at, contest.closes_at)]
        if contest.public:
            faults += change_faults(contest.rounds, found, now)
        for fault, number in reversed(faults):
            # Of one that was removed the line is the one that held it.
            line = read[number - 1][1] if number <= len(read) else rows[number - 1]
            line.fault = fault.value
    return tuple(found)


def _read(row: Row, contest: Contest) -> None:
    name = " ".join(row.typed["name"].split())
    if not is_readable(name) or len(name) > NAME_LENGTH_MAX:
        row.fault = "name"
        return
    opens = _instant(row.typed["opens"], row.held.opens_at if row.held else None, contest.time_zone)
    closes = _instant(row.typed["closes"], row.held.closes_at if row.held else None, contest.time_zone)
    if opens is None or closes is None:
        row.fault = "instant"
        return
    row.read = Round(row.place, name, opens, closes, row.typed["fresh"] == "1")


def _instant(typed: str, held: datetime | None, zone: str) -> datetime | None:
    """What is there, to its second, while nothing else was typed; None for what is no instant."""
    if held is not None and typed == f"{local(held, zone):{_INSTANT}}":
        return held
    try:
        read = datetime.fromisoformat(typed)
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@page(Right.READ_CONTESTS)
async def rounds(request: web.Request, me: Me) -> web.StreamResponse:
    """The rounds of a contest. 404."""
    held = await _held(request, me)
    return _show(request, me, held, rows_of(held.contest, None, request.app[VOTING_SERVICE].now()))


@form(Right.EDIT_CONTEST)
async def save(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Save the rounds, or show the form again with what is wrong in it."""
    held, now = await _held(request, me), request.app[VOTING_SERVICE].now()
    rows = rows_of(held.contest, fields, now)
    found = read_rows(rows, held.contest, fields, now)
    if any(row.fault for row in rows):
        return _show(request, me, held, rows, status=422)
    names = ("name", "opens_at", "closes_at", "fresh")
    parts = [RoundPart.model_validate({name: getattr(one, name) for name in names}) for one in found]
    contest = held.document.contest.model_copy(update={"rounds": parts})
    document = held.document.model_copy(update={"contest": contest, "candidates": []})
    known = whole_number(fields.get("version", "")) or -1
    try:
        await request.app[STAFF_CONTESTS].save(held.contest.slug, document, me.scope, me.email, known)
    except ChangedMeanwhile:
        return _show(request, me, await _held(request, me), rows, conflict=True, status=409)
    return see_other(ROUNDS.format(slug=held.contest.slug))


async def _held(request: web.Request, me: Me) -> Held:
    return await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)


def _show(
    request: web.Request, me: Me, held: Held, rows: Sequence[Row], *, conflict: bool = False, status: int = 200
) -> web.Response:
    return show(
        request,
        me,
        "contests/rounds.html",
        status=status,
        contest=held.contest,
        phase=held.contest.phase_at(request.app[VOTING_SERVICE].now()),
        rows=rows,
        conflict=conflict,
        name_max=NAME_LENGTH_MAX,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(ROUNDS, rounds)
    app.router.add_post(ROUNDS, save)
