"""The platform's own bookkeeping: what accounts at operators hold and owe, and what waits at them."""

from typing import Final

from aiohttp import web

from admin.access.guard import Me, page, show
from admin.orders.store import ORDERS
from admin.services import PAYMENTS
from gateway.values.money import Money
from payments.ledger.postings import VOTES, Account
from payments.requests import Right

PAGE: Final = "/admin/book"
# What was sold and shared out, which cancel each other; the ledger's page shows them.
_TURNOVER: Final = frozenset({Account.SALES, Account.SALES_SHARED})


@page(Right.READ_BOOK)
async def book(request: web.Request, me: Me) -> web.StreamResponse:
    """Accounts that are paused, payments that are open, and balances."""
    rows = [
        (held.contest, held.provider, held.account, Money(held.amount_minor, held.currency))
        for held in await request.app[PAYMENTS].book.balances(me.scope, at=me.as_of)
        if held.currency != VOTES and held.account not in _TURNOVER
    ]
    waiting = await request.app[ORDERS].waiting(me.scope, me.as_of)
    return show(request, me, "admin_book.html", balances=rows, waiting=waiting)


def setup(app: web.Application) -> None:
    """Serve it. The application needs ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(PAGE, book)
