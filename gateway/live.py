"""Socket.IO: the journal's events, encoded once and written to everybody who subscribed.

Each event carries `seq`, its place in the journal. A client that comes back passes the last one it saw as `since`
and gets what it missed, from memory or from the journal, before anything new. What is only telemetry is sent at
most twice a second for a slot and repeats the last `seq`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
import socketio
import structlog
from aiohttp import web
from engineio.packet import MESSAGE
from engineio.packet import Packet as Frame
from msgspec import Struct
from socketio.exceptions import ConnectionRefusedError as Refuse
from socketio.packet import BINARY_ACK, BINARY_EVENT, EVENT, Packet

from actors.runtime.bus import Bus, BusError, Message, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.call import CallEvent
from bus_schemas.contract import UNDECODABLE, id_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SLOT_CONFIGURED, SLOT_TELEMETRY, SlotConfigured, SlotTelemetry
from bus_schemas.trunk import TrunkChanged
from bus_schemas.visibility import visible
from gateway.auth import Caller, Doorkeeper
from gateway.history import replay_all
from gateway.metrics import Metrics
from gateway.routes import LIVE, Live
from gateway.shown import shown

log = structlog.get_logger()

EVENTS = "ottb.v1.evt."
SLOTS = f"{EVENTS}slot."
SCOPE = f"{EVENTS}>"
KEPT = 10_000  # events in memory for those who come back
FARTHEST = 50_000  # entries of the journal that are read for one of them; beyond, a fresh snapshot is cheaper
SLOWEST = 2_000  # frames that may wait for one client
TELEMETRY_PAUSE = 0.5
SWEEP = 5.0
LOOK_PAUSE = 0.02  # seconds; changes come in groups
NOT_KNOWN = ""  # whose slot that nothing is on record of: only who sees all hears of it
CLOSING = 2.0  # seconds for a client to take what was said before its transport is closed
UNNAMED = 10.0  # seconds a transport may stay without having logged in

AWAY = Refusal(ErrorCode.UNAVAILABLE, "The journal is not reachable now. Subscribe again.")
BROKEN = Refusal(ErrorCode.INTERNAL, "Internal error.")

ROWS: dict[tuple[str, str], list[Live]] = {}
PERMISSION = {row.room: row.permission for row in LIVE}
SOURCES: dict[str, set[str]] = {}  # what of the journal a room is filled from
for row in LIVE:
    if row.topic.kept:
        kind = row.topic.subject.split(".")[3]
        ROWS.setdefault((kind, row.topic.verb), []).append(row)
        of_its_own = kind == row.room.removesuffix("s")
        SOURCES.setdefault(row.room, set()).add(f"ottb.v1.evt.{kind}.>" if of_its_own else row.topic.pattern)
TELEMETRY = next(row for row in LIVE if row.topic is SLOT_TELEMETRY)


class TextOnly(Packet):  # type: ignore[misc]  # python-socketio has no types
    """Packets without attachments: a client could have the server collect them without end."""

    def decode(self, encoded_packet: str) -> Any:
        attachments = super().decode(encoded_packet)
        if self.packet_type in (BINARY_EVENT, BINARY_ACK):
            raise ValueError("binary packets are not accepted")
        return attachments


class Said(Struct, frozen=True):
    """What one room hears of an event, encoded."""

    room: str
    text: str
    owners: tuple[str | None, ...]  # whose thing it is about; None: everybody's


class Kept(Struct, frozen=True):
    """An event as it goes out."""

    seq: int
    said: list[Said]


class Visitor(Struct):
    """A connected client."""

    caller: Caller
    transport: str
    rooms: set[str]
    leave: asyncio.TimerHandle


class LiveFeed:
    """The Socket.IO side of one gateway."""

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        doorkeeper: Doorkeeper,
        metrics: Metrics,
        origins: tuple[str, ...],
        saw: Callable[[int], None],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._doorkeeper = doorkeeper
        self._metrics = metrics
        self._saw = saw
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=TextOnly,
            cors_allowed_origins=list(origins) or None,
            max_http_buffer_size=64 * 1024,
            ping_interval=25,
            ping_timeout=20,
            always_connect=False,
        )
        self._visitors: dict[str, Visitor] = {}
        self._kept: deque[Kept] = deque(maxlen=KEPT)
        self.seq = 0
        self._pending: dict[int, SlotTelemetry] = {}
        self._stops: list[Unsubscribe] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._unnamed: dict[str, float] = {}
        self._owner_of_slot: dict[int, str | None] = {}
        self._looking = False
        self._end_of_changes: Callable[[], None] = lambda: None
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        for room in PERMISSION:
            self.server.on(f"subscribe:{room}", self._subscriber(room))
            self.server.on(f"unsubscribe:{room}", self._unsubscriber(room))

    async def start(self) -> None:
        self.seq = await self._bus.last_seq()
        async for recorded in self._bus.replay(SLOT_CONFIGURED.pattern):
            self._own(recorded)
        self._stops.append(await self._bus.follow(SCOPE, self._hear, after=self.seq))
        self._stops.append(await self._bus.subscribe(SLOT_TELEMETRY.pattern, self._hear_telemetry))
        self._end_of_changes = self._doorkeeper.on_change(self._look_again)
        self._spawn(_again_and_again(TELEMETRY_PAUSE, self._send_telemetry))
        self._spawn(_again_and_again(SWEEP, self._sweep))

    async def stop(self) -> None:
        self._end_of_changes()
        for stop in self._stops:
            await stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.part_all()

    def attach(self, app: web.Application) -> None:
        """Serve Socket.IO on an application; its end is the end of every client's connection."""
        self.server.attach(app)

        async def part(app: web.Application) -> None:
            await self.part_all()

        app.on_shutdown.append(part)

    async def part_all(self) -> None:
        """Close every transport."""
        await asyncio.gather(*(self._close(transport) for transport in list(self.server.eio.sockets)))

    # --- clients

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        transport = self.server.manager.eio_sid_from_sid(sid, "/")
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            if not isinstance(token, str):
                raise Refusal(ErrorCode.AUTH_FAIL, "Pass the token in the handshake: auth: {token}.")
            caller = await self._doorkeeper.admit(token)
        except Refusal as refusal:
            self._spawn(self._close_soon(transport))
            raise Refuse(refusal.message, msgspec.to_builtins(refusal.as_refused())) from None
        left = caller.expires - self._clock.now().timestamp()
        leave = asyncio.get_running_loop().call_later(left, self._part, sid, "auth.expired", "The token has expired.")
        self._visitors[sid] = Visitor(caller=caller, transport=transport, rooms=set(), leave=leave)
        self._metrics.clients.set(len(self._visitors))

    async def _disconnect(self, sid: str, *_: object) -> None:
        visitor = self._visitors.pop(sid, None)
        if visitor is not None:
            visitor.leave.cancel()
        self._metrics.clients.set(len(self._visitors))

    def _part(self, sid: str, event: str, message: str) -> None:
        self._spawn(self._send_off(sid, event, message))

    async def _send_off(self, sid: str, event: str, message: str) -> None:
        """Say why, then end the session."""
        refused = Refusal(ErrorCode.AUTH_FAIL, message).as_refused()
        await self.server.emit(event, msgspec.to_builtins(refused), to=sid)
        await self.server.disconnect(sid)

    async def _close_soon(self, transport: str) -> None:
        await asyncio.sleep(1.0)  # the refusal goes out first
        await self._close(transport)

    async def _close(self, transport: str) -> None:
        """End a client's transport. One that does not read is not waited for; what waits for it is dropped, and the
        connection ends by itself (`server.UNREAD_SECONDS`)."""
        socket = self.server.eio.sockets.get(transport)
        if socket is None:
            return
        try:
            async with asyncio.timeout(CLOSING):
                await self.server.eio.disconnect(transport)
        except TimeoutError:
            self.server.eio.sockets.pop(transport, None)
            while not socket.queue.empty():
                socket.queue.get_nowait()
                socket.queue.task_done()
        except Exception:
            log.exception("transport not closed", transport=transport)
        socket.queue.put_nowait(None)  # the writer's end: it closes the connection, whether the client does or not

    async def _sweep(self) -> None:
        """Close transports whose client never logged in."""
        now = asyncio.get_running_loop().time()
        named = {visitor.transport for visitor in self._visitors.values()}
        waiting = [transport for transport in self.server.eio.sockets if transport not in named]
        self._unnamed = {transport: self._unnamed.get(transport, now) for transport in waiting}
        late = [transport for transport, since in self._unnamed.items() if now - since >= UNNAMED]
        await asyncio.gather(*(self._close(transport) for transport in late))

    # --- rooms

    def _subscriber(self, room: str) -> Any:
        async def subscribe(sid: str, options: Any = None) -> Any:
            """Acknowledged once, `{"error": false, "seq": n}` or in the error format."""
            try:
                return await self._subscribe(sid, room, _since(options))
            except Refusal as refusal:
                return msgspec.to_builtins(refusal.as_refused())
            except BusError as error:
                log.warning("not subscribed", room=room, error=repr(error))
                return msgspec.to_builtins(AWAY.as_refused())
            except Exception:
                log.exception("not subscribed", room=room)
                return msgspec.to_builtins(BROKEN.as_refused())

        return subscribe

    def _unsubscriber(self, room: str) -> Any:
        async def unsubscribe(sid: str, options: Any = None) -> Any:
            if sid in self._visitors:
                self._visitors[sid].rooms.discard(room)
            return {"error": False, "seq": self.seq}

        return unsubscribe

    async def _subscribe(self, sid: str, room: str, since: int | None) -> dict[str, Any]:
        visitor = self._visitors.get(sid)
        if visitor is None:
            raise Refusal(ErrorCode.AUTH_FAIL, "Not logged in.")
        visitor.caller.must(PERMISSION[room])
        visitor.rooms.discard(room)  # nothing new until the missed ones are out
        if since is not None and since > self.seq:
            raise Refusal(ErrorCode.INVALID_PARAMS, "`since` is ahead of the journal.", seq=self.seq)
        if since is not None and self.seq - since > FARTHEST:
            visitor.rooms.add(room)
            return {"error": False, "seq": self.seq, "snapshot_needed": True}
        if since is not None:
            since = await self._replay(visitor, room, since)
            for kept in self._kept:
                if kept.seq > since:
                    self._tell(visitor, room, kept.said)
        visitor.rooms.add(room)
        return {"error": False, "seq": self.seq}

    async def _replay(self, visitor: Visitor, room: str, since: int) -> int:
        """Send what is too old for memory, from the journal. Returns how far that went: memory has all that follows."""
        while since < (until := self._kept[0].seq - 1 if self._kept else self.seq):
            async for recorded in replay_all(self._bus, SOURCES[room], after=since, until=until):
                self._tell(visitor, room, self._made(recorded))
            since = until
        return since

    def _tell(self, visitor: Visitor, room: str, said: Iterable[Said]) -> None:
        """Send one client what is for a room and for its eyes."""
        for one in said:
            if one.room == room and self._sees(visitor, one):
                self._write(visitor.transport, one.text)

    # --- events

    async def _hear(self, recorded: Recorded) -> None:
        said = self._made(recorded)
        if recorded.subject.startswith(SLOTS) and recorded.subject.endswith(f".{SLOT_CONFIGURED.verb}"):
            self._own(recorded)
        self.seq = recorded.seq
        self._saw(recorded.seq)
        if said:
            self._kept.append(Kept(recorded.seq, said))
            for one in said:
                self._send(one)

    def _look_again(self) -> None:
        """Users, roles or sessions have changed: ask anew what everybody here may do."""
        if not self._looking:
            self._looking = True
            self._spawn(self._look_at_all())

    async def _look_at_all(self) -> None:
        await asyncio.sleep(LOOK_PAUSE)
        self._looking = False
        for sid, visitor in list(self._visitors.items()):
            try:
                visitor.caller = await self._doorkeeper.again(visitor.caller)
            except Refusal as refusal:
                if refusal.code is ErrorCode.AUTH_FAIL:
                    self._part(sid, "auth.revoked", "The session was ended.")
                else:
                    self._look_again()
                continue
            except Exception:  # what they may do now is not known
                log.exception("rights not asked anew", user=visitor.caller.user)
                self._part(sid, "auth.revoked", "The session could not be checked. Connect again.")
                continue
            for room in [room for room in visitor.rooms if PERMISSION[room] not in visitor.caller.actions]:
                visitor.rooms.discard(room)
                refused = Refusal(ErrorCode.PERMISSION_DENIED, f"You may no longer hear {room}.", room=room)
                await self.server.emit("auth.changed", msgspec.to_builtins(refused.as_refused()), to=sid)

    def _made(self, recorded: Recorded) -> list[Said]:
        """What the rooms hear of an event. One that is not understood is skipped: the others go on."""
        tokens = recorded.subject.removeprefix(EVENTS).split(".")
        rows = ROWS.get((tokens[0], past := tokens[-1]))
        if rows is None:
            return []
        try:
            event = msgspec.json.decode(recorded.data, type=rows[0].topic.event)
            return [said for row in rows if (said := self._said(row, event, past, recorded.seq)) is not None]
        except UNDECODABLE as error:
            self._metrics.not_understood("event", subject=recorded.subject, error=error, seq=recorded.seq)
        except Exception as error:
            log.exception("event not shown", subject=recorded.subject, seq=recorded.seq)
            self._metrics.not_understood("event", subject=recorded.subject, error=error, seq=recorded.seq)
        return []

    def _said(self, row: Live, event: Any, past: str, seq: int) -> Said | None:
        if row.derived is None:
            return Said(row.room, _encode(row, shown(event, past), seq), self._owners_of(event))
        derived = row.derived.of(event)
        if derived is None:
            return None
        return Said(row.room, _encode(row, msgspec.to_builtins(derived), seq), self._owners_of(derived))

    def _owners_of(self, event: Any) -> tuple[str | None, ...]:
        """Whose thing an event is about. A slot that changes hands is still heard of by who had it."""
        if isinstance(event, CallEvent):
            return (event.user,)
        if isinstance(event, TrunkChanged):
            return (None,)
        now = self._owner_of_slot.get(event.slot, NOT_KNOWN)
        return (now, event.config.user) if isinstance(event, SlotConfigured) else (now,)

    def _own(self, recorded: Recorded) -> None:
        """Learn whose a slot is. If that is not understood, nobody owns it: only who sees all hears of it."""
        try:
            configured = msgspec.json.decode(recorded.data, type=SlotConfigured)
        except UNDECODABLE as error:
            log.error("whose slot it is was not understood", subject=recorded.subject, error=str(error))
            slot = id_of(recorded.subject)
            if slot.isascii() and slot.isdigit():
                self._owner_of_slot[int(slot)] = NOT_KNOWN
        else:
            self._owner_of_slot[configured.slot] = configured.config.user

    def _sees(self, visitor: Visitor, said: Said) -> bool:
        caller = visitor.caller
        kind = said.room.removesuffix("s")
        return any(visible(kind, owner, user=caller.user, actions=caller.actions) for owner in said.owners)

    def _send(self, said: Said) -> None:
        self._metrics.events.labels(said.room).inc()
        for visitor in list(self._visitors.values()):
            if said.room in visitor.rooms:
                self._tell(visitor, said.room, (said,))

    def _write(self, transport: str, text: str) -> None:
        """Queue a frame for one client. One that does not read is cut off: it can come back with `since`."""
        socket = self.server.eio.sockets.get(transport)
        if socket is None or socket.closed or socket.closing:
            return
        if socket.queue.qsize() >= SLOWEST:
            log.info("slow client cut off", transport=transport)
            socket.closing = True  # nothing more is put into it
            self._spawn(self._close(transport))
            return
        socket.queue.put_nowait(Frame(MESSAGE, data=text))

    # --- telemetry

    async def _hear_telemetry(self, message: Message) -> None:
        try:
            telemetry = msgspec.json.decode(message.data, type=SlotTelemetry)
        except UNDECODABLE as error:
            self._metrics.not_understood("slot telemetry", subject=message.subject, error=error)
            return
        self._pending[telemetry.slot] = telemetry

    async def _send_telemetry(self) -> None:
        pending, self._pending = self._pending, {}
        for telemetry in pending.values():
            owners = (self._owner_of_slot.get(telemetry.slot, NOT_KNOWN),)
            text = _encode(TELEMETRY, shown(telemetry, "telemetry"), self.seq)
            self._send(Said(TELEMETRY.room, text, owners))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _again_and_again(pause: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something every `pause` seconds, also after it has failed."""
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
        except Exception:
            log.exception("live feed: failed and goes on", work=getattr(work, "__name__", ""))


def _encode(row: Live, data: dict[str, Any], seq: int) -> str:
    """The text of a Socket.IO packet (protocol 5: the packet's type, then the event's name and arguments as JSON)."""
    payload = {"event": row.event, "data": data, "seq": seq}
    return f"{EVENT}{msgspec.json.encode((row.event, payload)).decode()}"


def _since(options: Any) -> int | None:
    if options is None:
        return None
    if not isinstance(options, dict) or set(options) - {"since"}:
        raise Refusal(ErrorCode.INVALID_PARAMS, 'Subscribe with {"since": seq}, or with nothing.')
    since = options.get("since")
    if since is not None and (not isinstance(since, int) or isinstance(since, bool) or since < 0):
        raise Refusal(ErrorCode.INVALID_PARAMS, "`since` is the last seq you saw.")
    return since
