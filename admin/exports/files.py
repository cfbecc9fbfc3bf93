"""Files of a contest for spreadsheets, by page and by API, sent while they are read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, Field

from admin.access.guard import Form, Me, api_call, form, operator_of, page, problem_of_frozen, query_of, say, word_of
from admin.answers import SIGNED_IN, TAG, AsOf, check_proof, problem_of
from admin.candidates.store import CANDIDATES
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.exports.notes import EXPORTS
from admin.exports.tables import (
    CANDIDATE_COLUMNS,
    MARK,
    ORDER_COLUMNS,
    PAYMENT_COLUMNS,
    Written,
    candidate_cells,
    order_cells,
    payment_cells,
)
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
# Of a kind of file its columns, and how a line of it is written.
_NOT_ALLOWED: Final = "/problems/not_allowed"
_OF_ORDERS: Final = {"orders": (ORDER_COLUMNS, order_cells), "payments": (PAYMENT_COLUMNS, payment_cells)}
Lines = AsyncIterator[str]


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
    language = pages.language_of(request)
    return Written(
        language, contest.time_zone, partial(word_of, pages, language), partial(operator_of, pages, language)
    )


async def whole_file(
    request: web.Request, me: Me, contest: Contest, what: str, media: str, data: bytes
) -> web.StreamResponse:
    """A finished file. `what`: in its name, with its kind behind a dot."""
    await request.app[EXPORTS].made(me.email, contest.slug, contest.id, {"what": what})
    name, _, kind = what.rpartition(".")
    return web.Response(body=data, headers=attached(file_name(contest.slug, name, datetime.now(UTC), kind), media))


async def _send(
    request: web.Request, me: Me, contest: Contest, what: str, lines: Lines, **noted: str
) -> web.StreamResponse:
    """The file, while it is read. What is refused is refused before anything is sent."""
    first = [await anext(lines), await anext(lines, "")]
    await request.app[EXPORTS].made(me.email, contest.slug, contest.id, {"what": what, **noted})
    name = file_name(contest.slug, what, datetime.now(UTC), "csv")
    response = web.StreamResponse(headers=attached(name, f"{CSV_TYPE}; charset=utf-8"))
    await response.prepare(request)
    for line in first:
        await response.write(line.encode())
    async for line in lines:
        await response.write(line.encode())
    await response.write_eof()
    return response


def _head(by: Written, columns: tuple[str, ...]) -> str:
    return MARK + csv_lines([[by.word("admin_export_column", column) for column in columns]], by.separator)


async def _of_candidates(request: web.Request, me: Me, slug: str, at: datetime | None) -> web.StreamResponse:
    standing = await request.app[CANDIDATES].standing(slug, me.scope, at)
    by = written_for(request, standing.contest)

    async def lines() -> Lines:
        yield _head(by, CANDIDATE_COLUMNS)
        people = standing.contest.candidates
        yield csv_lines((candidate_cells(one, standing.votes[one.code], by) for one in people), by.separator)

    return await _send(request, me, standing.contest, "candidates", lines())


async def _of_orders(
    request: web.Request, me: Me, contest: Contest, what: str, wanted: OrderFilter, reason: str = ""
) -> web.StreamResponse:
    """`reason`: why whole numbers are exported; empty: they are masked."""
    by, (columns, cells) = written_for(request, contest), _OF_ORDERS[what]

    async def lines() -> Lines:
        yield _head(by, columns)
        async for part in request.app[LISTED].each(contest, me.scope, wanted, whole=bool(reason)):
            yield csv_lines((cells(line, by) for line in part), by.separator)

    noted = {"filter": wanted.query(), "numbers": "whole" if reason else "masked"}
    return await _send(request, me, contest, what, lines(), **noted, **({"reason": reason} if reason else {}))


async def _of_journal(request: web.Request, me: Me, slug: str, at: datetime | None) -> web.StreamResponse:
    contest = await request.app[LISTED].contest(slug, me.scope)
    separator = written_for(request, contest).separator
    book = request.app[PAYMENTS].book.journal_csv(me.scope, at=at, contest=contest.slug, separator=separator)

    async def lines() -> Lines:
        yield MARK + await anext(book)
        async for line in book:
            yield line

    return await _send(request, me, contest, "journal", lines())


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


def _shown_numbers(me: Me, reason: str) -> str:
    """The reason for whole numbers, once they may be shown; empty where they are not asked for. Problem 403; raises
    ActRefused."""
    if not reason:
        return ""
    if Right.SEE_NUMBER not in me.rights:
        raise Problem(403, "Not allowed", f"Your role lacks the right {Right.SEE_NUMBER.value}.", kind=_NOT_ALLOWED)
    if me.stopped:
        raise problem_of_frozen()
    check_proof(me)
    return reasoned(reason)


async def _orders_by_api(
    what: str, request: web.Request, me: Me, path: ContestPath, query: OrderExport
) -> web.StreamResponse:
    contest = await request.app[LISTED].contest(path.slug, me.scope)
    return await _of_orders(request, me, contest, what, query, _shown_numbers(me, query.reason))


async def _candidates_by_api(request: web.Request, me: Me, path: ContestPath, query: AsOf) -> web.StreamResponse:
    return await _of_candidates(request, me, path.slug, query.as_of)


async def _journal_by_api(request: web.Request, me: Me, path: ContestPath, query: AsOf) -> web.StreamResponse:
    return await _of_journal(request, me, path.slug, query.as_of)


@page(Right.READ_CONTESTS)
async def candidates_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The candidates of a contest, as an import reads them again. 404."""
    return await _of_candidates(request, me, request.match_info["slug"], me.as_of)


