"""A phone over adb: the `Phone` port, and the tracker that tells all phones of one server how they hang on it.

Call states come from the phone's own log of Telecom events as a stream. What the log does not say (ALERTING of a
VoLTE call) or might lose is asked: the registry while a call is dialled, everything at each new connection and
every few seconds while a call is up. A call moves forward only, so an answer that is late changes nothing.
"""

import asyncio
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

import structlog
from msgspec.structs import replace

from actors.adapters import android, android_health
from actors.adapters.adb import AdbClient, LongShell, Seen
from actors.slot.phone import (
    CallPhase,
    CallSeen,
    HealthRead,
    Link,
    LinkChanged,
    Look,
    PhoneError,
    PhoneRefused,
    PhoneUnreachable,
    Report,
    ShellResult,
    newer,
)
from actors.slot.registry import Device
from bus_schemas.call import EndReason

log = structlog.get_logger()

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}\Z")
ADDRESS = re.compile(r"[0-9A-Za-z.-]+:[0-9]{1,5}\Z")

SHORT_TIMEOUT = 10.0  # `am` and `input` start a virtual machine on the phone
LOOK_TIMEOUT = 8.0
LOOK_LIMIT = 512 * 1024
HEALTH_TIMEOUT = 10.0
HEALTH_EVERY = 15.0
LIVENESS_EVERY = 10.0
LIVENESS_TIMEOUT = 5.0
ALERTING_EVERY = 0.4
BACKSTOP_EVERY = 3.0
RETRY_FIRST, RETRY_LAST = 0.25, 10.0
CONNECTS_AT_ONCE = 8
REMEMBERED_CALLS = 32

LOG = "logcat -b system,radio -v epoch -T 1 -s Telecom:I RILJ:D"
REFUSED = re.compile(r"(?m)^(?:Error|Exception|java\.lang\.|.*SecurityException).*")

LINK_OF_STATE: Mapping[str, Link] = {"device": Link.ONLINE, "unauthorized": Link.UNAUTHORIZED}
SETTLING = 0.5  # seconds: a phone that comes back passes `offline` and `authorizing`, which is no news
ORDER = {CallPhase.DIALING: 0, CallPhase.ALERTING: 1, CallPhase.ACTIVE: 2, CallPhase.DISCONNECTED: 3}


def link_of(seen: Seen | None) -> tuple[Link, str]:
    """A line of adb's list as a link, and adb's words for people."""
    if seen is None:
        return Link.ABSENT, "not plugged in, or adb does not see it"
    return LINK_OF_STATE.get(seen.state, Link.OFFLINE), "" if seen.state == "device" else seen.state


def find(devices: Mapping[str, Seen], name: str) -> Seen | None:
    """The phone of a name: its serial, or its place (`usb:1-2.3`), both of which adb takes as a target."""
    if not name.startswith("usb:"):
        return devices.get(name)
    return next((seen for seen in devices.values() if f"usb:{seen.usb}" == name), None)


def _number(ref: str) -> int:
    return int(ref.rpartition("@")[2])


