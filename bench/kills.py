"""What is under way while one of two hosts is killed: asked a second time, as it is, against asked once.

Both are asked in the same moments, by as many askers, on the bus as a gateway asks: what any host answers, what the
killed one owned, which the records answer then, and a stop of its campaign, which its next owner answers.
"""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import msgspec
from msgspec.structs import replace as replace_struct

from actors.adapters.nats_bus import NatsBus
from actors.runtime.context import Context
from actors.runtime.rendezvous import belongs_to, shard_of
from actors.runtime.wire import ask
from bench.parts import free_port, nats_server, process, python
from bench.table import Row
from bus_schemas.campaign import CREATE_CAMPAIGN, STOP_CAMPAIGN, CreateCampaign, StopCampaign
from bus_schemas.contract import AnyRpc
from bus_schemas.errors import Refusal
from bus_schemas.host import SHARD_TAKEN, ShardTaken
from bus_schemas.operator import GET_OPERATOR, SET_OWN_STATUS, GetOperator, SetOwnStatus
from bus_schemas.permissions import Action
from bus_schemas.slot import LIST_SLOTS, ListSlots

KILLS = 10
COMMANDS = itertools.count()
ASKERS = 6  # of each line, and of each way to ask it
BEFORE, AFTER = 2.0, 16.0  # seconds of asking before a kill, and until whoever waits has given up
SERVING = 30.0
HOSTS = ("a", "b")  # of which the second is killed
USER = next(name for number in range(1000) if belongs_to(shard_of(name := f"op{number}"), HOSTS) == "b")
MAY = (Action.OPERATOR_SET, Action.CALL_START, Action.CAMPAIGN_EDIT, Action.CAMPAIGN_VIEW, Action.CAMPAIGN_RUN)
MAKER = Context(command_id="made", user=USER, actions=frozenset(MAY))
CONTEXT = Context(command_id="bench", user=USER, actions=frozenset((*MAY, Action.OPERATOR_VIEW, Action.SLOT_VIEW)))
CAMPAIGN = next(name for number in range(1000) if belongs_to(shard_of(name := f"c{number}"), HOSTS) == "b")
ASKED = (
    (LIST_SLOTS, ListSlots(), "the list of slots, read", "<= 0.2"),
    (GET_OPERATOR, GetOperator(user=USER), "one operator, read", "<= 0.2"),
    (STOP_CAMPAIGN, StopCampaign(campaign_id=CAMPAIGN), "a campaign, stopped", "<= 0.5"),
)


@dataclass
class Reads:
    """Questions of one line that are asked in one way. `done`: when each began and ended; `waited`: what those took
    that were under way in a kill, `refused`: how many of them."""

    rpc: AnyRpc
    request: ListSlots | GetOperator | StopCampaign
    done: list[tuple[float, float, bool]]
    waited: list[float]
    refused: int = 0

    async def go_on(self, bus: NatsBus) -> None:
        """Ask one after another."""
        while True:
            began, answered = time.perf_counter(), True
            try:
                await ask(bus, self.rpc, self.request, replace_struct(CONTEXT, command_id=f"bench-{next(COMMANDS)}"))
            except Refusal:
                answered = False
            self.done.append((began, time.perf_counter(), answered))
            await asyncio.sleep(0.001)

    def count(self, kill: float) -> None:
        """Keep what was under way at that time."""
        there = [(ended - began, answered) for began, ended, answered in self.done if began <= kill < ended]
        self.waited += [seconds for seconds, _ in there]
        self.refused += sum(not answered for _, answered in there)
        self.done.clear()

    @property
    def p99(self) -> float:
        return sorted(self.waited)[int(len(self.waited) * 0.99)]

    def __str__(self) -> str:
        waited = f"{1000 * median(self.waited):.0f} ms, {1000 * self.p99:.0f} ms"
        return f"{waited}, {self.refused} of {len(self.waited)} refused"


async def measure(folder: Path) -> list[Row]:
    pairs = [[Reads(replace(rpc, again=again), request, [], []) for again in (rpc.again, math.inf)]
             for rpc, request, _, _ in ASKED]  # fmt: skip
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(folder))
        await stack.enter_async_context(_host(folder, "a", port))
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.ensure_streams()
        for _ in range(KILLS):
            await _kill_one(folder, port, bus, [reads for pair in pairs for reads in pair])
    return [
        Row(f"{name} in a kill: p50, p99", str(ours), f"asked once: {once}", ours.p99 / once.p99, bound)
        for (_, _, name, bound), (ours, once) in zip(ASKED, pairs, strict=True)
    ]  # fmt: skip


async def _kill_one(folder: Path, port: int, bus: NatsBus, all_reads: list[Reads]) -> None:
    """Start host b, kill it while all that is read, and see what becomes of what was under way."""
    before = await _owner(bus)
    async with _host(folder, "b", port) as host:
        async with asyncio.timeout(SERVING):
            while (owner := await _owner(bus)) == before or owner[0] != "b":
                await asyncio.sleep(0.1)
        await ask(bus, SET_OWN_STATUS, SetOwnStatus(status="break"), MAKER)
        await ask(bus, CREATE_CAMPAIGN, CreateCampaign(campaign_id=CAMPAIGN), MAKER)
        asking = [asyncio.ensure_future(reads.go_on(bus)) for reads in all_reads for _ in range(ASKERS)]
        await asyncio.sleep(BEFORE)
        kill = time.perf_counter()
        host.kill()
        await asyncio.sleep(AFTER)
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    for reads in all_reads:
        reads.count(kill)


async def _owner(bus: NatsBus) -> tuple[str, int]:
    """Which host has taken the operator's shard, and where that stands in the journal."""
    found = await bus.last(SHARD_TAKEN.subject.format(shard=shard_of(USER)), certain=True)
    return (msgspec.json.decode(found.data, type=ShardTaken).host, found.seq) if found is not None else ("", 0)


@asynccontextmanager
async def _host(folder: Path, name: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    config = folder / "two.toml"
    config.write_text("".join(
        f'[[slots]]\nid = {number}\nserial = "127.0.0.1:{free_port()}"\nregion = "UA"\nuser = "op12"\nhost = "{host}"\n'
        for number, host in enumerate(HOSTS, start=43)
    ))  # fmt: skip
    env = {"OTTB_HOST": name, "OTTB_STATE_DIR": str(folder / name), "OTTB_NATS__PORT": str(port)}
    async with process(*python("-m", "actors.main", "--config", str(config)), **env) as running:
        yield running
