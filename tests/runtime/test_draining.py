"""A host that lets go ends, whatever its tasks make of being told to."""

import asyncio

from actors.runtime.host import Host
from bench.bus import Owned
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run


def test_a_task_that_loses_its_cancellation_is_told_again() -> None:
    """As a request by nats-py does, whose answer comes in the same moment (`wait_for` of Python 3.11)."""
    lost: list[int] = []

    async def loses_the_first() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                lost.append(1)
                if len(lost) > 1:
                    raise

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        clock = SimClock(loop)
        bus = MemoryBus(MemoryBroker(clock=clock))
        host = Host(name="a", bus=bus, clock=clock, ids=CountedIds("t"), ownership=Owned())
        host.spawn(loses_the_first())
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await host.drain()

    run(main, 1)
    assert len(lost) == 2
