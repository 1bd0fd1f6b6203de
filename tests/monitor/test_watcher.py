"""A host that is watched for hours of simulated time: which minutes and quarters of an hour are kept of it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from actors.monitor.reader import CpuTimes, Disk, Process, Reading
from actors.monitor.rollup import Thing, Values
from actors.monitor.settings import Monitor
from actors.monitor.watcher import Watcher
from actors.runtime.clock import utc
from actors.runtime.host import Host
from bus_schemas.monitor import MINUTE, QUARTER, FiguresTaken, Following, read_figures
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import STARTED_AT, SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

GB = 2**30
AT_REST = Reading(
    cpu=CpuTimes(0.0, 0.0), cores=4, load=(1.5, 1.0, 0.5), ram_total=8 * GB, ram_available=2 * GB, uptime=3600.0,
    temperature=51.0, link=1000, disks=(Disk(path="/var/ottb", used=40 * GB, free=60 * GB),), processes=(),
)  # fmt: skip
PHONE: Thing = ("slot", "44")


class Always:
    held, epoch = True, 1


class Machine:
    """A machine whose four processors are busy for a quarter of the time."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.says = AT_REST
        self.ways: dict[str, float | None] = {}
        self.silent = False
        self.speed: float | None = None

    async def read(self) -> Reading | None:
        now = self._loop.time()
        if self.silent:
            return None
        return replace(self.says, cpu=CpuTimes(now, 4 * now))

    async def connect(self, address: str, *, timeout: float) -> float | None:
        return self.ways.get(address)

    async def download(self, url: str, *, most: int, seconds: float) -> float | None:
        return self.speed

    def stop(self) -> None: ...


class Watched:
    """A host and its bus. `temperature`: what its one phone says at each look."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=SimClock(loop))
        self.machine = Machine(loop)
        self.temperature = 38.0
        self.lives = self.looks = 0
        self._begin()

    def _begin(self) -> None:
        self.lives += 1
        bus, ids = MemoryBus(self.broker), CountedIds(f"t{self.lives}")
        self.bus = bus
        host = Host(name="a", bus=bus, clock=self.clock, ids=ids, ownership=Always())
        settings = Monitor(probes=("one:443", "two:443"), download="http://one/file")
        records = (Following(name="ledger", behind=7),)
        self.watcher = Watcher(host=host, ids=ids, reader=self.machine, settings=settings, records=lambda: records)
        self.watcher.sources.append(self._phone)
        self._tasks = [asyncio.ensure_future(work()) for work in self.works()]

    def works(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        return self.watcher.run, self.watcher.probe, self.watcher.download

    def _phone(self) -> Iterable[tuple[Thing, Values]]:
        self.looks += 1
        yield PHONE, {"temperature": self.temperature, "online": True}

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restart(self) -> None:
        await self.stop()
        self._begin()

    async def at(self, seconds: float) -> None:
        """Wait until so many seconds after the beginning, on the world's clock."""
        await asyncio.sleep(seconds - self.loop.time())

    def kept(self, step: int) -> dict[str, FiguresTaken]:
        """What is in the stream, by the time of day at which it begins."""
        found = [read_figures(entry.data) for entry in self.broker.figures.entries]
        return {one.at[11:16]: one for one in found if one.step == step}


def values(taken: FiguresTaken, thing: Thing = PHONE) -> dict[str, tuple[float, float, float]]:
    [found] = [one.values for one in taken.things if (one.kind, one.id) == thing]
    return found


