"""What we send to servers of others: which addresses we call, and how a body is signed. Pure.

The form is that of Standard Webhooks 1.0 (standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature`, which is `v1,` and the base64 of an HMAC-SHA256 over `id.timestamp.body`.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

URL_LENGTH_MAX: Final = 500
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how each secret begins
SECRET_BYTES: Final = 32
_HTTPS: Final = 443
_FREE_PORTS: Final = 1024
_LOOPBACK_NAME: Final = "localhost"
# Global by their registry, and yet ways into a network: translated IPv4, tunnels, a cloud's own services.
_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/32",
            "2002::/16",
            "::/96",
            "fec0::/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "168.63.129.16/32",
        ),
    )
)


class AddressFault(StrEnum):
    """Why an address is not one that we send to."""

    UNREADABLE = "unreadable"
    NOT_HTTPS = "not_https"
    NO_NAME = "no_name"  # a number in place of a name, or a name of no public server
    PORT = "port"
    CREDENTIALS = "credentials"


def address_fault(url: str, *, local: bool) -> AddressFault | None:
    """Why we send nothing there; None where we do. `local`: this very machine is called too, over http."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return AddressFault.UNREADABLE
    if not host or not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > URL_LENGTH_MAX:
        return AddressFault.UNREADABLE
    if parts.username is not None or parts.password is not None:
        return AddressFault.CREDENTIALS
    if local and _is_here(host) and parts.scheme in ("http", "https"):
        return None
    if parts.scheme != "https":
        return AddressFault.NOT_HTTPS
    last = host.rpartition(".")[2]
    # No name ends in a number: 127.1 and 0x7f.1 are addresses.
    if "." not in host or not last[:1].isalpha():
        return AddressFault.NO_NAME
    return None if port is None or port == _HTTPS or port >= _FREE_PORTS else AddressFault.PORT


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == _LOOPBACK_NAME


def may_connect(address: str, *, local: bool) -> bool:
    """Whether we connect to this IP address, to which a name led. `local`: also to this very machine."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if local and found.is_loopback:
        return True
    if isinstance(found, IPv6Address) and (found.ipv4_mapped is not None or found.scope_id is not None):
        return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _NEVER)


def written_secret(drawn: bytes) -> str:
    """A secret as its owner keeps it."""
    return SECRET_PREFIX + b64encode(drawn).decode()


def signed_headers(secret: str, message: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers that prove a body to be ours. `secret`: as `written_secret` has it; `message`: its id, the same at
    each try; `timestamp`: seconds since 1970."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    signature = hmac.digest(key, b".".join((message.encode(), str(timestamp).encode(), body)), "sha256")
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }
