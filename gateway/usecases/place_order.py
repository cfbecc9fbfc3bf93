"""Sell: judge the wish, write it down, ring for a collector."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from gateway.domain.order import PlacedOrder, Refusal, Wish, check_wish
from gateway.domain.receipt import RANDOM_BITS, make_receipt
from gateway.domain.routing import Rails
from gateway.ports.stores import Doorbell, NewOrder, OrderStore
from gateway.ports.work import Work


class KnownOrders(Protocol):
    """Finds an order by the key that placed it."""

    async def find(self, channel: str, key: str, request_hash: bytes) -> PlacedOrder | None:
        """What this key wrote before; None when it is new."""
        ...


class Orders(OrderStore, KnownOrders, Protocol):
    """Where orders are written and found again."""


async def place_order(
    wish: Wish, *, orders: Orders, doorbell: Doorbell, rails: Rails, clock: Callable[[], datetime]
) -> PlacedOrder | Refusal:
    """The order, durable, or why it cannot be sold. The same key gives the same order again,
    also when the contest has closed meanwhile. Raises HouseUnavailable."""
    vote_id = uuid4()
    sale = check_wish(wish, now=clock(), rails=rails, draw=vote_id.int)
    if isinstance(sale, Refusal):
        known = await orders.find(wish.channel.value, wish.key, wish.request_hash)
        return known or sale
    order = NewOrder(sale, vote_id, uuid4(), make_receipt(secrets.randbits(RANDOM_BITS)))
    placed = await orders.insert(order)
    if isinstance(placed, PlacedOrder) and not placed.repeated and wish.prompt_delay_seconds == 0:
        doorbell.ring(Work.COLLECT)
    return placed
