"""Networks that somebody calls from, and whether an address is in one."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

# Fewer fixed bits than these are nobody's network.
_PREFIX_MIN: Final = {4: 8, 6: 24}


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between. Raises ValueError for what is none, and for one that is nearly everybody."""
    networks = tuple(ip_network(word.strip()) for word in text.split(",") if word.strip())
    for network in networks:
        if network.prefixlen < _PREFIX_MIN[network.version]:
            raise ValueError(f"{network} is nearly everybody; name the networks of those who call")
    return networks


def comes_from(remote: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of these networks. What is no address is in none."""
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
