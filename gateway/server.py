"""One listener: aiohttp's protocol with time limits and counted connections, and around every application what holds
for each of its paths, known or not.

aiohttp would answer malformed HTTP and unknown expectations in plain text, outside every middleware, and repeat what
was sent; it would decompress what strangers send, and name its version in each answer.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import structlog
from aiohttp import hdrs, web, web_protocol
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict, CIMultiDictProxy

from actors.runtime.sparing import SparingLog
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import Share
from gateway import errors
from gateway.auth import Caller
from gateway.connections import Connections, Seat
from gateway.greeter import Greeter, Waiting
from gateway.pace import SENT_BYTES, TURN_BYTES, pieces, take_turns
from gateway.proxies import FORWARDED_FOR, FORWARDED_PROTO

log = structlog.get_logger()

IDLE_SECONDS = 30.0  # for a request's head to arrive, from the connection or from the last answer on
KEEPALIVE_SECONDS = 75.0
UNREAD_SECONDS = 30.0  # for which a client may leave unread what was sent to it; then the kernel ends the connection
LINGER_SECONDS = 2.0  # for which what is left of a body that was refused is read, so that the answer gets through,
LINGER_BYTES = 256 * 1024  # and how much of it
FRAME_BYTES = 1024  # that are no data, in a body of chunks; beyond, a quarter of the data
FINISH_SECONDS = 5.0  # for requests under way when the listener stops, and once more for what must be cancelled
BACKLOG = 512  # connections of a port that are taken in one go
# Requests of a connection that are taken behind the one that is answered. With one, reading would be stopped and begun
# again for each request: a tenth of what a small one costs.
QUEUED = 2
BODY_AHEAD = 16 * 1024  # bytes of a body beyond which, twice, no more is taken until some is read
HEADERS = 64  # of a request, each of 8,190 bytes at most
MALFORMED_LINES = 10  # a minute in the log

MALFORMED = RefusalTemplate(ErrorCode.INVALID_PARAMS, "Malformed HTTP request.")
BROKEN = RefusalTemplate(ErrorCode.INTERNAL, "Internal error.")
ENCODED = RefusalTemplate(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is: nothing encoded is taken.")
NO_EXPECTATION = RefusalTemplate(ErrorCode.INVALID_PARAMS, "This expectation cannot be met.")

CLIENT: web.RequestKey[str] = web.RequestKey("client", str)  # the address of who asks, also behind trusted proxies
OVER_TLS: web.RequestKey[bool] = web.RequestKey("over_tls", bool)  # one of these says that it is what ends TLS

# aiohttp makes no setting of this. That it still counts is seen by tests/attacks/test_pipelined.py.
web_protocol.MAX_MSG_QUEUE_SIZE = QUEUED

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
MakeRequest = Callable[..., web.BaseRequest]


class Protocol(RequestHandler):
    """One connection. `meter` is told how many bytes have come in; False: they are not looked at."""

    __slots__ = (
        "_chunked",
        "_connections",
        "_due",
        "_malformed",
        "_received",
        "_request",
        "_seat",
        "_share",
        "_watch",
        "crowded",
        "meter",
    )

    def __init__(self, *args: Any, connections: Connections, malformed: SparingLog, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self._malformed = malformed
        self._seat: Seat | None = None
        self._request: web.BaseRequest | None = None  # that is being answered
        self._share: Share | None = None  # whose it is
        self._chunked: StreamReader | None = None  # its body, if that comes in chunks
        self._received = 0  # bytes since its head
        self._due: float | None = None  # when the next head must have arrived, in the loop's time
        self._watch: asyncio.TimerHandle | None = None
        self.crowded = False  # whose it is has too many others
        self.meter: Callable[[int], bool] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._seat = self._connections.enter(str(peer[0]) if peer else "", cast(asyncio.Transport, transport).abort)
        if self._seat is None:
            transport.close()
            return
        connected = transport.get_extra_info("socket")
        if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_SECONDS))
        take_turns(transport)
        self._wait_for_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._seat is not None:
            self._connections.leave(self._seat)
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on with what has come, as long as that is wanted."""
        if len(data) <= TURN_BYTES:
            self._takes(data)
            return
        for piece in pieces(data):
            if self.transport is None or self.transport.is_closing() or not self._takes(piece):
                return

    def _takes(self, data: bytes) -> bool:
        """Go on with a piece, unless it is of a body of little more than the frames of its chunks: then it is cut."""
        if self.meter is not None and not self.meter(len(data)):
            return False
        self._received += len(data)
        super().data_received(data)
        body = self._chunked
        if body is not None and not body.is_eof():
            frames = self._received - body.total_bytes
            if frames > FRAME_BYTES + body.total_bytes // 4 and self.transport is not None:
                self.transport.abort()
        return True

    def begin(self, request: web.BaseRequest) -> None:
        """A whole head has arrived. Raises Refusal(RATE_LIMITED)."""
        self._due = None
        self._request, self._share, self._received = request, None, 0
        self._chunked = request.content if hdrs.TRANSFER_ENCODING in request.headers else None
        if self._seat is not None:
            request[CLIENT] = self._connections.ask(self._seat, request.headers.getall(FORWARDED_FOR, []))
            if self._seat.proxied and request.headers.getall(FORWARDED_PROTO, [])[-1:] == ["https"]:
                request[OVER_TLS] = True
            if not request.content.is_eof():
                self.rest(request)
                request.content.on_eof(partial(self.work, request))

    def rest(self, request: web.BaseRequest) -> None:
        """Nothing is done for the request now, so that somebody else may have its place."""
        if self._seat is not None and request is self._request:
            self._connections.rest(self._seat)

    def work(self, request: web.BaseRequest) -> None:
        """Something is done for the request."""
        if self._seat is not None and request is self._request:
            self._connections.work(self._seat)

    def known(self, request: web.BaseRequest, caller: Caller) -> None:
        """The request is this one's. What was answered meanwhile is nobody's. Raises Refusal(RATE_LIMITED)."""
        if self._seat is None or request is not self._request:
            return
        self._share = caller.share
        try:
            self._connections.known(self._seat, caller.share, caller.credential, client_of(request))
        except Refusal:
            self.crowded = True
            raise

    async def hold_back(self, request: web.BaseRequest, answer: web.StreamResponse) -> None:
        """Wait before an answer to somebody who has had many of this sort."""
        if not answer.prepared and (self._share is None or answer.status >= 400):
            wait = self._connections.wait(self._share, client_of(request), request.content.total_bytes)
            if wait > 0:
                await self.pause(request, wait)

    async def pause(self, request: web.BaseRequest, seconds: float) -> None:
        """Let somebody wait for an answer that is known already."""
        self.rest(request)
        await asyncio.sleep(seconds)

    def answered(self) -> None:
        """The answer is known; it is to be taken."""
        self._request = None
        if self._seat is not None:
            self._connections.answered(self._seat)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer. Then the next head may come."""
        try:
            finished = await super().finish_response(request, resp, start_time)
            if not request.content.is_eof():
                await _read_off(request.content)
            return finished
        finally:
            self._wait_for_head()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no HTTP, or what went wrong outside of the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer is out already")
        if status >= 500:
            log.error("request failed outside of the application", status=status, exc_info=exc)
        else:  # what was sent is not repeated: it may be long, and anything
            address = self._seat.peer if self._seat is not None else ""
            self._malformed.info("malformed request", address=address, why=type(exc).__name__)
        answer = errors.response(BROKEN() if status >= 500 else MALFORMED(), status=status)
        answer.force_close()
        return answer

    def _wait_for_head(self) -> None:
        self._due = self._loop.time() + IDLE_SECONDS
        if self._watch is None and self.transport is not None and not self.transport.is_closing():
            self._watch = self._loop.call_at(self._due, self._look_for_head)

    def _look_for_head(self) -> None:
        """End the connection where no head has come in time. One timer looks for all of its requests, each of which has
        only moved what it looks for."""
        self._watch = None
        if self._due is None or self.transport is None:
            return
        if self._loop.time() < self._due:
            self._watch = self._loop.call_at(self._due, self._look_for_head)
        else:
            self.transport.abort()


async def _read_off(body: StreamReader) -> None:
    """Read some of what is left of a body: unread, it would have the end of the connection overtake the answer."""
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and not body.is_eof():
                left -= len(await body.readany())


def client_of(request: web.BaseRequest) -> str:
    """The address of who asks."""
    address: str = request.get(CLIENT, request.remote or "")
    return address


def origin_of(request: web.BaseRequest) -> str:
    """Scheme and host as who asks has them, also before a proxy of the site's that ends TLS."""
    return f"{'https' if OVER_TLS in request else request.scheme}://{request.host}"


