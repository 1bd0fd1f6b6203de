"""Socket.IO: the journal's events, encoded once and written to everybody who subscribed.

Each event carries `seq`, its place in the journal. A client that comes back passes the last one it saw as `since`
and gets what it missed, from memory or from the journal, before anything new. What is only telemetry is sent at
most twice a second for a thing and repeats the last `seq`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

import msgspec
import socketio
import structlog
from aiohttp import web
from msgspec import Struct
from socketio.exceptions import ConnectionRefusedError as Refuse

from actors.runtime.bus import Bus, BusError, Headers, Message, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.contract import UNDECODABLE, Topic
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from gateway.auth import Authenticator, Caller
from gateway.live.events import SOURCES, LiveEvent, RoomEvent, presented, room_events
from gateway.live.history import replay_all
from gateway.live.transports import TextOnly, Transports
from gateway.metrics import Metrics
from gateway.server import protocol_of
from gateway.surface import ROOMS

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SCOPE = "ottb.v1.evt.>"
KEPT = 10_000  # events in memory for those who come back
FARTHEST = 50_000  # entries of the journal that are read for one of them; beyond, a fresh snapshot is cheaper
TELEMETRY_PAUSE = 0.5
SWEEP = 5.0
LOOK_PAUSE = 0.02  # seconds; changes come in groups
REFUSED = 1.0  # seconds for a refusal to go out before its transport is closed

AWAY = RefusalTemplate(ErrorCode.UNAVAILABLE, "The journal is not reachable now. Subscribe again.")
BROKEN = RefusalTemplate(ErrorCode.INTERNAL, "Internal error.")

PERMISSION = {row.kind.room: row.kind.view for row in ROOMS}
TELEMETRY = tuple(dict.fromkeys(topic for row in ROOMS for topic in row.topics if not topic.kept))


class LiveClient(Struct):
    """A connected client. `transport`: engineio's id of its connection; `leave`: when its token expires."""

    caller: Caller
    transport: str
    rooms: set[str]
    leave: asyncio.TimerHandle


