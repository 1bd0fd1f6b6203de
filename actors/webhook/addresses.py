"""Where a webhook may post to. Pure.

Whoever may make a webhook names an address, and this machine connects to it from where it stands: to everything behind
the firewall that trusts it. So only what anybody on the Internet could reach as well is allowed, and what the site has
named. A name is no address: what counts is the one that it is resolved to, at each connection (`http_sender.py`).
"""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

LONGEST_HOST = 253  # characters of a name, as DNS takes them

# The registries of special addresses (RFC 6890 and after), said here and not left to the standard library: what that
# calls global has changed between releases.
_SPECIAL: dict[str, str] = {
    "0.0.0.0/8": "this host",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "private to a provider (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's metadata",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "reserved",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "private",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::1/128": "loopback",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
    "2001::/23": "reserved",
    "2001:db8::/32": "documentation",
    "2002::/16": "another address in disguise (6to4)",
    "3fff::/20": "documentation",
}
SPECIAL = tuple((ip_network(network), why) for network, why in _SPECIAL.items())
GLOBAL_V6 = IPv6Network("2000::/3")  # all of IPv6 that was ever given out; what translates to IPv4 is outside of it


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks that a site allows. Raises ValueError for what is none."""
    return tuple(ip_network(text) for text in texts)


def forbidden(text: str, allowed: Collection[Network] = ()) -> str | None:
    """Why nothing is posted to an IP address, given as text. None: it may be, since anybody could or a network of the
    `allowed` has it."""
    try:
        address = _plain(ip_address(text.partition("%")[0]))
    except ValueError:
        return "it is no IP address"
    if any(address in network for network in allowed):
        return None
    for network, why in SPECIAL:
        if address in network:
            return why
    return "reserved" if isinstance(address, IPv6Address) and address not in GLOBAL_V6 else None


def _plain(address: Address) -> Address:
    """An IPv4 address that was written as an IPv6 one (`::ffff:127.0.0.1`) is what connections go to."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def wrong_url(url: str, *, http: bool, allowed: Collection[Network] = ()) -> str | None:
    """What is wrong with the address of a receiver, in words; None: nothing that can be seen in it. `http`: it need not
    be encrypted."""
    if not url.isascii() or any(character <= " " or character in "\\\x7f" for character in url):
        return "it has characters that an address has not: write a name in its ASCII form, the rest with %"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "it is no address like https://example.com/hook"
    if port == 0:
        return "there is no port 0"
    return _wrong_parts(parts, host, http=http) or _wrong_host(host, allowed)


def _wrong_parts(parts: SplitResult, host: str, *, http: bool) -> str | None:
    if parts.scheme not in ("https", "http") or not host:
        return "it is no address like https://example.com/hook"
    if parts.scheme == "http" and not http:
        return "it must begin with https:// (this site does not allow http)"
    if "@" in parts.netloc:
        return "no user and password: what is posted is signed"
    return "no `#`: it is never sent" if parts.fragment else None


def _wrong_host(host: str, allowed: Collection[Network]) -> str | None:
    """An address that stands there itself is judged at once. What else looks like a number is for the resolver."""
    if len(host) > LONGEST_HOST:
        return "the name of its host is too long"
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return None
    why = forbidden(host, allowed)
    return why and f"{host} is not allowed: {why}"
