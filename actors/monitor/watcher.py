"""Looks after this host and its phones: what they are now, and minute by minute what they were.

Nothing is asked of a phone for it: what its slot has been told stands in memory. Each minute that was watched from
its beginning goes into the stream of figures in one entry, and each quarter of an hour is made of the minutes that
are there, so that a restart costs the minute it was in and nothing else.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
import structlog
from msgspec.structs import replace

from actors.monitor import present, samples
from actors.monitor.growth import Growth
from actors.monitor.reader import CpuTimes, HostReader, Reading
from actors.monitor.rollup import Rollup, Thing, Values
from actors.monitor.settings import Monitor
from actors.runtime.bus import ID, BusError, Fenced
from actors.runtime.clock import moment, parse_utc, utc
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.slot.actor import SlotActor
from actors.slot.phone import Health
from bus_schemas.contract import UNDECODABLE
from bus_schemas.monitor import (
    MINUTE,
    MINUTES_KEPT,
    QUARTER,
    THINGS_IN_ONE,
    Figures,
    FiguresTaken,
    Following,
    HostFigures,
    Probe,
    figures_subject,
    read_figures,
)
from bus_schemas.slot import SlotStatus

log = structlog.get_logger()

LOOK_EVERY = 5.0  # seconds
PROBE_EVERY = 30.0
PROBE_WITHIN = 2.0
DOWNLOAD_EVERY = 1800.0
DOWNLOAD_MOST, DOWNLOAD_SECONDS = 16 * 2**20, 3.0  # bytes
KEPT_BACK = 120  # entries that wait for the bus; the oldest give way

Source = Callable[[], Iterable[tuple[Thing, Values]]]
Hearer = Callable[[Thing, Values], None]
Records = Callable[[], Iterable[Following]]


class Watcher:
    """One host's. `reader`: of its machine; None: it is not looked at. `records`: how far its records are."""

    def __init__(
        self, *, host: Host, ids: Ids, reader: HostReader | None, settings: Monitor, records: Records
    ) -> None:
        self._host = host
        self._ids = ids
        self._reader = reader
        self._settings = settings
        self._records = records
        self._cpu: CpuTimes | None = None
        self._busy: present.Busy = {}
        self._read_at = 0.0
        self._growth: defaultdict[str, Growth] = defaultdict(Growth)
        self._told: dict[str, Health] = {}  # what of each slot's phone is in already
        self._minute: int | None = None  # since 1970
        self._whole = False  # it was watched from its beginning
        self._rollup = Rollup()
        self._waiting: deque[tuple[str, FiguresTaken]] = deque(maxlen=KEPT_BACK)
        self._quarters: deque[int] = deque(maxlen=KEPT_BACK)  # that are over, and not made yet
        self._now = HostFigures(host=host.name)
        self._fresh = False  # the machine has told it just now
        self.sources: list[Source] = [self._slots, self._this_host]  # of what is measured; others add theirs
        self.hearers: list[Hearer] = []  # of each value as it is measured

    def now(self) -> HostFigures:
        """How the host is, as it was looked at last."""
        slots = self._host.all(SlotActor)
        online = sum(_is_online(slot) for slot in slots)
        return replace(self._now, records=tuple(self._records()), slots=len(slots), slots_online=online)

    async def run(self) -> None:
        """Look again and again."""
        seconds = self._seconds()
        self._quarters.append(seconds - seconds % QUARTER - QUARTER)  # which may have ended while nobody watched
        while True:
            await self._safely(self._look)
            await self._safely(self._deliver)
            await self._host.pause(LOOK_EVERY)

    async def probe(self) -> None:
        """Ask the network and the bus again and again how long they take."""
        while True:
            await self._safely(self._probe)
            await self._host.pause(PROBE_EVERY)

    async def download(self) -> None:
        """Measure again and again how much the network carries."""
        while True:
            await self._safely(self._download)
            await self._host.pause(DOWNLOAD_EVERY)

    async def _safely(self, work: Callable[[], Awaitable[None]]) -> None:
        """What goes wrong with one look is not to end all looks."""
        try:
            await work()
        except BusError as error:
            log.info("figures wait for the bus", error=repr(error), waiting=len(self._waiting))
        except Exception:
            log.exception("not looked at")

    # --- looking

    async def _look(self) -> None:
        reading = await self._reader.read() if self._reader is not None else None
        self._fresh = reading is not None
        if reading is not None:
            self._take(reading)
        seconds = self._seconds()
        minute = seconds - seconds % MINUTE
        if minute != self._minute:
            self._next_minute(minute)
        for source in self.sources:
            for thing, values in source():
                self._rollup.add(thing, values)
                for hear in self.hearers:
                    hear(thing, values)

    def _take(self, reading: Reading) -> None:
        now = self._host.clock.monotonic()
        for disk in reading.disks:
            self._growth[disk.path].saw(now, disk.used)
        seconds = now - self._read_at
        self._now = replace(
            self._now,
            at=moment(self._host.clock).at,
            cpu=present.load(self._cpu, reading.cpu),
            cores=reading.cores,
            load=reading.load,
            ram=present.ram(reading),
            ram_total_mb=reading.ram_total // present.MB,
            ram_available_mb=reading.ram_available // present.MB,
            uptime_s=int(reading.uptime),
            temperature=reading.temperature,
            bandwidth_mbps=reading.link,
            disks=tuple(present.disk(disk, self._growth[disk.path], now) for disk in reading.disks),
            processes=tuple(present.process(one, self._busy, seconds) for one in reading.processes),
        )
        self._cpu, self._busy, self._read_at = reading.cpu, present.busy(reading.processes), now

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        await self._host.bus.figures.last_seq()
        self._now = replace(self._now, bus_ms=round(1000 * (loop.time() - asked), 1))
        if self._reader is not None and self._settings.probes:
            ask = partial(self._reader.connect, timeout=PROBE_WITHIN)
            found = await asyncio.gather(*map(ask, self._settings.probes))
            probes = (
                Probe(address=address, latency_ms=None if seconds is None else round(1000 * seconds, 1))
                for address, seconds in zip(self._settings.probes, found, strict=True)
            )
            self._now = replace(self._now, probes=tuple(probes))

    async def _download(self) -> None:
        if self._reader is not None and (url := self._settings.download):
            speed = await self._reader.download(url, most=DOWNLOAD_MOST, seconds=DOWNLOAD_SECONDS)
            measured = None if speed is None else round(8 * speed / 1e6, 1)
            self._now = replace(self._now, measured_mbps=measured)

    # --- what is measured

    def _slots(self) -> Iterable[tuple[Thing, Values]]:
        """Whether each phone is there, and what it has told since the last look."""
        told, self._told = self._told, {}
        for slot in self._host.all(SlotActor):
            if slot.state is None or slot.state.removed:
                continue
            thing, health = ("slot", slot.id), slot.live.health
            yield thing, {"online": _is_online(slot)}
            if slot.live.health_at is not None:
                self._told[slot.id] = health
                if told.get(slot.id) is not health:
                    yield thing, samples.of_phone(health, slot.state.config)

    def _this_host(self) -> Iterable[tuple[Thing, Values]]:
        if self._fresh:
            yield ("host", self._host.name), samples.of_host(self.now())

    # --- minutes and quarters

    def _next_minute(self, minute: int) -> None:
        """Another minute has begun: the last one is for the stream, if all of it was watched."""
        over, whole, rollup = self._minute, self._whole, self._rollup
        self._rollup, self._minute, self._whole = Rollup(), minute, over is not None and minute > over
        if over is None or not whole or minute < over:
            return
        self._put(over, MINUTE, rollup.figures())
        if minute - minute % QUARTER > over:
            self._quarters.append(over - over % QUARTER)

    async def _deliver(self) -> None:
        """Put what waits into the stream, and make the quarters of an hour that are over. Raises BusError: later."""
        await self._send()
        while self._quarters:
            await self._finish_quarter(self._quarters[0])
            self._quarters.popleft()
            await self._send()

    def _put(self, start: int, step: int, things: Sequence[Figures]) -> None:
        """Have it sent, in parts that each fit into one message of the bus."""
        at = utc(datetime.fromtimestamp(start, UTC))
        for first in range(0, len(things), THINGS_IN_ONE):
            part = list(things[first : first + THINGS_IN_ONE])
            self._waiting.append((self._ids.new(), FiguresTaken(host=self._host.name, at=at, step=step, things=part)))

    async def _send(self) -> None:
        while self._waiting:
            id, taken = self._waiting[0]
            subject = figures_subject(self._host.name, taken.step)
            ttl = float(MINUTES_KEPT) if taken.step == MINUTE else None
            before = self._host.clock.now().timestamp()
            try:
                stored = await self._host.bus.figures.write(subject, msgspec.json.encode(taken), {ID: id}, ttl=ttl)
            except Fenced:  # it was stored by a try whose answer was lost
                stored = None
            if stored is not None:
                between = (before + self._host.clock.now().timestamp()) / 2
                self._now = replace(self._now, clock_offset_ms=round(1000 * (stored.at - between), 1))
            if self._waiting and self._waiting[0][0] == id:
                self._waiting.popleft()

    async def _finish_quarter(self, start: int) -> None:
        """Put a quarter of an hour into the stream, from the minutes of it that are there; of one that is there twice,
        since a clock was set back or a host began again, the records keep the first."""
        figures = self._host.bus.figures
        last = await figures.last(figures_subject(self._host.name, QUARTER))
        if last is not None and parse_utc(read_figures(last.data).at).timestamp() == start:
            return
        rollup = Rollup()
        async for entry in figures.replay(figures_subject(self._host.name, MINUTE), since=float(start)):
            try:
                taken = read_figures(entry.data)
            except UNDECODABLE as error:
                log.warning("figures not understood", seq=entry.seq, error=str(error))
                continue
            if start <= parse_utc(taken.at).timestamp() < start + QUARTER:
                rollup.merge(taken.things)
            await asyncio.sleep(0)  # a large host's are thousands of figures, and calls do not wait for them
        self._put(start, QUARTER, rollup.figures())

    def _seconds(self) -> int:
        return int(self._host.clock.now().timestamp())


def _is_online(slot: SlotActor) -> bool:
    return slot.state is not None and slot.state.status is SlotStatus.ONLINE