class DeviceTracker:
    """One stream for all phones of an adb server. Phones on TCP are connected, and again when they were lost."""

    def __init__(self, *, client: AdbClient) -> None:
        self.client = client
        self._devices: dict[str, Seen] | None = None  # None: the server is away, nothing is known
        self._watchers: dict[str, Callable[[Seen | None, bool], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(CONNECTS_AT_ONCE)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._connecting.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def devices(self) -> Iterable[Device]:
        """Every phone that adb lists."""
        return [
            Device(serial=seen.serial, state=seen.state, model=seen.model, usb=seen.usb)
            for seen in (self._devices or {}).values()
        ]

    def watch(self, serial: str, tell: Callable[[Seen | None, bool], None]) -> None:
        """Hear of a phone: its line, and whether the server itself answers. At once, if anything is known."""
        self._watchers[serial] = tell
        if self._devices is not None:
            tell(find(self._devices, serial), True)
        self._connect_if_needed(serial)

    def unwatch(self, serial: str) -> None:
        self._watchers.pop(serial, None)
        task = self._connecting.pop(serial, None)
        if task is not None:
            task.cancel()

    async def _run(self) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                async for devices in self.client.track():
                    pause = RETRY_FIRST
                    self._changed(devices)
            except PhoneUnreachable as error:
                if self._devices is not None:
                    log.warning("adb server lost", error=str(error))
                self._lost()
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _lost(self) -> None:
        """The server is away: that says nothing about any phone."""
        if self._devices is None:
            return
        self._devices = None
        for tell in list(self._watchers.values()):
            tell(None, False)

    def _changed(self, devices: dict[str, Seen]) -> None:
        before, self._devices = self._devices, devices
        for serial, tell in list(self._watchers.items()):
            # A new transport id is another connection: the phone was away, however short.
            if before is None or find(before, serial) != find(devices, serial):
                tell(find(devices, serial), True)
            self._connect_if_needed(serial)

    def _connect_if_needed(self, serial: str) -> None:
        if self._devices is None or not ADDRESS.match(serial) or serial in self._connecting:
            return
        if serial not in self._devices:
            task = asyncio.get_running_loop().create_task(self._connect(serial))
            self._connecting[serial] = task
            task.add_done_callback(lambda done: self._connected(serial, done))

    def _connected(self, serial: str, done: asyncio.Task[None]) -> None:
        if self._connecting.get(serial) is done:  # a phone watched anew has a task of its own
            del self._connecting[serial]

    async def _connect(self, serial: str) -> None:
        pause = RETRY_FIRST
        while self._devices is not None and serial in self._watchers:
            seen = self._devices.get(serial)
            if seen is not None:  # adb itself goes on trying while it lists the phone
                return
            try:
                async with self._turns:
                    await self.client.connect(serial)
            except PhoneUnreachable as error:
                log.debug("phone not connected", serial=serial, error=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST)


class AdbPhone:
    """One phone of an adb server, by serial."""

    def __init__(self, *, serial: str, tracker: DeviceTracker, health_every: float = HEALTH_EVERY) -> None:
        self._serial = serial
        self._tracker = tracker
        self._client = tracker.client
        self._shell = LongShell(client=tracker.client, serial=serial)
        self._health_every = health_every
        self._report: Callable[[Report], None] = lambda report: None
        self._link = (Link.UNKNOWN, "")
        self._transport = ""
        self._settling: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._boot = ""
        self._read: android.Read | None = None  # the last look
        self._calls: OrderedDict[str, CallPhase] = OrderedDict()
        self._incoming: set[str] = set()
        self._call_is_up = asyncio.Event()
        self._cpu: android_health.CpuTimes | None = None
        self._latency: float | None = None

    # --- the port

    def start(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._report(LinkChanged(link=Link.UNKNOWN, detail="not asked yet"))
        self._tracker.watch(self._serial, self._seen)

    async def close(self) -> None:
        self._report = lambda report: None
        self._tracker.unwatch(self._serial)
        if self._settling is not None:
            self._settling.cancel()
        await self._stop_watching()
        self._shell.close()

    async def dial(self, number: str, call_id: str = "c_1", wanted: Callable[[], bool] = lambda: True) -> None:
        if not NUMBER.match(number):
            raise ValueError("only an E.164 number that passed the gate may reach a phone")
        if not wanted():
            raise PhoneUnreachable(f"{self._serial}: the order was withdrawn")
        uri = number.replace("+", "%2B")
        done = await self._shell.run(f"am start -a android.intent.action.CALL -d tel:{uri}", timeout=SHORT_TIMEOUT)
        refusal = REFUSED.search(done.output)
        if done.exit_code != 0 or refusal:
            raise PhoneRefused(f"{self._serial}: {refusal[0] if refusal else done.output.strip() or 'am failed'}")

    async def hang_up(self, ref: str | None) -> None:
        if (await self.look()).live:  # with no call up, this key locks the screen
            await self._shell.run("input keyevent 6", timeout=SHORT_TIMEOUT)

    async def look(self) -> Look:
        done = await self._client.shell(self._serial, android.LOOK, timeout=LOOK_TIMEOUT, max_output=LOOK_LIMIT)
        read = None if done.truncated else android.parse_look(done.output, self._read)
        if read is None:
            raise PhoneUnreachable(f"{self._serial}: no whole answer about its calls")
        first, self._boot = read.boot != self._boot, read.boot
        if self._read is None or self._read.boot != read.boot or read.is_later_than(self._read):
            self._read = read
        self._note(read.look, first=first)
        return read.look

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        return await self._client.shell(self._serial, command, timeout=timeout, max_output=max_output)

    async def reboot(self) -> None:
        wire = await self._client.open_service(self._serial, "reboot:")
        wire.close()

    async def reconnect(self) -> None:
        await self._stop_watching()
        self._shell.close()
        if ADDRESS.match(self._serial):
            await self._client.disconnect(self._serial)
        else:
            await self._client.reconnect(self._serial)

    # --- the link

    def _seen(self, seen: Seen | None, server_answers: bool) -> None:
        link = link_of(seen) if server_answers else (Link.UNKNOWN, "the adb server does not answer")
        transport = seen.transport_id if seen is not None else ""
        if (link, transport) == (self._link, self._transport):
            return
        self._link, self._transport = link, transport
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if link[0] is Link.ONLINE:
            self._start_watching()
            self._tell_link(*link)
        elif not server_answers:  # nothing can be dialled now, and nobody knows for how long
            self._end_watching()
            self._tell_link(*link)
        else:
            self._end_watching()
            self._settling = asyncio.get_running_loop().call_later(SETTLING, self._tell_link, *link)

    def _tell_link(self, link: Link, detail: str) -> None:
        self._report(LinkChanged(link=link, detail=detail))

    def _start_watching(self) -> None:
        self._end_watching()
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def _end_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._shell.close()

    async def _stop_watching(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Everything that is read from a phone that can be reached. Ends when it no longer can."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._follow_log())
                    group.create_task(self._ask_while_in_call())
                    group.create_task(self._read_health())
                    group.create_task(self._check_liveness())
            except* Exception:
                log.exception("watching a phone failed and is begun afresh", serial=self._serial)
            await asyncio.sleep(RETRY_LAST)

    # --- calls

    async def _follow_log(self) -> None:
        """Read the log; at each new stream first ask what happened while nobody listened, and after which boot."""
        loop = asyncio.get_running_loop()
        pause = RETRY_FIRST
        while True:
            opened = loop.time()
            try:
                async with self._client.lines(self._serial, LOG) as lines:
                    await self.look()
                    async for line in lines:
                        self._read_line(line)
            except PhoneError as error:
                log.debug("log stream not opened", serial=self._serial, error=str(error))
            if loop.time() - opened > RETRY_LAST:
                pause = RETRY_FIRST
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST)

    def _read_line(self, line: str) -> None:
        logged = android.parse_log_line(line)
        if logged is None:
            if android.says_alerting(line) and (ref := self._dialled()):
                self._move(ref, CallPhase.ALERTING)
            return
        ref = f"{self._boot}/{logged.call}"
        phase = android.PHASE_OF_EVENT.get(logged.event)
        if phase is None or not self._boot:
            return
        if logged.event == "SET_RINGING":
            self._incoming.add(ref)
        reason, cause = android.end_of(logged.data) if phase is CallPhase.DISCONNECTED else (None, "")
        self._move(ref, phase, reason, cause)

    def _note(self, look: Look, *, first: bool) -> None:
        """Bring what was told up to date with what the phone says. `first` of a boot: what was over is no news."""
        for past in reversed(look.past):
            if first and past.ref not in self._calls:
                self._calls[past.ref] = CallPhase.DISCONNECTED
            elif past.ref in self._calls or self._is_new(past.ref):
                if past.incoming:
                    self._incoming.add(past.ref)
                if past.answered_age is not None:
                    self._move(past.ref, CallPhase.ACTIVE, age=past.answered_age)
                self._move(past.ref, CallPhase.DISCONNECTED, past.reason, past.cause, age=past.ended_age)
        for live in reversed(look.live):
            if live.incoming:
                self._incoming.add(live.ref)
            answered = live.answered_age if live.phase is CallPhase.ACTIVE else None
            self._move(live.ref, live.phase, age=answered or 0.0)

    def _move(
        self, ref: str, phase: CallPhase, reason: EndReason | None = None, cause: str = "", *, age: float = 0.0
    ) -> None:
        before = self._calls.get(ref)
        if before is not None and ORDER[phase] <= ORDER[before]:
            return
        self._calls[ref] = phase
        while len(self._calls) > REMEMBERED_CALLS:
            forgotten, _ = self._calls.popitem(last=False)
            self._incoming.discard(forgotten)
        incoming = ref in self._incoming
        self._report(CallSeen(ref=ref, phase=phase, reason=reason, cause=cause, incoming=incoming, age=age))
        if self._live():
            self._call_is_up.set()
        else:
            self._call_is_up.clear()

    def _is_new(self, ref: str) -> bool:
        """Whether a call that nobody told of began after the first look, of which every call is remembered. It need
        not be the newest: while it came and went unheard, another may be up."""
        of_this_boot = [known for known in self._calls if known.startswith(f"{self._boot}/")]
        return not of_this_boot or newer(ref, min(of_this_boot, key=_number))

    def _live(self) -> list[str]:
        """The calls that are up, as far as was told."""
        return [
            ref
            for ref, phase in self._calls.items()
            if phase is not CallPhase.DISCONNECTED and ref.startswith(f"{self._boot}/")
        ]

    def _dialled(self) -> str | None:
        """The call that is being dialled, where there is only one: then what the radio says of the foreground is of
        this one."""
        outgoing = [ref for ref in self._live() if ref not in self._incoming]
        dialled = [ref for ref in outgoing if self._calls[ref] in (CallPhase.DIALING, CallPhase.ALERTING)]
        return dialled[0] if len(dialled) == 1 else None

    async def _ask_while_in_call(self) -> None:
        """ALERTING is asked for while a call is dialled; everything is asked now and then while one is up."""
        loop = asyncio.get_running_loop()
        while True:
            await self._call_is_up.wait()
            if not self._live():  # what was up is of an earlier boot: nothing will tell its end
                self._call_is_up.clear()
            backstop = loop.time() + BACKSTOP_EVERY
            while live := self._live():
                dialled = next((ref for ref in live if self._calls[ref] is CallPhase.DIALING), None)
                await asyncio.sleep(BACKSTOP_EVERY if dialled is None else ALERTING_EVERY)
                if dialled is not None:
                    await self._ask_registry(dialled)
                if loop.time() >= backstop:
                    backstop = loop.time() + BACKSTOP_EVERY
                    await self._look_quietly()

    async def _ask_registry(self, ref: str) -> None:
        """Whether the far end rings. Anything else that the registry has news of is asked of Telecom: it knows whose
        news it is."""
        try:
            done = await self._client.shell(self._serial, android.REGISTRY, timeout=LOOK_TIMEOUT, max_output=LOOK_LIMIT)
        except PhoneError:
            return
        registry = android.parse_registry(done.output)
        alone = not registry.background and not registry.ringing and self._dialled() == ref
        if registry.foreground == android.FOREGROUND_ALERTING and alone:
            self._move(ref, CallPhase.ALERTING)
        elif registry.foreground == android.FOREGROUND_ACTIVE or not alone:
            await self._look_quietly()

    async def _look_quietly(self) -> None:
        try:
            await self.look()
        except PhoneError as error:
            log.debug("look failed", serial=self._serial, error=str(error))

    # --- health

    async def _read_health(self) -> None:
        spread = zlib.crc32(self._serial.encode()) % 1000 / 1000  # so that a fleet is not asked all at once
        while True:
            try:
                await self._read_health_once()
            except PhoneError as error:
                log.debug("health not read", serial=self._serial, error=str(error))
            await asyncio.sleep(self._health_every * (0.75 + 0.5 * spread))

    async def _read_health_once(self) -> None:
        done = await self._client.shell(
            self._serial, android_health.HEALTH, timeout=HEALTH_TIMEOUT, max_output=LOOK_LIMIT
        )
        health, self._cpu = android_health.parse_health(done.output, self._cpu)
        self._report(HealthRead(health=replace(health, latency_ms=self._latency)))

    async def _check_liveness(self) -> None:
        """A phone that adb lists may be dead all the same: it must answer. Two misses, and it is begun afresh."""
        loop = asyncio.get_running_loop()
        missed = 0
        while True:
            sent = loop.time()
            try:
                await self._shell.run("true", timeout=LIVENESS_TIMEOUT)
                self._latency = round(1000 * (loop.time() - sent), 1)
                if missed >= 2:
                    self._tell_link(*self._link)
                missed = 0
            except PhoneError as error:
                missed += 1
                log.info("phone does not answer", serial=self._serial, missed=missed, error=str(error))
                if missed == 2:
                    self._tell_link(Link.OFFLINE, "listed by adb, but it does not answer")
            await asyncio.sleep(LIVENESS_EVERY if missed == 0 else 1.0)
