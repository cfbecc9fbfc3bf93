"""Encryption of phone numbers and operators' tokens at rest, and the tokens in callback URLs.

One root key, `SPOTLIGHT_SECRET_KEY`, gives a subkey for each purpose (HKDF-SHA256). A sealed value
is `key id (1) | nonce (12) | AES-256-GCM`, bound to its place (table, column, row), so that a value moved to
another row does not open. Keys for sealing rotate: `SPOTLIGHT_VAULT_KEYS` lists them, the first seals
and all open; key 1 is the root key's own where it has no secret there. A number is looked up by
HMAC-SHA256: without the key, all numbers of a country cannot be tried.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from hashlib import sha256
from types import MappingProxyType
from typing import Final, TypeVar
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.values.msisdn import mask

Row = TypeVar("Row")
Read = TypeVar("Read")
_log = structlog.get_logger(__name__)

ROOT_KEY_ID: Final = 1
_NONCE_LENGTH: Final = 12
_MAC_LENGTH: Final = 16
_KEY_ID_MAX: Final = 255
_ROOT_KEY_ALONE: Final = MappingProxyType({ROOT_KEY_ID: ""})


class SealBroken(Exception):
    """A sealed value does not open: another key, another place, or tampered with."""


def read_keys(text: str) -> dict[int, str]:
    """The keys of `SPOTLIGHT_VAULT_KEYS`, by id, in their order: `2:secret, 1`. A bare `1` is the root key's own;
    empty text is that alone. Raises ValueError."""
    keys: dict[int, str] = {}
    for word in text.split(",") if text.strip() else (str(ROOT_KEY_ID),):
        number, colon, secret = word.strip().partition(":")
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= _KEY_ID_MAX:
            raise ValueError(f"write keys as 2:secret, 1 with ids from 1 to {_KEY_ID_MAX}")
        if int(number) in keys:
            raise ValueError(f"key {number} is there twice")
        if not secret and (colon or int(number) != ROOT_KEY_ID):
            raise ValueError(f"key {number} has no secret")
        keys[int(number)] = secret
    return keys


def _derived(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=b"spotlight", info=purpose.encode()).derive(secret.encode())


class Vault:
    """Seals, opens, indexes and signs with subkeys of one root key. `keys`: as `read_keys` has them."""

    def __init__(self, root_key: str, keys: Mapping[int, str] = _ROOT_KEY_ALONE) -> None:
        self.subkey = partial(_derived, root_key)
        self._ciphers = {
            bytes((number,)): AESGCM(_derived(secret or root_key, "field encryption"))
            for number, secret in keys.items()
        }
        self.seals_with = next(iter(keys))
        self._seals_with = bytes((self.seals_with,))
        self._cipher = self._ciphers[self._seals_with]
        self.fingerprints = {
            0: _derived(root_key, "fingerprint"),
            **{number: _derived(secret or root_key, f"fingerprint {number}") for number, secret in keys.items()},
        }
        """What tells keys apart without being one, by id; 0 is the root key."""
        self._index_key = self.subkey("blind index")
        self._url_key = self.subkey("callback url")
        self._copy_key = self.subkey("copies of a callback")
        self.index = lru_cache(maxsize=4_096)(self._index)

    def seal(self, plain: str, place: str) -> bytes:
        """Encrypt. `place` names table, column and row, and is needed to open."""
        return self.seal_bytes(plain.encode(), place)

    def open(self, sealed: bytes, place: str) -> str:
        """Decrypt. Raises SealBroken, also for a key that we do not have."""
        return self.open_bytes(sealed, place).decode()

    def seal_bytes(self, plain: bytes, place: str) -> bytes:
        """`seal` for what need not be text."""
        nonce = os.urandom(_NONCE_LENGTH)
        return self._seals_with + nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open_bytes(self, sealed: bytes, place: str) -> bytes:
        """`open` for what need not be text. Raises SealBroken."""
        cipher = self._ciphers.get(sealed[:1])
        if cipher is None:
            raise SealBroken(f"{place}, key {sealed[0] if sealed else '-'}")
        nonce, body = sealed[1 : 1 + _NONCE_LENGTH], sealed[1 + _NONCE_LENGTH :]
        try:
            return cipher.decrypt(nonce, body, place.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(place) from None

    def _index(self, e164: str) -> bytes:
        """The keyed hash by which a number is looked up."""
        return hmac.digest(self._index_key, e164.encode(), "sha256")

    def copy_mark(self, content: bytes) -> bytes:
        """The keyed hash by which copies are known. Without the key the content cannot be guessed by trying."""
        return hmac.digest(self._copy_key, content, "sha256")

    def callback_token(self, reference: UUID) -> str:
        """The token in the callback URL of one payment: it names the payment and cannot be guessed."""
        return urlsafe_b64encode(reference.bytes + self._mac(reference)).rstrip(b"=").decode()

    def reference_in(self, token: str) -> UUID | None:
        """The payment that a callback URL names; None for a token that is not ours."""
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
    """What `read` makes of each row. One whose seal is broken is logged and left out: it must not hold
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


def opened_number(vault: Vault, sealed: bytes | None, place: str) -> str:
    """The whole number; empty where there is none, dots where its seal is broken."""
    if sealed is None:
        return ""
    try:
        return vault.open(sealed, place)
    except SealBroken:
        return "••••"


def masked_number(vault: Vault, sealed: bytes | None, place: str) -> str:
    """The number as lists show it; empty where there is none, dots where its seal is broken."""
    opened = opened_number(vault, sealed, place)
    return mask(opened) if opened.startswith("+") else opened
