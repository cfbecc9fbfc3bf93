"""Cloudinary's signatures, as its server makes and checks them.

Source: "Generating authentication signatures", "Notifications: verifying signatures", Python SDK 1.46. A signature is
the plain hash of a text and the secret behind it, no HMAC. Version 2 writes `&` inside a value as `%26`, version 1 as
it is; a server takes both.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, Literal

Algorithm = Literal["sha1", "sha256"]
# What is sent beside the signed parameters.
UNSIGNED: Final = frozenset({"file", "cloud_name", "resource_type", "api_key", "signature"})
_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("sha1", "sha256")


def digest(content: bytes, secret: str, algorithm: Algorithm) -> str:
    """The hash of a text with the secret behind it, in hex."""
    return hashlib.new(algorithm, content + secret.encode()).hexdigest()


def text_to_sign(parameters: Mapping[str, str], version: int = 2) -> str:
    """The parameters that are signed, by name. `version`: 1 or 2."""
    pairs = (f"{name}={value}" for name, value in sorted(parameters.items()) if value and name not in UNSIGNED)
    return "&".join(pair.replace("&", "%26") if version == 2 else pair for pair in pairs)


def is_signed(parameters: Mapping[str, str], secret: str) -> bool:
    """Whether their `signature` is one of those that the server takes."""
    given = parameters.get("signature", "").encode()
    return any(
        hmac.compare_digest(digest(text_to_sign(parameters, version).encode(), secret, algorithm).encode(), given)
        for version in (2, 1)
        for algorithm in _ALGORITHMS
    )
