"""The workbook of a month, by page and by API."""

import asyncio
from datetime import UTC, date, datetime
from typing import Final

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me, page, say
from admin.contests.api import ContestPath
from admin.exports.files import API, PAGE, XLSX_TYPE, Nothing, file_at, is_long, to_prepared, whole_file, written_for
from admin.exports.month import Months, read_month
from admin.orders.listed import LISTED
from gateway.contests.contest import Contest
from payments.requests import ActRefused, Right, Why

_FILE: Final = "month-{month}.xlsx"
MONTHS: Final[web.AppKey[Months]] = web.AppKey("months", Months)


class MonthPath(ContestPath):
    """The month that is meant."""

    month: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$", description="Like 2026-11, by the clocks of the contest.")


async def _month(request: web.Request, me: Me, contest: Contest, first: date) -> web.StreamResponse:
    from admin.exports.workbook import workbook  # a tenth of a second, for few processes

    month = await request.app[MONTHS].read(contest, me.scope, first)
    by = written_for(request, contest)
    # Drawing takes long enough to be felt by voters.
    data = await asyncio.to_thread(workbook, month, by, me.email, str(by.moment(datetime.now(UTC))))
    return await whole_file(request, me, contest, f"month-{first:%Y-%m}.xlsx", XLSX_TYPE, data)


async def _by_api(request: web.Request, me: Me, path: MonthPath, _: Nothing) -> web.StreamResponse:
    first = read_month(path.month)
    if first is None:
        raise ActRefused(Why.UNKNOWN, f"there is no month {path.month!r}")
    contest = await request.app[LISTED].contest(path.slug, me.scope)
    return await _month(request, me, contest, first)


@page(Right.READ_MONEY)
async def month_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The month of a contest as a workbook; one of many orders in the background. 404."""
    first = read_month(request.match_info["month"])
    if first is None:
        return say(request, 404, "unreadable", me)
    contest = await request.app[LISTED].contest(request.match_info["slug"], me.scope)
    if is_long(request, me, await request.app[MONTHS].orders(contest, me.scope, first)):
        return to_prepared(contest, f"month-{first:%Y-%m}")
    return await _month(request, me, contest, first)


def setup(app: web.Application) -> None:
    """Serve them. The application needs EXPORTS, LISTED, MONTHS and mounted pages."""
    words = """Export the month of a contest as an Excel workbook.

    Orders, votes, sums, fees and refunds by day, way to pay, channel and candidate, with charts, beside what the book
    says of the same month.
    """
    month = file_at(Right.READ_MONEY, words, path=MonthPath, media=XLSX_TYPE)
    app.router.add_get(f"{API}/{_FILE}", month(_by_api))
    app.router.add_get(f"{PAGE}/{_FILE}", month_page)
