"""A phone in simulated time: the `Phone` port straight over a handset (`handset.py`), without sockets."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVar

from msgspec.structs import replace

from actors.adapters.log_clock import LATE
from actors.adapters.phone_calls import PhoneCalls
from actors.adapters.phone_clock import Memory
from actors.adapters.phone_screen import PhoneScreen
from actors.slot.phone import HealthRead, PhoneUncertain, PhoneUnreachable, Report, ShellResult
from actors.telephony.reports import CallPhase, CallSeen, Link, LinkChanged, Look
from bus_schemas.slot_health import Rung
from simulators.device.wire import Unanswered
from simulators.phone.ailing import FOUND_OUT, MENDED_BY, Ailment
from simulators.phone.handset import PHASE, UP_BEFORE, Handset, why
from simulators.phone.telephony import Happened, State
from simulators.time.process import Step, here, no_step

Answer = TypeVar("Answer")

REBOOT = 8.0  # seconds until a phone is back
LINE = 0.001  # seconds between two lines of a log that come late
ASKING = 0.03  # seconds that a look takes, for whoever has stood still and finds lines that are old


class SimulatedPhone:
    """One host's connection to a handset. `alive` says whether the host's process still exists; one that does not
    waits for `buried`. Where the host is a `Process`, it hears nothing while that is frozen."""

    def __init__(
        self, handset: Handset, *, alive: Callable[[], bool], buried: asyncio.Event, step: Step = no_step
    ) -> None:
        self._handset = handset
        self._alive = alive
        self._buried = buried
        self._step = step
        self._home = here()
        self._memory: Memory | None = None
        self._stream = -1  # how often the wire was cut before this connection was opened
        self._lines_until = -1.0  # when the last line that is under way arrives: they keep their order
        self._asking = False
        self._calls = PhoneCalls(lambda seen: self._report(seen))
        self._report: Callable[[Report], None] = lambda report: None
        self.screen = PhoneScreen(self, "simulated")

    def start(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._handset.attach(self)
        if self._handset.ailment is not None and self._handset.plugged:
            _, link, detail = FOUND_OUT[self._handset.ailment]
            self.link(link, detail)
        elif self._handset.plugged:
            self._open(self._handset.wire.cuts)
        else:
            self.link(Link.ABSENT)
        self._say(HealthRead(health=replace(self._handset.vitals.health(UP_BEFORE), model="simulated")))

    async def close(self) -> None:
        self._handset.detach(self)
        self._report = lambda report: None

    async def dial(self, number: str, call_id: str = "c_1", wanted: Callable[[], bool] = lambda: True) -> None:
        await self._pass("before dial")
        waited = await self._handset.wire.queue()
        if not wanted():  # from here to the sending nothing can come between
            raise PhoneUnreachable("simulated: the order was withdrawn")
        await self._order("dial", lambda: self._handset.order(number, call_id), survives=True, waited=waited)

    async def hang_up(self, ref: str | None) -> None:
        await self._pass("before hang-up")
        await self._order("hang-up", lambda: self._handset.press_end(ref), survives=True)

    async def look(self) -> Look:
        await self._pass("before look")
        self._handset.book.looks[self._handset.name, int(self._handset.now())] += 1
        try:
            look, memory = await self._order("look", lambda: self._handset.look(self._memory))
        except PhoneUncertain as error:
            raise PhoneUnreachable(str(error)) from None
        if self._memory is None or (memory.clock.uptime or 0.0) >= (self._memory.clock.uptime or 0.0):
            self._memory = memory
        return look

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        result, seconds = await self._order("shell", lambda: self._handset.run(command, max_output), survives=True)
        if seconds:
            await asyncio.sleep(seconds)
        return result

    async def raw_output(self, command: str, *, timeout: float, max_output: int) -> bytes:
        data, seconds = await self._order("output", lambda: self._handset.run_raw(command, max_output), survives=True)
        if seconds:
            await asyncio.sleep(seconds)
        return data

    async def reboot(self) -> None:
        if self._handset.ailment is not None:  # adb's own service for it may serve though no shell does
            await self._pass("before reboot")
            if Rung.REBOOT not in MENDED_BY[self._handset.ailment or Ailment.DEAD]:
                raise PhoneUnreachable("simulated: not connected")
            self._restart()
            return
        await self._order("reboot", self._restart, survives=True)

    def _restart(self) -> None:
        self._handset.restart_by_host(REBOOT)

    async def reopen(self) -> None:
        await self._pass("before reopen")
        self._handset.treat(Rung.RECONNECT)

    async def reconnect(self) -> None:
        await self._pass("before reconnect")
        self._handset.treat(Rung.ADB_RECONNECT)

    # --- from the handset

    def hear(self, happened: Happened) -> None:
        if not self._connected or happened.event in ("CREATED", "DESTROYED", "REQUEST_DISCONNECT"):
            return
        call, now = happened.call, self._handset.now()
        reason, cause = why(call.cause) if call.state is State.DISCONNECTED else (None, "")
        phase = CallPhase.ALERTING if happened.event == "ALERTING" else PHASE[call.state]
        seen = CallSeen(ref=self._handset.ref(call), phase=phase, reason=reason, cause=cause, incoming=call.incoming)
        lateness, stream = self._handset.wire.lateness(), self._stream
        if not lateness and self._lines_until < now:
            self._at_home(lambda: self._read(seen, now, stream))
            return
        self._lines_until = max(self._lines_until + LINE, now + lateness)
        self._handset.book.fault("late line", self._handset.name, now, self._lines_until)
        arrives = asyncio.get_running_loop().call_at
        arrives(self._lines_until, self._at_home, lambda: self._read(seen, now, stream), context=Context())

    def _read(self, seen: CallSeen, happened: float, stream: int) -> None:
        """A line of the log. Of one that is old the phone is asked first, as `AdbPhone` does it, and the answer to an
        order that waits beside it is read before that. Lines of a stream that broke meanwhile are lost."""
        if stream != self._handset.wire.cuts or self._asking:  # what comes meanwhile is told by then
            return
        if self._handset.now() - happened <= LATE:
            self._calls.move(seen.ref, seen.phase, seen.reason, seen.cause, incoming=seen.incoming)
        else:
            self._asking = True
            asyncio.get_running_loop().call_later(ASKING, self._ask)

    def _ask(self) -> None:
        """Tell what has happened while nobody listened, or lines were on their way."""
        self._asking = False
        if self._alive() and self._connected:
            look, _ = self._handset.look(self._memory)
            self._calls.note(look, first=self._calls.begin_boot(look.boot))

    def link(self, link: Link, detail: str = "") -> None:
        self._at_home(lambda: self._linked(link, detail))

    # --- inside

    @property
    def _connected(self) -> bool:
        return self._handset.plugged and self._stream == self._handset.wire.cuts

    def _linked(self, link: Link, detail: str) -> None:
        """A host that stood still hears of a phone that is back when it goes on, and only then connects to it."""
        if link is not Link.ONLINE:
            self._report(LinkChanged(link=link, detail=detail))
            return
        now, name = self._handset.now(), self._handset.name
        self._handset.wire.reopen(
            self._open, noted=lambda seconds: self._handset.book.fault("reopening", name, now, now + seconds)
        )

    def _open(self, cuts: int) -> None:
        """Whoever opens a new stream asks the phone what it has missed: what was under way when the old one broke."""
        if not self._handset.plugged:
            return
        self._stream = cuts
        self._say(LinkChanged(link=Link.ONLINE))
        self._at_home(self._ask)

    def _say(self, report: Report) -> None:
        self._at_home(lambda: self._report(report))

    def _at_home(self, hear: Callable[[], None]) -> None:
        if not self._alive():
            return
        if self._home is None or self._home is here():
            hear()
        else:
            self._home.call(hear)

    async def _order(
        self, name: str, effect: Callable[[], Answer], *, survives: bool = False, waited: float = 0.0
    ) -> Answer:
        if not self._connected:
            raise PhoneUnreachable("simulated: not connected")

        def unusual(kind: str, seconds: float) -> None:
            now = self._handset.now()
            self._handset.book.fault(f"{name}: {kind}", self._handset.name, now, now + seconds)

        meanwhile = asyncio.ensure_future(self._step(f"during {name}"))
        try:
            answer = await self._handset.wire.send(effect, unusual=unusual, survives=survives, waited=waited)
        except Unanswered:
            raise PhoneUncertain("simulated: no answer") from None
        finally:
            await meanwhile
        await self._pass(f"after {name}")
        return answer

    async def _pass(self, name: str) -> None:
        await self._step(name)
        if not self._alive():
            await self._buried.wait()
            raise PhoneUnreachable("simulated: the process was killed")
