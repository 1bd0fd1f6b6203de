"""Which address a request comes from, where proxies of the site stand in between."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from actors.runtime.addresses import parsed

FORWARDED_FOR, FORWARDED_PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
HOPS = 32  # that are looked at


class TrustedProxies:
    """The site's own proxies. Each appends the address that it was reached from to `X-Forwarded-For`."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks`: addresses, or networks as `10.0.0.0/8`. Raises ValueError."""
        self._networks = tuple(ip_network(network) for network in networks)

    def trusts(self, address: str) -> bool:
        found = parsed(address) if self._networks else None
        return found is not None and any(found in network for network in self._networks)

    def client_of(self, peer: str, forwarded: Sequence[str]) -> str:
        """The nearest hop that is none of ours: what stands left of it anybody can have written. `forwarded`: the
        values of the header, in their order. A hop that is no address ends the way where it is."""
        client = peer
        for hop in reversed(",".join(forwarded).rsplit(",", HOPS)[-HOPS:]):
            if not self.trusts(client):
                break
            found = parsed(_without_port(hop.strip()))
            if found is None:
                break
            client = str(found)
        return client


def _without_port(hop: str) -> str:
    """`[2001:db8::1]:443` and `192.0.2.1:443` as some proxies write them."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
