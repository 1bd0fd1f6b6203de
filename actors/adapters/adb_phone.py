"""A phone over adb: the `Phone` port.

Call states come from the phone's own log of Telecom events as a stream. What the log does not say (ALERTING of a
VoLTE call) or might lose is asked: the registry while a call is dialled, everything at each new connection, when a
line comes late, and every few seconds while a call is up (`phone_calls.py`).
"""

import asyncio
import re
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog
from msgspec.structs import replace

from actors.adapters import android, android_health
from actors.adapters import android_orders as orders
from actors.adapters.adb import LongShell, boot_time
from actors.adapters.adb_tracker import ABSENT, RETRY_FIRST, RETRY_LAST, DeviceTracker, Sight, Watch, label
from actors.adapters.android_orders import Dialled
from actors.adapters.log_clock import LogClock
from actors.adapters.phone_answers import Answers
from actors.adapters.phone_calls import PhoneCalls
from actors.adapters.phone_fitness import Fitness
from actors.adapters.phone_screen import PhoneScreen
from actors.adapters.screen_server import Held, ScreenServer
from actors.runtime.spread import Spread
from actors.slot.phone import (
    NO_ANSWER,
    HealthRead,
    PhoneBusy,
    PhoneError,
    PhoneRefused,
    PhoneUncertain,
    PhoneUnfit,
    PhoneUnreachable,
    Report,
    ShellResult,
    TroubleSeen,
)
from actors.slot.settings import ADDRESS
from actors.telephony.reports import CallPhase, CallSeen, HoldSeen, Link, LinkChanged, Look

log = structlog.get_logger()

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}\Z")
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

SHORT_TIMEOUT = 10.0  # `am` and `input` start a virtual machine on the phone
DIAL_WITHIN = 2.0  # seconds: who asked for the right to dial just before has it for about so long
APPEARS_WITHIN = 1.5  # seconds from something else on the screen to the call that may come of it
CREATED_WITHIN = 5.0  # seconds from an order to the call: `am` waits for nothing, so the phone may look idle meanwhile
HANG_UP_TRIES = 3
LOOK_TIMEOUT = 12.0  # a phone under load may take 10 s
LOOK_LIMIT = 512 * 1024
HEALTH_TIMEOUT = 10.0
HEALTH_EVERY = 15.0
LIVENESS_EVERY = 10.0
LIVENESS_TIMEOUT = 5.0
LIVENESS_AGAIN = 1.0
ALERTING_EVERY = 0.4
BACKSTOP_EVERY = 3.0

LOG = "logcat -b system,radio -v epoch -T 1 -s Telecom:I RILJ:D"
FAILED: Mapping[Dialled, type[PhoneError]] = {
    Dialled.BUSY: PhoneBusy,
    Dialled.SILENT: PhoneUnreachable,
    Dialled.REFUSED: PhoneRefused,
    Dialled.CHOOSER: PhoneUnfit,
    Dialled.ASIDE: PhoneUnfit,
    Dialled.UNCERTAIN: PhoneUncertain,
}
NOTHING_DIALLED = (Dialled.BUSY, Dialled.SILENT, Dialled.REFUSED, Dialled.CHOOSER, Dialled.ASIDE)

LINK_OF_STATE: Mapping[str, Link] = {"device": Link.ONLINE, "unauthorized": Link.UNAUTHORIZED}
WORDS: Mapping[str, str] = {  # what to do about a state, by how adb begins its word for it
    "unauthorized": "accept this host's key on the phone's screen",
    "no permissions": "this host may not open it; a udev rule is missing, or its user is not in the rule's group",
    "offline": "adb lists it, but it does not answer",
    **dict.fromkeys(("recovery", "rescue", "sideload", "bootloader"), "it was started for repair, not as a phone"),
}
COMES_EVERY, COMES_AT_ONCE = 1.0, 3  # seconds, on average of so many times
SETTLING = 0.5  # seconds: a phone that comes back passes `offline` and `authorizing`, which is no news


def link_of(sight: Sight) -> tuple[Link, str]:
    """How a phone hangs on the server, as a link, and words for people."""
    if not sight.server:
        return Link.UNKNOWN, "the adb server does not answer"
    if sight.seen is None:
        return Link.ABSENT, sight.why or ABSENT
    state = sight.seen.state
    words = next((words for word, words in WORDS.items() if state.startswith(word)), "")
    detail = f"{state}: {words}" if words else state
    return LINK_OF_STATE.get(state, Link.OFFLINE), "" if state == "device" else detail


