"""Cloudinary's signatures: of what a browser uploads, and of what Cloudinary notifies.

Source: "Generating authentication signatures", "Verifying notification signatures". Both are the plain hash of a text
and the account's secret behind it, no HMAC. Uploads are signed in version 2, which writes `&` inside a value as `%26`,
so that no value can pass for a further parameter.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# Of notifications: older or newer ones are refused.
CLOCK_DIFFERENCE_MAX: Final = timedelta(hours=2)


class Algorithm(StrEnum):
    """The hash that the account is set to."""

    SHA1 = "sha1"
    SHA256 = "sha256"


def text_to_sign(parameters: Mapping[str, str]) -> str:
    """All parameters of a call but `file`, `cloud_name`, `resource_type`, `api_key`; empty ones are left out."""
    return "&".join(f"{name}={value}".replace("&", "%26") for name, value in sorted(parameters.items()) if value)


def signature_of(parameters: Mapping[str, str], secret: str, algorithm: Algorithm) -> str:
    """The signature of a call, in hex."""
    return _hash(text_to_sign(parameters).encode(), secret, algorithm)


def is_genuine(
    body: bytes, timestamp: str, signature: str, *, secret: str, algorithm: Algorithm, now: datetime
) -> bool:
    """Whether Cloudinary sent this notification lately. `timestamp`, `signature`: its headers as they came."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        return False
    made = _hash(body + timestamp.encode(), secret, algorithm)
    lately = abs(now.timestamp() - int(timestamp)) <= CLOCK_DIFFERENCE_MAX.total_seconds()
    return hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace")) and lately


def _hash(content: bytes, secret: str, algorithm: Algorithm) -> str:
    return hashlib.new(algorithm.value, content + secret.encode()).hexdigest()
