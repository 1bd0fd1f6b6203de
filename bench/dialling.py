"""A campaign of 100,000 leads on a fleet of simulated phones, through a real nats-server: how long a slot stands still.

The phones' own log is the judge: from the end of a call on a phone to its next dial. The fleet is as busy as a real one
(a thousand phones make some 36 calls a second), and then busier, until the wait grows. Seconds of the processor are
counted for each process, so they are good on a busy machine too; the waits are not.
"""

import asyncio
import itertools
import json
import os
import signal
import urllib.request
from asyncio.subprocess import Process
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.bus_audience import BusAudienceTeller
from actors.point.bus_login import LOOK
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.wire import ask
from bench.dialling_host import Book, Made
from bench.parts import cpu_seconds, free_port, nats_server, python
from bench.table import Row
from bus_schemas.campaign import (
    GET_CAMPAIGN,
    RESUME_CAMPAIGN,
    RUN_ON_SHARD,
    GetCampaign,
    ResumeCampaign,
    RunCampaign,
)
from bus_schemas.contract import Rpc
from bus_schemas.errors import Refusal
from bus_schemas.lead import GivenLead
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from gateway.surface.campaign import after, joined, split

CAMPAIGN, LEADS = "bench", 100_000
MAKER = "admin"  # who has an account: campaigns of others are paused
ALL = frozenset(map(str, resolve(BUILT_IN_ROLES["admin"])))
SPREAD = 12.0  # seconds after the start, in which all slots begin at once
SECONDS = 20.0
WAIT, MOST = 50.0, 10  # ms at most from the end of a call to the next dial, p99; bus messages of a call
VICIDIAL = 2500.0  # ms: its loop's pause
REAL = 36.0  # calls a second that 1,000 phones make at most
SMALL, FASTER = 0.1, (0.5, 0.35, 0.25, 0.18)  # how long calls are: 100 slots that make as many as 1,000 do; and less

SETTINGS = """
state_dir = "{state}"
[nats]
port = {port}
[log]
level = "critical"
[auth]
min_password = 4
change_at_first_login = false
[campaigns]
presets = []
[dial]
slot_calls_per_hour = 100000
"""
SLOT = '[[slots]]\nid = {id}\nserial = "phones:{id}"\nregion = "UA"\n'  # by TCP, of which a server has any number


@dataclass(frozen=True)
class Spent:
    """What has been used until now: seconds of the processor by process, messages of the server, entries on record."""

    host: float
    server: float
    received: int
    sent: int
    entries: int


@dataclass
class Fleet:
    """A host with so many slots, and its server."""

    folder: Path
    config: Path
    port: int
    monitor: int
    bus: NatsBus
    server: psutil.Process
    host: Process | None = None

    async def start(self, scale: float) -> None:
        argv = python("-m", "bench.dialling_host", str(self.config), str(self.book_file))
        env = {**os.environ, "OTTB_BENCH_SCALE": str(scale)}
        self.host = await asyncio.create_subprocess_exec(*argv, env=env)

    @property
    def book_file(self) -> Path:
        return self.folder / "book.json"

    async def stop(self) -> Book:
        """End the host; its phones' log."""
        assert self.host is not None
        self.host.send_signal(signal.SIGTERM)
        await self.host.wait()
        return msgspec.json.decode(await asyncio.to_thread(self.book_file.read_bytes), type=Book)

    async def spent(self) -> Spent:
        assert self.host is not None
        varz = await asyncio.to_thread(self._varz)
        host = psutil.Process(self.host.pid)
        return Spent(
            cpu_seconds(host), cpu_seconds(self.server), varz["in_msgs"], varz["out_msgs"], await self.bus.last_seq()
        )

    def _varz(self) -> Any:  # any: JSON of the server
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/varz", timeout=5) as answer:
            return json.load(answer)

    async def run(self, leads: Sequence[GivenLead]) -> None:
        """Have the campaign run with these leads, as the gateway does it."""
        answers: list[Any] = []
        wanted = RunCampaign(campaign_id=CAMPAIGN, leads=tuple(leads))
        for number, part in enumerate(split(wanted, await self.bus.last_seq())):
            context = Context(command_id=derived("bench", str(number)), user=MAKER, actions=ALL)
            answers.append(await self._patiently(RUN_ON_SHARD, after(part, answers), context))
        assert joined(answers).accepted == len(leads), joined(answers)

    async def until_read(self) -> None:
        """Wait until the records have all that is in the journal now."""
        context = Context(command_id="read", user=MAKER, actions=ALL, after=await self.bus.last_seq())
        await self._patiently(GET_CAMPAIGN, GetCampaign(campaign_id=CAMPAIGN), context)

    async def until_owned(self) -> None:
        """Wait until the campaign, which runs, can be asked something."""
        context = Context(command_id="owned", user=MAKER, actions=ALL)
        await self._patiently(RESUME_CAMPAIGN, ResumeCampaign(campaign_id=CAMPAIGN), context)

    async def _patiently(self, rpc: Rpc[Any, Any], request: Any, context: Context) -> Any:  # any: of whatever line
        async with asyncio.timeout(60):
            while True:
                try:
                    return await ask(self.bus, rpc, request, context)
                except Refusal:
                    await asyncio.sleep(0.2)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@asynccontextmanager
