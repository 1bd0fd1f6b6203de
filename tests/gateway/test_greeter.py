"""How many TLS handshakes may be under way."""

from functools import partial

from gateway.greeter import Waiting


def test_one_address_has_its_share_and_a_proxy_of_the_site_none() -> None:
    waiting, cut = Waiting(per_address=2, in_all=5, trusts=lambda address: address == "10.0.0.1"), list[int]()
    ends = [partial(cut.append, number) for number in range(10)]
    for number in range(3):
        waiting.enter("192.0.2.1", ends[number])
    assert cut == [0]  # the oldest of the address
    for number in range(3, 7):
        waiting.enter("10.0.0.1", ends[number])
    assert cut == [0, 1]  # the oldest of five in all
    waiting.leave(ends[2])
    waiting.leave(ends[1])  # it is over already
    waiting.enter("192.0.2.1", ends[7])
    assert cut == [0, 1]


def test_a_network_of_one_customer_has_one_share() -> None:
    waiting, cut = Waiting(per_address=2), list[int]()
    for number in range(3):
        waiting.enter(f"2001:db8:1:2::{number}", partial(cut.append, number))
    assert cut == [0]
