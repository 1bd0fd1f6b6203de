"""Socket.IO: the journal's events, encoded once and written to everybody who subscribed.

Each event carries `seq`, its place in the journal. A client that comes back passes the last one it saw as `since`
and gets what it missed, from memory or from the journal, before anything new. What is only telemetry is sent at
most twice a second for a thing and repeats the last `seq`.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refuse

from actors.runtime.bus import Bus, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.archive import DAYS_LEAVING
from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.names import Share
from gateway.auth import Authenticator, Caller
from gateway.connections import crowded_out
from gateway.live import dashboard_room, log_room, output_room
from gateway.live.answering import AWAY, again_and_again, answered, unknown
from gateway.live.asking import Asked, room_subscription, subscription_of
from gateway.live.client import LiveClient
from gateway.live.dashboard_room import DashboardRoom
from gateway.live.engine import QUIET, Server
from gateway.live.events import room_events
from gateway.live.figures import TELEMETRY_PAUSE, Figures, said_again
from gateway.live.history import AT_ONCE, History
from gateway.live.log_room import LogRoom, SubscribeLog
from gateway.live.output_room import OutputRoom
from gateway.live.presence import PRESENCE_PAUSE, say_who_is_there
from gateway.live.said import refusal_said
from gateway.live.snapshot import Snapshots
from gateway.live.telling import Telling
from gateway.live.transports import DISCONNECT, TextOnly, Transports
from gateway.log_feed import LogFeed
from gateway.metrics import Metrics
from gateway.reads import Reads
from gateway.routes import AnyRoom, Listing
from gateway.surface import LIVE, ROOMS
from gateway.surface.dashboard import ROOM as DASHBOARD
from gateway.surface.pipeline import ROOM as PIPELINES

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.>"
FARTHEST = 50_000  # entries of the journal that are read for one of them; beyond, a fresh snapshot is cheaper
KEYS_PAUSE = 1.0
LOOK_PAUSE = 0.02  # seconds; changes come in groups
REFUSED = 1.0  # seconds for a refusal to go out before its transport is closed
SESSIONS = 256  # of one share at once; those that poll hold no connection that could be counted
BEHIND, BEHIND_PAUSE = 5.0, 0.01  # seconds that the records, or another gateway, may be ahead
LONGEST = 16 * 1024  # bytes of what a client says at once

GONE = "The client has gone."
REPLACED = "Another subscription of this room has replaced it."

PERMISSION = {row.kind.room: row.kind.view for row in LIVE}
Still = Callable[[], None]  # raises Refusal from when on nobody wants it any more
Ask = Callable[[str, Sequence[Any]], Awaitable[dict[str, Any]]]  # a client and what it has passed; its answer
TELEMETRY = tuple(dict.fromkeys(topic for row in ROOMS for topic in row.topics if not topic.kept))


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
        log_feed: LogFeed,
        reads: Reads,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._authenticator = authenticator
        self._metrics = metrics
        self._watermark = watermark
        self._snapshots = Snapshots(bus=bus, reads=reads)
        self.server = Server(
            async_mode="aiohttp",
            serializer=TextOnly,
            cors_allowed_origins=list(origins) or None,
            max_http_buffer_size=LONGEST,
            ping_interval=25,
            ping_timeout=20,
            always_connect=False,
            http_compression=False,
            logger=QUIET,
            engineio_logger=QUIET,
        )
        self.transports = Transports(self.server.eio, refused=metrics.handshakes_refused.inc)
        self._clients: dict[str, LiveClient] = {}
        self._sessions: Counter[Share] = Counter()  # by whose they are
        self._telling = Telling(transports=self.transports, metrics=metrics, clients=self._clients)
        self._history = History(bus=bus, metrics=metrics)
        self._log = LogRoom(
            feed=log_feed, transports=self.transports, history=self._history, metrics=metrics, clients=self._clients
        )
        self._outputs = OutputRoom(
            bus=bus, transports=self.transports, history=self._history, clients=self._clients
        )
        self._dashboard = DashboardRoom(
            bus=bus, transports=self.transports, metrics=metrics, clients=self._clients, seq=lambda: self.seq,
            reads=reads,
        )
        metrics.heard_seq.set_function(lambda: float(self.seq))
        self._deaf: Callable[[], None] = lambda: None
        self._figures = Figures(metrics=metrics, say=self._telling.say, seq=lambda: self.seq)
        self._stops: list[Unsubscribe] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = self._changed = False
        self._forget: Callable[[], None] = lambda: None
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        self.server.on("auth:refresh", answered("the token", self._refresh))
        self.server.on("*", unknown(PERMISSION))
        others: dict[str, Ask] = {
            log_room.NAME: self._subscribe_to_log, dashboard_room.NAME: self._subscribe_to_dashboard,
            output_room.ROOM: self._subscribe_to_pipelines,
        }  # fmt: skip
        for row in LIVE:
            room = row.kind.room
            ask = others.get(room) or self._in_room(row)
            self.server.on(f"subscribe:{room}", self._subscriber(room, ask))
            self.server.on(f"unsubscribe:{room}", self._unsubscriber(room))

    @property
    def seq(self) -> int:
        """The newest entry of the journal that was heard."""
        return self._history.seq

    async def start(self) -> None:
        self._history.begin(await self._bus.last_seq(), await self._bus.last(DAYS_LEAVING.subject))
        self._stops.append(await self._bus.follow(SCOPE, self._hear, after=self.seq))
        for topic in TELEMETRY:
            self._stops.append(await self._bus.subscribe(topic.pattern, self._figures.hears(topic)))
        self._stops.append(await self._outputs.start())
        self._deaf = self._log.start()
        self._forget = self._authenticator.on_change(self._look_again)
        self._spawn(again_and_again(TELEMETRY_PAUSE, self._figures.send))
        self._spawn(again_and_again(dashboard_room.PAUSE, self._dashboard.look))
        self._spawn(again_and_again(KEYS_PAUSE, self._look_at_keys))
        self._spawn(again_and_again(PRESENCE_PAUSE, partial(say_who_is_there, self._bus, self._clients)))

    async def stop(self) -> None:
        self._forget()
        self._deaf()
        self._telling.stop()
        for stop in self._stops:
            await stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.transports.stop()

    def attach(self, app: web.Application) -> None:
        """Serve Socket.IO on an application; its end is the end of every client's connection."""
        self.server.attach(app)

        async def part(app: web.Application) -> None:
            await self.transports.stop()

        app.on_shutdown.append(part)

    # --- clients

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        transport = self.server.manager.eio_sid_from_sid(sid, "/")
        try:
            caller = await self._admit(auth)
            if self._sessions[caller.share] >= SESSIONS and not await self._crowd_out(caller):
                raise Refusal(ErrorCode.RATE_LIMITED, "Too many live clients of yours at once.", rule="live_sessions")
            if not self.transports.name(transport, caller):
                raise Refuse(GONE)
        except Refusal as refusal:
            self.transports.end(transport, after=REFUSED)
            raise Refuse(refusal.message, msgspec.to_builtins(refusal.as_refused())) from None
        self._clients[sid] = LiveClient(caller=caller, transport=transport, leave=self._leave_at(sid, caller))
        self._sessions[caller.share] += 1
        self._metrics.clients.set(len(self._clients))

    def _leave_at(self, sid: str, caller: Caller) -> asyncio.TimerHandle:
        """Part with a client when what it came with expires."""
        left = caller.expires - self._clock.now().timestamp()
        return asyncio.get_running_loop().call_later(left, self._part, sid, "auth.expired", "The token has expired.")

    async def _refresh(self, sid: str, auth: Any = None, *more: Any) -> dict[str, Any]:
        """Go on with a newer token of the same user, in the same rooms. Raises Refusal."""
        caller, client = await self._admit(auth), self._clients.get(sid)
        if client is None or not self.transports.hears(client.transport):
            raise Refusal(ErrorCode.UNAVAILABLE, GONE)
        if (caller.share, caller.whose) != (client.caller.share, client.caller.whose):
            raise Refusal(ErrorCode.CONFLICT, "This connection is somebody else's. Connect anew.")
        self.transports.name(client.transport, caller)
        client.leave.cancel()
        client.caller, client.leave = caller, self._leave_at(sid, caller)
        self._leave_what_is_forbidden(client)
        left = caller.expires - self._clock.now().timestamp()
        return {"error": False, "expires": int(left) if math.isfinite(left) else None}

    async def _crowd_out(self, caller: Caller) -> bool:
        """End the oldest client of whichever session or service token has the most of a share. False: this one would
        then have more."""
        mine = [(sid, one) for sid, one in self._clients.items() if one.caller.share == caller.share]
        whose = crowded_out((one.caller.credential for _, one in mine), caller.credential)
        if whose is None:
            return False
        sid, oldest = next((sid, one) for sid, one in mine if one.caller.credential == whose)
        await self._disconnect(sid)
        self.transports.cut(oldest.transport)
        return True

    async def _admit(self, auth: Any) -> Caller:
        """Who comes with this. Raises Refusal."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str):
            raise Refusal(ErrorCode.AUTH_FAIL, "Pass the token: {token}; in the handshake as auth.")
        try:
            return await self._authenticator.authenticate(token)
        except Refusal:
            raise
        except Exception:
            log.exception("login not checked")
            raise Refusal(ErrorCode.INTERNAL, "Internal error.") from None

    async def _disconnect(self, sid: str, *_: object) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            client.leave.cancel()
            self._sessions -= Counter((client.caller.share,))
            self.transports.unname(client.transport)
        self._metrics.clients.set(len(self._clients))

    def _part(self, sid: str, event: str, message: str) -> None:
        """Say why, then end the session."""
        client = self._clients.get(sid)
        if client is not None:
            self.transports.write(client.transport, refusal_said(event, Refusal(ErrorCode.AUTH_FAIL, message)))
            self.transports.write(client.transport, DISCONNECT)
            self.transports.end(client.transport)

    def _look_again(self) -> None:
        """Users, roles or sessions have changed: ask anew what everybody here may do."""
        self._changed = True
        if not self._looking:
            self._looking = True
            self._spawn(self._look_until_nothing_changes())

    async def _look_until_nothing_changes(self) -> None:
        while self._changed:
            await asyncio.sleep(LOOK_PAUSE)
            self._changed = False
            await self._look_at_all()
        self._looking = False

    async def _look_at_all(self) -> None:
        for sid, client in list(self._clients.items()):
            before, said = client.caller, ""
            try:
                now = await self._authenticator.again(before)
            except Refusal as refusal:
                now = before
                if refusal.code is ErrorCode.AUTH_FAIL:
                    said = "The session was ended."
                else:
                    self._changed = True
            except Exception:  # what they may do now is not known
                log.exception("rights not asked anew", user=before.user)
                now, said = before, "The session could not be checked. Connect again."
            if client.caller is not before:  # it goes on with a newer token, which was looked at just now
                self._changed = True
            elif said:
                self._part(sid, "auth.revoked", said)
            else:
                client.caller = now
                self._leave_what_is_forbidden(client)

    async def _look_at_keys(self) -> None:
        """Part with whoever came with a token whose key is believed no more."""
        for sid, client in list(self._clients.items()):
            if client.caller.key is not None and not self._authenticator.believes(client.caller.key):
                self._part(sid, "auth.revoked", "The key that signed the token is not valid any more. Log in again.")

    def _leave_what_is_forbidden(self, client: LiveClient) -> None:
        for room in [room for room in client.rooms if PERMISSION[room] not in client.caller.actions]:
            client.rooms.discard(room)
            refused = Refusal(ErrorCode.PERMISSION_DENIED, f"You may no longer hear {room}.", room=room)
            self.transports.write(client.transport, refusal_said("auth.changed", refused))

    # --- rooms

    def _in_room(self, room: AnyRoom) -> Ask:
        async def ask(sid: str, options: Sequence[Any]) -> dict[str, Any]:
            return await self._subscribe(sid, room, room_subscription(options, room))

        return ask

    async def _subscribe_to_log(self, sid: str, options: Sequence[Any]) -> dict[str, Any]:
        asked = subscription_of(options, SubscribeLog)
        client = self._begin(sid, log_room.NAME)
        return await self._log.subscribe(client, asked, self._still(sid, client, log_room.NAME))

    async def _subscribe_to_dashboard(self, sid: str, options: Sequence[Any]) -> dict[str, Any]:
        room_subscription(options, DASHBOARD)  # the figures are told whole, whatever was seen of them
        client = self._begin(sid, dashboard_room.NAME)
        return await self._dashboard.subscribe(client, self._still(sid, client, dashboard_room.NAME))

    async def _subscribe_to_pipelines(self, sid: str, options: Sequence[Any]) -> dict[str, Any]:
        asked = subscription_of(options, output_room.SubscribePipelines)
        answer = await self._subscribe(sid, PIPELINES, asked.runs)
        if (client := self._clients.get(sid)) is None:
            raise Refusal(ErrorCode.UNAVAILABLE, GONE)
        return answer | await self._outputs.subscribe(client, asked, self._still(sid, client, output_room.ROOM))

    def _subscriber(self, room: str, ask: Ask) -> Any:
        async def subscribe(sid: str, *options: Any) -> dict[str, Any]:
            return await ask(sid, options)

        return answered(room, subscribe)

    def _unsubscriber(self, room: str) -> Any:
        async def unsubscribe(sid: str, *options: Any) -> Any:
            if (client := self._clients.get(sid)) is not None:
                self._telling.leave(client, room)
                client.turns[room] += 1
            return {"error": False, "seq": self.seq}

        return unsubscribe

    def _begin(self, sid: str, room: str) -> LiveClient:
        """Somebody subscribes, and hears nothing new until the missed ones are out. Raises Refusal."""
        client = self._clients.get(sid)
        if client is None:
            raise Refusal(ErrorCode.AUTH_FAIL, "Not logged in.")
        client.caller.must(PERMISSION[room])
        self._telling.leave(client, room)
        client.turns[room] += 1
        return client

    def _still(self, sid: str, client: LiveClient, room: str) -> Still:
        """What raises Refusal from when on the subscription that now begins is none any more."""
        turn = client.turns[room]

        def still() -> None:
            if client.turns[room] != turn:
                raise Refusal(ErrorCode.CONFLICT, REPLACED, room=room)
            if self._clients.get(sid) is not client or not self.transports.hears(client.transport):
                raise Refusal(ErrorCode.UNAVAILABLE, GONE)
            client.caller.must(PERMISSION[room])

        return still

    async def _subscribe(self, sid: str, room: AnyRoom, asked: Asked) -> dict[str, Any]:
        name, since = room.kind.room, asked.since
        client = self._begin(sid, name)
        still = self._still(sid, client, name)
        client.narrowed[name] = asked.narrowed
        if since is not None:
            await self._reach(since)
        still()
        is_far = since is not None and (self.seq - since > FARTHEST or self._history.has_left(since))
        if asked.snapshot and room.listing is not None and (since is None or is_far):
            return await self._show(client, room.listing, name, still)
        if since is not None and not is_far:
            await self._catch_up(client, name, since, still)
            await self._say_figures(client, name, 0, still)
            is_far = self._history.has_left(since)  # meanwhile
        self._telling.enter(client, name)
        answer: dict[str, Any] = {"error": False, "seq": self.seq}
        return answer | {"snapshot_needed": True} if is_far else answer

    async def _show(self, client: LiveClient, listing: Listing, room: str, still: Still) -> dict[str, Any]:
        """Say how things are; what happens behind that follows the answer."""
        share = client.caller.share
        await self._snapshots.enter(share)
        try:
            still()
            async with self._history.turn(share) as turn:
                still()
                wanted, figures = client.narrowed[room], self._figures.count
                found = await self._snapshots.read(listing, client.caller, wanted, after=lambda: self.seq, turn=turn)
            still()
        except BaseException:
            self._snapshots.leave(share)
            raise
        self._spawn(self._until_read(client, share))  # these begin when the answer is on its way
        self._spawn(self._go_on(client, room, found.seq, figures, still))
        return {"error": False, "seq": found.seq, "snapshot": found.things}

    async def _until_read(self, client: LiveClient, share: Share) -> None:
        """Keep a snapshot's place for as long as it is in our memory."""
        try:
            await self.transports.read(client.transport)
        finally:
            self._snapshots.leave(share)

    async def _go_on(self, client: LiveClient, room: str, since: int, figures: int, still: Still) -> None:
        """Tell what has changed since a snapshot, and from then on what changes. That was promised: where it cannot be
        done the client is cut off, and comes back."""
        try:
            await self._heard(since)  # the records may be faster
            await self._catch_up(client, room, since, still)
            await self._say_figures(client, room, figures, still)
            self._telling.enter(client, room)
        except Refusal as refusal:
            if refusal.code is ErrorCode.PERMISSION_DENIED:
                self.transports.write(client.transport, refusal_said("auth.changed", refusal))
        except Exception:
            log.exception("live client cut off: what follows its snapshot is not to be had")
            self.transports.cut(client.transport)

    async def _reach(self, since: int) -> None:
        """Hear what a client has heard already, of another gateway. Raises Refusal, BusError."""
        if since > self.seq and since > (last := await self._bus.last_seq()):
            raise misfit("since", "it is ahead of the journal.", seq=last)
        try:
            await self._heard(since)
        except TimeoutError:
            raise AWAY() from None

    async def _heard(self, seq: int) -> None:
        """Wait until so much of the journal was heard. Raises TimeoutError."""
        async with asyncio.timeout(BEHIND):
            while self.seq < seq:
                await asyncio.sleep(BEHIND_PAUSE)

    async def _catch_up(self, client: LiveClient, room: str, since: int, still: Still) -> None:
        """Send what was missed, as fast as the client takes it. When this returns all of it is on its way, and nothing
        has happened since. Raises Refusal where it is not: nobody is told that it was."""
        while since < self.seq:
            reading = self._history.turn(client.caller.share)
            async with reading:
                still()
                piece = await self._history.after(room, since)
                reading.pay(piece.cost)
            for first in range(0, len(piece.events), AT_ONCE):
                still()
                self._telling.tell(client, piece.events[first : first + AT_ONCE])
                await asyncio.sleep(0)
            since = piece.until
            if since < self.seq:
                await self.transports.taken(client.transport)
        still()

    async def _say_figures(self, client: LiveClient, room: str, behind: int, still: Still) -> None:
        """Say the newest figures that no journal has; when this returns, nothing has happened since, as before. It
        costs as much as reading so many entries. Raises Refusal."""
        if not (newest := self._figures.newest(room, behind)):
            return
        seq = self.seq
        async with self._history.turn(client.caller.share) as turn:
            still()
            turn.pay(len(newest))
        for first in range(0, len(newest), AT_ONCE):
            still()
            self._telling.tell(client, said_again(newest[first : first + AT_ONCE], room, seq))
            await self.transports.taken(client.transport)
        await self._catch_up(client, room, seq, still)

    # --- events

    async def _hear(self, recorded: Recorded) -> None:
        events = room_events(recorded, self._metrics, counted=True)
        self._history.add(recorded, events)
        self._watermark(recorded.seq)
        self._figures.forget(recorded.subject)
        self._telling.say(events)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
