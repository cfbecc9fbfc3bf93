"""Phone numbers and operators' tokens at rest, and the unguessable words in callback URLs.

One root key, `SPOTLIGHT_SECRET_KEY`, gives a subkey for each purpose (HKDF-SHA256). A sealed value
is `key id (1) | nonce (12) | AES-256-GCM`, bound to where it stands, so that a value moved to
another row does not open. A number is looked up by HMAC-SHA256: without the key, nobody can try
all numbers of a country.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeVar
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Row = TypeVar("Row")
Read = TypeVar("Read")
_log = structlog.get_logger(__name__)

_KEY_ID: Final = b"\x01"
_NONCE_LENGTH: Final = 12
_MAC_LENGTH: Final = 16


class SealBroken(Exception):
    """A sealed value does not open: another key, another place, or tampered with."""


class Vault:
    """Seals, opens, indexes and signs with subkeys of one root key."""

    def __init__(self, root_key: str) -> None:
        root = root_key.encode()

        def subkey(purpose: str) -> bytes:
            """256 bits for this purpose alone."""
            return HKDF(SHA256(), 32, salt=b"spotlight", info=purpose.encode()).derive(root)

        self.subkey = subkey
        self._cipher = AESGCM(subkey("field encryption"))
        self._index_key = subkey("blind index")
        self._url_key = subkey("callback url")
        self.index = lru_cache(maxsize=4_096)(self._index)

    def seal(self, plain: str, place: str) -> bytes:
        """Encrypt. `place` names table, column and row, and is needed to open."""
        nonce = os.urandom(_NONCE_LENGTH)
        return _KEY_ID + nonce + self._cipher.encrypt(nonce, plain.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """Decrypt. Raises SealBroken."""
        nonce, body = sealed[1 : 1 + _NONCE_LENGTH], sealed[1 + _NONCE_LENGTH :]
        try:
            return self._cipher.decrypt(nonce, body, place.encode()).decode()
        except InvalidTag:
            raise SealBroken(place) from None

    def _index(self, e164: str) -> bytes:
        """The keyed hash by which a number is looked up."""
        return hmac.digest(self._index_key, e164.encode(), "sha256")

    def callback_token(self, reference: UUID) -> str:
        """The word in the callback URL of one payment: it names the payment and cannot be guessed."""
        return urlsafe_b64encode(reference.bytes + self._mac(reference)).rstrip(b"=").decode()

    def reference_in(self, token: str) -> UUID | None:
        """The payment that a callback URL names; None when the word is not one of ours."""
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (Base64Error, ValueError):
            return None
        if len(raw) != 16 + _MAC_LENGTH:
            return None
        reference = UUID(bytes=raw[:16])
        return reference if hmac.compare_digest(raw[16:], self._mac(reference)) else None

    def _mac(self, reference: UUID) -> bytes:
        return hmac.digest(self._url_key, reference.bytes, "sha256")[:_MAC_LENGTH]


def each_opened(rows: Iterable[Row], read: Callable[[Row], Read]) -> list[Read]:
    """What `read` makes of each row. One whose seal is broken is said and left out: it must not hold
    up those behind it."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except SealBroken as error:
            _log.error("seal_broken", place=str(error))
    return found


def fingerprint(content: bytes) -> bytes:
    """SHA-256, for telling copies apart; not for secrets."""
    return sha256(content).digest()
