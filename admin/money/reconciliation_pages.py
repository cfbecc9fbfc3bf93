"""Statements of operators against the book: imports, differences, and asking for what is decided about them."""

from typing import Final

from aiohttp import web

from admin.access.guard import Form, Me, form, page, say, show
from admin.services import PAYMENTS
from payments.ledger.book import MoneyRefused
from payments.provider import Wallet
from payments.reconciliation.rules import Group, Repair, offered, read_group
from payments.requests import Right

PATH: Final = "/admin/reconciliation"
SHOWN: Final = 100


@page(Right.READ_MONEY)
async def reconciliation(request: web.Request, me: Me) -> web.StreamResponse:
    """Open differences; with `?all=1` those that were decided about too, with `?group=` those of a group."""
    return await _page(request, me)


@form(Right.RECONCILE, file=True)
async def import_statement(request: web.Request, me: Me, fields: Form, name: str, data: bytes) -> web.StreamResponse:
    """Keep a statement's lines and compare them."""
    if not data:
        return say(request, 422, "no_file", me)
    try:
        summary = await request.app[PAYMENTS].reconciler.import_file(fields.get("account", ""), name, data, me.email)
    except MoneyRefused as error:
        return say(request, 422, "money_refused", me, str(error))
    return await _page(request, me, summary)


@form(Right.RECONCILE)
async def check_balances(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Ask every operator what its wallets hold."""
    return await _page(request, me, balances=await request.app[PAYMENTS].reconciler.check_balances())


async def _page(request: web.Request, me: Me, summary: object = None, balances: object = None) -> web.Response:
    payments, everything, key = request.app[PAYMENTS], request.query.get("all") == "1", request.query.get("group")
    group = None if key is None else read_group(key)
    if key is not None and group is None:
        return say(request, 404, "unreadable", me)
    found = await payments.reconciler.differences(open_only=not everything, group=group, limit=SHOWN)
    groups = [] if everything or group else await payments.reconciler.groups()
    return show(
        request,
        me,
        "admin_reconciliation.html",
        differences=found,
        more=len(found) == SHOWN,
        group=group,
        groups=[(line, _offered(line.group)) for line in groups if line.many > 1],
        files=[] if group else await payments.reconciler.files(),
        everything=everything,
        accounts=payments.accounts,
        summary=summary,
        balances=balances,
    )


def _offered(group: Group) -> list[Repair]:
    """What may be decided about all of a group; returned money is decided about payment by payment."""
    can = offered(group.kind, group.sign, from_float=group.wallet == Wallet.DISBURSEMENT)
    return [repair for repair in can if repair is not Repair.RETURNED]


def setup(app: web.Application) -> None:
    """Serve them. The application needs PAYMENTS and mounted pages."""
    app.router.add_get(PATH, reconciliation)
    app.router.add_post(PATH, import_statement)
    app.router.add_post(f"{PATH}/balances", check_balances)
    app.router.add_get(f"{PATH}/balances", reconciliation)
