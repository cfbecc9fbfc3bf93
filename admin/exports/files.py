"""Files of a contest for spreadsheets, by page and by API, sent while they are read."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, Field

from admin.access.guard import Form, Me, api_call, form, new_key, page, problem_of_frozen, query_of, say, see_other
from admin.answers import SIGNED_IN, TAG, AsOf, check_proof, problem_of
from admin.candidates.store import CANDIDATES
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.exports.lines import Lines, head, journal_lines, order_lines, written_in
from admin.exports.rules import Kind
from admin.exports.store import EXPORTS, Wanted
from admin.exports.tables import CANDIDATE_COLUMNS, Written, candidate_cells
from admin.orders.contest_orders import read_filter
from admin.orders.filters import OrderFilter
from admin.orders.listed import LISTED
from admin.services import PAYMENTS
from gateway.contests.contest import Contest
from gateway.http.endpoint import InputModel, Line, check, described
from gateway.http.pages import PAGES
from gateway.http.problems import Problem
from gateway.values.csv_text import csv_lines
from payments.ledger.book import MoneyRefused
from payments.requests import ActRefused, Right, reasoned

API: Final = f"{CONTESTS_API}/{{slug}}/exports"
PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/exports"
CSV_TYPE: Final = "text/csv"
PDF_TYPE: Final = "application/pdf"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NOT_ALLOWED: Final = "/problems/not_allowed"


class Nothing(InputModel):
    """Nothing more."""


class OrderExport(OrderFilter):
    """Which orders of a contest, and whether with whole numbers."""

    reason: Line = Field(
        "",
        max_length=500,
        description="Why whole numbers are wanted, for the record; they want the right to see them, and a proof.",
    )


def file_name(contest: str, what: str, at: datetime, kind: str) -> str:
    """How an exported file is called."""
    return f"spotlight-{contest}-{what}-{at:%Y%m%dT%H%M%SZ}.{kind}"


def attached(name: str, media: str) -> dict[str, str]:
    """Headers of a file that a browser keeps."""
    return {
        hdrs.CONTENT_TYPE: media,
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        hdrs.CACHE_CONTROL: "no-store",
    }


def written_for(request: web.Request, contest: Contest) -> Written:
    """How cells are written for who asks."""
    pages = request.config_dict[PAGES]
    return written_in(pages, pages.language_of(request), contest)


async def whole_file(
    request: web.Request, me: Me, contest: Contest, what: str, media: str, data: bytes
) -> web.StreamResponse:
    """A finished file. `what`: in its name, with its kind behind a dot."""
    await request.app[EXPORTS].made(me.email, contest, {"what": what})
    name, _, kind = what.rpartition(".")
    return web.Response(body=data, headers=attached(file_name(contest.slug, name, datetime.now(UTC), kind), media))


async def _send(
    request: web.Request, me: Me, contest: Contest, lines: Lines, noted: Mapping[str, str]
) -> web.StreamResponse:
    """The file, while it is read. What is refused is refused before anything is sent."""
    first = [await anext(lines), await anext(lines, "")]
    await request.app[EXPORTS].made(me.email, contest, noted)
    name = file_name(contest.slug, noted["what"], datetime.now(UTC), "csv")
    response = web.StreamResponse(headers=attached(name, f"{CSV_TYPE}; charset=utf-8"))
    await response.prepare(request)
    for line in first:
        await response.write(line.encode())
    async for line in lines:
        await response.write(line.encode())
    await response.write_eof()
    return response


async def _of_candidates(request: web.Request, me: Me, slug: str, at: datetime | None) -> web.StreamResponse:
    standing = await request.app[CANDIDATES].standing(slug, me.scope, at)
    by = written_for(request, standing.contest)

    async def lines() -> Lines:
        yield head(by, CANDIDATE_COLUMNS)
        people = standing.contest.candidates
        yield csv_lines((candidate_cells(one, standing.votes[one.code], by) for one in people), by.separator)

    return await _send(request, me, standing.contest, lines(), {"what": "candidates"})


async def _of_orders(
    request: web.Request, me: Me, contest: Contest, kind: Kind, wanted: OrderFilter, reason: str = ""
) -> web.StreamResponse:
    """`reason`: why whole numbers are exported; empty: they are masked."""
    by = written_for(request, contest)
    lines = order_lines(request.app[LISTED], contest, me.scope, kind, wanted, by, whole=bool(reason))
    return await _send(request, me, contest, lines, Wanted(kind, wanted, by.language, reason=reason).noted)


async def _of_journal(request: web.Request, me: Me, contest: Contest, at: datetime | None) -> web.StreamResponse:
    by, wanted = written_for(request, contest), OrderFilter(as_of=at)
    return await _send(
        request,
        me,
        contest,
        journal_lines(request.app[PAYMENTS].book, contest, me.scope, wanted, by),
        {"what": Kind.JOURNAL.value},
    )


def file_at(
    right: Right,
    words: str,
    *,
    query: type[BaseModel] = Nothing,
    path: type[ContestPath] = ContestPath,
    media: str = CSV_TYPE,
    refusals: tuple[int, ...] = (),
) -> Callable[[Callable[..., Awaitable[web.StreamResponse]]], Handler]:
    """An address of the API that answers with a file, of a coroutine that takes the path and the query. `words`: what
    the document tells of it."""

    def wrap(serve: Callable[..., Awaitable[web.StreamResponse]]) -> Handler:
        async def handler(request: web.Request, me: Me) -> web.StreamResponse:
            named = check(path, "path", dict(request.match_info))
            asked = check(query, "query", dict(request.query))
            try:
                return await serve(request, me, named, asked)
            except (ActRefused, MoneyRefused) as error:
                raise problem_of(error) from None

        handler.__doc__ = words
        document = described(
            returns={200: None},
            query=query,
            path=path,
            problems=(*SIGNED_IN, 404, 422, *refusals),
            tag=TAG,
            media=media,
        )
        return document(api_call(right)(handler))

    return wrap


def shown_numbers(me: Me, reason: str) -> str:
    """The reason for whole numbers, once they may be shown; empty where they are not asked for. Problem 403; raises
    ActRefused."""
    if not reason:
        return ""
    if Right.SEE_NUMBER not in me.rights:
        raise Problem(403, "Not allowed", f"Your role lacks the right {Right.SEE_NUMBER.value}.", kind=NOT_ALLOWED)
    if me.stopped:
        raise problem_of_frozen()
    check_proof(me)
    return reasoned(reason)


async def _orders_by_api(
    kind: Kind, request: web.Request, me: Me, path: ContestPath, query: OrderExport
) -> web.StreamResponse:
    contest = await request.app[LISTED].contest(path.slug, me.scope)
    return await _of_orders(request, me, contest, kind, query, shown_numbers(me, query.reason))


async def _candidates_by_api(request: web.Request, me: Me, path: ContestPath, query: AsOf) -> web.StreamResponse:
    return await _of_candidates(request, me, path.slug, query.as_of)


async def _journal_by_api(request: web.Request, me: Me, path: ContestPath, query: AsOf) -> web.StreamResponse:
    contest = await request.app[LISTED].contest(path.slug, me.scope)
    return await _of_journal(request, me, contest, query.as_of)


@page(Right.READ_CONTESTS)
async def candidates_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The candidates of a contest, as an import reads them again. 404."""
    return await _of_candidates(request, me, request.match_info["slug"], me.as_of)


