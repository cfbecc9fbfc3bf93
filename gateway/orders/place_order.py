"""Place an order: check the vote request, write the order, ring for a collector."""

import os
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

# The driver's kind of UUID, as which every id comes back from the database: made and written out in a
# tenth of the time.
from asyncpg.pgproto import pgproto

from gateway.orders.receipt import RANDOM_BITS, make_receipt
from gateway.orders.routing import Rails
from gateway.orders.rules import NewOrder, PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.orders.store import Orders
from gateway.storage.doorbell import Doorbell, Work

DRAWS_AT_ONCE: Final = 100
_ID: Final = 16
BITS: Final = 48
_SIZE: Final = 2 * _ID + BITS // 8
# Version 4 of RFC 9562: what becomes of the bytes that hold version and variant.
_VERSION: Final = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT: Final = bytes(byte & 0x3F | 0x80 for byte in range(256))


class Draws:
    """Two random ids (version 4) and 48 random bits at a time, each of them once. They are made in stock: each call of
    the system's generator costs as much as an order's ids together."""

    def __init__(self) -> None:
        self._stock: list[tuple[UUID, UUID, int]] = []
        # What a parent has in stock is the parent's.
        os.register_at_fork(after_in_child=self._stock.clear)

    def draw(self) -> tuple[UUID, UUID, int]:
        """The next ones."""
        if not self._stock:
            self._stock += _made(bytearray(secrets.token_bytes(_SIZE * DRAWS_AT_ONCE)))
        return self._stock.pop()


def _made(drawn: bytearray) -> Iterator[tuple[UUID, UUID, int]]:
    """What so many random bytes are; all ids are marked as such at once."""
    for start in (0, _ID):
        drawn[start + 6 :: _SIZE] = drawn[start + 6 :: _SIZE].translate(_VERSION)
        drawn[start + 8 :: _SIZE] = drawn[start + 8 :: _SIZE].translate(_VARIANT)
    marked = bytes(drawn)
    for at in range(0, len(marked), _SIZE):
        first, second, end = at + _ID, at + 2 * _ID, at + _SIZE
        yield pgproto.UUID(marked[at:first]), pgproto.UUID(marked[first:second]), int.from_bytes(marked[second:end])


_draws: Final = Draws()


async def place_order(
    vote_request: VoteRequest, *, orders: Orders, doorbell: Doorbell, rails: Rails, clock: Callable[[], datetime]
) -> PlacedOrder | Refusal:
    """The order, durable, or why it is refused. The same key gives the same order again,
    also when the contest has closed meanwhile. Raises DatabaseUnavailable."""
    vote_id, reference, bits = _draws.draw()
    priced_order = check_vote_request(vote_request, now=clock(), rails=rails, draw=vote_id.int)
    if isinstance(priced_order, Refusal):
        known = await orders.find(vote_request.channel.value, vote_request.key, vote_request.request_hash)
        return known or priced_order
    receipt = make_receipt(bits >> (BITS - RANDOM_BITS))
    placed = await orders.insert(NewOrder(priced_order, vote_id, reference, receipt))
    if isinstance(placed, PlacedOrder) and not placed.repeated and vote_request.prompt_delay_seconds == 0:
        doorbell.ring(Work.COLLECT)
    return placed
