"""The transports under Socket.IO: what is written to one, what its client may do, and how one ends.

Nobody waits for the client of a transport that ends: it is told, and when its time is over its connections are cut.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aiohttp import web
from engineio.packet import CLOSE
from engineio.packet import Packet as Frame
from socketio.packet import BINARY_ACK, BINARY_EVENT, EVENT, Packet

from gateway.auth import Caller
from gateway.live.allowance import Allowance
from gateway.live.engine import WEBSOCKET, Engine, Outbox
from gateway.live.said import Said
from gateway.live.strangers import Strangers
from gateway.server import client_of, protocol_of

log = structlog.get_logger()

SLOWEST = 2_000  # frames that may wait for one client
SLOWEST_BYTES = 4 * 1024 * 1024
UNREAD = 30.0  # seconds for a client to take what it has asked for
READ_PAUSE = 0.05
CLOSING = 2.0  # seconds for a client to take what was said before its transport is cut
UNNAMED = 10.0  # seconds a transport may stay without having logged in
MOST_UNNAMED = 1_000  # of those, from everywhere; beyond, the oldest go
UNNAMED_SENDS = 30.0  # frames, packets and requests before the login
UNNAMED_BYTES = 32 * 1024.0
SENDS, SENDS_EACH_SECOND = 200.0, 50.0  # after it
BYTES, BYTES_EACH_SECOND = 64 * 1024.0, 32 * 1024.0
LONGEST_NAMESPACE = 64  # what is asked for is repeated in the answer that there is no such one

RESERVED = ("connect", "disconnect")
DISCONNECT = Said(b"1")  # a Socket.IO packet: the server ends the session, and the client shall not come back by itself


class TextOnly(Packet):  # type: ignore[misc]  # python-socketio has no types
    """Packets without attachments (a client could have the server collect them without end), whose events are not
    called like what the library itself says of a session: it would take a client's word for it."""

    def decode(self, encoded_packet: str) -> Any:
        attachments = super().decode(encoded_packet)
        if len(self.namespace or "") > LONGEST_NAMESPACE:
            raise ValueError("the namespace's name is too long")
        if self.packet_type in (BINARY_EVENT, BINARY_ACK):
            raise ValueError("binary packets are not accepted")
        if self.packet_type == EVENT and not _is_event(self.data):
            raise ValueError("not an event")
        return attachments


