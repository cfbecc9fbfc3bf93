"""Networks of callers, and whether an address is in one."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# A network with fewer fixed bits belongs to no single caller.
_PREFIX_MIN: Final = {4: 8, 6: 24}
_CUSTOMER_BITS_IPV6: Final = 64


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between. Raises ValueError for what is none, and for one that is nearly everybody."""
    networks = tuple(ip_network(word.strip()) for word in text.split(",") if word.strip())
    for network in networks:
        if network.prefixlen < _PREFIX_MIN[network.version]:
            raise ValueError(f"{network} is nearly everybody; name the networks of those who call")
    return networks


@lru_cache(maxsize=4096)
def subject_of(address: str) -> str:
    """Whom an address counts for: itself, or its /64 where IPv6 gives each customer so many."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ip_network((parsed.packed, _CUSTOMER_BITS_IPV6), strict=False))
    return str(parsed)


def comes_from(remote: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of these networks. What is no address is in none."""
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
