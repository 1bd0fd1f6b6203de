"""How many TLS handshakes may be under way."""

from gateway.greeter import Waiting


def test_one_address_has_its_share_and_a_proxy_of_the_site_none() -> None:
    waiting = Waiting(per_address=2, in_all=5, trusts=lambda address: address == "10.0.0.1")
    assert [waiting.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [waiting.enter("10.0.0.1") for _ in range(4)] == [True, True, True, False]  # five in all
    waiting.leave("192.0.2.1")
    assert waiting.enter("192.0.2.1") and not waiting.enter("192.0.2.2")


def test_a_network_of_ipv6_is_one_address() -> None:
    waiting = Waiting(per_address=2, in_all=5)
    assert [waiting.enter(f"2001:db8::{number}") for number in range(4)] == [True, True, False, False]
    waiting.leave("2001:db8::1")
    assert waiting.enter("2001:db8::9")
