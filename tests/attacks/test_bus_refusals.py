"""Who has many requests refused on the bus waits for the answers, as over HTTP, and holds up nobody else."""

import asyncio
from collections import Counter

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Headers, Message
from actors.runtime.context import Context
from bus_schemas.names import share_of
from bus_schemas.slot import LIST_SLOTS, ListSlots, SlotSummary
from bus_schemas.user import LoginKind
from gateway.bus_api import AT_ONCE, AT_ONCE_EACH
from gateway.connections import ConnectionLimits, Connections
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import EVERYTHING, USER, bus_door_on, serving
from tests.support.site import until


async def test_who_has_much_refused_on_the_bus_waits_and_nobody_else() -> None:
    """It counts as what they have refused over HTTP does."""
    broker, answered = MemoryBroker(clock=SystemClock()), Counter[str]()
    connections = Connections(limits=ConnectionLimits(refusals_per_second=20))
    crowd = [f"u{number}" for number in range(2 * AT_ONCE // AT_ONCE_EACH)]
    heavy = b'{"x":[' + b",".join([b"1e300"] * 10_000) + b"]}"

    async def slots(request: ListSlots, context: Context) -> list[SlotSummary]:
        return []

    async with serving(broker, {LIST_SLOTS: slots}, dict.fromkeys([*crowd, USER], EVERYTHING)):
        door = bus_door_on(MemoryBus(broker), connections)

        async def ask(name: str, body: bytes) -> None:
            async def reply(data: bytes, headers: Headers) -> None:
                answered[f"{name} {headers.get('Ottb-Error', '')}"] += 1

            subject, inbox = f"ottb.v1.own.{name}.qry.slot.list", f"_INBOX.u.{name}.1"
            await door._receive(Message(subject=subject, data=body, reply=reply, reply_to=inbox, headers={}))

        for name in crowd:
            for _ in range(AT_ONCE_EACH):
                await ask(name, heavy)
            await asyncio.sleep(0.02)
        await ask(USER, b"{}")
        theirs = await until(lambda: asyncio.sleep(0, answered[f"{USER} "]), bool)
        at_once = sum(count for who, count in answered.items() if who.endswith("INVALID_PARAMS"))
        sent = len(crowd) * AT_ONCE_EACH
        print(f"{sent} bodies refused of {len(crowd)} users: {at_once} answered at once; of one other: {theirs}")
        assert len(crowd) <= at_once < 8 * len(crowd) and theirs == 1
        assert connections.wait(share_of(LoginKind.SESSION, crowd[-1]), "10.0.0.1", 0) > 0
        await door.stop()  # nobody is waited for then
        assert sum(answered.values()) == sent + 1