def protocol_of(request: web.BaseRequest) -> Protocol:
    """The connection that a request came in on."""
    assert isinstance(request.protocol, Protocol)
    return request.protocol


def has_gone(request: web.BaseRequest) -> bool:
    """Whether who has asked reads no more."""
    return request.transport is None or request.transport.is_closing()


# --- around every application -------------------------------------------------------------------------------------


class NamelessWriter(StreamWriter):
    """Says nothing of what the answer was made with, whoever made it, and sends a long one bit by bit: over TLS what is
    sent at once is kept once more for each connection, and the room for it as long as that lasts."""

    async def write_eof(self, chunk: bytes = b"") -> None:
        if len(chunk) > SENT_BYTES:
            whole = memoryview(chunk)
            for start in range(0, len(chunk) - SENT_BYTES, SENT_BYTES):
                await self.write(whole[start : start + SENT_BYTES])
            chunk = chunk[start + SENT_BYTES :]
        await super().write_eof(chunk)

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        headers.popall(hdrs.SERVER, None)
        await super().write_headers(status_line, headers)


def factory(make: MakeRequest) -> MakeRequest:
    """Requests as an application makes them, whose answers are nameless and which offer no compressed frames."""

    def make_ours(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        if hdrs.SEC_WEBSOCKET_EXTENSIONS in message.headers:  # a client that wants them goes on without
            headers = CIMultiDict(message.headers)
            del headers[hdrs.SEC_WEBSOCKET_EXTENSIONS]
            message = message._replace(headers=CIMultiDictProxy(headers))
        return make(message, payload, protocol, NamelessWriter(protocol, asyncio.get_running_loop()), task)

    return make_ours


def guarded(handle: Handle) -> Handle:
    """An application's handler behind what is asked of every request before its path is looked at."""

    async def guard(request: web.BaseRequest) -> web.StreamResponse:
        protocol = protocol_of(request)
        try:
            protocol.begin(request)
            answer = _unfit(request) or await handle(request)
            if protocol.crowded:
                answer.force_close()
            await protocol.hold_back(request, answer)
            return answer
        except Refusal as refusal:
            return _closing(errors.response(refusal))
        finally:
            protocol.answered()

    return guard


def _unfit(request: web.BaseRequest) -> web.StreamResponse | None:
    """The answer to a head that nothing here can do anything with."""
    coding = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING, ("chunked",)))
    if hdrs.CONTENT_ENCODING in request.headers or coding.lower() != "chunked":
        return _closing(errors.response(ENCODED()))
    if hdrs.EXPECT in request.headers and set(map(str.lower, request.headers.getall(hdrs.EXPECT))) != {"100-continue"}:
        return _closing(errors.response(NO_EXPECTATION(), status=417))
    return None


