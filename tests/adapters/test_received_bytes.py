"""What the kernel says it has received, over IPv4, IPv6 and both at once."""

import contextlib
import socket
import sys

import pytest

from actors.adapters.received_bytes import ReceivedBytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's")


@pytest.mark.parametrize(("listening", "client"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
async def test_each_client_is_counted_by_its_address_and_port(listening: str, client: str) -> None:
    family = socket.AF_INET6 if ":" in listening else socket.AF_INET
    with socket.create_server((listening, 0), family=family, dualstack_ipv6=listening == "::") as server:
        port = server.getsockname()[1]
        with socket.create_connection((client, port)) as one, socket.create_connection((client, port)) as other:
            at_server = [server.accept()[0] for _ in range(2)]
            one.sendall(b"x" * 12345)
            counts = ReceivedBytes({"nats": port, "websocket": 1})
            assert set((await counts.read()).values()) == {0}  # what waits for a busy server is nobody's flood
            left = 12345
            while left:
                left -= len(at_server[0].recv(left))
            assert await counts.read() == {
                ("nats", client, one.getsockname()[1]): 12345, ("nats", client, other.getsockname()[1]): 0
            }  # fmt: skip
            for each in at_server:
                each.close()


async def test_nothing_is_known_where_the_kernel_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> socket.socket:
        raise OSError("not here")

    counts = ReceivedBytes({"nats": 4222})
    with monkeypatch.context() as patched:
        patched.setattr("actors.adapters.received_bytes.socket.socket", refuse)
        assert await counts.read() == {}
    assert await counts.read() == {}  # and is not asked again


async def test_one_port_of_a_client_is_counted_for_each_server_apart() -> None:
    """Else somebody who hits on the port of another one's connection would flood in their name."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        victim, attacker = [stack.enter_context(socket.socket()) for _ in range(2)]
        for client in (victim, attacker):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        victim.bind(("127.0.0.1", 0))
        attacker.bind(victim.getsockname())
        for client, server in zip((victim, attacker), servers, strict=True):
            client.connect(server.getsockname())
        accepted = [stack.enter_context(server.accept()[0]) for server in servers]
        attacker.sendall(b"x" * 1000)
        assert accepted[1].recv(1000)
        nats, websocket = [server.getsockname()[1] for server in servers]
        found = await ReceivedBytes({"nats": nats, "websocket": websocket}).read()
        port = victim.getsockname()[1]
        assert found == {("nats", "127.0.0.1", port): 0, ("websocket", "127.0.0.1", port): 1000}
