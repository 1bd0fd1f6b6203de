"""python-engineio's server with bounds for its clients, above all for those who have not logged in.

As it comes, a handshake may be asked for without end, a client that never polls or never finishes an upgrade is waited
for, every request is kept for as long as its session, answers that nobody reads pile up, frames that are no messages
are not counted, and what strangers send wrongly is written to the log with a traceback each time. Here each request
passes `Transports` first, and nothing of a client outlives its transport.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import engineio
import socketio
from aiohttp import WSMsgType, hdrs, web
from aiohttp.log import ws_logger
from engineio.async_drivers.aiohttp import WebSocket, translate_request
from engineio.async_socket import AsyncSocket
from engineio.payload import Payload
from socketio.packet import ACK, Packet

from bus_schemas.errors import ErrorCode, Refusal, misfit
from gateway import errors, server
from gateway.live.said import Said, answer_said

WAIT_SECONDS = 1.0  # for an answer to an address that has asked too often
RETRY_SECONDS = 10
UPGRADE_SECONDS = 5.0  # for each step from polling to a websocket
BODY_SECONDS = 10.0
READ_SECONDS = 30.0  # for an answer to be read
UNREAD_BYTES = 128 * 1024  # that the kernel keeps for a client; it takes twice what it is told
HELD_BYTES = 64 * 1024  # that we keep for one whose websocket takes more
CLOSE_SECONDS = 2.0  # for a client's half of the end of a websocket

WEBSOCKET = "websocket"  # a sort of request; the others are named by their method
NOT_A_PACKET = (ValueError, LookupError, TypeError, OSError, RuntimeError)  # what the libraries raise for one

QUERY = ("EIO", "transport", "sid")  # what is told of a request's query
SEPARATOR = b"\x1e"  # between the packets of a body
SCRIPT = b"d="  # how a body begins that is a form; taking it apart costs more than sending it

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # this machine's names for itself
METHODS = "GET,OPTIONS,POST"
NO_SUCH_METHOD = "This path does not take that method."

NO_ENVIRONMENT: Mapping[str, Any] = {}  # what the libraries would keep of a handshake for as long as its session lasts

QUIET = logging.Logger("socket.io")  # what clients do wrong is theirs to know; what we do wrong our handlers log
QUIET.disabled = True
ws_logger.setLevel(logging.ERROR)  # the same: it would repeat what a client calls its protocols


class Watch(Protocol):
    """Who is asked about each transport, by engineio's id of it."""

    def admit(self, request: web.Request) -> bool:
        """Whether somebody without a transport may ask. False: their address has asked too often."""

    def enter(self, sid: str, request: web.Request) -> None:
        """A transport begins."""

    def knows(self, sid: str) -> bool:
        """Whether there is such a transport."""

    def spend(self, sid: str, *, frames: int = 1, size: int = 0) -> bool:
        """Count what its client sends. False: it sends too much, and the transport has been ended."""

    def write(self, sid: str, *said: Said) -> None:
        """Say something to its client, unless too much waits for it already: then it is ended."""

    def hears(self, sid: str) -> bool:
        """Whether what it says still counts."""

    def begin(self, sid: str, what: str, request: web.Request) -> bool:
        """A request of it is served from now on. False: one of this sort is already. Raises Refusal(RATE_LIMITED)."""

    def done(self, sid: str, what: str) -> None:
        """That request is over."""

    def beats(self, sid: str, task: asyncio.Task[Any]) -> None:
        """This task pings it."""

    def end(self, sid: str) -> None:
        """It shall end, without anybody waiting for it."""

    def gone(self, sid: str) -> None:
        """Its session is over."""


