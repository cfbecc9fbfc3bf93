"""Ids in stock: each call of the system's generator costs as much as an order's ids together."""

import os
import secrets
from typing import Final
from uuid import UUID

# The driver's kind of UUID, as which every id comes back from the database: made and written out in a
# tenth of the time.
from asyncpg.pgproto import pgproto

DRAWS_AT_ONCE: Final = 100
_ID: Final = 16
_BITS: Final = 48
_SIZE: Final = 2 * _ID + _BITS // 8


class Draws:
    """Gives two random ids (version 4) and 48 random bits at a time, each of them once."""

    def __init__(self) -> None:
        self._stock: list[tuple[UUID, UUID, int]] = []
        # What a parent has in stock is the parent's.
        os.register_at_fork(after_in_child=self._stock.clear)

    def draw(self) -> tuple[UUID, UUID, int]:
        """The next ones."""
        if not self._stock:
            drawn = secrets.token_bytes(_SIZE * DRAWS_AT_ONCE)
            self._stock += [_made(drawn[at : at + _SIZE]) for at in range(0, len(drawn), _SIZE)]
        return self._stock.pop()


def _made(drawn: bytes) -> tuple[UUID, UUID, int]:
    return _id(drawn[:_ID]), _id(drawn[_ID : 2 * _ID]), int.from_bytes(drawn[2 * _ID :])


def _id(drawn: bytes) -> UUID:
    """Version 4 of RFC 9562."""
    version, variant = drawn[6] & 0x0F | 0x40, drawn[8] & 0x3F | 0x80
    return pgproto.UUID(b"%b%c%b%c%b" % (drawn[:6], version, drawn[7:8], variant, drawn[9:]))
