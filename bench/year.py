"""A year of calls in a journal from which they leave, and in one from which they do not: what it holds at the end, and
by how much the memory of nats-server grows.

Days are counted by entries: the server's clock is today's all year. A day has few calls, so that a year takes minutes;
figures are of a call.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory

import msgspec
import psutil
from msgspec import Struct
from msgspec.structs import replace

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_reading import JOURNAL
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import Archive
from actors.archive.leaving import Leaving
from actors.archive.record import Segment
from actors.runtime.bus import ID, Fenced, Recorded
from bench.journal import OWNERS, TOPIC_OF, _audit, _call
from bench.parts import nats_server
from bench.table import Row
from bus_schemas.audit import AuditRecorded

DAYS, CALLS, KEPT = 365, 20, 14
SETTLED = 60  # days after which memory is to be what it will be
WINDOW = 20  # days of which one is taken: the server's garbage comes and goes
BYTES = 1500  # of the journal for a call: the goal
AT_ONCE = 64
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MB = 2**20
IDS = RandomIds()


class OfTheYear(SystemClock):
    """`day`: how many have passed."""

    day = 0

    def now(self) -> datetime:
        return BEGAN + timedelta(days=self.day, hours=2)


class Dated(NatsBus):
    """Entries are of the day that they were written in by the year's clock. `ends`: the last entry of each day."""

    ends: list[int]

    async def replay(
        self, scope: str, *, after: int = 0, since: float = 0.0, gently: bool = False
    ) -> AsyncIterator[Recorded]:
        async for entry in super().replay(scope, after=after, since=since, gently=gently):
            day = bisect_right(self.ends, entry.seq - 1)
            yield replace(entry, at=(BEGAN + timedelta(days=day, hours=1)).timestamp())


class Year(Struct, frozen=True):
    """Of each call of the year: `held`, bytes in the journal at its end; `grows`, bytes of the server's memory;
    `archived`, bytes of the folder."""

    held: float
    grows: float
    archived: float


async def measure(folder: Path) -> list[Row]:
    ours, other = await _year(folder, leaves=True), await _year(folder, leaves=False)
    what = f"{DAYS} days of {CALLS} calls, {KEPT} days kept"
    a_year = max(ours.grows, 0.0) * 100_000 * DAYS / MB  # less than nothing is the noise of its garbage
    return [
        Row(f"bytes of journal a call, {what}", f"{ours.held:,.0f} B", f"nothing leaves {other.held:,.0f} B",
            ours.held / BYTES, "<= 1.0"),
        Row(f"memory of nats-server a call ({a_year:,.0f} MB a year of 100,000 a day)", f"{ours.grows:,.0f} B",
            f"nothing leaves {other.grows:,.0f} B", ours.grows / other.grows, "<= 0.1"),
        Row("bytes of the archive a call", f"{ours.archived:,.0f} B", f"journal {other.held:,.0f} B",
            ours.archived / other.held, "<= 0.2"),
    ]  # fmt: skip


async def _year(folder: Path, *, leaves: bool) -> Year:
    with TemporaryDirectory(dir=folder) as place:
        async with nats_server(Path(place), sync='"1m"') as port:
            [server] = [one for one in psutil.process_iter(["cmdline"]) if f"nats-{port}.conf" in _words(one)]
            bus = await Dated.connect(f"nats://127.0.0.1:{port}", name="bench")
            assert isinstance(bus, Dated)
            bus.ends = []
            try:
                await bus.ensure_streams()
                await _forget_soon(bus)
                return await _lived(bus, Path(place) / "archive", server, leaves=leaves)
            finally:
                await bus.close()


async def _forget_soon(bus: Dated) -> None:
    """The ids of the last two minutes, which are much of a year here and nothing on a site."""
    config = (await bus._js.stream_info(JOURNAL)).config
    config.duplicate_window = 1.0
    await bus._js.update_stream(config)


def _words(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())


async def _lived(bus: Dated, folder: Path, server: psutil.Process, *, leaves: bool) -> Year:
    """All days, one after the other."""
    clock, memory = OfTheYear(), list[int]()
    archive = Archive(bus=bus, clock=clock, ids=RandomIds(), store=ArchiveFolder(folder))

    async def everywhere(day: Segment) -> bool:
        await archive.check(day)
        return True

    async def known(call_id: str, up_to: int) -> bool:
        return True

    away = Leaving(
        bus=bus, clock=clock, archive=archive, days=KEPT, everywhere=everywhere, known=known, may=lambda: True
    )
    numbers, audited = count(), count(1)
    for day in range(DAYS):
        await _day(bus, [next(numbers) for _ in range(CALLS)], audited)
        bus.ends.append(await bus.last_seq())
        clock.day = day + 1
        while await archive.seal("bench") is not None:
            pass
        if leaves:
            await away.turn("bench")
        memory.append(server.memory_info().rss)
    [journal, *_] = await bus.usage()
    lowest = [min(memory[day : day + WINDOW]) for day in range(SETTLED, DAYS - WINDOW, WINDOW)]  # after collections
    slope = linear_regression(range(len(lowest)), lowest).slope / WINDOW
    archived = sum(one.size for one in archive.store.kept())
    calls = DAYS * CALLS
    return Year(held=journal.bytes / calls, grows=slope / CALLS, archived=archived / calls)


async def _day(bus: Dated, numbers: list[int], audited: "count[int]") -> None:
    for begin in range(0, len(numbers), AT_ONCE):
        await asyncio.gather(*(_story(bus, number, audited) for number in numbers[begin : begin + AT_ONCE]))


async def _story(bus: Dated, number: int, audited: "count[int]") -> None:
    """A call and what the audit says of it, as they are written."""
    last = 0
    for event in _call(number, number % 400 + 1, None):
        topic = TOPIC_OF[type(event)]
        headers = {ID: IDS.new(), **OWNERS}
        subject, data = topic.subject_for(event), msgspec.json.encode(event)
        scope = f"{subject.rpartition('.')[0]}.*"
        last = await bus.append(subject, data, headers, scope=scope, expect=last)
    topic = TOPIC_OF[AuditRecorded]
    for _ in range(2):
        data = msgspec.json.encode(_audit(next(audited), number))
        while True:
            newest = await bus.last(topic.subject, certain=True)
            seen = newest.seq if newest is not None else 0
            try:
                await bus.append(topic.subject, data, {ID: IDS.new()}, scope=topic.subject, expect=seen)
                break
            except Fenced:
                continue
