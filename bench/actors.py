"""What an idle actor weighs, and how many bus messages a call costs in a small and in a large host."""

import asyncio
import gc
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import fmean

import psutil

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.assembly import running
from actors.dialing.limits import CallLimits
from actors.dialing.settings import Dial
from actors.runtime.activation import activate_all
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.slot.actor import SlotActor
from actors.slot.pool import Pool
from actors.slot.shell_bytes import ShellBytes
from bench.bus import Owned, _phone
from bench.parts import nats_server
from bench.table import Row
from bus_schemas.call import CALL_ENDED, END_CALL, START_CALL, EndCall, StartCall
from bus_schemas.slot import SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

IDLE = 10_000
CALLS = 20
MOST_MESSAGES = 12  # bus messages of one call
MAY = frozenset({"call.start", "call.end"})
LONGEST = 100.0  # seconds in which a call of any kind is over
# How a call goes: the number's ending (`simulators/carrier/rules.py`), and after how many seconds the user ends it.
KINDS: Mapping[str, tuple[str, float | None]] = {
    "busy": ("3005", None),
    "rung out": ("1099", None),
    "cancelled": ("1099", 3.0),
    "talked, ended by the far side": ("2005", None),
    "talked, ended by the user": ("0000", 5.0),
}
MESSAGES = tuple(
    f"before {kind} " for kind in ("request", "publish", "append", "last", "replay", "ids", "get", "put", "delete")
)
BY_ITSELF = (  # whether there are calls or not; of records, which nobody has here, again and again
    "OTTB_OWN", "OTTB_SNAP", ".tel.host", ".sighted", "qry.call.open", "qry.script.open", "qry.operator.list",
)  # fmt: skip


async def measure(folder: Path) -> list[Row]:
    rows = [await _idle(folder)]
    sizes = (100, 1_000, 10_000)
    small, *larger = [await asyncio.to_thread(_messages, size) for size in sizes]
    each = ", ".join(f"{count:.0f}" for count in small.values())
    mean = fmean(small.values())
    rows.append(
        Row("bus messages per call", f"{mean:.1f} ({each})", f"below {MOST_MESSAGES}", mean / MOST_MESSAGES, "< 1.0")
    )
    for size, counts in zip(sizes[1:], larger, strict=True):
        now = fmean(counts.values())
        rows.append(
            Row(f"the same with {size} slots", f"{now:.1f}", f"with 100 slots {mean:.1f}", now / mean, "<= 1.05")
        )
    return rows


async def _idle(folder: Path) -> Row:
    """Resident memory of 10,000 idle slot actors on a real bus, subscriptions included."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(folder))
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.ensure_streams()
        pool, limits = Pool(), CallLimits(per_minute=1000, at_once=1000)
        shell_bytes = ShellBytes(time.monotonic)
        host = Host(
            name="bench",
            bus=bus,
            clock=SystemClock(),
            ids=RandomIds(),
            ownership=Owned(),
            makers=(
                SlotActor.made_by(
                    lambda id, host: SlotActor(
                        id=id, host=host, counts=limits, make_phone=_phone, pool=pool, shell_bytes=shell_bytes
                    )
                ),
            ),
        )
        await activate_all(host, SlotActor, [str(number) for number in range(90_000, 90_200)])  # warm what is shared
        gc.collect()
        before = psutil.Process().memory_info().rss
        await activate_all(host, SlotActor, [str(number) for number in range(1, IDLE + 1)])
        await asyncio.sleep(0.5)
        gc.collect()
        each = (psutil.Process().memory_info().rss - before) / IDLE
    return Row(f"memory per idle actor, {IDLE} of them", f"{each / 1024:.1f} kB", "goal 8 kB", each / 8192, "<= 1.0")


def _messages(slots: int) -> dict[str, float]:
    return run(lambda: _count(slots), seed=1)


async def _count(slots: int) -> dict[str, float]:
    """What one call of each kind costs on the bus, reads of the journal included, in simulated time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    clock, counted = SimClock(loop), 0

    async def step(name: str) -> None:
        nonlocal counted
        if name.startswith(MESSAGES) and not any(idle in name for idle in BY_ITSELF):
            counted += 1

    broker = MemoryBroker(clock=clock)
    bus, client = MemoryBus(broker, step=step), MemoryBus(broker, step=step)
    settings = Settings(
        slots=tuple(SlotConfig(id=number, serial=f"p{number}", region="UA") for number in range(1, slots + 1)),
        dial=Dial(
            user_pool_share=1.0,
            slot_calls_per_hour=10_000,
            user_calls_per_minute=10_000,
            user_concurrent_calls=10_000,
        ),
    )
    host = running(
        settings,
        bus=bus,
        clock=clock,
        ids=CountedIds("b"),
        make_phone=lambda config: SimulatedPhone(Handset(), alive=lambda: True, buried=bus.buried),
        devices=lambda: (),
        pbxs={},
        lost=asyncio.Event(),
    )
    found: dict[str, float] = {}
    async with host:
        await asyncio.sleep(5.0)
        for kind, (ending, end_after) in KINDS.items():
            began = counted
            for number in range(CALLS):
                context = Context(command_id=f"{kind}{number}", user="op", actions=MAY, fresh=True)
                started = await ask(client, START_CALL, StartCall(number=f"+38050{number:03}{ending}"), context)
                if end_after is not None:
                    await asyncio.sleep(end_after)
                    again = Context(command_id=f"end {kind}{number}", user="op", actions=MAY)
                    await ask(client, END_CALL, EndCall(call_id=started.call_id), again)
            await asyncio.sleep(LONGEST)
            found[kind] = (counted - began) / CALLS
    assert sum(entry.subject.endswith(CALL_ENDED.verb) for entry in broker.journal) == CALLS * len(KINDS)
    return found
