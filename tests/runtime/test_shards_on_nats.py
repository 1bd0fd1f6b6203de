"""Shards on a real nats-server, in real time: a host that leaves and one that dies are followed as promised."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.runtime.host import Host
from actors.runtime.ownership import TTL
from actors.runtime.rendezvous import SHARDS, shard_of, shards_of
from tests.runtime.sharded import CounterActor, count, live
from tests.runtime.test_buses import CONFIG, server
from tests.support.site import PATIENCE

COUNTERS = {shard_of(f"c{number}"): f"c{number}" for number in range(2000)}  # one on each shard
# How soon is said by the simulated time of test_shards.py; here, on a machine that does other things too, who leaves is
# followed sooner than a lease runs out, and who dies not much later.
LEFT_S, DIED_S = TTL, TTL + 5.0


class RealHost:
    """A host in this process, with a connection of its own."""

    def __init__(self, name: str, bus: NatsBus, acted: list[tuple[str, float]]) -> None:
        self.name = name
        self.bus = bus
        self._acted = acted
        self._stack = AsyncExitStack()
        self.host: Host | None = None

    async def start(self) -> None:
        lost = asyncio.Event()
        self.host = await live(self.name, self._stack, self.bus, SystemClock(), RandomIds(), self._note, lost)

    def _note(self, actor: CounterActor) -> None:
        self._acted.append((actor.id, time.monotonic()))

    async def leave(self) -> None:
        await self._stack.aclose()

    async def die(self) -> None:
        """Nothing of it reaches the bus any more, and it has let go of nothing."""
        await self.bus.close()

    @property
    def serves(self) -> frozenset[int]:
        assert self.host is not None
        return frozenset(number for number, host in self.host.shards.items() if host.held)


@asynccontextmanager
async def three_hosts(folder: Path) -> AsyncIterator[tuple[dict[str, RealHost], NatsBus]]:
    """Three hosts on a server that syncs each write, and one who asks."""
    async with server(folder, CONFIG) as port, AsyncExitStack() as stack:

        async def connected(name: str) -> NatsBus:
            bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name=name)
            stack.push_async_callback(bus.close)
            return bus

        asker = await connected("asker")
        await asker.ensure_streams()
        hosts = {}
        for name in ("a", "b", "c"):
            hosts[name] = RealHost(name, await connected(name), [])
            await hosts[name].start()
        await until_right(hosts, hosts)
        yield hosts, asker
        for host in hosts.values():
            await host.leave()


async def until_right(hosts: dict[str, RealHost], there: dict[str, RealHost] | set[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while any(hosts[name].serves != shards_of(name, set(there)) for name in there):
            await asyncio.sleep(0.01)


async def taken_over(hosts: list[RealHost], shards: frozenset[int]) -> list[float]:
    """Seconds until each of these shards is served by one of these hosts, from now on."""
    began, took = time.monotonic(), dict.fromkeys(shards, 0.0)
    async with asyncio.timeout(PATIENCE):
        while not all(took.values()):
            await asyncio.sleep(0.001)
            for shard in frozenset().union(*(host.serves for host in hosts)) & shards:
                took[shard] = took[shard] or time.monotonic() - began
    return list(took.values())


async def count_on(asker: NatsBus, shards: Iterable[int], id: str) -> None:
    """Have a counter on each of these shards count, once."""
    await asyncio.gather(*(count(asker, COUNTERS[shard], f"{id}-{shard}") for shard in shards))


async def test_shards_of_a_host_that_leaves_or_dies_serve_again(tmp_path: Path) -> None:
    async with three_hosts(tmp_path) as (hosts, asker):
        await count_on(asker, range(SHARDS), "first")
        theirs = shards_of("b", hosts.keys())
        leaving = asyncio.ensure_future(hosts["b"].leave())
        asked = asyncio.ensure_future(count_on(asker, theirs, "left"))
        left = await taken_over([hosts["a"], hosts["c"]], theirs)
        async with asyncio.timeout(PATIENCE):  # who asks meanwhile is answered, by the one or by the other
            await asked
        await leaving
        await until_right(hosts, {"a", "c"})
        await hosts["a"].die()
        theirs = shards_of("a", {"a", "c"})
        died = await taken_over([hosts["c"]], theirs)
        await count_on(asker, theirs, "died")
        await until_right(hosts, {"c"})
        p95 = [statistics.quantiles(took, n=20)[-1] for took in (left, died)]
        print(f"\np95 of {len(left)} shards of who left {p95[0]:.2f} s, of {len(died)} of who died {p95[1]:.2f} s")
        assert p95[0] < LEFT_S and p95[1] < DIED_S
        entries = [entry async for entry in asker.replay("ottb.v1.evt.counter.*.counted")]
        commands = [entry.headers["Ottb-Command"] for entry in entries]
        assert len(commands) == len(set(commands)) == SHARDS + len(left) + len(died)
