"""A virtual PBX that speaks AMI as Asterisk 22 does, with the carrier's rules at the far end of its trunks.

`python -m simulators.virtual_pbx --config config/sandbox.toml`. Held to the real one by the same contract tests
(`tests/adapters/pbx_contract.py`). What it takes over from there is what surprises: line ends may be bare LF, an
`Originate` is acknowledged before anything is tried, the events of a call's end come in no fixed order, a missing
endpoint shows in `OriginateResponse` alone, and a wrong secret costs a second.

Control API (JSON, loopback): `GET /calls`, `GET /dials`, `GET /received`, `GET /log` (every call there was),
`POST /{fault}`: cut, freeze, thaw, restart, contact, refuse.
"""

import argparse
import asyncio
import contextlib
import ctypes
import itertools
import os
import random
import signal
import time
import wave
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from actors.runtime.logging import configure
from actors.settings import Settings, load
from actors.trunk.settings import Ami
from simulators.carrier import CLEARING, Plan, Step, plan_for

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
BANNER = b"Asterisk Call Manager/11.0.0\r\n"
LINE_LIMIT, HEADERS_LIMIT = 1024, 128
AUTH_PAUSE = 1.0
NORMAL, NO_ANSWER = (16, "Normal Clearing"), (19, "User alerting, no answer")
STATES = {0: "Down", 5: "Ringing", 6: "Up"}
LOGGED = ("id", "endpoint", "number", "exten", "created", "rung", "answered", "ended", "ender", "cause")
RATE, LONGEST = 8000, 60.0  # recordings: samples a second, seconds

Event = dict[str, str]


@dataclass
class Channel:
    """One call on the PBX. Moments are of the monotonic clock, `answered_at` of the wall clock."""

    id: str
    name: str
    endpoint: str
    number: str
    exten: str
    context: str
    plan: Plan
    created: float
    rings_until: float
    lives_until: float
    recording: str | None = None
    state: int = 0
    answered: float | None = None
    answered_at: float | None = None
    rung: float | None = None
    ended: float | None = None
    ender: str = ""  # `us` asked by AMI, `far` end, `limit` of the order, `lost` with the PBX
    cause: str = ""
    task: asyncio.Task[None] | None = None


@dataclass
class Trunk:
    """What the PBX knows of one endpoint."""

    contact: str = "Reachable"
    rtt_usec: int = 600
    registration: str | None = None


@dataclass(eq=False)
class Session:
    """One AMI connection."""

    writer: asyncio.StreamWriter
    logged_in: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, lines: Mapping[str, str]) -> None:
        text = "".join(f"{key}: {value}\r\n" for key, value in lines.items()) + "\r\n"
        if not self.writer.is_closing():
            self.writer.write(text.encode())


