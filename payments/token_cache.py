"""Access tokens: requested once, renewed early, one renewal at a time.

Source: MTN asks not to mint a token for each transaction and takes up to twenty seconds for one;
Orange's are valid from an hour to ninety days. A renewal that fails does no harm while the old token is valid.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from payments.answers import read_object
from payments.http_call import Answer, Outcome
from payments.provider import NotSent

# Pause after an early renewal that failed, while the old token is still valid.
RENEWAL_PAUSE_SECONDS: Final = 30.0
# Life of a token for which the operator gives none.
LIFE_SECONDS_UNKNOWN: Final = 300.0
_REFUSES_US: Final = frozenset({400, 401, 403, 404, 405})


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how long it is valid from when it was given, in seconds."""

    value: str = field(repr=False)
    lives_seconds: float


Mint = Callable[[], Awaitable[Token | NotSent]]
"""Asks the operator for a token. `NotSent`: none was given, so that no call is made."""
Call = Callable[[str], Awaitable[Outcome]]
"""A business call, given the token."""


@dataclass(slots=True)
class _Slot:
    value: str | None = field(default=None, repr=False)
    renew_at: float = 0.0
    dies_at: float = 0.0
    tries: int = 0
    failure: NotSent | None = None
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def living(self, now: float) -> str | None:
        return self.value if now < self.dies_at else None

    def fresh(self, now: float) -> str | None:
        return self.value if now < self.renew_at else None


class TokenCache:
    """Tokens of one account, by platform. `renew_after`: of a life in seconds, how much passes before
    a token is renewed."""

    def __init__(self, renew_after: Callable[[float], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._renew_after = renew_after
        self._clock = clock
        self._slots: dict[str, _Slot] = {}

    async def get(self, key: str, mint: Mint) -> str | NotSent:
        """A token that is good for a while. Calls that arrive during a renewal take the old token if it
        is still valid, and else share the outcome."""
        slot = self._slots.setdefault(key, _Slot())
        if token := slot.fresh(self._clock()):
            return token
        if slot.renewing.locked() and (token := slot.living(self._clock())):
            return token
        tries = slot.tries
        async with slot.renewing:
            if slot.tries != tries:
                if token := slot.living(self._clock()):
                    return token
                if slot.failure is not None:
                    return slot.failure
            return await self._renew(slot, mint)

    async def _renew(self, slot: _Slot, mint: Mint) -> str | NotSent:
        minted = await mint()
        slot.tries += 1
        now = self._clock()
        if isinstance(minted, Token):
            slot.failure = None
            slot.value = minted.value
            slot.renew_at = now + self._renew_after(minted.lives_seconds)
            slot.dies_at = now + minted.lives_seconds
            return minted.value
        slot.failure = minted
        slot.renew_at = now + RENEWAL_PAUSE_SECONDS
        if token := slot.living(now):
            return token
        slot.value = None
        return minted

    def forget(self, key: str, value: str) -> None:
        """The operator refused this token; a newer one stays."""
        slot = self._slots.get(key)
        if slot is not None and slot.value == value:
            slot.value = None

    async def authorised(self, key: str, mint: Mint, call: Call) -> Outcome:
        """Make a call that needs a token. A refused token (401) is renewed once and the same call
        repeated once; a second 401 is the answer."""
        outcome: Outcome = NotSent("not asked")
        for _ in range(2):
            token = await self.get(key, mint)
            if isinstance(token, NotSent):
                return token
            outcome = await call(token)
            if not isinstance(outcome, Answer) or outcome.status != 401:
                return outcome
            self.forget(key, token)
        return outcome


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617), both as they are: not URL-encoded."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def read_token(outcome: Outcome) -> Token | NotSent:
    """The token in an OAuth answer (RFC 6749 §5.1: `access_token`, `expires_in` in seconds)."""
    if not isinstance(outcome, Answer):
        return NotSent(f"token: {outcome.error}")
    answer = read_object(outcome.body)
    value, lives = answer.get("access_token"), str(answer.get("expires_in", ""))
    if outcome.status not in (200, 201):
        return NotSent(f"token: {outcome.status}", alarm=outcome.status in _REFUSES_US)
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        return NotSent("token: unreadable answer")
    known = lives.isascii() and lives.isdigit() and len(lives) < 12
    return Token(value, float(lives) if known else LIFE_SECONDS_UNKNOWN)
