"""The first page of staff, and a contest's charts."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from admin.access.guard import HOME, Me, menu_of, page, see_other, show
from admin.access.moment import contests_of
from admin.access.pages import MY_PAGE
from admin.figures.evening import evening, running
from admin.figures.rules import Waiting, by_urgency
from admin.orders.store import ORDERS, Waits
from admin.services import PAYMENTS
from gateway.values.money import Money
from payments.ledger.postings import VOTES, Account
from payments.requests import Right

# What was sold and shared out, which cancel each other; the ledger's page shows them.
_TURNOVER: Final = frozenset({Account.SALES, Account.SALES_SHARED})


@page(Right.READ_CONTESTS)
async def home(request: web.Request, me: Me) -> web.StreamResponse:
    """How the evening goes and what waits, and for the platform what the book holds; without orders to read, the first
    page of their menu."""
    if not me.may(Right.READ_ORDERS):
        pages = [page for group in menu_of(me.rights).values() for page in group]
        return see_other(pages[0][0] if pages else MY_PAGE)
    return show(request, me, "figures/home.html", **await _home(request, me))


async def _home(request: web.Request, me: Me) -> dict[str, Any]:
    contests = running(contests_of(request, me.scope))
    waiting = await request.app[ORDERS].waiting(me.scope, me.as_of)
    balances = await request.app[PAYMENTS].book.balances(me.scope, at=me.as_of) if me.may(Right.READ_BOOK) else []
    rows = [
        (held.contest, held.provider, held.account, Money(held.amount_minor, held.currency))
        for held in balances
        if held.currency != VOTES and held.account not in _TURNOVER
    ]
    return {
        "evening": await evening(request, me, contests),
        "contests": contests,
        "waits": _waits(me, waiting),
        "waiting": waiting,
        "balances": rows,
        "begins": me.may(Right.EDIT_CONTEST) and not contests,
    }


def _waits(me: Me, waiting: Waits) -> Sequence[Waiting]:
    """What waits for a person who may do something about it."""
    by_hand = sum(one.count for one in waiting.refunds if one.status == "manual")
    kinds = (
        (Right.READ_ORDERS, Waiting("held", waiting.held, "/admin/held", bad=True)),
        (Right.READ_ORDERS, Waiting("refunds_manual", by_hand, "/admin/refunds", bad=True)),
        (Right.READ_BOOK, Waiting("differences", sum(waiting.differences.values()), "/admin/reconciliation", bad=True)),
        (Right.READ_ORDERS, Waiting("tickets", waiting.tickets, "/admin/tickets")),
        (Right.READ_ORDERS, Waiting("requests", waiting.requests, "/admin/requests")),
    )
    return by_urgency([one for right, one in kinds if me.may(right)])


def setup(app: web.Application) -> None:
    """Serve them. The application needs FIGURES, ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(HOME, home)