class AdbPhone:
    """One phone of an adb server, by serial, or by its place on a hub; `place`: of a serial, where it has to hang.
    `round_trips`: where it is counted how long it takes to answer."""

    def __init__(
        self,
        *,
        serial: str,
        tracker: DeviceTracker,
        place: str | None = None,
        sim: str | None = None,
        health_every: float = HEALTH_EVERY,
        round_trips: Spread | None = None,
    ) -> None:
        self._name, self._place = serial, place
        self._serial = label(serial, place)
        self._tracker = tracker
        self._client = tracker.client
        self._shell = LongShell(client=tracker.client, serial=self._serial)
        self._sim = sim
        self._fitness = self._begun_fitness()
        self._ending: tuple[str | None, int] = (None, 0)  # the call that was last told to end, and how often
        self._health_every = health_every
        self._report: Callable[[Report], None] = lambda report: None
        self._link = (Link.UNKNOWN, "")
        self._transport: tuple[int, str] | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._came = deque([-COMES_AT_ONCE * COMES_EVERY] * COMES_AT_ONCE, COMES_AT_ONCE)  # when, on the loop's clock
        self._watch: Watch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._claimed = self._taken = False  # since the phone came: it is known to be nobody else's; somebody else's
        self._read: android.Read | None = None  # the last look
        self._answers = Answers()
        self._log_clock = LogClock()
        self._calls = PhoneCalls(self._tell_call)
        self._cpu: android_health.CpuTimes | None = None
        self._latency: float | None = None
        self._round_trips = round_trips
        self._answered_at = 0.0  # when it last answered, on the loop's clock
        self._silent = False  # it is listed, and was told to be OFFLINE since it does not answer
        self._server = ScreenServer(self)
        self.screen = PhoneScreen(self, server=self._server)

    # --- the port

    def start(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._report(LinkChanged(link=Link.UNKNOWN, detail="not asked yet"))
        self._watch = self._tracker.watch(self._name, self._on_sight, self._place)

    async def close(self) -> None:
        self._report = lambda report: None
        if self._watch is not None:
            self._tracker.unwatch(self._watch)
        if self._settling is not None:
            self._settling.cancel()
        await self._stop_watching()
        self._shell.close()
        self._server.close()

    async def dial(self, number: str, call_id: str, wanted: Callable[[], bool]) -> None:
        if not NUMBER.match(number):
            raise ValueError("only an E.164 number that passed the dial rules may reach a phone")
        if not CALL_ID.match(call_id):
            raise ValueError("only a token may reach a phone as a call's id")
        if not self._claimed:
            await self._read_calls()
        fitness = self._fitness
        await fitness.check()
        self._check_hold()
        if self._calls.ordered is not None and boot_time() - self._calls.ordered < CREATED_WITHIN:
            raise PhoneBusy(f"{self._serial}: it was told to dial just now, and the call has not appeared yet")
        self._calls.ordered = boot_time()
        try:
            done = await self._shell.run(
                orders.dial_line(number, call_id), timeout=SHORT_TIMEOUT, sent_within=DIAL_WITHIN,
                wanted=lambda: self._fitness is fitness and wanted(),
            )  # fmt: skip
        except PhoneUnreachable:
            self._calls.ordered = None
            raise
        outcome, words = orders.read_dial(done.output, done.exit_code)
        if outcome is Dialled.CHOOSER:
            fitness.asks_for_an_app(words)
        elif outcome is Dialled.ASIDE:
            outcome = await self._put_away(words, fitness)
        if outcome in NOTHING_DIALLED:
            self._calls.ordered = None
        if outcome is not Dialled.TAKEN:
            raise FAILED[outcome](f"{self._serial}: {outcome.value}: {words}")

    async def _put_away(self, words: str, fitness: Fitness) -> Dialled:
        """Wait whether a call comes of what the phone shows instead; else close that, lest one comes of it later."""
        loop = asyncio.get_running_loop()
        until = loop.time() + APPEARS_WITHIN
        while self._calls.ordered is not None and loop.time() < until:
            await asyncio.sleep(ALERTING_EVERY)
            await self._look_quietly()
        if self._calls.ordered is None:
            return Dialled.TAKEN
        word, refusal = await self._press(orders.put_away_line())
        if word != orders.PRESSED or refusal:
            return Dialled.UNCERTAIN
        fitness.showed_something_else(words)
        return Dialled.ASIDE

    async def hang_up(self, ref: str | None) -> None:
        self._check_not_taken()
        this_boot = ref is not None and self._calls.boot and ref.startswith(f"{self._calls.boot}/")
        if ref is not None and this_boot and await self._end_alone(ref):
            return
        fitness = self._fitness
        for _ in range(HANG_UP_TRIES):
            read = await self._read_calls()
            target, obstacle = orders.in_the_way(read.look, ref)
            if target is None:
                return
            if obstacle:
                raise PhoneRefused(f"{self._serial}: {target} is not hung up: {obstacle}")
            word, refusal = await self._press(orders.hang_up_among_line(target, read.listed))
            if refusal:
                raise self._not_hung_up(refusal, fitness)
            if word == orders.PRESSED:
                return
        raise PhoneRefused(f"{self._serial}: not hung up: its calls changed with every look")

    async def _end_alone(self, ref: str) -> bool:
        """End a call if the phone is in no other one, in the way that is in turn. False: nothing was done."""
        fitness = self._fitness
        before = self._ending[1] if self._ending[0] == ref else 0
        self._ending = (ref, before + 1)
        refusals: list[str] = []
        for way in orders.ways(before):
            word, refusal = await self._press(orders.hang_up_line(ref, way))
            if refusal:
                refusals.append(refusal)
                continue
            if word == orders.PRESSED and before >= orders.IN_VAIN:
                fitness.does_not_hang_up("a key was pressed, and the call went on", in_vain=True)
            elif refusals:
                fitness.does_not_hang_up(refusals[0])
            return word in (orders.PRESSED, orders.GONE)
        raise self._not_hung_up("; ".join(refusals), fitness)

    async def _press(self, line: str) -> tuple[str, str]:
        """Let a line end a call where it may; the word that it answered, and what the phone said if it refused."""
        done = await self._shell.run(line, timeout=SHORT_TIMEOUT)
        word, refusal = orders.read_hang_up(done.output, done.exit_code)
        if not word and not refusal:
            raise PhoneUncertain(f"{self._serial}: no whole answer to a hang-up: {done.output.strip()[:200]}")
        return word, refusal

    def _not_hung_up(self, why: str, fitness: Fitness) -> PhoneRefused:
        fitness.does_not_hang_up(why)
        return PhoneRefused(f"{self._serial}: not hung up: {why}")

    async def look(self) -> Look:
        return (await self._read_calls()).look

    async def _read_calls(self) -> android.Read:
        self._check_not_taken()
        loop = asyncio.get_running_loop()
        asked = loop.time()
        done = await self._client.ask(self._serial, android.LOOK, timeout=LOOK_TIMEOUT, max_output=LOOK_LIMIT)
        self._answered_at = answered = loop.time()
        parse = partial(android.parse_look, before=self._read)
        read = await self._answers.read(done.output, parse) if not done.truncated else None
        if read is None:
            raise PhoneUnreachable(f"{self._serial}: no whole answer about its calls")
        self._claim(read.boot)
        first = self._calls.begin_boot(read.boot)
        if self._read is None or self._read.boot != read.boot or read.is_later_than(self._read):
            self._read = read
        self._log_clock.looked(asked, answered, read.memory.clock.epoch)
        self._calls.note(read.look, first=first)
        return read

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        self._check_not_taken()
        return await self._client.shell(self._serial, command, timeout=timeout, max_output=max_output)

    async def raw_output(self, command: str, *, timeout: float, max_output: int) -> bytes:
        """What a command writes, byte by byte, without what it complains of; bounded in seconds and bytes."""
        self._check_not_taken()
        return await self._client.raw_output(self._serial, command, timeout=timeout, max_output=max_output)

    async def exchange(self, port: int, request: bytes, *, timeout: float, max_output: int) -> bytes:
        """Ask what listens on one of the phone's own ports."""
        self._check_not_taken()
        return await self._client.exchange(self._serial, port, request, timeout=timeout, max_output=max_output)

    async def hold(self, command: str) -> Held:
        """Start a command that ends when it is closed here."""
        self._check_not_taken()
        return await self._client.open_service(self._serial, f"shell,v2,raw:{command}")

    async def reboot(self) -> None:
        self._check_not_taken()
        wire = await self._client.open_service(self._serial, "reboot:")
        wire.close()

    async def reopen(self) -> None:
        self._check_not_taken()
        if self._link[0] is Link.ONLINE:
            await self._stop_watching()
            self._start_watching()

    async def reconnect(self) -> None:
        self._check_not_taken()
        await self._stop_watching()
        self._shell.close()
        if ADDRESS.match(self._name):
            await self._client.disconnect(self._name)
        else:
            await self._client.reconnect(self._serial)

    # --- the link

    def _check_not_taken(self) -> None:
        """A phone that somebody else uses under another name is not ours to touch, nor one of two with one serial."""
        told = self._watch.told if self._watch is not None else None
        if told is not None and told.why:
            raise PhoneUnreachable(f"{self._serial}: {told.why}")

    def _check_hold(self) -> None:
        """A phone is dialled on only while it is known to be ours."""
        if self._watch is None or not self._tracker.holds(self._watch):
            raise PhoneUnreachable(f"{self._serial}: {self._link[1] or 'adb does not list it'}")

    def _claim(self, boot: str) -> None:
        """Say which boot the phone of this name is in. Raises PhoneUnreachable where somebody else uses it."""
        detail = self._tracker.claim(self._watch, boot) if self._watch is not None else ""
        if not detail:
            if not self._claimed and self._taken:
                self._tell_link(*self._link)
            self._claimed, self._taken = True, False
            return
        self._claimed = False
        if not self._taken:
            self._taken = True
            self._tell_link(Link.ABSENT, detail)
        raise PhoneUnreachable(f"{self._serial}: {detail}")

    def _begun_fitness(self) -> Fitness:
        """Of the connection that begins now: what is found out of an earlier one is told to nobody."""

        def tell(seen: TroubleSeen) -> None:
            if self._fitness is fitness:
                self._report(seen)

        fitness = Fitness(serial=self._serial, sim=self._sim, client=self._client, tell=tell)
        return fitness

    def _on_sight(self, sight: Sight) -> None:
        link = link_of(sight)
        transport = sight.seen.connection if sight.seen is not None else None
        changed = (link, transport) != (self._link, self._transport)
        if changed:
            self._fitness = self._begun_fitness()
        self._fitness.doubted(sight.doubt)
        if not changed:
            return
        self._link, self._transport = link, transport
        self._silent = False
        self._claimed = self._taken = False
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if link[0] is Link.ONLINE:
            self._end_watching()
            self._come_in_turn()
        elif not sight.server:  # nothing can be dialled now, and nobody knows for how long
            self._end_watching()
            self._tell_link(*link)
        else:
            self._end_watching()
            self._settling = asyncio.get_running_loop().call_later(SETTLING, self._tell_link, *link, SETTLING)

    def _come_in_turn(self) -> None:
        """It is there. One that comes and goes without end is believed once a second: each time it is asked much."""
        loop = asyncio.get_running_loop()
        too_soon = self._came[0] + len(self._came) * COMES_EVERY - loop.time()
        if too_soon > 0:
            self._settling = loop.call_later(too_soon, self._come_in_turn)
            return
        self._came.append(loop.time())
        self._start_watching()
        self._tell_link(*self._link)

    def _tell_link(self, link: Link, detail: str, silent: float = 0.0) -> None:
        self._report(LinkChanged(link=link, detail=detail, silent=silent))
        self._fitness.tell_all()

    def _start_watching(self) -> None:
        self._end_watching()
        self._watching = asyncio.get_running_loop().create_task(self._follow())

    def _end_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._shell.close()
        self._server.forget()

    async def _stop_watching(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _follow(self) -> None:
        """Everything that is read from a phone that can be reached."""
        async with asyncio.TaskGroup() as group:
            for part in (
                self._follow_log, self._ask_while_in_call, self._read_health, self._check_liveness,
                self._fitness.keep_probing,
            ):  # fmt: skip
                group.create_task(self._keep(part))

    async def _keep(self, part: Callable[[], Awaitable[None]]) -> None:
        """Do one part for as long as the phone is there. What goes wrong costs this part a pause, and no other."""
        loop = asyncio.get_running_loop()
        pause = RETRY_FIRST
        while True:
            began = loop.time()
            try:
                await part()
                log.error("a part of watching a phone ended and is begun afresh", serial=self._serial, part=str(part))
            except Exception:
                log.exception("watching a phone failed and is begun afresh", serial=self._serial)
            if loop.time() - began > RETRY_LAST:
                pause = RETRY_FIRST
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST)

    # --- calls

    async def _follow_log(self) -> None:
        """Read the log; at each new stream first ask what happened while nobody listened, and after which boot."""
        loop = asyncio.get_running_loop()
        pause = RETRY_FIRST
        while True:
            opened = loop.time()
            try:
                async with self._client.lines(self._serial, LOG) as lines:
                    boot = (await self._read_calls()).boot
                    async for line in lines:
                        if self._log_clock.is_late(android.stamp_of(line), loop.time()):
                            await self.look()  # it says how long ago everything was; without it the stream is of no use
                        self._calls.read_line(line, boot)
            except PhoneError as error:
                log.debug("log stream not opened", serial=self._serial, error=str(error))
            if loop.time() - opened > RETRY_LAST:
                pause = RETRY_FIRST
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST)

    def _tell_call(self, seen: CallSeen | HoldSeen) -> None:
        if isinstance(seen, CallSeen) and seen.asks:
            self._fitness.asks_for_a_sim()
        self._report(seen)

    async def _ask_while_in_call(self) -> None:
        """ALERTING is asked for while a call is dialled; everything is asked now and then while one is up."""
        loop = asyncio.get_running_loop()
        while True:
            await self._calls.are_up.wait()
            if not self._calls.live():  # what was up is of an earlier boot: nothing will tell its end
                self._calls.are_up.clear()
            backstop = loop.time() + BACKSTOP_EVERY
            while self._calls.live():
                dialled = self._calls.dialing()
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
            done = await self._client.ask(self._serial, android.REGISTRY, timeout=LOOK_TIMEOUT, max_output=LOOK_LIMIT)
        except PhoneError:
            return
        registry = await self._answers.read(done.output, android.parse_registry)
        alone = not registry.background and not registry.ringing and self._calls.dialled() == ref
        if registry.foreground == android.FOREGROUND_ALERTING and alone:
            self._calls.move(ref, CallPhase.ALERTING)
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
        done = await self._client.ask(
            self._serial, android_health.HEALTH, timeout=HEALTH_TIMEOUT, max_output=LOOK_LIMIT
        )
        parse = partial(android_health.parse_health, before=self._cpu)
        health, self._cpu = await self._answers.read(done.output, parse)
        self._report(HealthRead(health=replace(health, latency_ms=self._latency)))

    async def _check_liveness(self) -> None:
        """A phone that adb lists may be dead all the same: it must answer. Two misses, and it is OFFLINE. Of a longer
        silence it is not known whether it was the phone's: this host may have stood still."""
        loop = asyncio.get_running_loop()
        missed = 0
        self._answered_at = loop.time()
        while True:
            sent = loop.time()
            try:
                await self._shell.run("true", timeout=LIVENESS_TIMEOUT)
                self._answered_at = loop.time()
                self._latency = round(1000 * (self._answered_at - sent), 1)
                if self._round_trips is not None:
                    self._round_trips.observe(self._answered_at - sent)
                if self._silent and not self._taken:
                    self._tell_link(*self._link)
                missed, self._silent = 0, False
            except PhoneError as error:
                missed += 1
                log.info("phone does not answer", serial=self._serial, missed=missed, error=str(error))
                if missed == 2:
                    self._silent = True
                    longest = LIVENESS_EVERY + 2 * LIVENESS_TIMEOUT + LIVENESS_AGAIN
                    silent = min(loop.time() - self._answered_at, longest)
                    self._tell_link(Link.OFFLINE, NO_ANSWER, silent)
            await asyncio.sleep(LIVENESS_EVERY if missed == 0 else LIVENESS_AGAIN)