def _is_event(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in RESERVED


class Transport:
    """One of them. `caller`: whose it is while somebody is logged in on it; `admitted`: somebody was at some time.
    `ending`: nothing is said or heard any more. `over`: and its session has ended. `open`: the requests that are being
    served, by their sort. `frames`, `bytes`: what its client may yet send."""

    __slots__ = ("address", "admitted", "beat", "bytes", "caller", "ending", "frames", "open", "over", "timer")

    def __init__(self, address: str, *, timer: asyncio.TimerHandle, now: float) -> None:
        self.address = address
        self.caller: Caller | None = None
        self.admitted = self.ending = self.over = False
        self.timer = timer
        self.open: dict[str, web.Request] = {}
        self.beat: asyncio.Task[Any] | None = None
        self.frames = Allowance(most=UNNAMED_SENDS, each_second=0.0, now=now)
        self.bytes = Allowance(most=UNNAMED_BYTES, each_second=0.0, now=now)

    def admit(self, *, now: float) -> None:
        """Its client has logged in for the first time, and may send more."""
        self.admitted = True
        self.frames = Allowance(most=SENDS, each_second=SENDS_EACH_SECOND, now=now)
        self.bytes = Allowance(most=BYTES, each_second=BYTES_EACH_SECOND, now=now)

    def cut(self) -> None:
        """End what belongs to it, now."""
        self.timer.cancel()
        if self.beat is not None:
            self.beat.cancel()
        for request in self.open.values():
            if request.transport is not None:
                request.transport.abort()


class Transports:
    """The transports of one Socket.IO server, by the id that engineio gives each."""

    def __init__(self, engine: Engine, *, refused: Callable[[], None]) -> None:
        self._engine = engine
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._strangers = Strangers(now=self._loop.time)
        self._known: dict[str, Transport] = {}
        self._unnamed: dict[str, None] = {}  # the oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        engine.watch = self

    # --- what is said

    def write(self, sid: str, *said: Said) -> None:
        """Say something to one client, in one go. One that does not read is cut off: it can come back with `since`."""
        transport, outbox = self._known.get(sid), self._outbox(sid)
        if transport is None or outbox is None or transport.ending:
            return
        if _is_full(outbox):
            log.info("slow client cut off", transport=sid, waiting=outbox.qsize(), bytes=outbox.size)
            self.cut(sid)
            return
        outbox.put_out(*said)

    async def taken(self, sid: str) -> bool:
        """Wait until a client has been given all that waits for it. False: it is gone, or did not read."""
        await asyncio.sleep(0)  # others' turn, also where nothing waits
        outbox = self._outbox(sid)
        if outbox is not None:
            try:
                async with asyncio.timeout(UNREAD):
                    await outbox.taken.wait()
            except TimeoutError:
                log.info("client cut off that does not read what it asked for", transport=sid)
                self.cut(sid)
        return self.hears(sid)

    async def read(self, sid: str) -> None:
        """Wait until a client has read what was said to it. One that does not is cut off."""
        late = self._loop.time() + UNREAD
        while (outbox := self._outbox(sid)) is not None and not self._is_read(sid, outbox):
            if self._loop.time() >= late:
                log.info("client cut off that does not read what it was shown", transport=sid)
                self.cut(sid)
                return
            await asyncio.sleep(READ_PAUSE)

    def _is_read(self, sid: str, outbox: Outbox) -> bool:
        transport = self._known.get(sid)
        answering = transport is not None and "GET" in transport.open and not outbox.awaited
        return outbox.is_out and not answering

    # --- who is there

    def name(self, sid: str, caller: Caller) -> bool:
        """Its client has logged in. False: it is no longer there. Raises Refusal(RATE_LIMITED)."""
        transport = self._known.get(sid)
        if transport is None or transport.ending:
            return False
        for request in transport.open.values():
            protocol_of(request).known(request, caller)
        transport.timer.cancel()
        transport.caller = caller
        self._unnamed.pop(sid, None)
        if not transport.admitted:
            transport.admit(now=self._loop.time())
            self._strangers.forgive(transport.address)
        return True

    def unname(self, sid: str) -> None:
        """Its client has logged out. It may log in again, in as much time as a new one has."""
        transport = self._known.get(sid)
        if transport is not None and not transport.ending:
            transport.timer.cancel()
            transport.timer = self._loop.call_later(UNNAMED, self.end, sid)
            transport.caller = None
            self._unnamed[sid] = None

    def knows(self, sid: str) -> bool:
        return sid in self._known

    def hears(self, sid: str) -> bool:
        transport = self._known.get(sid)
        return transport is not None and not transport.ending

    def admit(self, request: web.Request) -> bool:
        admitted = self._strangers.admit(client_of(request))
        if not admitted:
            self._refused()
        return admitted

    def enter(self, sid: str, request: web.Request) -> None:
        timer = self._loop.call_later(UNNAMED, self.end, sid)
        transport = Transport(client_of(request), timer=timer, now=self._loop.time())
        if request.query.get("transport") == WEBSOCKET:
            transport.open[WEBSOCKET] = request
            protocol_of(request).rest(request)
        self._known[sid] = transport
        self._unnamed[sid] = None
        if len(self._unnamed) > MOST_UNNAMED:
            self.cut(next(iter(self._unnamed)))

    def begin(self, sid: str, what: str, request: web.Request) -> bool:
        transport = self._known[sid]
        polls = transport.caller is not None and what == "GET"  # as often as there is something to hear
        if what in transport.open or not self.spend(sid, frames=0 if polls else 1):
            return False
        if transport.caller is not None:
            protocol_of(request).known(request, transport.caller)
        elif what != "POST":  # it will wait for what there is to hear, which is nothing yet
            protocol_of(request).rest(request)
        transport.open[what] = request
        return True

    def done(self, sid: str, what: str) -> None:
        transport = self._known.get(sid)
        if transport is not None:
            transport.open.pop(what, None)
            if transport.over and not transport.open:
                self.cut(sid)

    def spend(self, sid: str, *, frames: int = 1, size: int = 0) -> bool:
        transport, now = self._known.get(sid), self._loop.time()
        if transport is None:
            return False
        outbox = self._outbox(sid)
        full = frames > 0 and outbox is not None and _is_full(outbox)  # its answers wait there too
        if full or not transport.frames.take(frames, now=now) or not transport.bytes.take(size, now=now):
            log.info("client cut off that sends too much", transport=sid, address=transport.address)
            self._strangers.admit(transport.address)  # or who has a login could begin again without end
            self.cut(sid)
            return False
        return True

    def beats(self, sid: str, task: asyncio.Task[Any]) -> None:
        if (transport := self._known.get(sid)) is not None:
            transport.beat = task
        else:
            task.cancel()

    # --- how one ends

    def end(self, sid: str, *, after: float = 0.0) -> None:
        """Say that it is over, in so many seconds, and hear nothing any more. What waits for it still goes out."""
        transport = self._known.get(sid)
        if transport is None or transport.ending:
            return
        transport.ending = True
        transport.timer.cancel()
        transport.timer = self._loop.call_later(after, self._close, sid)

    def _close(self, sid: str) -> None:
        transport, outbox = self._known.get(sid), self._outbox(sid)
        if transport is None:
            return
        if outbox is not None:
            outbox.put_nowait(Frame(CLOSE))
            outbox.put_nowait(None)  # the writer's end
        transport.timer = self._loop.call_later(CLOSING, self.cut, sid)

    def gone(self, sid: str) -> None:
        """Its session is over. Its client may yet take what was said last."""
        transport = self._known.get(sid)
        if transport is not None:
            transport.ending = transport.over = True
            transport.timer.cancel()
            transport.timer = self._loop.call_later(CLOSING if transport.open else 0.0, self.cut, sid)

    def cut(self, sid: str) -> None:
        """End it now, whatever its client does."""
        transport = self._known.pop(sid, None)
        self._unnamed.pop(sid, None)
        socket = self._engine.sockets.pop(sid, None)
        if transport is not None:
            transport.ending = True
            transport.cut()
        if socket is None:
            return
        over, socket.closing, socket.closed = socket.closing, True, True
        while not socket.queue.empty():
            socket.queue.get_nowait()
        socket.queue.put_nowait(None)  # whoever waits for something to say
        if not over:
            self._spawn(self._engine._trigger_event("disconnect", sid, self._engine.reason.SERVER_DISCONNECT))

    async def stop(self) -> None:
        """End every transport; its client has a moment to hear of it."""
        for sid in list(self._known):
            self.end(sid)
        give_up = self._loop.time() + CLOSING / 2
        while self._known and self._loop.time() < give_up:
            await asyncio.sleep(0.02)
        for sid in list(self._known):
            self.cut(sid)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _outbox(self, sid: str) -> Outbox | None:
        socket = self._engine.sockets.get(sid)
        return None if socket is None or socket.closed else socket.queue

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_full(outbox: Outbox) -> bool:
    return outbox.qsize() >= SLOWEST or outbox.size > SLOWEST_BYTES
