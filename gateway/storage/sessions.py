"""Sessions in Redis: no number in a key, nothing readable in a value.

A key is a keyed hash, so that no reader of the keys can try all numbers of a country. A value is
`nonce (12) | AES-256-GCM`, bound to its key. Together they take about four microseconds a hop.
"""

import asyncio
import os
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.exceptions import RedisError

from gateway.storage.coalescer import Overloaded
from gateway.storage.redis_link import READ, WRITE, RedisPipeline
from gateway.storage.vault import Vault

_log = structlog.get_logger(__name__)

PREFIX: Final = "session:"
_NONCE_LENGTH: Final = 12
_DIGEST_LENGTH: Final = 16
# How long a write that is not awaited may wait for a reading to go with: a person takes longer to answer a screen.
_WRITTEN_WITHIN_SECONDS: Final = 0.02


class SessionSeal:
    """Names and seals sessions with subkeys of the vault's root key."""

    def __init__(self, vault: Vault) -> None:
        self._name_key = vault.subkey("session name")
        self._cipher = AESGCM(vault.subkey("session value"))
        # A hop reads and writes the same key.
        self.name = lru_cache(maxsize=4_096)(self._name)

    def _name(self, key: str) -> str:
        """The Redis key of a session."""
        # An aggregator's session id may hold half of a surrogate pair, if it came as JSON.
        encoded = key.encode(errors="surrogatepass")
        return PREFIX + blake2b(encoded, key=self._name_key, digest_size=_DIGEST_LENGTH).hexdigest()

    def seal(self, name: str, value: bytes) -> bytes:
        """Encrypt the value of this Redis key."""
        nonce = os.urandom(_NONCE_LENGTH)
        return nonce + self._cipher.encrypt(nonce, value, name.encode())

    def open(self, name: str, sealed: bytes | None) -> bytes | None:
        """Decrypt it; None where there is none, or none of ours."""
        if sealed is None or len(sealed) < _NONCE_LENGTH:
            return None
        try:
            return self._cipher.decrypt(sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], name.encode())
        except InvalidTag:
            return None


class RedisSessions:
    """`SessionStore`, sealed. While Redis is away nothing is kept: the dialogue is rebuilt from the transcript or
    starts again."""

    def __init__(self, pipeline: RedisPipeline, seal: SessionSeal) -> None:
        self._pipeline = pipeline
        self._seal = seal

    async def get(self, key: str) -> bytes | None:
        """The stored bytes, or None."""
        return (await self.get_all(key))[0]

    async def get_all(self, *keys: str) -> list[bytes | None]:
        """The stored bytes of several keys, in one round trip."""
        names = [self._seal.name(key) for key in keys]
        try:
            found: list[bytes | None] = await self._pipeline.start(READ, *names)
        except (RedisError, Overloaded, OSError) as error:
            _log.warning("session_not_read", error=type(error).__name__)
            return [None] * len(keys)
        return [self._seal.open(name, sealed) for name, sealed in zip(names, found, strict=True)]

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        """Store with a time to live."""
        await self.put_all((key, value, seconds))

    async def put_all(self, *entries: tuple[str, bytes, int]) -> bool:
        """Store several with their times to live, in one round trip; whether that succeeded."""
        try:
            await self._pipeline.command(WRITE, *(self._entry(*entry) for entry in entries))
        except (RedisError, Overloaded, OSError) as error:
            _log.warning("session_not_stored", error=type(error).__name__)
            return False
        return True

    def put_soon(self, *entries: tuple[str, bytes, int]) -> None:
        """`put_all` without waiting, in a round trip of others where there is one soon; a failure is logged."""
        try:
            written = self._pipeline.start(
                WRITE, *(self._entry(*entry) for entry in entries), within=_WRITTEN_WITHIN_SECONDS
            )
            written.add_done_callback(_log_if_lost)
        except Overloaded as error:
            _log.warning("session_not_stored", error=type(error).__name__)

    def _entry(self, key: str, value: bytes, seconds: int) -> tuple[str, bytes, int]:
        name = self._seal.name(key)
        return name, self._seal.seal(name, value), seconds


def _log_if_lost(stored: "asyncio.Future[Any]") -> None:
    error = None if stored.cancelled() else stored.exception()
    if error is not None:
        _log.warning("session_not_stored", error=type(error).__name__)
