"""Two hosts of a site, asked together and one by one, and one of them going down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.assembly import running
from actors.monitor.reader import CpuTimes, Reading
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.monitor import (
    GET_HOST,
    GET_NETWORK,
    GET_SYSTEM,
    LIST_HOSTS,
    GetHost,
    GetNetwork,
    GetSystem,
    ListHosts,
    SystemFigures,
)
from bus_schemas.permissions import Action
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.monitor.test_watcher import AT_REST, GB
from tests.support.site import PATIENCE

CONTEXT = Context(command_id="q", user="admin", actions=frozenset(map(str, Action)))


class Machine:
    """A machine that was busy for a share of the time since it was looked at before."""

    def __init__(self, says: Reading, share: float) -> None:
        self._says = says
        self._share = share
        self._seconds = 0.0

    async def read(self) -> Reading | None:
        self._seconds += 1.0
        return replace(self._says, cpu=CpuTimes(self._share * self._seconds, self._seconds))

    async def connect(self, address: str, *, timeout: float) -> float | None:
        return None

    async def download(self, url: str, *, most: int, seconds: float) -> float | None:
        return None

    def stop(self) -> None: ...


SMALL = Machine(replace(AT_REST, cores=2, ram_total=1 * GB, ram_available=1 * GB, link=100), 1.0)
LARGE = Machine(replace(AT_REST, cores=6, ram_total=3 * GB, ram_available=0, uptime=52_320.0), 0.0)


class Hosts:
    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._bus = MemoryBus(broker)
        self._stacks: dict[str, AsyncExitStack] = {}

    async def start(self, name: str, machine: Machine) -> None:
        stack = self._stacks[name] = AsyncExitStack()
        given: dict[str, Any] = {"make_phone": None, "devices": lambda: (), "pbxs": {}, "lost": asyncio.Event()}
        bus = MemoryBus(self._broker)
        host = running(
            Settings(host=name), bus=bus, clock=SystemClock(), ids=RandomIds(), machine=machine, **given
        )
        await stack.enter_async_context(host)

    async def stop(self, name: str) -> None:
        await self._stacks.pop(name).aclose()

    async def stop_all(self) -> None:
        for name in [*self._stacks]:
            await self.stop(name)

    async def system(self, host: str | None = None) -> SystemFigures:
        return await ask(self._bus, GET_SYSTEM, GetSystem(host=host), CONTEXT)

    async def ask(self, rpc: Any, request: Any, context: Context = CONTEXT) -> Any:
        return await ask(self._bus, rpc, request, context)


@pytest.fixture
async def hosts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    monkeypatch.setattr("actors.monitor.watcher.LOOK_EVERY", 0.1)
    hosts = Hosts(MemoryBroker(clock=SystemClock()))
    await hosts.start("small", SMALL)
    await hosts.start("large", LARGE)
    async with asyncio.timeout(PATIENCE):  # each has heard the other, and was looked at twice
        while (await hosts.system()) != SystemFigures(cpu=25, ram=75, uptime="14h32m"):
            await asyncio.sleep(0.05)
    yield hosts
    await hosts.stop_all()


async def test_each_host_counts_by_its_size_and_by_its_name_alone(hosts: Hosts) -> None:
    assert await hosts.system("small") == SystemFigures(cpu=100, ram=0, uptime="1h00m")
    assert await hosts.system("large") == SystemFigures(cpu=0, ram=100, uptime="14h32m")
    assert (await hosts.ask(GET_NETWORK, GetNetwork())).bandwidth_mbps == 100
    assert (await hosts.ask(GET_NETWORK, GetNetwork(host="large"))).bandwidth_mbps == 1000
    assert [one.host for one in await hosts.ask(LIST_HOSTS, ListHosts())] == ["large", "small"]
    assert (await hosts.ask(GET_HOST, GetHost(host="small"))).cores == 2


async def test_a_host_that_is_none_is_told_with_those_that_are(hosts: Hosts) -> None:
    for rpc, request in ((GET_SYSTEM, GetSystem(host="tiny")), (GET_HOST, GetHost(host="tiny"))):
        with pytest.raises(Refusal) as refused:
            await hosts.ask(rpc, request)
        assert refused.value.code is ErrorCode.NOT_FOUND and "large, small" in refused.value.message
        assert refused.value.details == {"host": "tiny", "known": ["large", "small"]}


async def test_a_host_that_goes_down_is_left_out_of_all(hosts: Hosts) -> None:
    await hosts.stop("large")
    assert await hosts.system() == SystemFigures(cpu=100, ram=0, uptime="1h00m")
    with pytest.raises(Refusal) as refused:
        await hosts.system("large")
    assert refused.value.code is ErrorCode.UNAVAILABLE


async def test_each_host_by_itself_needs_a_right_of_its_own(hosts: Hosts) -> None:
    may = Context(command_id="q", user="op12", actions=frozenset({str(Action.MONITOR_VIEW)}))
    assert (await hosts.ask(GET_SYSTEM, GetSystem(), may)).cpu is not None
    with pytest.raises(Refusal) as refused:
        await hosts.ask(LIST_HOSTS, ListHosts(), may)
    assert refused.value.code is ErrorCode.PERMISSION_DENIED
