"""What a production start demands of addresses and secrets, and what a demo must not reach.

Every function is about one value as it stands in the environment; the answer is the fault as a clause that
follows the setting's name, or None.
"""

import re
import socket
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

SECRET_KEY_LENGTH_MIN: Final = 32
SHARED_SECRET_LENGTH_MIN: Final = 16
_DISTINCT_MIN: Final = 8
_DEMO_WORD: Final = re.compile(r"(^|:)demo-")

_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "sandbox"})
_PRIVATE_ENDINGS: Final = (".internal", ".local", ".lan", ".home.arpa")
# What inet_aton reads as an address besides four decimal numbers: 127.1, 0x7f.1, 2130706433.
_LITERAL: Final = re.compile(r"[0-9a-fx.]+", re.ASCII)


class Environment(StrEnum):
    """What an installation is for."""

    DEMO = "demo"
    PRODUCTION = "production"


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        if not _LITERAL.fullmatch(host):
            return None
        try:
            address = IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_simulated(url: str) -> bool:
    """Whether an address is on this machine, where only the simulated country stands in for operators."""
    host = _host(url)
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return host in _LOOPBACK_NAMES or host.endswith(".localhost")


def is_private(url: str) -> bool:
    """Whether an address is in a network of our own: private by number, or a name that no public server has."""
    host = _host(url)
    address = _address(host)
    if address is not None:
        return address.is_private
    return "." not in host or host.endswith(_PRIVATE_ENDINGS)


def address_fault(url: str, *, own_network: bool) -> str | None:
    """Why production does not call this address. `own_network`: whether the server may be one of ours, which then
    may speak plain http."""
    if is_simulated(url):
        return "production does not start with a simulated operator; set the real address"
    if urlsplit(url).scheme != "https" and not (own_network and is_private(url)):
        return "production calls operators over https:// only"
    return None


def secret_fault(secret: str, length_min: int) -> str | None:
    """Why a secret of ours can be guessed."""
    if len(secret) < length_min:
        return f"use at least {length_min} random characters"
    if len(set(secret)) < _DISTINCT_MIN or secret in (secret + secret)[1:-1]:
        return "use random characters, such as those of: openssl rand -hex 32"
    return None


def is_of_the_demo(secret: str) -> bool:
    """Whether a secret is one of the simulated country's, which everybody can read."""
    return _DEMO_WORD.search(secret) is not None


def placement_fault(environment: Environment, base_url: str, *, in_test: bool, own_network: bool) -> str | None:
    """Why an operator's account must not be used in this environment. `in_test`: it is one of the operator's public
    test environment, where money is play money. `own_network`: as `address_fault` has it."""
    if environment is Environment.PRODUCTION:
        return "production does not start with an operator's test environment" if in_test else None
    if in_test or is_simulated(base_url) or (own_network and is_private(base_url)):
        return None
    return "a demo reaches no real operator; use the simulated country, or SPOTLIGHT_ENV=production"
