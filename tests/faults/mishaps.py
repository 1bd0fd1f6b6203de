"""What goes wrong at a site of processes: they stand still (SIGSTOP), are killed (SIGKILL), or lose the bus; and people
and callers use the phones. Everything is written into the book that the judge reads."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from simulators.device.chronicle import Fault
from tests.faults.witness import RealWorld
from tests.support.beside import Beside
from tests.support.site import Client

PAUSE = (1.0, 30.0)  # seconds that a process stands still
OUTAGE = 15.0  # seconds without the bus
RECOVERS = 25.0  # seconds that are given before the next mishap
VICTIMS = ("actors", "actors-b", "gateway", "gateway-2", "nats-server", "adb")
HOST_OF = {"actors": "a", "actors-b": "b"}
UP = b"actor host is up"

Serving = Callable[[], Awaitable[bool]]


@dataclass
class Mishaps:
    """So many faults, `tracks` at once, each to another process. `serving`: whether everything works."""

    site: Beside
    world: RealWorld
    serving: Serving
    slots: list[int]
    count: int
    pause: tuple[float, float] = PAUSE
    done: Counter[str] = field(default_factory=Counter)
    _busy: set[str] = field(default_factory=set)
    _left: int = 0

    async def run(self, tracks: int) -> None:
        self._left = self.count
        await asyncio.gather(*(self._track() for _ in range(tracks)))

    async def _track(self) -> None:
        await asyncio.sleep(random.uniform(0.0, 3.0))
        while self._left > 0:
            self._left -= 1
            victim = random.choice([one for one in VICTIMS if one not in self._busy])
            self._busy.add(victim)
            try:
                if not await self._one(victim):  # it was not there: another fault for this one
                    self._left += 1
            finally:
                self._busy.discard(victim)
            if random.random() < 0.6:
                await self._recover()
            await asyncio.sleep(random.uniform(0.2, 3.0))

    async def _one(self, victim: str) -> bool:
        chance = random.random()
        if victim == "actors-b" and self.site.net is not None and chance < 0.3:
            return await self._outage()
        if chance < 0.65:
            return await self._pause(victim, then_kill=chance < 0.12)
        return await self._kill(victim)

    # --- the faults

    async def _pause(self, victim: str, *, then_kill: bool) -> bool:
        low, high = self.pause
        seconds = low * (high / low) ** random.random()
        pid = self.site.signal(victim, signal.SIGSTOP)
        if pid is None:
            return False
        faults = self._write_down(victim, "pause", seconds)
        try:
            await asyncio.sleep(seconds)
        finally:
            if self.site.pid(victim) == pid:
                self.site.signal(victim, signal.SIGKILL if then_kill else signal.SIGCONT)
        self.done[f"{victim} stopped{', then killed' if then_kill else ''}"] += 1
        await self._aftermath(faults)
        return True

    async def _kill(self, victim: str) -> bool:
        if self.site.signal(victim, signal.SIGKILL) is None:
            return False
        self.done[f"{victim} killed"] += 1
        await self._aftermath(self._write_down(victim, "crash", 0.0))
        return True

    async def _outage(self) -> bool:
        assert self.site.net is not None
        port, world = self.site.site.nats_port, self.world
        world.book.fault("outage", "host b", world.now, world.now + OUTAGE)
        self.site.net.block(port)
        try:
            await asyncio.sleep(OUTAGE)
        finally:
            self.site.net.unblock(port)
        self.done["bus blocked for a host"] += 1
        return True

    def _write_down(self, victim: str, kind: str, seconds: float) -> list[Fault]:
        """Put a fault into the book. Those that last until all is well again."""
        now, fault = self.world.now, self.world.book.fault
        if victim in HOST_OF:
            fault(kind, f"host {HOST_OF[victim]}", now, now + seconds)
            return []  # `Lives` sees how long it is away
        if victim == "nats-server":
            return [fault("outage", "bus", now)]
        if victim == "adb":
            return [fault("unplugged: no adb", f"slot-{slot}", now) for slot in self.slots]
        return []

    async def _aftermath(self, faults: list[Fault]) -> None:
        """A fault of the bus or of adb lasts until everything works again."""
        if faults:
            await self._recover()
            for fault in faults:
                fault.end = self.world.now

    async def _recover(self) -> None:
        give_up = time.monotonic() + RECOVERS
        while time.monotonic() < give_up and not await self.serving():
            await asyncio.sleep(0.3)


class Lives:
    """Sees host processes end and begin, by their process ids and logs: who is away, from when to when."""

    def __init__(self, site: Beside, world: RealWorld) -> None:
        self._site = site
        self._world = world
        self.starts: Counter[str] = Counter()

    async def watch(self) -> None:
        await asyncio.gather(*(self._watch(name) for name in HOST_OF))

    async def _watch(self, name: str) -> None:
        log = self._site.supervisor.log_of(name)
        known, seen = self._site.pid(name), self._world.now
        while True:
            await asyncio.sleep(0.2)
            pid = self._site.pid(name)
            if pid == known:
                seen = self._world.now
                continue
            ups = _ups(log)
            fault = self._world.book.fault("away", f"host {HOST_OF[name]}", seen)
            while _ups(log) <= ups:
                await asyncio.sleep(0.2)
            fault.end, known = self._world.now, self._site.pid(name)
            self.starts[name] += 1


def _ups(log: Path) -> int:
    return log.read_bytes().count(UP)


async def people(client: Client, slots: list[int], done: Counter[str]) -> None:
    """Calls that come in, calls that somebody dials on a phone, and those who end them, or one of the platform's. Until
    cancelled."""
    number = 0
    while True:
        await asyncio.sleep(random.uniform(2.0, 6.0))
        number += 1
        slot, calling = random.choice(slots), f"+38044{number:07d}"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            kind = random.choice(("incoming", "incoming", "by_hand", "ended by hand"))
            if kind == "ended by hand":
                done[kind] += await _end_ours(client, slots)
                continue
            await client.phones("POST", f"/phones/{slot}/{kind}", {"number": calling})
            done[kind] += 1
            await asyncio.sleep(random.uniform(0.5, 4.0))
            if kind == "incoming" and random.random() < 0.5:
                await client.phones("POST", f"/phones/{slot}/answer")
                await asyncio.sleep(random.uniform(0.5, 4.0))
            await hang_up_foreign(client, slot)


async def _end_ours(client: Client, slots: list[int]) -> int:
    """Somebody at a phone ends a call that the platform placed there: how many."""
    for slot in random.sample(slots, len(slots)):
        for call in (await client.phones("GET", f"/phones/{slot}"))["live"]:
            if not call["foreign"]:
                await client.phones("POST", f"/phones/{slot}/hang_up", {"call": call["id"]})
                return 1
    return 0


async def hang_up_foreign(client: Client, slot: int) -> None:
    """Somebody ends what is not the platform's on one phone."""
    for call in (await client.phones("GET", f"/phones/{slot}"))["live"]:
        if call["foreign"]:
            await client.phones("POST", f"/phones/{slot}/hang_up", {"call": call["id"]})
