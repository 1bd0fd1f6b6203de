"""A durable command through an actor against a bare JetStream publish of the same bytes on the same server."""

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import nats
from nats.aio.client import Client

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.dialing.limits import CallLimits
from actors.runtime.activation import activate_all
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.actor import SlotActor
from actors.slot.machine import Configure
from actors.slot.pool import Pool
from actors.slot.shell_bytes import ShellBytes
from bench.parts import nats_server
from bench.table import Row, compared, rate
from bus_schemas.slot import SlotConfig, SlotConfigured
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone

AT_ONCE = 64
COUNT = 2000


class Owned:
    """Ownership without a lease: one host, for a measurement."""

    held = True
    epoch = 1


async def measure(folder: Path) -> list[Row]:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(folder))
        url = f"nats://127.0.0.1:{port}"
        bus = await NatsBus.connect(url, name="bench")
        stack.push_async_callback(bus.close)
        await bus.ensure_streams()
        limits = CallLimits(per_minute=1000, at_once=1000)
        host = Host(
            name="bench",
            bus=bus,
            clock=SystemClock(),
            ids=RandomIds(),
            ownership=Owned(),
            makers=(
                SlotActor.made_by(
                    lambda id, host: SlotActor(
                        id=id, host=host, counts=limits, make_phone=_phone, pool=Pool(),
                        shell_bytes=ShellBytes(time.monotonic),
                    )
                ),
            ),
        )
        ids = [str(number) for number in range(1, AT_ONCE + 1)]
        await activate_all(host, SlotActor, ids)
        stack.push_async_callback(host.drain)
        bare = await nats.connect(url)
        stack.push_async_callback(bare.close)
        return [await _durable(host, bare, ids)]


def _phone(config: SlotConfig) -> SimulatedPhone:
    return SimulatedPhone(Handset(), alive=lambda: True, buried=asyncio.Event())


async def _durable(host: Host, bare: Client, ids: list[str]) -> Row:
    numbers = itertools.count()
    js = bare.jetstream()
    example = SlotConfigured(slot=1, at="2026-01-01T00:00:00.000Z", config=SlotConfig(id=1, serial="s1"), by="bench")
    body = msgspec.json.encode(example)

    async def command() -> None:
        number = next(numbers)
        id = ids[number % len(ids)]
        config = SlotConfig(id=int(id), serial="s1", user=f"u{number}")
        await host.order(SlotActor, id, Configure(config=config), Context(command_id=f"b{number}", user="bench"))

    async def publish() -> None:
        await js.publish(f"ottb.v1.write.bench.{next(numbers)}.done", body)

    async def ours() -> float:
        return (await rate(command, count=COUNT, at_once=AT_ONCE))[0]

    async def other() -> float:
        return (await rate(publish, count=COUNT, at_once=AT_ONCE))[0]

    mine, theirs, ratio = await compared(ours, other)
    return Row("durable command, 64 at once", f"{mine:.0f}/s", f"bare js.publish {theirs:.0f}/s", ratio, ">= 0.8")
