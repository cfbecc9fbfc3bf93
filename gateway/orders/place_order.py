"""Sell: judge the vote request, write it down, ring for a collector."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gateway.orders.draws import Draws
from gateway.orders.receipt import RANDOM_BITS, make_receipt
from gateway.orders.routing import Rails
from gateway.orders.rules import NewOrder, OrderStore, PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.storage.work import Doorbell, Work

_draws = Draws()


class KnownOrders(Protocol):
    """Finds an order by the key that placed it."""

    async def find(self, channel: str, key: str, request_hash: bytes) -> PlacedOrder | None:
        """What this key wrote before; None when it is new."""
        ...


class Orders(OrderStore, KnownOrders, Protocol):
    """Where orders are written and found again."""


async def place_order(
    vote_request: VoteRequest, *, orders: Orders, doorbell: Doorbell, rails: Rails, clock: Callable[[], datetime]
) -> PlacedOrder | Refusal:
    """The order, durable, or why it cannot be sold. The same key gives the same order again,
    also when the contest has closed meanwhile. Raises DatabaseUnavailable."""
    vote_id, reference, receipt = _drawn()
    priced_order = check_vote_request(vote_request, now=clock(), rails=rails, draw=vote_id.int)
    if isinstance(priced_order, Refusal):
        known = await orders.find(vote_request.channel.value, vote_request.key, vote_request.request_hash)
        return known or priced_order
    placed = await orders.insert(NewOrder(priced_order, vote_id, reference, receipt))
    if isinstance(placed, PlacedOrder) and not placed.repeated and vote_request.prompt_delay_seconds == 0:
        doorbell.ring(Work.COLLECT)
    return placed


def _drawn() -> tuple[UUID, UUID, str]:
    """Ids of the vote and of its payment, and a receipt."""
    vote_id, reference, bits = _draws.draw()
    return vote_id, reference, make_receipt(bits >> (48 - RANDOM_BITS))