def play(story: Callable[[Watched], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        site = Watched(loop)
        await story(site)
        await site.stop()

    run(main, 1)


def test_each_minute_has_its_least_its_mean_and_its_greatest() -> None:
    async def story(site: Watched) -> None:
        await site.at(62)
        site.temperature = 44.0
        await site.at(92)
        site.temperature = 41.0
        await site.at(122)
        minutes = site.kept(MINUTE)
        assert [*minutes] == ["00:01"]  # the first one may have begun before it was watched
        assert minutes["00:01"].at == utc(STARTED_AT + timedelta(minutes=1))
        low, mean, high = values(minutes["00:01"])["temperature"]
        assert (low, high) == (38.0, 44.0) and abs(mean - 42.25) < 0.5
        host = values(minutes["00:01"], ("host", "a"))
        assert host["cpu"] == (25.0, 25.0, 25.0) and host["ram"] == (75.0, 75.0, 75.0)
        assert host["disk"] == (40.0, 40.0, 40.0) and host["ledger_behind"] == (7, 7, 7)
        assert "latency_ms" not in host and host["unreachable"] == (2, 2, 2)

    play(story)


def test_a_quarter_of_an_hour_is_made_of_its_minutes() -> None:
    async def story(site: Watched) -> None:
        await site.at(16 * 60)
        site.temperature = 50.0
        await site.at(31 * 60)
        assert [*site.kept(QUARTER)] == ["00:00", "00:15"]
        low, mean, high = values(site.kept(QUARTER)["00:15"])["temperature"]
        assert (low, high) == (38.0, 50.0) and abs(mean - (38 + 14 * 50) / 15) < 0.1

    play(story)


def test_a_restart_costs_the_minute_it_is_in_and_no_quarter() -> None:
    async def story(site: Watched) -> None:
        await site.at(20 * 60 + 30)
        await site.restart()
        await site.at(31 * 60 + 20)
        await site.restart()
        await site.at(45 * 60 + 55)
        minutes = {*site.kept(MINUTE)}
        assert minutes == {f"00:{minute:02}" for minute in range(1, 45)} - {"00:20", "00:31"}
        assert [*site.kept(QUARTER)] == ["00:00", "00:15", "00:30"]

    play(story)


def test_a_quarter_that_ended_meanwhile_is_made_afterwards() -> None:
    async def story(site: Watched) -> None:
        await site.at(14 * 60 + 30)
        await site.stop()
        await site.at(18 * 60)
        assert not site.kept(QUARTER)
        await site.restart()
        await site.at(18 * 60 + 10)
        assert values(site.kept(QUARTER)["00:00"])["temperature"] == (38.0, 38.0, 38.0)

    play(story)


def test_what_the_bus_did_not_take_is_sent_later() -> None:
    async def story(site: Watched) -> None:
        await site.at(130)
        site.broker.cut(site.bus)
        await site.at(15 * 60 + 90)
        site.broker.mend(site.bus)
        await site.at(17 * 60 + 30)
        assert {*site.kept(MINUTE)} == {f"00:{minute:02}" for minute in range(1, 17)}
        assert values(site.kept(QUARTER)["00:00"])["temperature"] == (38.0, 38.0, 38.0)
        assert site.looks > 17 * 60 / 5 - 5  # the host was watched all the while

    play(story)


@pytest.mark.parametrize("ahead", [90.0, 86_400.0 * 365])
def test_a_clock_that_is_set_back_goes_on_at_once(ahead: float) -> None:
    async def story(site: Watched) -> None:
        site.clock.step(ahead)
        await site.at(16 * 60)
        site.clock.step(-ahead - 90)
        await site.at(32 * 60 + 100)
        assert {"00:20", "00:30"} <= site.kept(MINUTE).keys() and "00:15" in site.kept(QUARTER)
        offset = site.watcher.now().clock_offset_ms
        assert offset is not None and abs(offset - 90_000) < 100

    play(story)


def test_a_value_that_cannot_be_is_none() -> None:
    async def story(site: Watched) -> None:
        await site.at(65)
        site.temperature = 999.0
        await site.at(122)
        assert values(site.kept(MINUTE)["00:01"])["temperature"] == (38.0, 38.0, 38.0)

    play(story)


def test_ways_are_told_one_by_one_and_the_longest_counts() -> None:
    async def story(site: Watched) -> None:
        site.machine.ways = {"one:443": 0.0121, "two:443": 0.25}
        await site.at(125)
        told = {probe.address: probe.latency_ms for probe in site.watcher.now().probes}
        assert told == {"one:443": 12.1, "two:443": 250.0}
        site.machine.ways = {"one:443": 0.0121}
        await site.at(245)
        host = values(site.kept(MINUTE)["00:03"], ("host", "a"))
        assert host["latency_ms"] == (12.1, 12.1, 12.1) and host["unreachable"] == (1, 1, 1)

    play(story)


def test_a_disk_tells_when_it_is_full_and_a_process_how_busy_it_is() -> None:
    async def story(site: Watched) -> None:
        for minute in range(1, 121):  # a gigabyte in ten minutes
            used = 40 * GB + minute * GB // 10
            seconds = 30.0 * minute
            mine = Process(
                name="actors", pid=7, started=1.0, cpu=seconds, rss=100 * 2**20, fds=9, threads=4, uptime=seconds
            )
            disk = Disk(path="/var/ottb", used=used, free=100 * GB - used)
            site.machine.says = replace(AT_REST, disks=(disk,), processes=(mine,))
            await site.at(60 * minute)
        now = site.watcher.now()
        [disk_now] = now.disks
        assert disk_now.full_in is not None and abs(disk_now.full_in - 48 * 600) < 1500
        [process] = now.processes
        assert (process.name, process.rss_mb, process.fds) == ("actors", 100.0, 9)

    play(story)


def test_a_machine_that_tells_nothing_has_no_figures_of_that_minute() -> None:
    async def story(site: Watched) -> None:
        await site.at(130)
        site.machine.silent = True
        await site.at(245)
        kept = site.kept(MINUTE)
        assert [*kept] == ["00:01", "00:02", "00:03"]
        assert values(kept["00:03"]) and not [one for one in kept["00:03"].things if one.kind == "host"]

    play(story)


def test_what_the_network_carries_is_measured_each_half_hour() -> None:
    async def story(site: Watched) -> None:
        await site.at(60)
        assert site.watcher.now().measured_mbps is None
        site.machine.speed = 12.5e6
        await site.at(31 * 60)
        assert site.watcher.now().measured_mbps == 100.0
        site.machine.speed = None  # it was so long ago that nobody knows any more
        await site.at(61 * 60)
        assert site.watcher.now().measured_mbps is None

    play(story)
