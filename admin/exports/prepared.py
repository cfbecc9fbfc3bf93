"""Exports that are made in the background: asked for, watched, cancelled and opened, by page and by API."""

import re
from collections.abc import Sequence
from contextlib import aclosing
from datetime import date
from typing import Any, Final
from uuid import UUID

from aiohttp import hdrs, web
from markupsafe import Markup
from pydantic import Field, model_validator

from admin.access.guard import (
    Form,
    Me,
    form,
    new_key,
    page,
    part_of_page,
    problem_of_frozen,
    query_of,
    say,
    see_other,
    show,
)
from admin.answers import read_id, staff_endpoint
from admin.contests.api import ContestPath
from admin.exports.files import (
    API,
    CSV_TYPE,
    NOT_ALLOWED,
    PAGE,
    XLSX_TYPE,
    Nothing,
    attached,
    file_at,
    file_name,
    shown_numbers,
)
from admin.exports.month import read_month
from admin.exports.rules import OF_ORDERS, UNFINISHED, Kind, State, is_open_to
from admin.exports.store import EXPORTS, Export, Wanted
from admin.figures.live import LIVE
from admin.orders.contest_orders import last_months, read_filter
from admin.orders.filters import OrderFilter
from admin.orders.listed import LISTED
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.http.endpoint import ApiModel, Line, Reply, invalid
from gateway.http.pages import PAGES
from gateway.http.problems import Problem
from payments.requests import ActRefused, Right, Why, reasoned

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_MONTH: Final = "month-"
_MOVING: Final = "exports/moving.html"


class NewExport(OrderFilter):
    """What is to be exported in the background. A filter is of orders and payments alone."""

    kind: Kind
    month: str | None = Field(None, pattern=r"^[0-9]{4}-[0-9]{2}$", description="For `month`, like 2026-11.")
    reason: Line = Field(
        "",
        max_length=500,
        description="Why whole numbers are wanted, for the record; they want the right to see them, and a proof.",
    )

    @model_validator(mode="after")
    def _of_this_kind(self) -> "NewExport":
        if (self.kind is Kind.MONTH) is (self.month is None):
            raise ValueError("month is named for the kind month, and for no other")
        if self.month is not None and read_month(self.month) is None:
            raise ValueError("there is no such month")
        if self.kind not in OF_ORDERS and (self.named() or self.reason):
            raise ValueError("a filter and a reason are for orders and payments alone")
        return self


class ExportPath(ContestPath):
    """The export that is meant."""

    export_id: UUID


class ExportList(ApiModel):
    """Exports of a contest that were made in the background, the newest first."""

    exports: list[Export]


def _key_of(request: web.Request) -> str:
    """Problem 422."""
    given = request.headers.get(IDEMPOTENCY_KEY)
    if given is None:
        return new_key()
    if not _KEY.fullmatch(given):
        raise invalid([{"loc": ["header", IDEMPOTENCY_KEY], "msg": "1 to 200 visible ASCII characters are wanted"}])
    return given


@staff_endpoint(
    Right.READ_ORDERS,
    path=ContestPath,
    body=NewExport,
    headers={IDEMPOTENCY_KEY: "1 to 200 visible ASCII characters. The same key of a person is the same export."},
    returns={201: Export},
    problems=(404, 409),
)
async def ask(request: web.Request, me: Me, *, path: ContestPath, body: NewExport) -> Reply:
    """Have an export made in the background.

    For long ones. A worker writes the file; ask for it by its id until its state is `ready`, then take it from `/file`
    within a day.
    """
    if me.stopped:
        raise problem_of_frozen()
    if body.kind.right not in me.rights:
        raise _lacking(body.kind.right)
    reason, key = shown_numbers(me, body.reason), _key_of(request)
    contest = await request.app[LISTED].contest(path.slug, me.scope)
    if body.candidate is not None and contest.candidate(body.candidate) is None:
        raise ActRefused(Why.UNKNOWN, f"there is no candidate {body.candidate!r} in {contest.slug}")
    month = None if body.month is None else read_month(body.month)
    wanted = Wanted(body.kind, body, request.config_dict[PAGES].language_of(request), month, reason)
    return Reply(201, await request.app[EXPORTS].ask(contest, me.scope, wanted, me.email, key))


