"""A journal in memory with entries of several days, and an archive of it in a folder."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import Archive
from actors.runtime.bus import ID, Bus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)


class SetClock(SystemClock):
    """A clock that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = BEGAN

    def now(self) -> datetime:
        return self.moment


class Days:
    """`bus`: a process of the site. Each day `passes` with some entries in it."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self.broker = MemoryBroker(clock=self.clock)
        self.bus: Bus = MemoryBus(self.broker)
        self.folder = folder

    def archive(self, bus: Bus | None = None) -> Archive:
        """As one host has it."""
        bus = bus or MemoryBus(self.broker)
        return Archive(bus=bus, clock=self.clock, ids=RandomIds(), store=ArchiveFolder(self.folder), threads=False)

    async def write(self, subject: str = "thing.1.said", data: bytes = b'{"thing":1}', **headers: str) -> int:
        """One entry, now."""
        whole = f"ottb.v1.evt.{subject}"
        last = await self.bus.last(whole, certain=True)
        said = {ID: RandomIds().new(), **headers}
        return await self.bus.append(whole, data, said, scope=whole, expect=last.seq if last is not None else 0)

    async def passes(self, entries: int = 3) -> None:
        """Entries of a day, then the next one begins."""
        for number in range(entries):
            await self.write(data=json.dumps({"thing": 1, "at": self.clock.moment.isoformat(), "n": number}).encode())
        self.clock.moment += timedelta(days=1)

    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.exists() else []

    def spoil(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Write over a file, as no process of ours does."""
        path = self.folder / name
        path.write_bytes(change(path.read_bytes()))
