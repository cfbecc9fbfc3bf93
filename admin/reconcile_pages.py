"""Statements of operators against the book: upload, differences, and what is decided about each."""

from typing import Final

from aiohttp import web

from admin.desk import DESK
from admin.guard import Form, Me, form, page, say, see_other, show, upload
from admin.request_pages import refused
from gateway.domain.reconciliation import Repair
from gateway.domain.staff import Right
from gateway.domain.staff_request import ActRefused
from gateway.ports.books import MoneyRefused

PATH: Final = "/admin/reconciliation"


@page(Right.READ_MONEY)
async def reconciliation(request: web.Request, me: Me) -> web.StreamResponse:
    """Open differences; with `?all=1` those that were decided about too."""
    return await _page(request, me)


@upload(Right.RECONCILE)
async def import_statement(request: web.Request, me: Me, fields: Form, name: str, data: bytes) -> web.StreamResponse:
    """Keep a statement's lines and compare them."""
    if not data:
        return say(request, 422, "no_file", me)
    try:
        summary = await request.app[DESK].reconciler.import_file(fields.get("account", ""), name, data, me.email)
    except MoneyRefused as error:
        return say(request, 422, "money_refused", me, str(error))
    return await _page(request, me, summary)


@form(Right.RECONCILE, proof=True)
async def repair(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Decide about a difference."""
    number = request.match_info["number"]
    try:
        await request.app[DESK].reconciler.repair(
            int(number),
            Repair(fields.get("repair", "")),
            person=me.email,
            reason=fields.get("reason", ""),
            operator_reference=fields.get("operator_reference", "").strip() or None,
        )
    except ValueError:
        return say(request, 400, "unreadable", me)
    except ActRefused as error:
        return refused(request, me, error)
    except MoneyRefused as error:
        return say(request, 409, "money_refused", me, str(error))
    return see_other(PATH)


@form(Right.RECONCILE)
async def check_balances(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Ask every operator what its wallets hold."""
    return await _page(request, me, balances=await request.app[DESK].reconciler.check_balances())


async def _page(request: web.Request, me: Me, summary: object = None, balances: object = None) -> web.Response:
    desk, everything = request.app[DESK], request.query.get("all") == "1"
    found = await desk.reconciler.differences(open_only=not everything)
    return show(
        request,
        me,
        "admin_reconciliation.html",
        differences=found,
        everything=everything,
        accounts=desk.accounts,
        summary=summary,
        balances=balances,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs DESK and mounted pages."""
    app.router.add_get(PATH, reconciliation)
    app.router.add_post(PATH, import_statement)
    app.router.add_post(f"{PATH}/balances", check_balances)
    app.router.add_get(f"{PATH}/balances", reconciliation)
    app.router.add_post(f"{PATH}/{{number:[0-9]{{1,18}}}}", repair)
    app.router.add_get(f"{PATH}/{{number:[0-9]{{1,18}}}}", reconciliation)