async def fleet(folder: Path, slots: int, *, sync: str = "always") -> AsyncIterator[Fleet]:
    """A server and the settings of a host with so many slots; nothing runs on it yet. `sync`: as of `nats_server`."""
    async with AsyncExitStack() as stack:
        monitor = free_port()
        port = await stack.enter_async_context(nats_server(folder, f'\nhttp: "127.0.0.1:{monitor}"\n', sync=sync))
        config = folder / "fleet.toml"
        rows = "".join(SLOT.format(id=number) for number in range(1, slots + 1))
        config.write_text(SETTINGS.format(state=folder / "state", port=port) + rows)
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.ensure_streams()
        mine = psutil.Process().children()
        server = next(one for one in mine if any(f"nats-{port}.conf" in word for word in one.cmdline()))
        yield Fleet(folder, config, port, monitor, bus, server)


@dataclass(frozen=True)
class Dialled:
    """A stretch of a run at full load. `waits`: ms from the end of each call to the next dial on its phone, sorted."""

    waits: list[float]
    per_second: float
    messages: float
    deliveries: float
    entries: float
    host_ms: float
    server_ms: float

    def wait(self, share: float) -> float:
        return self.waits[min(int(len(self.waits) * share), len(self.waits) - 1)]

    def said(self) -> str:
        return (
            f"{self.per_second:.1f} calls/s, wait p50 {self.wait(0.5):.1f} ms p99 {self.wait(0.99):.1f} ms max "
            f"{self.waits[-1]:.0f} ms; a call: {self.messages:.1f} messages in, {self.deliveries:.1f} out, "
            f"{self.entries:.1f} events, {self.host_ms:.1f} ms host, {self.server_ms:.1f} ms server"
        )


@asynccontextmanager
async def on_the_bus(bus: NatsBus, *users: str) -> AsyncIterator[None]:
    """These users have logged in to the bus, as POINT would say it."""
    teller = BusAudienceTeller(bus=bus, clock=SystemClock(), sender=RandomIds().new())

    async def say() -> None:
        while True:
            await teller.listed(users)
            await asyncio.sleep(LOOK)

    saying = asyncio.get_running_loop().create_task(say())
    try:
        yield
    finally:
        saying.cancel()


async def dialled(
    folder: Path, slots: int, scale: float, leads: int = LEADS, listening: tuple[str, ...] = ()
) -> Dialled:
    """Dial on so many slots for a while, with calls that are scaled. `listening`: who is on the bus meanwhile."""
    async with fleet(made(folder), slots) as site, on_the_bus(site.bus, *listening):
        await site.start(scale)
        await site.run([lead(place) for place in range(leads)])
        await asyncio.sleep(SPREAD)
        loop = asyncio.get_running_loop()
        began, before = loop.time(), await site.spent()
        await asyncio.sleep(SECONDS)
        ended, after = loop.time(), await site.spent()
        book = await site.stop()
    waits = sorted(
        1000 * (next.created - call.ended)
        for call, next in followed(book.calls)
        if call.ended is not None and began <= call.ended < ended - 1.0
    )
    calls = sum(began <= call.created < ended for call in book.calls)
    return Dialled(
        waits=waits,
        per_second=calls / (ended - began),
        messages=(after.received - before.received) / calls,
        deliveries=(after.sent - before.sent) / calls,
        entries=(after.entries - before.entries) / calls,
        host_ms=1000 * (after.host - before.host) / calls,
        server_ms=1000 * (after.server - before.server) / calls,
    )


def followed(calls: Sequence[Made]) -> list[tuple[Made, Made]]:
    """Each call with the next one on its phone."""
    by_line: defaultdict[str, list[Made]] = defaultdict(list)
    for call in calls:
        by_line[call.line].append(call)
    return [pair for one in by_line.values() for pair in itertools.pairwise(one)]


def lead(place: int) -> GivenLead:
    return GivenLead(number=f"+38050{place:07}", name=f"Olena {place}")


async def measure(folder: Path) -> list[Row]:
    small = await dialled(folder / "small", 100, SMALL, leads=5000)
    heard = await dialled(folder / "heard", 100, SMALL, leads=5000, listening=(MAKER,))
    large = await dialled(folder / "large", 1000, 1.0)
    for what, one in ("100 slots", small), ("the same, the maker on the bus", heard), ("1,000 slots", large):
        print(f"bench: {what}: {one.said()}", flush=True)
    best = await _fastest(folder, large)
    wait, each = large.wait(0.99), large.messages
    what = f"free slot to next dial, 1,000 slots, {large.per_second:.0f} calls/s, p99"
    return [
        Row(what, f"{wait:.1f} ms", f"VICIdial's loop {VICIDIAL:.0f} ms", wait / WAIT, "<= 1.0"),
        Row("bus messages of a campaign's call", f"{each:.1f}", f"at most {MOST}", each / MOST, "<= 1.0"),
        Row("the same, against 100 slots", f"{each:.1f}", f"{small.messages:.1f}", each / small.messages, "<= 1.05"),
        Row("calls/s at which it is <= 50 ms", f"{best:.0f}/s", f"1,000 phones {REAL:.0f}/s", best / REAL, ">= 1.0"),
    ]


async def _fastest(folder: Path, first: Dialled) -> float:
    """The highest rate of those that were tried, each with shorter calls, at which the wait is as promised."""
    best = 0.0
    for scale in FASTER:
        if first.wait(0.99) > WAIT:
            break
        best = first.per_second
        first = await dialled(folder / f"scale-{scale}", 1000, scale, leads=20_000)
        print(f"bench: calls {1 / scale:.1f} times as short: {first.said()}", flush=True)
    return first.per_second if first.wait(0.99) <= WAIT else best
