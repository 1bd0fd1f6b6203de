"""A virtual phone: Android userland, telephony and carrier behind the ADB protocol, with faults on demand.

It keeps a log of its own, the judge of every test: what reached the phone, whatever anybody else remembers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.carrier.rules import Plan
from simulators.phone import dumps, file_sync
from simulators.phone.adb_device import (
    CLOSE_STDIN,
    EXIT,
    FEATURES,
    STDERR,
    STDIN,
    STDOUT,
    Auth,
    Connection,
    KnownKey,
    Stream,
    frame,
)
from simulators.phone.adb_key import any_host
from simulators.phone.android import Android, Identity
from simulators.phone.logcat import Logcat
from simulators.phone.result import Result
from simulators.phone.screens import server
from simulators.phone.shell_run import Command, Shell, Write
from simulators.phone.stuck import Hanging, Run, Stuck
from simulators.phone.telephony import Happened, PhoneCall, Telephony

LOG_LIMIT = 10_000
BOOT_TIME = 3.0
UI_SERVER_WRITES = 0.1  # seconds


@dataclass(frozen=True)
class Logged:
    """One line of the judge's log: `what` is `dial` or `hangup` (what the platform did), or a Telecom event. `at`: this
    phone's seconds. `foreign`: the call came in, or somebody dialled it on the phone itself. `data`: what the event
    says besides, such as why a call ended."""

    at: float
    what: str
    number: str
    call: str
    foreign: bool = False
    data: str = ""


class VirtualPhone:
    """One phone on one TCP port. `async with VirtualPhone(...) as phone:` serves it until the end."""

    def __init__(
        self,
        *,
        identity: Identity,
        port: int = 0,
        host: str = "127.0.0.1",
        scale: float = 1.0,
        fork_delay: float = 0.02,
        known: KnownKey = any_host,
    ) -> None:
        self.identity = identity
        self.host = host
        self.port = port
        self.log: deque[Logged] = deque(maxlen=LOG_LIMIT)
        self.dials: dict[str, int] = {}
        self.auth = Auth.ACCEPT
        self._known = known
        self.slow = 0.0  # seconds before every command
        self.truncate = False  # half of the output, then the stream is closed
        self.boot_time = BOOT_TIME
        self.telephony = Telephony(scale=scale)
        self.android = Android(
            identity=identity,
            telephony=self.telephony,
            clock=self._time,
            wall_at=self._wall_at,
            happened=self._happened,
            fork_delay=fork_delay,
            dialled=self._dialled,
            hung_up=self._hung_up,
            sim_chosen=self._sim_chosen,
            later=self._later,
        )
        self._steps: list[tuple[float, timedelta]] = []  # when the phone's clock was set, and by how much in all
        self._stuck = Stuck()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._logcat = Logcat()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "VirtualPhone":
        await self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await self.unplug()

    @property
    def serial(self) -> str:
        """The name adb gives to a phone on TCP."""
        return f"{self.host}:{self.port}"

    # --- faults

    async def plug(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        """The cable is out. A call on the phone goes on."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self.drop()

    async def drop(self) -> None:
        """Every connection breaks; the phone can be reached again at once."""
        for connection in list(self._connections):
            await connection.close()

    def freeze(self) -> None:
        """Accept everything and answer nothing."""
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    def hang(self, what: Hanging) -> None:
        """Something of its adbd answers no more: the shells that are open now, all that comes by the connections that
        are, or every shell until the phone restarts."""
        self._stuck.hang(what, self._connections)

    async def allow(self) -> None:
        """Somebody taps `allow` on the question about this host's key."""
        self.auth = Auth.ACCEPT
        for connection in list(self._connections):
            await connection.allow()

    def drop_logcat(self) -> None:
        """End every logcat stream, and forget what they would have shown."""
        self._logcat.forget()
        self._logcat.end_streams()

    def step_clock(self, seconds: float) -> None:
        """The phone's clock is set forward, or back."""
        before = self._steps[-1][1] if self._steps else timedelta()
        self._steps.append((self._time(), before + timedelta(seconds=seconds)))

    # --- people at the phone, and those who call it

    def incoming(self, number: str, *, plan: Plan = ()) -> None:
        """Somebody calls this phone. `plan`: when the caller gives up."""
        self._happened(self.telephony.ring(number, self._time(), plan=plan))

    def answer(self) -> None:
        """Somebody takes the call that rings."""
        self._happened(self.telephony.answer(self._time()))

    def dial_by_hand(self, number: str) -> None:
        """Somebody dials on the phone itself. Not counted among the platform's dials."""
        self._happened(self.telephony.dial(number, self._time(), by_hand=True))

    def hold(self) -> None:
        """Somebody puts the call that talks on hold."""
        self._happened(self.telephony.hold(self._time()))

    def swap(self) -> None:
        """Somebody takes back the call on hold."""
        self._happened(self.telephony.swap(self._time()))

    def hang_up(self, call: str | None = None) -> None:
        """Somebody ends a call on the phone's screen: the one of this name, else the one in the foreground."""
        wanted = [one for one in self.telephony.live if one.id == call] if call else [self.telephony.foreground]
        if wanted and wanted[0] is not None:
            self._happened(self.telephony.hang_up_call(wanted[0], self._time()))

    async def reboot(self) -> None:
        """The phone restarts: unreachable for `boot_time` seconds."""
        self.android.restart()
        self._stuck = Stuck()
        self._logcat.forget()
        self.thaw()
        await self.unplug()
        await asyncio.sleep(self.boot_time)
        await self.plug()

    # --- calls

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _wall_at(self, at: float) -> datetime:
        """What the phone's clock said at one of its moments, as it was set then."""
        true = datetime.now(UTC) - timedelta(seconds=self._time() - at)
        return true + next((offset for since, offset in reversed(self._steps) if since <= at), timedelta())

    def _dialled(self, number: str) -> None:
        if not self.telephony.asks_for_sim:  # else it asks on its screen, and nothing goes out
            self.dials[number] = self.dials.get(number, 0) + 1
        self.log.append(Logged(self._time(), "dial", number, self.telephony.next_id))

    def _sim_chosen(self, call: PhoneCall) -> None:
        self.dials[call.number] = self.dials.get(call.number, 0) + 1
        self.log.append(Logged(self._time(), "dial", call.number, call.id))

    def _later(self, delay: float, act: Callable[[], None]) -> None:
        boots = self.android.boots
        if delay <= 0:
            act()
        else:
            asyncio.get_running_loop().call_later(delay, lambda: act() if self.android.boots == boots else None)

    def _hung_up(self, call: PhoneCall) -> None:
        self.log.append(Logged(self._time(), "hangup", call.number, call.id, call.foreign))

    def _happened(self, happened: list[Happened]) -> None:
        wall = self._wall_at(self._time())
        for one in happened:
            self.log.append(Logged(one.at, one.event, one.call.number, one.call.id, one.call.foreign, one.data))
            for line in dumps.log_lines(one, wall):
                self._logcat.add(line)
        self._plan_next()

    def _plan_next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.telephony.next_due()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._advance)

    def _advance(self) -> None:
        self._timer = None
        self._happened(self.telephony.advance(self._time() + 0.001))

    # --- ADB services

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = self.identity
        connection = Connection(
            reader=reader,
            writer=writer,
            banner=f"device::ro.product.name={who.product};ro.product.model={who.model.replace(' ', '_')};"
            f"ro.product.device={who.product};features={FEATURES}",
            auth=lambda: self.auth,
            known=self._known,
            service=lambda name, stream: self._serve(name, stream, connection),
            thawed=self._thawed,
        )
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _serve(self, name: str, stream: Stream, connection: Connection) -> None:
        run = self._stuck.unless_stuck(self._run, connection)
        service, _, rest = name.partition(":")
        kind, *options = service.split(",")
        if kind == "shell" and "v2" in options:
            await self._shell_v2(rest, stream, run)
        elif kind in ("shell", "exec"):
            await self._shell_v1(rest, stream, run)
        elif service == "tcp" and rest == str(server.PORT):
            await self._ui_server(stream)
        elif kind == "sync":
            await file_sync.serve(self.android, stream)
        elif kind == "reboot":
            self._start(self.reboot())

    async def _ui_server(self, stream: Stream) -> None:
        """Somebody connects to the port of uiautomator2's server."""
        request = b""
        while self.android.screens.readers and not server.complete(request):
            request += await stream.read()
        if self.android.screens.readers:
            said, seconds = self.android.server.answer(request)
            await asyncio.sleep(seconds)
            await stream.write(said)

    async def _run_ui_server(self, write: Write) -> int:
        """It runs until whoever started it closes the stream, which shows when it writes."""
        self.android.screens.readers += 1
        try:
            while True:
                await write(b"\n")
                await asyncio.sleep(UI_SERVER_WRITES)
        finally:
            self.android.screens.readers -= 1

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shell_v1(self, line: str, stream: Stream, run: Run) -> None:
        shell = Shell(run, stream.write)
        if line:
            await shell.line(line, stream.write)
            return
        rest = b""
        while True:
            rest += await stream.read()
            while b"\n" in rest:
                one, rest = rest.split(b"\n", 1)
                await shell.line(one.decode(errors="replace"), stream.write)

    async def _shell_v2(self, line: str, stream: Stream, run: Run) -> None:
        async def write(data: bytes) -> None:
            await stream.write(frame(STDOUT, data))

        async def errors(data: bytes) -> None:
            await stream.write(frame(STDERR, data))

        shell = Shell(run, errors)
        if line in ("", "sh", "sh 2>&1"):
            await self._read_lines_v2(stream, shell, write)
        else:
            await shell.line(line, write)
        await stream.write(frame(EXIT, bytes([shell.code & 0xFF])))

    async def _read_lines_v2(self, stream: Stream, shell: Shell, write: Write) -> None:
        rest = b""
        while True:
            header = await stream.read_exactly(5)
            kind, length = header[0], int.from_bytes(header[1:], "little")
            data = await stream.read_exactly(length)
            if kind == CLOSE_STDIN:
                return
            if kind != STDIN:
                continue
            rest += data
            while b"\n" in rest:
                line, rest = rest.split(b"\n", 1)
                text = line.decode(errors="replace").strip()
                if text == "exit":
                    return
                await shell.line(text, write)

    async def _run(self, command: Command) -> int:
        """Run a simple command of a shell line; its exit code."""
        argv = command.argv
        if argv[:1] == ["logcat"] and "-d" not in argv and command.shown:
            await self._logcat.follow(argv, command.write)
            return 0
        if server.MAIN in argv and server.JAR in self.android.files:
            return await self._run_ui_server(command.write)
        result = self._run_one(argv, command.stdin)
        await self._wait(result)
        if result.err:
            await command.errors(result.err)
        if self.truncate and command.shown and len(result.out) > 1:
            await command.write(result.out[: len(result.out) // 2])
            await self.drop()
            return 255
        if result.out:
            await command.write(result.out)
        return result.code

    def _run_one(self, argv: list[str], stdin: bytes) -> Result:
        if argv[:1] == ["reboot"]:
            self._start(self.reboot())
            return Result()
        if argv[:1] == ["logcat"]:
            return Result(self._logcat.shown(argv))
        return self.android.run(argv, stdin)

    async def _wait(self, result: Result) -> None:
        if result.delay + self.slow > 0:
            await asyncio.sleep(result.delay + self.slow)
        await self._thawed.wait()