def _closing(answer: web.Response) -> web.Response:
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.force_close()
    return answer


class Listener:
    """An application on one port. `tls`: what is shown to who connects now."""

    def __init__(
        self, *, app: web.Application, host: str, port: int, connections: Connections,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        self._tls = tls
        self._host = host
        self._port = port
        self._connections = connections
        self._malformed = SparingLog(per_minute=MALFORMED_LINES, now=time.monotonic)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=FINISH_SECONDS)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None
        manager.request_handler = guarded(manager.request_handler)
        manager.request_factory = factory(manager.request_factory)
        loop = asyncio.get_running_loop()

        def protocol() -> Protocol:
            return Protocol(
                manager,
                loop=loop,
                connections=self._connections,
                malformed=self._malformed,
                keepalive_timeout=KEEPALIVE_SECONDS,
                lingering_time=0,  # we do that
                access_log=None,
                max_line_size=8190,
                max_field_size=8190,
                max_headers=HEADERS,
                read_bufsize=BODY_AHEAD,
                auto_decompress=False,
            )

        waiting = Waiting(trusts=self._connections.trusts)

        def greeter() -> asyncio.Protocol:
            return protocol() if self._tls is None else Greeter(make=protocol, context=self._tls(), waiting=waiting)

        self._server = await loop.create_server(greeter, self._host, self._port, backlog=BACKLOG)
        self._port = self._server.sockets[0].getsockname()[1]

    @property
    def port(self) -> int:
        return self._port

    async def stop(self) -> None:
        """Take no more, finish what is under way, close the rest."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
