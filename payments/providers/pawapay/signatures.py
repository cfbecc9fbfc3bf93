"""Signed callbacks of pawaPay: who sent them.

Source: pawaPay's pages on signatures and public keys (Merchant API v2), RFC 9421 (message signatures),
RFC 9530 (Content-Digest). `Signature-Input` names what is signed: method, authority and path of the
address in pawaPay's dashboard, `Signature-Date`, `Content-Digest`, content type; `keyid` names one of the
keys of `GET /v2/public-key/http`.

The time of a signature is not checked: a callback only makes us ask for the status, however late or often it comes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    MappingKeyResolver,
    VerificationKey,
    algorithms,
)

from gateway.http.raw_exchange import RawRequest

RAW_SIGNATURE_LENGTH: Final = 64
COVERED: Final = ("@method", "@authority", "@path", "content-digest")
REST_SECONDS: Final = 300.0
"""How long after a fetch the keys are not fetched again, whatever callbacks arrive."""


class Origin(StrEnum):
    """Who sent a callback."""

    PAWAPAY = "pawapay"
    INVALID = "invalid"  # signed, but not with a key of pawaPay's, or changed since
    UNSIGNED = "unsigned"
    KEYS_UNKNOWN = "keys_unknown"  # signed, and pawaPay's keys are not here yet


class _EitherForm(algorithms.ECDSA_P256_SHA256):
    """ECDSA as RFC 9421 has it, or in DER, which Java's own signer gives."""

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises when it does not fit."""
        raw = signature if len(signature) == RAW_SIGNATURE_LENGTH else self.signature_from_der(signature)
        super().verify(raw, message)


class _Verifier(HTTPMessageVerifier):
    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:  # noqa: ANN401 - as the library has it
        """Callbacks are judged from storage, maybe long after they came."""


@dataclass(frozen=True, slots=True)
class _Message:
    method: str
    url: str
    headers: Mapping[str, str]


def origin(request: RawRequest, url: str, keys: Mapping[str, VerificationKey]) -> Origin:
    """Who sent it. `url`: the address that pawaPay called. `keys`: pawaPay's, by id; empty before they are fetched."""
    if "signature" not in request.headers or "signature-input" not in request.headers:
        return Origin.UNSIGNED
    if not keys:
        return Origin.KEYS_UNKNOWN
    verifier = _Verifier(
        signature_algorithm=_EitherForm, key_resolver=MappingKeyResolver(public_keys=keys, private_keys={})
    )
    message = _Message(request.method, url, request.headers)
    try:
        verifier.verify(message, max_age=None, require_components=COVERED, body=request.body)
    except (HTTPMessageSignaturesException, ValueError, TypeError):
        return Origin.INVALID
    return Origin.PAWAPAY


def read_keys(answer: object) -> dict[str, VerificationKey]:
    """The keys in pawaPay's list; those that cannot be read, or are of another kind, are left out."""
    found: dict[str, VerificationKey] = {}
    for entry in answer if isinstance(answer, list) else []:
        name, text = (entry.get("id"), entry.get("key")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(text, str):
            continue
        if "BEGIN" not in text:
            text = f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"
        try:
            key = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            found[name] = key
    return found


class KeyRing:
    """pawaPay's keys as last fetched, and whether to fetch them again. `clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._doubted = False
        self._rest_until = float("-inf")

    def origin(self, request: RawRequest, url: str) -> Origin:
        """Who sent it. A signature that does not verify makes `wants_keys` true: the keys may have changed."""
        found = origin(request, url, self._keys)
        self._doubted = self._doubted or found in (Origin.KEYS_UNKNOWN, Origin.INVALID)
        return found

    def wants_keys(self) -> bool:
        """Whether to fetch the keys now; True once, then not again for `REST_SECONDS`."""
        if not self._doubted or self._clock() < self._rest_until:
            return False
        self._rest_until = self._clock() + REST_SECONDS
        return True

    def learn(self, keys: Mapping[str, VerificationKey]) -> None:
        """Take the keys that were fetched; an empty list changes nothing."""
        if keys:
            self._keys = dict(keys)
            self._doubted = False