class Outbox(asyncio.Queue[Any]):  # any: engineio's packets and `Said`, and None for the end
    """What waits for one client. `size`: bytes. `taken`: nothing waits. `wire`: the connection of its websocket, once
    that carries what is said. `awaited`: all that ever waited is out, and whoever sends it waits for more."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.size = 0
        self.wire: asyncio.Transport | None = None
        self.awaited = False
        self.taken = asyncio.Event()
        self.taken.set()

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.size += _size(item)
        self.taken.clear()

    def _get(self) -> Any:
        item = super()._get()
        self.size -= _size(item)
        if self.empty():
            self.taken.set()
        return item

    async def get(self) -> Any:
        self.awaited = True
        try:
            return await super().get()
        finally:
            self.awaited = False

    @property
    def is_out(self) -> bool:
        """Whether all that ever waited is out, but for what any connection holds."""
        if self.wire is None:
            return self.empty()
        return self.empty() and self.awaited and self.wire.get_write_buffer_size() <= HELD_BYTES

    def put_out(self, *said: Said) -> None:
        """Send it at once where nothing is on its way before it, and else when that is out."""
        wire = self.wire
        if wire is None or not self.awaited or self.size or wire.is_closing() or wire.get_write_buffer_size():
            for one in said:
                self.put_nowait(one)
        else:
            wire.write(said[0].frame if len(said) == 1 else b"".join(one.frame for one in said))


def _size(item: Any) -> int:
    if isinstance(item, Said):
        return len(item.frame)
    return len(item.data) if item is not None and isinstance(item.data, str | bytes) else 0


class PlainWebSocket(WebSocket):  # type: ignore[misc]  # python-engineio has no types
    """A websocket without compression (an event is encoded once for everybody, and a stranger's window costs memory),
    whose client has to come to the end of an upgrade, and all of whose frames and bytes count."""

    async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
        request: web.Request = environ["aiohttp.request"]
        self._engine: AsyncSocket = self.handler.__self__
        self._watch: Watch = self.server.watch
        self._sock = web.WebSocketResponse(
            max_msg_size=self.server.max_http_buffer_size, compress=False, autoping=False, timeout=CLOSE_SECONDS
        )
        try:
            bound_unread(request)
            await self._sock.prepare(request)
            self._wire = request.transport
            assert isinstance(request.protocol, server.Protocol)
            request.protocol.meter = partial(self._count, self._engine.sid)
            await self.handler(self)
        except web.HTTPException:  # it is no handshake of a websocket
            self._watch.end(self._engine.sid)
            raise
        except NOT_A_PACKET:
            self._watch.end(self._engine.sid)
        finally:
            if isinstance(request.protocol, server.Protocol):
                request.protocol.meter = None  # a circle, which would hold what was received until it is collected
            self._engine.queue.wire = None
            self._watch.done(self._engine.sid, WEBSOCKET)
            self._engine.upgrading = False  # or polling would be answered with nothing from now on, again and again
        return self._sock

    def _count(self, sid: str, size: int) -> bool:
        return self._watch.spend(sid, frames=0, size=size)

    async def wait(self) -> str | bytes:
        if self._engine.upgraded:
            self._engine.queue.wire = self._wire
        async with asyncio.timeout(None if self._engine.upgraded else UPGRADE_SECONDS):  # TimeoutError is an OSError
            while True:
                said = await self._sock.receive()
                if not self._watch.spend(self._engine.sid):
                    raise OSError("it sends too much")
                if said.type is WSMsgType.PING:
                    await self._sock.pong(said.data)
                elif said.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data: str | bytes = said.data
                    return data
                elif said.type is not WSMsgType.PONG:
                    raise OSError("it is over")


class Body:
    """A request's body, whole: what engineio reads itself is what has arrived so far."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, length: int) -> bytes:
        return self._data[:length]


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # python-engineio has no types
    """`watch` is set before the first request."""

    watch: Watch
    _async: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._async = {
            **self._async, "websocket": PlainWebSocket, "translate_request": self._translate, "make_response": _made,
        }  # fmt: skip

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """One request on the path of Socket.IO."""
        sid = request.query.get("sid", "")
        if hdrs.CONTENT_ENCODING in request.headers:
            return _refused(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send it as it is, without a content encoding.")
        upgrades = _upgrades(request)
        if upgrades != (request.query.get("transport") == WEBSOCKET):
            return _refused(ErrorCode.INVALID_PARAMS, "The transport websocket goes with an upgrade to it.")
        if (elsewhere := self._from_elsewhere(request)) is not None:
            return elsewhere
        if not self.watch.knows(sid):
            return await self._of_stranger(request)
        what = WEBSOCKET if upgrades else request.method
        try:
            if not self.watch.begin(sid, what, request):
                return _refused(ErrorCode.INVALID_PARAMS, "One request of a sort at a time.")
        except Refusal as refusal:
            return errors.response(refusal)
        try:
            answer: web.StreamResponse = await super().handle_request(request)
            if what == hdrs.METH_GET:
                await _deliver(request, answer)
            return answer
        except NOT_A_PACKET as problem:
            self.watch.end(sid)
            return _answer_to(problem)
        finally:
            self.watch.done(sid, what)

    def _from_elsewhere(self, request: web.Request) -> web.Response | None:
        """The refusal of a browser whose page is from another place than may ask here, in words that its author can
        use: engineio's own says only that it is so."""
        origin = request.headers.get(hdrs.ORIGIN)
        if not origin:
            return None
        accepted = self._cors_allowed_origins(translate_request(request))
        return None if accepted is None or origin in accepted else _refused_page(origin, request)

    async def _translate(self, request: web.Request) -> dict[str, Any]:
        environ: dict[str, Any] = translate_request(request)
        sid = request.query.get("sid", "")
        environ["QUERY_STRING"] = urlencode({name: request.query[name] for name in QUERY if name in request.query})
        if request.method == hdrs.METH_POST and self.watch.knows(sid):
            async with asyncio.timeout(BODY_SECONDS):
                data = await request.read()
            more = data.count(SEPARATOR)
            if data.startswith(SCRIPT) or len(data) > self.max_http_buffer_size or more >= Payload.max_decode_packets:
                raise ValueError("a form, or too much at once")
            if not self.watch.spend(sid, frames=more, size=len(data)):
                raise OSError("it sends too much")
            environ |= {"wsgi.input": Body(data), "CONTENT_LENGTH": str(len(data))}
        return environ

    async def _of_stranger(self, request: web.Request) -> web.StreamResponse:
        if not self.watch.admit(request):
            # Asking again and again costs a connection, and nobody else's time or place.
            await server.protocol_of(request).pause(request, WAIT_SECONDS)
            return _refused(ErrorCode.RATE_LIMITED, "Too many handshakes from this address.", retry_after=RETRY_SECONDS)
        try:
            answer: web.StreamResponse = await super().handle_request(request)
            return answer
        except NOT_A_PACKET as problem:
            return _answer_to(problem)

    async def disconnect(self, sid: str | None = None) -> None:
        """End one. Who would wait here until its client has taken everything might wait for ever."""
        if sid is not None:
            self.watch.end(sid)

    def create_queue(self, *args: Any, **kwargs: Any) -> Outbox:
        return Outbox(*args, **kwargs)

    def start_background_task(self, target: Any, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().start_background_task(target, *args, **kwargs)
        if isinstance(socket := getattr(target, "__self__", None), AsyncSocket):
            self.watch.beats(socket.sid, task)
        return task

    async def _trigger_event(self, event: str, sid: str, *args: Any, **kwargs: Any) -> Any:
        if event == "connect":
            self.watch.enter(sid, args[0]["aiohttp.request"])
            args = (NO_ENVIRONMENT,)
        elif event == "message" and not self.watch.hears(sid):
            return None
        result = await super()._trigger_event(event, sid, *args, **kwargs)
        if event == "disconnect":
            self.watch.gone(sid)
        return result


class Server(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    """python-socketio on that engine."""

    eio: Engine

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _send_packet(self, eio_sid: str, pkt: Packet) -> None:
        """An answer goes out as all that is said, with the bounds of that; it may be large."""
        if pkt.packet_type == ACK and pkt.namespace in (None, "/"):
            self.eio.watch.write(eio_sid, answer_said(pkt.id, pkt.data))
        else:
            await super()._send_packet(eio_sid, pkt)


def _upgrades(request: web.Request) -> bool:
    """Whether it asks for a websocket, as engineio will see it."""
    upgrade, connection = (",".join(request.headers.getall(name, ())) for name in (hdrs.UPGRADE, hdrs.CONNECTION))
    listed = [part.strip() for part in connection.lower().split(",")]
    return request.method == hdrs.METH_GET and upgrade.lower() == WEBSOCKET and "upgrade" in listed


def bound_unread(request: web.Request) -> None:
    """The kernel would take megabytes for a client that reads nothing: they would count as read."""
    connected = request.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)


async def _deliver(request: web.Request, answer: web.StreamResponse) -> None:
    """Send it, and wait until it has been read. Who leaves answers unread and asks on other connections would have all
    of them kept here."""
    answer.headers["X-Content-Type-Options"] = "nosniff"
    bound_unread(request)
    async with asyncio.timeout(READ_SECONDS):
        await answer.prepare(request)
        await answer.write_eof()
        await request.writer.drain()


def _made(status: str, headers: list[tuple[str, str]], body: bytes, environ: Mapping[str, Any]) -> web.Response:
    """An answer of engineio's. Its refusals are plain text, and repeat what was sent."""
    number = int(status.split()[0])
    if number < 400:
        return web.Response(body=body, status=number, headers=headers)
    answer = _answer_to(ValueError()) if number != 405 else _refused(ErrorCode.METHOD_NOT_ALLOWED, NO_SUCH_METHOD)
    answer.headers.extend((name, value) for name, value in headers if name != hdrs.CONTENT_TYPE)
    if number == 405:
        answer.headers[hdrs.ALLOW] = METHODS
    return answer


def _refused(code: ErrorCode, message: str, **details: Any) -> web.Response:
    return _closed(Refusal(code, message, **details))


def _closed(refusal: Refusal) -> web.Response:
    """A refusal after which the connection is closed."""
    answer = errors.response(refusal)
    answer.force_close()
    return answer


def _refused_page(origin: str, request: web.Request) -> web.Response:
    why = "the page is not from here. List where it is from in [http] cors_origins."
    page, asked = _host_of(origin), _host_of(f"//{request.host}")
    if page != asked and {page, asked} <= LOOPBACK:
        why = (
            f"the page was opened as {page}, and asks {asked}: for a browser these are two places. Use one name for"
            " both, or list the page's in [http] cors_origins."
        )
    return _closed(misfit("Origin", why))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _answer_to(problem: Exception) -> web.Response:
    """What a client hears of what the libraries raise."""
    late = isinstance(problem, TimeoutError)
    message = "The body did not arrive in time." if late else "This is not what a Socket.IO client says."
    return _refused(ErrorCode.INVALID_PARAMS, message)
