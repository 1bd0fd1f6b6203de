"""What an idle actor weighs, and how many bus messages a call costs in a small and in a large host."""

import asyncio
import gc
from contextlib import AsyncExitStack
from pathlib import Path

import psutil

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.assembly import running
from actors.call.caps import Caps
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.settings import Dial, Settings
from actors.slot.actor import SlotActor
from actors.slot.pool import Pool
from bench.bus import Owned, _phone
from bench.parts import nats_server
from bench.table import Row
from bus_schemas.call import CALL_ENDED, START_CALL, StartCall
from bus_schemas.slot import SlotConfig
from simulators.clock_loop import CountedIds, SimClock, SimLoop, run
from simulators.memory_bus import MemoryBroker, MemoryBus
from simulators.pocket_phone import Handset, PocketPhone

IDLE = 10_000
CALLS = 20
MOST_MESSAGES = 12  # bus messages of one call
COUNTED = tuple(
    f"before {kind} "
    for kind in ("request", "publish", "subscribe", "append", "last", "replay", "ids", "get", "put", "delete")
)


async def measure(folder: Path) -> list[Row]:
    rows = [await _idle(folder)]
    sizes = (100, 1_000, 10_000)
    per_call = [await asyncio.to_thread(_messages, size) for size in sizes]
    most = max(per_call)
    rows.append(Row("bus messages per call", f"{most:.1f}", f"below {MOST_MESSAGES}", most / MOST_MESSAGES, "< 1.0"))
    for size, count in zip(sizes[1:], per_call[1:], strict=True):
        rows.append(
            Row(f"bus messages per call, {size} slots", f"{count:.1f}", f"with 100 slots {per_call[0]:.1f}",
                count / per_call[0], "<= 1.05")
        )  # fmt: skip
    return rows


async def _idle(folder: Path) -> Row:
    """Resident memory of 10,000 idle slot actors on a real bus, subscriptions included."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(folder))
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.ensure_streams()
        pool, caps = Pool(), Caps(per_minute=1000, at_once=1000)
        host = Host(
            name="bench",
            bus=bus,
            clock=SystemClock(),
            ids=RandomIds(),
            ownership=Owned(),
            make={"slot": lambda id, host: SlotActor(id=id, host=host, caps=caps, make_phone=_phone, pool=pool)},
        )
        await host.activate_all("slot", [str(number) for number in range(90_000, 90_200)])  # warm what is shared
        gc.collect()
        before = psutil.Process().memory_info().rss
        await host.activate_all("slot", [str(number) for number in range(1, IDLE + 1)])
        await asyncio.sleep(0.5)
        gc.collect()
        each = (psutil.Process().memory_info().rss - before) / IDLE
    return Row(f"memory per idle actor, {IDLE} of them", f"{each / 1024:.1f} kB", "goal 8 kB", each / 8192, "<= 1.0")


def _messages(slots: int) -> float:
    return run(lambda: _count(slots), seed=1)


async def _count(slots: int) -> float:
    """What one call costs on the bus, reads of the journal and subscriptions included, in simulated time: a start, two
    thirds of the calls talk until somebody ends them."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    clock, counted = SimClock(loop), 0

    async def step(name: str) -> None:
        nonlocal counted
        if name.startswith(COUNTED):
            counted += 1

    broker = MemoryBroker(clock=clock)
    bus, client = MemoryBus(broker, step=step), MemoryBus(broker, step=step)
    settings = Settings(
        slots=tuple(SlotConfig(id=number, serial=f"p{number}", region="UA") for number in range(1, slots + 1)),
        dial=Dial(slot_calls_per_hour=10_000),
    )
    host = running(
        settings,
        bus=bus,
        clock=clock,
        ids=CountedIds("b"),
        make_phone=lambda config: PocketPhone(Handset(), alive=lambda: True, buried=bus.buried),
        devices=lambda: (),
        pbxs={},
        lost=asyncio.Event(),
    )
    async with host:
        await asyncio.sleep(1.0)
        renewals_before = counted
        await asyncio.sleep(20.0)
        idle_rate = (counted - renewals_before) / 20.0  # the lease, which no call causes
        began, start = counted, clock.monotonic()
        for number in range(CALLS):
            context = Context(command_id=f"c{number}", user="op", actions=frozenset({"call.start"}))
            await ask(client, START_CALL, StartCall(number=f"+38050123{number:02d}07"), context)
            await asyncio.sleep(0.5)
        context = Context(command_id="end", user="op", actions=frozenset({"call.end"}))
        ended = 0
        while ended < CALLS:
            await asyncio.sleep(10.0)
            ended = sum(entry.subject.endswith(CALL_ENDED.past) for entry in broker.journal)
            if ended < CALLS:
                await _end_all(client, broker)
        spent = clock.monotonic() - start
        total = (counted - began) - idle_rate * spent
    return total / CALLS


async def _end_all(client: MemoryBus, broker: MemoryBroker) -> None:
    from bus_schemas.call import END_CALL, EndCall

    for entry in list(broker.journal):
        if entry.subject.endswith(".dialing"):
            call_id = entry.subject.split(".")[5]
            if broker.last(f"ottb.v1.evt.call.*.{call_id}.ended") is None:
                await ask(
                    client,
                    END_CALL,
                    EndCall(call_id=call_id),
                    Context(command_id=f"e{call_id}", user="op", actions=frozenset({"call.end"})),
                )