@page(Right.READ_MONEY)
async def journal_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The journal of the book of a contest; a long one in the background. 404."""
    contest = await request.app[LISTED].contest(request.match_info["slug"], me.scope)
    at_most = request.app[EXPORTS].rows_at_once + 1
    legs = await request.app[PAYMENTS].book.journal_length(me.scope, at=me.as_of, contest=contest.slug, at_most=at_most)
    if is_long(request, me, legs):
        return to_prepared(contest, Kind.JOURNAL)
    return await _of_journal(request, me, contest, me.as_of)


def is_long(request: web.Request, me: Me, rows: int) -> bool:
    """Whether a file of so many lines is made in the background. Who may change nothing asks for none: it is sent."""
    return rows > request.app[EXPORTS].rows_at_once and not me.stopped


def to_prepared(contest: Contest, what: str, query: str = "") -> web.Response:
    """To the page that has it made. `query`: which orders, as the end of an address."""
    return see_other(f"{PAGE.format(slug=contest.slug)}?what={what}" + (f"&{query}" if query else ""))


async def _orders_by_page(
    kind: Kind, request: web.Request, me: Me, typed: Form, reason: str = ""
) -> web.StreamResponse:
    contest = await request.app[LISTED].contest(request.match_info["slug"], me.scope)
    read, faults = read_filter(typed, contest, me.zone, me.as_of)
    if read is None or faults:
        return say(request, 422, "unreadable", me)
    exports = request.app[EXPORTS]
    rows = await request.app[LISTED].count_looked_at(contest, me.scope, read, exports.rows_at_once + 1)
    if not is_long(request, me, rows):
        return await _of_orders(request, me, contest, kind, read, reason)
    if not reason:
        return to_prepared(contest, kind, read.query())
    wanted = Wanted(kind, read, request.config_dict[PAGES].language_of(request), reason=reason)
    await exports.ask(contest, me.scope, wanted, me.email, typed.get("key") or new_key())
    return see_other(PAGE.format(slug=contest.slug))


@page(Right.READ_ORDERS)
async def orders_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The orders that a filter leaves, numbers masked; many in the background. 404."""
    return await _orders_by_page(Kind.ORDERS, request, me, query_of(request))