def _lacking(right: Right) -> Problem:
    return Problem(403, "Not allowed", f"Your role lacks the right {right.value}.", kind=NOT_ALLOWED)


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: ExportList}, problems=(404,))
async def listed(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """List the exports of a contest that were made in the background, or are.

    Those that your role may ask for, of everybody, by which they were asked for.
    """
    return Reply(200, ExportList(exports=[*await _listed(request, me, path.slug)]))


async def _listed(request: web.Request, me: Me, slug: str) -> Sequence[Export]:
    contest = await request.app[LISTED].contest(slug, me.scope)
    return [one for one in await request.app[EXPORTS].listed(contest, me.scope) if one.kind.right in me.rights]


async def _one(request: web.Request, me: Me, slug: str, export_id: UUID) -> tuple[Contest, Export]:
    """Raises ActRefused, too, for one of a kind that their role does not read."""
    contest = await request.app[LISTED].contest(slug, me.scope)
    found = await request.app[EXPORTS].one(contest, me.scope, export_id)
    if found.kind.right not in me.rights:
        raise ActRefused(Why.UNKNOWN, f"there is no export {export_id}")
    return contest, found


@staff_endpoint(Right.READ_ORDERS, path=ExportPath, returns={200: Export}, problems=(404,))
async def one(request: web.Request, me: Me, *, path: ExportPath) -> Reply:
    """Tell how far an export is."""
    return Reply(200, (await _one(request, me, path.slug, path.export_id))[1])


@staff_endpoint(Right.READ_ORDERS, path=ExportPath, returns={200: Export}, problems=(404, 409))
async def cancel(request: web.Request, me: Me, *, path: ExportPath) -> Reply:
    """Stop making an export that you asked for."""
    if me.stopped:
        raise problem_of_frozen()
    contest, found = await _one(request, me, path.slug, path.export_id)
    return Reply(200, await request.app[EXPORTS].cancel(contest, me.scope, found.id, me.email))


async def _file_by_api(request: web.Request, me: Me, path: ExportPath, _: Nothing) -> web.StreamResponse:
    contest, found = await _one(request, me, path.slug, path.export_id)
    if not _opens(me, found):
        raise _lacking(Right.SEE_NUMBER)
    if found.state in UNFINISHED:
        raise ActRefused(Why.IMPOSSIBLE, "the file is not finished yet")
    sent = await _send(request, me, contest, found)
    if sent is None:
        raise Problem(410, "Gone", "The file is not kept any more. Ask for it again.", kind="/problems/export_gone")
    return sent


def _opens(me: Me, export: Export) -> bool:
    """Whether they may open it."""
    own = export.asked_by == me.email
    return is_open_to(export.kind, me.rights, whole=export.whole, own=own, stopped=me.stopped)


async def _send(request: web.Request, me: Me, contest: Contest, export: Export) -> web.StreamResponse | None:
    """The file; None where there is none any more."""
    exports = request.app[EXPORTS]
    stored = await exports.open(export) if export.state is State.READY else None
    if stored is None or export.finished_at is None:
        return None
    async with aclosing(stored.parts) as parts:
        numbers = "whole" if export.whole else "masked"
        noted = {"what": export.what, "filter": export.query, "numbers": numbers, "export": str(export.id)}
        await exports.made(me.email, contest, noted)
        media = XLSX_TYPE if export.kind is Kind.MONTH else f"{CSV_TYPE}; charset=utf-8"
        headers = attached(file_name(contest.slug, export.what, export.finished_at, export.ending), media)
        response = web.StreamResponse(headers={**headers, hdrs.CONTENT_LENGTH: str(stored.size)})
        await response.prepare(request)
        async for part in parts:
            await response.write(part)
        await response.write_eof()
    return response


@page(Right.READ_ORDERS)
async def prepared_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Exports of a contest, and the form that asks for one. 404."""
    typed = query_of(request)
    contest = await request.app[LISTED].contest(request.match_info["slug"], me.scope)
    read, faults = read_filter(typed, contest, me.zone, me.as_of)
    if read is None or faults:
        return say(request, 422, "unreadable", me)
    now = request.app[VOTING_SERVICE].now()
    found = await _listed(request, me, contest.slug)
    return show(
        request,
        me,
        "exports/prepared.html",
        phase=contest.phase_at(now),
        what=typed.get("what", ""),
        filter=read.named(),
        months=last_months(contest, now) if Right.READ_MONEY in me.rights and not me.as_of else [],
        **_shown(contest, found, me),
    )


def _shown(contest: Contest, found: Sequence[Export], me: Me) -> dict[str, Any]:
    """What the moving part of the page is filled with."""
    return {
        "contest": contest,
        "exports": found,
        "moves": any(one.state in UNFINISHED for one in found),
        "opens": {one.id for one in found if one.state is State.READY and _opens(me, one)},
        "unfinished": UNFINISHED,
    }


@page(Right.READ_ORDERS)
async def live(request: web.Request, me: Me) -> web.StreamResponse:
    """The list as it moves. 404."""
    slug = request.match_info["slug"]
    contest = await request.app[LISTED].contest(slug, me.scope)

    async def part() -> Markup:
        return part_of_page(request, me, _MOVING, **_shown(contest, await _listed(request, me, slug), me))

    return await request.app[LIVE].stream(request, part)


@form(Right.READ_ORDERS)
async def ask_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Have an export made. 404, 409."""
    return await _ask_by_page(request, me, fields, "")


@form(Right.SEE_NUMBER, proof=True)
async def ask_with_numbers(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Have an export made with whole numbers. 404, 409."""
    return await _ask_by_page(request, me, fields, reasoned(fields.get("reason", "")))


async def _ask_by_page(request: web.Request, me: Me, fields: Form, reason: str) -> web.StreamResponse:
    if me.stopped:
        return say(request, 403, "refused_frozen", me)
    contest = await request.app[LISTED].contest(request.match_info["slug"], me.scope)
    read, faults = read_filter(fields, contest, me.zone, me.as_of)
    chosen = _chosen(fields.get("what", ""))
    if chosen is None or read is None or faults or (reason and chosen[0] not in OF_ORDERS):
        return say(request, 422, "unreadable", me)
    kind, month = chosen
    if kind.right not in me.rights:
        return say(request, 403, "not_allowed", me)
    wanted = (
        OrderFilter.model_validate(read.model_dump(include=set(OrderFilter.model_fields)))
        if kind in OF_ORDERS
        else OrderFilter(as_of=me.as_of)
    )
    language = request.config_dict[PAGES].language_of(request)
    asked = Wanted(kind, wanted, language, month, reason)
    await request.app[EXPORTS].ask(contest, me.scope, asked, me.email, fields.get("key") or new_key())
    return see_other(PAGE.format(slug=contest.slug))


def _chosen(what: str) -> tuple[Kind, date | None] | None:
    """A choice of the form: a kind, or `month-2026-11`; None for what is none."""
    if what.startswith(_MONTH):
        month = read_month(what.removeprefix(_MONTH))
        return None if month is None else (Kind.MONTH, month)
    return (Kind(what), None) if what in {*Kind} - {Kind.MONTH} else None


@form(Right.READ_ORDERS)
async def cancel_by_page(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Stop making an export. 404, 409."""
    if me.stopped:
        return say(request, 403, "refused_frozen", me)
    export_id = read_id(request, "export_id")
    if export_id is None:
        return say(request, 404, "unreadable", me)
    contest, found = await _one(request, me, request.match_info["slug"], export_id)
    await request.app[EXPORTS].cancel(contest, me.scope, found.id, me.email)
    return see_other(PAGE.format(slug=contest.slug))


@page(Right.READ_ORDERS)
async def file_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The file of an export. 404, 409, 410."""
    export_id = read_id(request, "export_id")
    if export_id is None:
        return say(request, 404, "unreadable", me)
    contest, found = await _one(request, me, request.match_info["slug"], export_id)
    if not _opens(me, found):
        return say(request, 403, "not_allowed", me)
    if found.state in UNFINISHED:
        return say(request, 409, "export_unfinished", me)
    return await _send(request, me, contest, found) or say(request, 410, "export_gone", me)


def setup(app: web.Application) -> None:
    """Serve them, behind the files that are sent at once. The application needs EXPORTS, LISTED, LIVE, VOTING_SERVICE
    and mounted pages."""
    router = app.router
    words = """Take the file of an export that is ready.

    For a day. With whole numbers only for who asked for it. Each time is in the audit log.
    """
    file = file_at(Right.READ_ORDERS, words, path=ExportPath, refusals=(409, 410))
    router.add_get(API, listed)
    router.add_post(API, ask)
    router.add_get(f"{API}/{{exportId}}", one)
    router.add_post(f"{API}/{{exportId}}/cancel", cancel)
    router.add_get(f"{API}/{{exportId}}/file", file(_file_by_api))
    router.add_get(PAGE, prepared_page)
    router.add_post(PAGE, ask_by_page)
    router.add_get(f"{PAGE}/live", live, allow_head=False)
    router.add_post(f"{PAGE}/numbers", ask_with_numbers)
    router.add_post(f"{PAGE}/{{export_id}}/cancel", cancel_by_page)
    router.add_get(f"{PAGE}/{{export_id}}/file", file_page)
    # Where a form leads whose sender had to sign in again.
    for address in (f"{PAGE}/numbers", f"{PAGE}/{{export_id}}/cancel"):
        router.add_get(address, prepared_page)
