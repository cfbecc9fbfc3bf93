"""The orders of one browser, in a cookie: who closed the page finds the order again and does not pay twice.

The cookie holds what the addresses of the orders' pages hold, and is kept as long as somebody may miss
their money.
"""

from typing import Final
from uuid import UUID

import structlog
from aiohttp import web

from channels.voting_service import VOTING_SERVICE
from channels.web.vote_requests import read_vote_id
from gateway.contests.contest import Contest
from gateway.orders.rules import VoteRequest
from gateway.storage.engine import DatabaseUnavailable
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus

COOKIE: Final = "orders"
COOKIE_SECONDS: Final = 24 * 3600
ORDERS_MAX: Final = 3
_BETWEEN: Final = "."
_log = structlog.get_logger(__name__)


def ids_in(cookie: str) -> tuple[UUID, ...]:
    """The orders that a cookie names, newest first; whatever else stands in it is nothing."""
    found = (read_vote_id(word) for word in cookie[:200].split(_BETWEEN)[:ORDERS_MAX])
    return tuple(dict.fromkeys(vote_id for vote_id in found if vote_id is not None))


def keep(request: web.Request, response: web.StreamResponse, vote_id: UUID) -> None:
    """Let the browser remember this order."""
    held = ids_in(request.cookies.get(COOKIE, ""))
    newest = dict.fromkeys((vote_id, *held))
    response.set_cookie(
        COOKIE,
        _BETWEEN.join(str(one) for one in list(newest)[:ORDERS_MAX]),
        max_age=COOKIE_SECONDS,
        samesite="Lax",
        secure=request.secure,
        httponly=True,
    )


async def kept(request: web.Request, contest: Contest) -> list[OrderView]:
    """The orders of this browser in a contest, newest first. None while the service does not answer: the page
    stands without them."""
    service = request.app[VOTING_SERVICE]
    try:
        found = [await service.order(vote_id) for vote_id in ids_in(request.cookies.get(COOKIE, ""))]
    except DatabaseUnavailable as error:
        _log.warning("own_orders_not_read", error=str(error))
        return []
    return [order for order in found if order is not None and order.contest_slug == contest.slug]


def waiting(orders: list[OrderView]) -> OrderView | None:
    """The newest that waits for its payment."""
    return next((order for order in orders if order.status is PublicStatus.PENDING), None)


async def like_one_waiting(request: web.Request, vote_request: VoteRequest) -> OrderView | None:
    """An order of this browser that waits and is just what is wished for now."""
    if not request.cookies.get(COOKIE):
        return None
    return next((order for order in await kept(request, vote_request.contest) if is_like(order, vote_request)), None)


def is_like(order: OrderView, vote_request: VoteRequest) -> bool:
    """Whether an order waits for the payment of just this vote request."""
    return (
        order.status is PublicStatus.PENDING
        and order.contest_slug == vote_request.contest.slug
        and (order.candidate_code, order.quantity) == (vote_request.candidate_code, vote_request.quantity)
        and order.payer_masked == (vote_request.payer.masked() if vote_request.payer else "")
        and vote_request.method in (None, order.method)
    )
