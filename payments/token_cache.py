"""Access tokens: asked for once, renewed early, one renewal at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how long it lives from when it was given, in seconds."""

    value: str
    lives_seconds: float


Mint = Callable[[], Awaitable[Token | None]]
"""Asks the operator for a token; None when it gives none."""


class TokenCache:
    """One token of one product. `early_seconds`: how long before its end a token is renewed."""

    def __init__(
        self, mint: Mint, *, early_seconds: Callable[[float], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._mint = mint
        self._early = early_seconds
        self._clock = clock
        self._token: str | None = None
        self._until = 0.0
        self._renewing = asyncio.Lock()

    async def get(self) -> str | None:
        """A token that is good for a while; None when the operator gives none."""
        if (held := self._held()) is not None:
            return held
        async with self._renewing:
            # Whoever waited here finds the token that the first one brought.
            if (held := self._held()) is not None:
                return held
            token = await self._mint()
            if token is None:
                return None
            self._token = token.value
            self._until = self._clock() + token.lives_seconds - self._early(token.lives_seconds)
            return token.value

    def forget(self, value: str) -> None:
        """The operator refused this token; a newer one stays."""
        if self._token == value:
            self._token = None

    def _held(self) -> str | None:
        return self._token if self._token is not None and self._clock() < self._until else None