@page(Right.READ_MONEY)
async def journal_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The journal of the book of a contest. 404."""
    return await _of_journal(request, me, request.match_info["slug"], me.as_of)


async def _orders_by_page(what: str, request: web.Request, me: Me, typed: Form, reason: str = "") -> web.StreamResponse:
    contest = await request.app[LISTED].contest(request.match_info["slug"], me.scope)
    read, faults = read_filter(typed, contest, me.zone, me.as_of)
    if read is None or faults:
        return say(request, 422, "unreadable", me)
    return await _of_orders(request, me, contest, what, read, reason)


@page(Right.READ_ORDERS)
async def orders_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The orders that a filter leaves, numbers masked. 404."""
    return await _orders_by_page("orders", request, me, query_of(request))


@page(Right.READ_ORDERS)
async def payments_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The payments of the orders that a filter leaves, numbers masked. 404."""
    return await _orders_by_page("payments", request, me, query_of(request))


@form(Right.SEE_NUMBER, proof=True)
async def orders_with_numbers(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """The orders that a filter leaves, with whole numbers, for a reason. 404."""
    return await _orders_by_page("orders", request, me, fields, reasoned(fields.get("reason", "")))


@form(Right.SEE_NUMBER, proof=True)
async def payments_with_numbers(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """The payments of the orders that a filter leaves, with whole numbers, for a reason. 404."""
    return await _orders_by_page("payments", request, me, fields, reasoned(fields.get("reason", "")))


_FILTERED: Final = """

    Filters are those of the list. In French cells are separated by semicolons. Numbers come masked, unless a reason is
    given by who may see them and proved lately who they are. Every export is in the audit log.
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
    router.add_get(f"{API}/orders.csv", orders(partial(_orders_by_api, "orders")))
    router.add_get(f"{API}/payments.csv", payments(partial(_orders_by_api, "payments")))
    router.add_get(f"{API}/journal.csv", journal(_journal_by_api))
    router.add_get(f"{PAGE}/candidates.csv", candidates_page)
    router.add_get(f"{PAGE}/orders.csv", orders_page)
    router.add_get(f"{PAGE}/payments.csv", payments_page)
    router.add_get(f"{PAGE}/journal.csv", journal_page)
    router.add_post(f"{PAGE}/orders.csv", orders_with_numbers)
    router.add_post(f"{PAGE}/payments.csv", payments_with_numbers)