@page(Right.READ_ORDERS)
async def payments_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The payments of the orders that a filter leaves, numbers masked; many in the background. 404."""
    return await _orders_by_page(Kind.PAYMENTS, request, me, query_of(request))


@form(Right.SEE_NUMBER, proof=True)
async def orders_with_numbers(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """The orders that a filter leaves, with whole numbers, for a reason. 404."""
    return await _orders_by_page(Kind.ORDERS, request, me, fields, reasoned(fields.get("reason", "")))


@form(Right.SEE_NUMBER, proof=True)
async def payments_with_numbers(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """The payments of the orders that a filter leaves, with whole numbers, for a reason. 404."""
    return await _orders_by_page(Kind.PAYMENTS, request, me, fields, reasoned(fields.get("reason", "")))


_FILTERED: Final = """

    Filters are those of the list. In French cells are separated by semicolons. Numbers come masked, unless a reason is
    given by who may see them and proved lately who they are. Every export is in the audit log. For long ones,
    have it made in the background: POST to the address of exports.
    """


def setup(app: web.Application) -> None:
    """Serve them. The application needs CANDIDATES, EXPORTS, LISTED, PAYMENTS and mounted pages."""
    router = app.router
    words = "Export the candidates of a contest, as an import reads them again."
    candidates = file_at(Right.READ_CONTESTS, words, query=AsOf)
    orders = file_at(Right.READ_ORDERS, f"Export the orders of a contest.{_FILTERED}", query=OrderExport)
    payments = file_at(Right.READ_ORDERS, f"Export the payments of a contest.{_FILTERED}", query=OrderExport)
    journal = file_at(Right.READ_MONEY, "Export the journal of the book of a contest.", query=AsOf)
    router.add_get(f"{API}/candidates.csv", candidates(_candidates_by_api))
    router.add_get(f"{API}/orders.csv", orders(partial(_orders_by_api, Kind.ORDERS)))
    router.add_get(f"{API}/payments.csv", payments(partial(_orders_by_api, Kind.PAYMENTS)))
    router.add_get(f"{API}/journal.csv", journal(_journal_by_api))
    router.add_get(f"{PAGE}/candidates.csv", candidates_page)
    router.add_get(f"{PAGE}/orders.csv", orders_page)
    router.add_get(f"{PAGE}/payments.csv", payments_page)
    router.add_get(f"{PAGE}/journal.csv", journal_page)
    router.add_post(f"{PAGE}/orders.csv", orders_with_numbers)
    router.add_post(f"{PAGE}/payments.csv", payments_with_numbers)