class LiveFeed:
    """The Socket.IO side of one gateway. `watermark` is told each sequence of the journal that has been heard."""

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        authenticator: Authenticator,
        metrics: Metrics,
        origins: tuple[str, ...],
        watermark: Callable[[int], None],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._authenticator = authenticator
        self._metrics = metrics
        self._watermark = watermark
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=TextOnly,
            cors_allowed_origins=list(origins) or None,
            max_http_buffer_size=64 * 1024,
            ping_interval=25,
            ping_timeout=20,
            always_connect=False,
        )
        self._transports = Transports(self.server)
        self._clients: dict[str, LiveClient] = {}
        self._users: dict[str, str] = {}  # by transport
        self._kept: deque[LiveEvent] = deque(maxlen=KEPT)
        self.seq = 0
        self._figures: dict[str, tuple[Topic[Any], Struct, Headers]] = {}  # by subject, not sent yet
        self._stops: list[Unsubscribe] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = False
        self._forget: Callable[[], None] = lambda: None
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        for room in PERMISSION:
            self.server.on(f"subscribe:{room}", self._subscriber(room))
            self.server.on(f"unsubscribe:{room}", self._unsubscriber(room))

    async def start(self) -> None:
        self.seq = await self._bus.last_seq()
        self._stops.append(await self._bus.follow(SCOPE, self._hear, after=self.seq))
        for topic in TELEMETRY:
            self._stops.append(await self._bus.subscribe(topic.pattern, self._hears_telemetry(topic)))
        self._forget = self._authenticator.on_change(self._look_again)
        self._spawn(_again_and_again(TELEMETRY_PAUSE, self._send_telemetry))
        self._spawn(_again_and_again(SWEEP, self._sweep))

    async def stop(self) -> None:
        self._forget()
        for stop in self._stops:
            await stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._transports.stop()

    def attach(self, app: web.Application) -> None:
        """Serve Socket.IO on an application; its end is the end of every client's connection."""
        self.server.attach(app)
        app.middlewares.append(self._count)

        async def part(app: web.Application) -> None:
            await self._transports.close_all()

        app.on_shutdown.append(part)

    # --- clients

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What a client asks for after its login is its user's as well: polls, and the WebSocket that follows them."""
        user = self._users.get(request.query.get("sid", ""))
        if user is not None:
            protocol_of(request).known(request, user)
        return await handler(request)

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        transport = self.server.manager.eio_sid_from_sid(sid, "/")
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            if not isinstance(token, str):
                raise Refusal(ErrorCode.AUTH_FAIL, "Pass the token in the handshake: auth: {token}.")
            caller = await self._authenticator.authenticate(token)
            request = environ["aiohttp.request"]
            protocol_of(request).known(request, caller.user)
        except Refusal as refusal:
            self._transports.close_later(transport, after=REFUSED)
            raise Refuse(refusal.message, msgspec.to_builtins(refusal.as_refused())) from None
        left = caller.expires - self._clock.now().timestamp()
        leave = asyncio.get_running_loop().call_later(left, self._part, sid, "auth.expired", "The token has expired.")
        self._users[transport] = caller.user
        self._clients[sid] = LiveClient(caller=caller, transport=transport, rooms=set(), leave=leave)
        self._metrics.clients.set(len(self._clients))

    async def _disconnect(self, sid: str, *_: object) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            client.leave.cancel()
            self._users.pop(client.transport, None)
        self._metrics.clients.set(len(self._clients))

    def _part(self, sid: str, event: str, message: str) -> None:
        self._spawn(self._send_off(sid, event, message))

    async def _send_off(self, sid: str, event: str, message: str) -> None:
        """Say why, then end the session."""
        refused = Refusal(ErrorCode.AUTH_FAIL, message).as_refused()
        await self.server.emit(event, msgspec.to_builtins(refused), to=sid)
        await self.server.disconnect(sid)

    async def _sweep(self) -> None:
        """Close transports whose client never logged in."""
        await self._transports.close_unnamed({client.transport for client in self._clients.values()})

    def _look_again(self) -> None:
        """Users, roles or sessions have changed: ask anew what everybody here may do."""
        if not self._looking:
            self._looking = True
            self._spawn(self._look_at_all())

    async def _look_at_all(self) -> None:
        await asyncio.sleep(LOOK_PAUSE)
        self._looking = False
        for sid, client in list(self._clients.items()):
            try:
                client.caller = await self._authenticator.again(client.caller)
            except Refusal as refusal:
                if refusal.code is ErrorCode.AUTH_FAIL:
                    self._part(sid, "auth.revoked", "The session was ended.")
                else:
                    self._look_again()
                continue
            except Exception:  # what they may do now is not known
                log.exception("rights not asked anew", user=client.caller.user)
                self._part(sid, "auth.revoked", "The session could not be checked. Connect again.")
                continue
            await self._leave_what_is_forbidden(sid, client)

    async def _leave_what_is_forbidden(self, sid: str, client: LiveClient) -> None:
        for room in [room for room in client.rooms if PERMISSION[room] not in client.caller.actions]:
            client.rooms.discard(room)
            refused = Refusal(ErrorCode.PERMISSION_DENIED, f"You may no longer hear {room}.", room=room)
            await self.server.emit("auth.changed", msgspec.to_builtins(refused.as_refused()), to=sid)

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
                return msgspec.to_builtins(AWAY().as_refused())
            except Exception:
                log.exception("not subscribed", room=room)
                return msgspec.to_builtins(BROKEN().as_refused())

        return subscribe

    def _unsubscriber(self, room: str) -> Any:
        async def unsubscribe(sid: str, options: Any = None) -> Any:
            if sid in self._clients:
                self._clients[sid].rooms.discard(room)
            return {"error": False, "seq": self.seq}

        return unsubscribe

    async def _subscribe(self, sid: str, room: str, since: int | None) -> dict[str, Any]:
        client = self._clients.get(sid)
        if client is None:
            raise Refusal(ErrorCode.AUTH_FAIL, "Not logged in.")
        client.caller.must(PERMISSION[room])
        client.rooms.discard(room)  # nothing new until the missed ones are out
        if since is not None and since > self.seq:
            raise Refusal(ErrorCode.INVALID_PARAMS, "`since` is ahead of the journal.", seq=self.seq)
        if since is not None and self.seq - since > FARTHEST:
            client.rooms.add(room)
            return {"error": False, "seq": self.seq, "snapshot_needed": True}
        if since is not None:
            since = await self._replay(client, room, since)
            for kept in self._kept:
                if kept.seq > since:
                    self._tell(client, room, kept.rooms)
        client.rooms.add(room)
        return {"error": False, "seq": self.seq}

    async def _replay(self, client: LiveClient, room: str, since: int) -> int:
        """Send what is too old for memory, from the journal. Returns how far that went: memory has all that follows."""
        while since < (until := self._kept[0].seq - 1 if self._kept else self.seq):
            async for recorded in replay_all(self._bus, SOURCES[room], after=since, until=until):
                self._tell(client, room, room_events(recorded, self._metrics))
            since = until
        return since

    def _tell(self, client: LiveClient, room: str, events: Iterable[RoomEvent]) -> None:
        """Send one client what is for a room and for its eyes."""
        for event in events:
            if event.kind.room == room and event.is_for(client.caller):
                self._transports.write(client.transport, event.text)

    # --- events

    async def _hear(self, recorded: Recorded) -> None:
        events = room_events(recorded, self._metrics)
        self.seq = recorded.seq
        self._watermark(recorded.seq)
        if events:
            self._kept.append(LiveEvent(recorded.seq, events))
            self._send(events)

    def _send(self, events: Iterable[RoomEvent]) -> None:
        for event in events:
            room = event.kind.room
            self._metrics.events.labels(room).inc()
            for client in list(self._clients.values()):
                if room in client.rooms:
                    self._tell(client, room, (event,))

    # --- telemetry

    def _hears_telemetry(self, topic: Topic[Any]) -> Callable[[Message], Awaitable[None]]:
        async def hear(message: Message) -> None:
            try:
                figures = msgspec.json.decode(message.data, type=topic.event)
            except UNDECODABLE as error:
                what = f"{topic.kind} telemetry"
                self._metrics.not_understood(what, subject=message.subject, error=error)
                return
            self._figures[message.subject] = (topic, figures, message.headers)

        return hear

    async def _send_telemetry(self) -> None:
        figures, self._figures = self._figures, {}
        for topic, event, headers in figures.values():
            self._send(presented(topic, event, headers, self.seq))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
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


def _since(options: Any) -> int | None:
    if options is None:
        return None
    if not isinstance(options, dict) or set(options) - {"since"}:
        raise Refusal(ErrorCode.INVALID_PARAMS, 'Subscribe with {"since": seq}, or with nothing.')
    since = options.get("since")
    if since is not None and (not isinstance(since, int) or isinstance(since, bool) or since < 0):
        raise Refusal(ErrorCode.INVALID_PARAMS, "`since` is the last seq you saw.")
    return since
