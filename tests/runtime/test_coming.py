"""A host that has much to read says how far it is, so that whoever starts it knows to wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import msgspec

from actors.assembly import running
from actors.runtime.bus import Message, Recorded
from actors.runtime.host import Host
from actors.settings import Settings
from actors.slot.actor import SlotActor
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry
from bus_schemas.slot import SlotConfig
from cli.site.readiness import Left, Ready, Told
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

SLOTS = tuple(SlotConfig(id=id, serial=f"p{id}", region="UA") for id in range(1, 9))


class SlowBus(MemoryBus):
    """Reads the calls of each slot for three times as many seconds as the slot's number says, once it is slow."""

    slow = False

    async def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        if self.slow and scope.startswith("ottb.v1.evt.call.slot-"):
            await asyncio.sleep(3.0 * int(scope.removeprefix("ottb.v1.evt.call.slot-").partition(".")[0]))
        async for entry in super().replay(scope, after=after, since=since):
            yield entry


def test_it_says_how_many_of_its_slots_are_there_until_all_are() -> None:
    async def main() -> list[HostTelemetry]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        clock, ids, said = SimClock(loop), CountedIds("t"), list[HostTelemetry]()
        bus = SlowBus(MemoryBroker(clock=clock))

        async def hear(message: Message) -> None:
            said.append(msgspec.json.decode(message.data, type=HostTelemetry))

        def host() -> AbstractAsyncContextManager[Host]:
            return running(
                Settings(slots=SLOTS), bus=bus, clock=clock, ids=ids, devices=lambda: (), pbxs={},
                make_phone=lambda one: SimulatedPhone(Handset(), alive=lambda: True, buried=bus.buried),
                lost=asyncio.Event(),
            )  # fmt: skip

        async with host():
            await asyncio.sleep(1.0)
        bus.slow = True
        await bus.subscribe(HOST_TELEMETRY.pattern, hear)
        async with host() as second:
            await asyncio.sleep(5.0)
            assert len(second.all(SlotActor)) == len(SLOTS) and not second.coming
        return said

    said = [[*map(lefts, one.quarantined)] for one in run(main, 1)]
    far = [Ready(checks={}, hosts=[Told(quarantined=one)]).far for one in said]
    seen = [each for each in dict.fromkeys(far) if each is not None]
    assert seen[:1] == [("actors (slot)", 0, 8)] and seen[-1][1] == 7 and seen == sorted(seen) and far[-1] is None


def lefts(one: object) -> Left:
    return msgspec.convert(one, Left, from_attributes=True)
