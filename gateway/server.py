"""One listener: aiohttp's protocol with time limits, a cap for each address, and malformed HTTP answered in our
error format (aiohttp answers it in plain text, outside every middleware, and repeats what was sent)."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from bus_schemas.errors import ErrorCode, Refusal
from gateway import errors

IDLE_SECONDS = 30.0  # for a request's head to arrive, from the connection or from the last answer on
KEEPALIVE_SECONDS = 75.0
PER_ADDRESS = 512
UNREAD_SECONDS = 30.0  # for which a client may leave unread what was sent to it; then the kernel ends the connection
FINISH_SECONDS = 5.0  # for requests under way when the listener stops, and once more for what must be cancelled

MALFORMED = Refusal(ErrorCode.INVALID_PARAMS, "Malformed HTTP request.")
BROKEN = Refusal(ErrorCode.INTERNAL, "Internal error.")


class Connections:
    """The open connections of a gateway, counted by address."""

    def __init__(self, *, per_address: int = PER_ADDRESS) -> None:
        self._per_address = per_address
        self._counts: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """False: this address has enough of them."""
        if self._counts[address] >= self._per_address:
            return False
        self._counts[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._counts[address] -= 1
        if self._counts[address] <= 0:
            del self._counts[address]


class Protocol(RequestHandler):
    """One connection. `meter` is told how many bytes have come in; False: they are not looked at."""

    __slots__ = ("_address", "_connections", "_counted", "_watch", "answering", "meter")

    def __init__(self, *args: Any, connections: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self._address = ""
        self._counted = False
        self._watch: asyncio.TimerHandle | None = None
        self.answering = False
        self.meter: Callable[[int], bool] | None = None

    def data_received(self, data: bytes) -> None:
        if self.meter is None or self.meter(len(data)):
            super().data_received(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self._counted = self._connections.enter(self._address)
        if not self._counted:
            transport.close()
            return
        connected = transport.get_extra_info("socket")
        if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_SECONDS))
        self._wait_for_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted:
            self._counted = False
            self._connections.leave(self._address)
        self._stop_waiting()
        super().connection_lost(exc)

    def begin(self) -> None:
        """A whole head has arrived."""
        self.answering = True
        self._stop_waiting()

    def done(self) -> None:
        """The answer is out; the next head may come."""
        self.answering = False
        self._wait_for_head()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, None)  # logs it
        answer = errors.response(BROKEN if status >= 500 else MALFORMED, status=status)
        answer.force_close()
        return answer

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        if self.transport is not None and not self.transport.is_closing():
            self._watch = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _give_up(self) -> None:
        if not self.answering and self.transport is not None:
            self.transport.close()


async def expect(request: web.Request) -> web.Response | None:
    """`Expect: 100-continue` is answered as it asks; nothing else is known."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what follows is the answer's own head
        return None
    return errors.response(Refusal(ErrorCode.INVALID_PARAMS, "This expectation cannot be met."), status=417)


class Listener:
    """An application on one port."""

    def __init__(self, *, app: web.Application, host: str, port: int, connections: Connections) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._connections = connections
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=FINISH_SECONDS
        )
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None
        loop = asyncio.get_running_loop()

        def protocol() -> Protocol:
            return Protocol(
                manager,
                loop=loop,
                connections=self._connections,
                keepalive_timeout=KEEPALIVE_SECONDS,
                access_log=None,
                max_line_size=8190,
                max_field_size=8190,
            )

        self._server = await loop.create_server(protocol, self._host, self._port, backlog=512)
        self._port = self._server.sockets[0].getsockname()[1]

    @property
    def port(self) -> int:
        return self._port

    async def stop(self) -> None:
        """Take no more, finish what is under way, close the rest."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
