"""Addresses of who asks."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

NEIGHBOURS = 64  # bits of an IPv6 address that one customer of a provider has at least to themselves


@lru_cache(maxsize=4096)
def neighbourhood(address: str) -> str:
    """What an address is counted as: of IPv6 its network, since whoever has one address there has all of them."""
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), NEIGHBOURS), strict=False))
    return str(found) if found is not None else address


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """What a text says; an IPv4 address that is written as one of IPv6 is that. None: it is no address."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
