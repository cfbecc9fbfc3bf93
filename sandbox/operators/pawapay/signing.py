"""How pawaPay signs its callbacks: RFC 9421 with ECDSA P-256, the body by its Content-Digest (RFC 9530).

The key is made when the country starts and published at `GET /v2/public-key/http`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_message_signatures import ContentDigest, HTTPMessageSigner, MappingKeyResolver, algorithms

from sandbox.operators.callbacks import CONTENT_TYPE, Letter

KEY_ID: Final = "HTTP_EC_P256_KEY:1"
LIVES: Final = timedelta(minutes=1)
COVERED: Final = ("@method", "@authority", "@path", "signature-date", "content-digest", "content-type")


class _Sha512(ContentDigest):
    algorithm = "sha-512"


class _Signer(HTTPMessageSigner):
    content_digest_class = _Sha512


@dataclass(frozen=True, slots=True)
class _Message:
    method: str
    url: str
    headers: dict[str, str]


class Signatures:
    """pawaPay's key, and the one of an impostor who claims to have it."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        self._false_key = generate_private_key(SECP256R1())

    def published(self) -> list[object]:
        """The list of public keys."""
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return [{"id": KEY_ID, "key": pem.decode()}]

    def sign(self, letter: Letter) -> Mapping[str, str]:
        """The headers that vouch for a callback."""
        now = datetime.now(UTC)
        message = _Message(letter.method, letter.url, {"Content-Type": CONTENT_TYPE, "Signature-Date": now.isoformat()})
        _signer(self._false_key if letter.forged else self._key).sign(
            message,
            key_id=KEY_ID,
            created=now,
            expires=now + LIVES,
            label="sig-pp",
            covered_component_ids=COVERED,
            body=letter.body,
        )
        return {name: value for name, value in message.headers.items() if name != "Content-Type"}


def _signer(key: EllipticCurvePrivateKey) -> HTTPMessageSigner:
    return _Signer(
        signature_algorithm=algorithms.ECDSA_P256_SHA256,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={KEY_ID: key}),
    )