class VirtualPbx:
    """The PBX. `secret`: of the one user. `recordings`: where files go, None for nowhere."""

    def __init__(
        self, *, user: str, secret: str, trunks: Mapping[str, Trunk], scale: float = 1.0, recordings: Path | None = None
    ) -> None:
        self._user, self._secret = user, secret
        self.trunks = dict(trunks)
        self.scale = scale
        self.frozen = False
        self.refuse = 0  # so many originates fail in the network
        self.channels: dict[str, Channel] = {}
        self.dials: Counter[str] = Counter()
        self.received: Counter[str] = Counter()  # actions, by name
        self.log: list[Channel] = []  # every call there ever was: the judge's
        self._recordings = recordings
        self._sessions: set[Session] = set()
        self._names = itertools.count()
        self._server: asyncio.Server | None = None
        self._began = time.monotonic()
        self.port = 0

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=64 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.cut()
        for channel in list(self.channels.values()):
            if channel.task is not None:
                channel.task.cancel()
        if self._server is not None:
            self._server.close()

    # --- faults

    def cut(self) -> None:
        """Every AMI connection breaks. The calls go on."""
        for session in list(self._sessions):
            session.writer.transport.abort()

    def restart(self) -> None:
        """As if the process had been killed: the calls are gone, and nobody says so."""
        self.cut()
        for channel in self.channels.values():
            if channel.task is not None:
                channel.task.cancel()
            channel.ended, channel.ender = time.monotonic(), "lost"
        self.channels.clear()
        self._began = time.monotonic()

    def contact(self, endpoint: str, status: str) -> None:
        """The provider's address begins or ceases to answer."""
        trunk = self.trunks[endpoint]
        trunk.contact = status
        self._say({
            "Event": "ContactStatus", "Privilege": "system,all", "URI": f"sip:{endpoint}", "ContactStatus": status,
            "AOR": endpoint, "EndpointName": endpoint, "RoundtripUsec": str(self._rtt(trunk)),
        })  # fmt: skip

    # --- sessions

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(writer)
        self._sessions.add(session)
        writer.write(BANNER)
        try:
            while (action := await self._read(reader, session)) is not None:
                if not self.frozen:
                    await self._act(session, action)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self._sessions.discard(session)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, session: Session) -> list[tuple[str, str]] | None:
        """One action. The real one takes a bare LF for a line's end too, and so do we."""
        fields: list[tuple[str, str]] = []
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if len(line) > LINE_LIMIT:
                session.send({"Response": "Error", "Message": "Failed to parse message: line too long"})
                return None
            if not text:
                if fields:
                    return fields
                continue
            key, _, value = text.partition(":")
            fields.append((key.strip().lower(), value.strip()))
            if len(fields) > HEADERS_LIMIT:
                session.send({"Response": "Error", "Message": "Too many lines in message or allocation failure"})
                return None
        return None

    async def _act(self, session: Session, fields: list[tuple[str, str]]) -> None:
        values = dict(reversed(fields))
        id = {"ActionID": values["actionid"]} if "actionid" in values else {}
        action = values.get("action", "").lower()
        self.received[action] += 1
        if action == "login":
            await self._login(session, values, id)
        elif not session.logged_in:
            session.send({"Response": "Error", **id, "Message": "Permission denied"})
        else:
            do = _ACTIONS.get(action)
            if do is None:
                session.send({"Response": "Error", **id, "Message": "Invalid/unknown command: " + action})
            else:
                do(self, session, values, id)

    async def _login(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        if (values.get("username"), values.get("secret")) != (self._user, self._secret):
            await asyncio.sleep(AUTH_PAUSE)
            session.send({"Response": "Error", **id, "Message": "Authentication failed"})
            await session.writer.drain()
            raise EOFError
        session.logged_in = True
        session.send({"Response": "Success", **id, "Message": "Authentication accepted"})
        self._say_booted(session)

    def _say_booted(self, session: Session) -> None:
        uptime = str(int(time.monotonic() - self._began))
        session.send({"Event": "FullyBooted", "Privilege": "system,all", "Uptime": uptime, "Status": "Fully Booted"})

    def _say(self, event: Event) -> None:
        for session in list(self._sessions):
            if session.logged_in and not self.frozen:
                session.send(event)

    # --- actions

    def _ping(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        session.send({"Response": "Success", **id, "Ping": "Pong", "Timestamp": f"{time.time():.6f}"})

    def _originate(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        technology, _, dialled = values.get("channel", "").partition("/")
        number, _, endpoint = dialled.partition("@")
        if not dialled:
            session.send({"Response": "Error", **id, "Message": "Channel not specified"})
            return
        session.send({"Response": "Success", **id, "Message": "Originate successfully queued"})
        channel_id = values.get("channelid") or f"{time.time():.0f}.{next(self._names)}"
        impossible = technology != "PJSIP" or endpoint not in self.trunks or channel_id in self.channels
        if impossible or self.trunks[endpoint].contact == "Unreachable":
            self._originate_response(values, channel_id, "0", id)
            return
        now = time.monotonic()
        variables = dict(pair.partition("=")[::2] for pair in values.get("variable", "").split(","))
        limit = variables.get("TIMEOUT(absolute)", "")
        channel = self.channels[channel_id] = Channel(
            id=channel_id,
            name=f"PJSIP/{endpoint}-{next(self._names):08x}",
            endpoint=endpoint,
            number=number,
            exten=values.get("exten", ""),
            context=values.get("context", ""),
            plan=plan_for(number if not self._refused() else "0005"),
            created=now,
            rings_until=now + int(values.get("timeout", "30000")) / 1000,
            lives_until=now + (float(limit) if limit else 1e9),
            recording=variables.get("OTTB_RECORDING"),
        )
        self.log.append(channel)
        self.dials[number if number.startswith("+") else f"+{number}"] += 1
        channel.task = asyncio.get_running_loop().create_task(self._live(channel, values, id))

    def _refused(self) -> bool:
        self.refuse = max(self.refuse - 1, -1) if self.refuse >= 0 else -1
        return self.refuse >= 0

    def _hang_up(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        channel = self._channel(values.get("channel", ""))
        if channel is None:
            session.send({"Response": "Error", **id, "Message": "No such channel"})
            return
        session.send({"Response": "Success", **id, "Message": "Channel Hungup"})
        if channel.task is not None:
            channel.task.cancel()
        self._end(channel, NORMAL, sip=None, far=False, reason="0")

    def _status(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        channel = self._channel(values.get("channel", ""))
        if channel is None:
            session.send({"Response": "Error", **id, "Message": "No such channel"})
            return
        session.send({"Response": "Success", **id, "EventList": "start", "Message": "Channel status will follow"})
        seconds = str(int(time.monotonic() - channel.created))
        session.send({"Event": "Status", **id, **_shown(channel), "Seconds": seconds})
        session.send({"Event": "StatusComplete", **id, "EventList": "Complete", "ListItems": "1", "Items": "1"})

    def _core_show_channels(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        session.send({"Response": "Success", **id, "EventList": "start", "Message": "Channels will follow"})
        for channel in self.channels.values():
            spent = int(time.monotonic() - channel.created)
            duration = f"{spent // 3600:02}:{spent // 60 % 60:02}:{spent % 60:02}"
            session.send({"Event": "CoreShowChannel", **id, **_shown(channel), "Duration": duration})
        count = str(len(self.channels))
        session.send({"Event": "CoreShowChannelsComplete", **id, "EventList": "Complete", "ListItems": count})

    def _getvar(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        name, value = values.get("variable", ""), ""
        if "channel" in values:
            channel = self._channel(values["channel"])
            if channel is None:
                session.send({"Response": "Error", **id, "Message": "No such channel"})
                return
            if name == "CDR(answer,u)" and channel.answered_at is not None:
                value = f"{channel.answered_at:.6f}"
        elif name.startswith("PJSIP_AOR(") and name.endswith(",contact)"):
            endpoint = name.removeprefix("PJSIP_AOR(").removesuffix(",contact)")
            value = f"{endpoint}@@0ae4e2f4" if endpoint in self.trunks else ""
        elif name.startswith("PJSIP_CONTACT("):
            contact, _, what = name.removeprefix("PJSIP_CONTACT(").removesuffix(")").partition(",")
            trunk = self.trunks.get(contact.partition("@@")[0])
            if trunk is not None:
                value = {"status": trunk.contact, "rtt": str(self._rtt(trunk))}.get(what, "")
        session.send({"Response": "Success", **id, "Variable": name, "Value": value})

    def _registrations(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        known = {name: trunk.registration for name, trunk in self.trunks.items() if trunk.registration}
        if not known:
            session.send({"Response": "Error", **id, "Message": "Unable to retrieve outbound registrations"})
            return
        session.send({"Response": "Success", **id, "EventList": "start", "Message": "Following are Events"})
        for name, status in known.items():
            session.send({"Event": "OutboundRegistrationDetail", **id, "ObjectName": name, "Status": str(status)})
            session.send({"Event": "AuthDetail", **id, "ObjectName": name, "Password": "never to be kept"})
        done = {"Event": "OutboundRegistrationDetailComplete", **id, "EventList": "Complete"}
        session.send(done | {"Registered": str(len(known)), "NotRegistered": "0"})

    # --- a call's life

    async def _live(self, channel: Channel, values: Mapping[str, str], id: Event) -> None:
        while True:
            now = time.monotonic()
            step = channel.created + channel.plan[0].after * self.scale if channel.plan else float("inf")
            limit = channel.lives_until if channel.answered else min(channel.rings_until, channel.lives_until)
            await asyncio.sleep(max(min(step, limit) - now, 0.0))
            if limit <= step:
                cause = NORMAL if channel.answered else NO_ANSWER
                self._end(channel, cause, sip=None, far=False, reason="3", id=id)
                return
            planned, channel.plan = channel.plan[0], channel.plan[1:]
            match planned.step:
                case Step.ALERT:
                    self._move(channel, 5)
                case Step.ANSWER:
                    channel.answered, channel.answered_at = time.monotonic(), time.time()
                    both = [
                        lambda: self._move(channel, 6),
                        lambda: self._originate_response(values, channel.id, "4", id, channel.name),
                    ]
                    _in_any_order(both)
                case Step.END:
                    assert planned.cause is not None
                    cleared = CLEARING[planned.cause]
                    sip = None if channel.answered else cleared.sip
                    self._end(channel, (cleared.q850, cleared.text), sip=sip, far=True, reason="0", id=id)
                    return

    def _move(self, channel: Channel, state: int) -> None:
        channel.state = state
        if state == 5:
            channel.rung = time.monotonic()
        self._say({"Event": "Newstate", "Privilege": "call,all", **_shown(channel)})

    def _end(
        self,
        channel: Channel,
        cause: tuple[int, str],
        *,
        sip: int | None,
        far: bool,
        reason: str,
        id: Event | None = None,
    ) -> None:
        self.channels.pop(channel.id, None)
        channel.ended, channel.cause = time.monotonic(), cause[1]
        channel.ender = "far" if far else "limit" if reason == "3" else "us"
        tech = {"TechCause": str(sip)} if sip is not None else {}
        if far:
            request = {"Event": "HangupRequest", "Privilege": "call,all", **_shown(channel), "Cause": str(cause[0])}
            self._say(request | tech)
        elif channel.answered:
            self._say({"Event": "SoftHangupRequest", "Privilege": "call,all", **_shown(channel), "Cause": "16"})
        hangup = {"Event": "Hangup", "Privilege": "call,all", **_shown(channel)}
        hangup |= {"Cause": str(cause[0]), "Cause-txt": cause[1], **tech}
        last: list[Callable[[], None]] = [lambda: self._say(hangup), lambda: self._say(self._cdr(channel, cause[0]))]
        if channel.answered is None:
            answered = {"channel": f"PJSIP/{channel.number}@{channel.endpoint}", "exten": channel.exten}
            last.append(lambda: self._originate_response(answered, channel.id, reason, id or {}))
        _in_any_order(last)
        self._record(channel)

    def _cdr(self, channel: Channel, cause: int) -> Event:
        now = time.monotonic()
        billed = int(now - channel.answered) if channel.answered else 0
        disposition = "ANSWERED" if channel.answered else "BUSY" if cause == 17 else "NO ANSWER"
        return {
            "Event": "Cdr", "Privilege": "cdr,all", "Channel": channel.name, "Destination": channel.exten,
            "Duration": str(int(now - channel.created)), "BillableSeconds": str(billed),
            "Disposition": disposition, "UniqueID": channel.id,
        }  # fmt: skip

    def _originate_response(
        self, values: Mapping[str, str], channel_id: str, reason: str, id: Event, channel: str | None = None
    ) -> None:
        response = "Success" if reason == "4" else "Failure"
        self._say({
            "Event": "OriginateResponse", "Privilege": "call,all", **id, "Response": response,
            "Channel": channel or values.get("channel", ""), "Context": values.get("context", ""),
            "Exten": values.get("exten", ""), "Reason": reason, "Uniqueid": channel_id,
        })  # fmt: skip

    def _record(self, channel: Channel) -> None:
        """A recording of the right length in which nobody says anything."""
        if self._recordings is None or channel.recording is None or channel.answered is None:
            return
        if "/" in channel.recording or channel.recording.startswith("."):
            return
        self._recordings.mkdir(parents=True, exist_ok=True)
        frames = int(RATE * min(time.monotonic() - channel.answered, LONGEST))
        with wave.open(str(self._recordings / channel.recording), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(bytes(2 * frames))

    def _channel(self, wanted: str) -> Channel | None:
        if wanted in self.channels:
            return self.channels[wanted]
        return next((channel for channel in self.channels.values() if channel.name == wanted), None)

    def _rtt(self, trunk: Trunk) -> int:
        return trunk.rtt_usec if trunk.contact == "Reachable" else 0


_ACTIONS: Mapping[str, Callable[[VirtualPbx, Session, Mapping[str, str], Event], None]] = {
    "ping": VirtualPbx._ping,
    "originate": VirtualPbx._originate,
    "hangup": VirtualPbx._hang_up,
    "status": VirtualPbx._status,
    "coreshowchannels": VirtualPbx._core_show_channels,
    "getvar": VirtualPbx._getvar,
    "pjsipshowregistrationsoutbound": VirtualPbx._registrations,
}


def _shown(channel: Channel) -> Event:
    return {
        "Channel": channel.name, "ChannelState": str(channel.state), "ChannelStateDesc": STATES[channel.state],
        "Exten": channel.exten, "Uniqueid": channel.id, "Linkedid": channel.id,
    }  # fmt: skip


def _in_any_order(work: list[Callable[[], None]]) -> None:
    """Asterisk's threads race: nobody may count on an order here."""
    random.shuffle(work)
    for one in work:
        one()


def control(pbx: VirtualPbx) -> web.Application:
    """The control API."""

    async def calls(request: web.Request) -> web.Response:
        shown = {channel.id: _shown(channel) | {"number": channel.number} for channel in pbx.channels.values()}
        return web.json_response(shown)

    async def dials(request: web.Request) -> web.Response:
        return web.json_response(dict(pbx.dials))

    async def received(request: web.Request) -> web.Response:
        return web.json_response(dict(pbx.received))

    async def every_call(request: web.Request) -> web.Response:
        return web.json_response([{name: getattr(channel, name) for name in LOGGED} for channel in pbx.log])

    async def fault(request: web.Request) -> web.Response:
        values = await request.json() if request.can_read_body else {}
        match request.match_info["fault"]:
            case "cut":
                pbx.cut()
            case "freeze":
                pbx.frozen = True
            case "thaw":
                pbx.frozen = False
            case "restart":
                pbx.restart()
            case "contact":
                pbx.contact(str(values["endpoint"]), str(values["status"]))
            case "refuse":
                pbx.refuse = int(values.get("calls", 1)) + 1
            case _:
                raise web.HTTPNotFound(text="no such fault; there are cut, freeze, thaw, restart, contact, refuse")
        return web.json_response({"done": True})

    app = web.Application()
    app.router.add_get("/calls", calls)
    app.router.add_get("/dials", dials)
    app.router.add_get("/received", received)
    app.router.add_get("/log", every_call)
    app.router.add_post("/{fault}", fault)
    return app


def of(settings: Settings) -> VirtualPbx:
    """The PBX of a sandbox: `[ami.main]` with the endpoints of its trunks."""
    ami = settings.ami.get("main", Ami())
    trunks = {
        trunk.endpoint: Trunk(registration="Registered" if trunk.registration else None)
        for trunk in settings.trunks
        if trunk.pbx == "main"
    }
    recordings = Path(ami.recordings) if ami.recordings else None
    scale = settings.sandbox.time_scale
    return VirtualPbx(user=ami.user, secret=ami.secret or "", trunks=trunks, scale=scale, recordings=recordings)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    pbx = of(settings)
    await pbx.start(settings.sandbox.pbx_port)
    runner = web.AppRunner(control(pbx), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.sandbox.pbx_control_port).start()
    log.info("virtual PBX is up", port=pbx.port, trunks=len(pbx.trunks))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()
    await pbx.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--die-with-parent", action="store_true")
    arguments = parser.parse_args()
    if arguments.die_with_parent:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    settings: Any = load(config=arguments.config, environment=os.environ)
    configure(level=settings.log.level, service="pbx")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
