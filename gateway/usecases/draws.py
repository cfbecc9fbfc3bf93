"""Random bytes in stock: each call of the system's generator costs as much as an order's ids together."""

import os
import secrets
from typing import Final

DRAWS_AT_ONCE: Final = 100


class Draws:
    """Gives so many unguessable bytes at a time, each of them once. For one thread."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._stock: list[bytes] = []
        # What a parent has in stock is the parent's.
        os.register_at_fork(after_in_child=self._stock.clear)

    def draw(self) -> bytes:
        """The next ones."""
        stock = self._stock
        if not stock:
            drawn = secrets.token_bytes(self._size * DRAWS_AT_ONCE)
            stock += [drawn[at : at + self._size] for at in range(0, len(drawn), self._size)]
        return stock.pop()
