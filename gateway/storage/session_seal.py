"""Sessions as Redis holds them: no number in a key, nothing readable in a value.

A key is a keyed hash, so that nobody who reads the keys can try all numbers of a country. A value is
`nonce (12) | AES-256-GCM`, bound to its key. Together they take about four microseconds a hop.
"""

import os
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.storage.vault import Vault

PREFIX: Final = "session:"
_NONCE_LENGTH: Final = 12
_DIGEST_LENGTH: Final = 16


class SessionSeal:
    """Names and seals sessions with subkeys of the vault's root key."""

    def __init__(self, vault: Vault) -> None:
        self._name_key = vault.subkey("session name")
        self._cipher = AESGCM(vault.subkey("session value"))
        # A hop reads and writes under the same key.
        self.name = lru_cache(maxsize=4_096)(self._name)

    def _name(self, key: str) -> str:
        """The Redis key of a session."""
        # An aggregator's session id may hold half of a surrogate pair, if it came as JSON.
        said = key.encode(errors="surrogatepass")
        return PREFIX + blake2b(said, key=self._name_key, digest_size=_DIGEST_LENGTH).hexdigest()

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
