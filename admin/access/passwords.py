"""Passwords at rest: argon2id (RFC 9106), a few at a time, never on the event loop.

Parameters as OWASP's cheat sheet of password storage has them at equal strength: 46 MiB, one pass,
one lane, about 60 ms of one core.
"""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.storage.engine import DatabaseUnavailable

_AT_ONCE: Final = 2
_WAITING_MAX: Final = 20
_HASHER: Final = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)


class Passwords:
    """Hashes and checks passwords in this process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        # What an account that does not exist is compared with, so that it takes as long.
        self._dummy_hash: str | None = None

    async def hashed(self, password: str) -> str:
        """The hash to keep. Raises DatabaseUnavailable when too many wait."""
        await self._take_turn()
        try:
            return await asyncio.to_thread(_HASHER.hash, password)
        finally:
            self._turns.release()

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password. Raises DatabaseUnavailable when too many wait."""
        if self._dummy_hash is None:
            self._dummy_hash = await self.hashed("the hash of no account")
        await self._take_turn()
        try:
            found = await asyncio.to_thread(_fits, password, password_hash or self._dummy_hash)
        finally:
            self._turns.release()
        return found and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return _HASHER.check_needs_rehash(password_hash)

    async def _take_turn(self) -> None:
        if self._waiting >= _WAITING_MAX:
            raise DatabaseUnavailable("too many passwords are being checked")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1


def _fits(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
