"""Where webhooks may post to: by a table of what is not anybody's, and by property."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.webhook.addresses import SPECIAL, forbidden, networks_of, wrong_url

FORBIDDEN = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16",
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1",
    "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "fec0::1", "100::1", "3fff::1", "5f00::1", "4000::1",
)  # fmt: skip
ALLOWED = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111",
           "2a00:1450::1", "::ffff:8.8.8.8", "2001:4860::1")  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_nothing_goes_to_what_is_not_anybodys(address: str) -> None:
    assert forbidden(address) is not None


@pytest.mark.parametrize("address", ALLOWED)
def test_what_anybody_reaches_may_be_posted_to(address: str) -> None:
    assert forbidden(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "2130706433", "0x7f.1", "127.1", "::g", "1.2.3.4.5"])
def test_what_is_no_address_is_forbidden(text: str) -> None:
    assert forbidden(text) is not None


def test_a_site_allows_networks_and_nothing_beside_them() -> None:
    allowed = networks_of(["127.0.0.0/8", "10.1.0.0/16", "fd12::/16"])
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd12::1"):
        assert forbidden(address, allowed) is None, address
    for address in ("10.2.0.1", "::1", "fd13::1", "169.254.169.254"):
        assert forbidden(address, allowed) is not None, address
    with pytest.raises(ValueError):
        networks_of(["10.0.0.1/8"])


@given(st.integers(0, 2**32 - 1))
def test_ipv4_is_judged_alike_however_it_is_written(number: int) -> None:
    address = IPv4Address(number)
    said = forbidden(str(address))
    assert forbidden(f"::ffff:{address}") == said
    if address.is_private or address.is_multicast or address.is_link_local or address.is_loopback:
        assert said is not None
    assert (said is not None) == any(network.version == 4 and address in network for network, _ in SPECIAL)


@given(st.integers(0, 2**128 - 1))
def test_ipv6_is_allowed_only_where_it_was_given_out(number: int) -> None:
    address = IPv6Address(number)
    if forbidden(str(address)) is None and address.ipv4_mapped is None:
        assert number >> 125 == 1 and not address.is_private and not address.is_multicast


WRONG = (
    "", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
    "https://", "https:///x", "http://example.com/", "https://user:secret@example.com/", "https://user@example.com/",
    "https://example.com/#part", "https://example.com:0/", "https://example.com:70000/", "https://example.com:x/",
    "https://exa mple.com/", "https://example.com/\r\nHost: other", "https://example.com/\x00", "https://приклад.укр/",
    "https://example.com\\@127.0.0.1/", "https://[::1/", "https://[zz]/", "https://127.0.0.1/", "https://[::1]:8080/x",
    "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest/meta-data/", "https://[fe80::1%25eth0]/",
    f"https://{'a' * 254}/", "javascript:alert(1)", "https://10.0.0.1:22",
)  # fmt: skip


@pytest.mark.parametrize("url", WRONG)
def test_what_is_wrong_with_an_address_is_said_at_once(url: str) -> None:
    assert wrong_url(url, http=False) is not None


def test_a_right_address_is_right() -> None:
    for url in ("https://example.com", "https://example.com:8443/hook?x=1&y=%20", "https://8.8.8.8/", "HTTPS://A.b/"):
        assert wrong_url(url, http=False) is None, url
    assert wrong_url("http://example.com/", http=True) is None
    assert wrong_url("http://127.0.0.1:9/", http=True, allowed=networks_of(["127.0.0.0/8"])) is None
    assert wrong_url("http://127.0.0.1:9/", http=True) is not None


@given(st.text(max_size=80))
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}", f"https://[{text}]/"):
        wrong_url(url, http=True)
