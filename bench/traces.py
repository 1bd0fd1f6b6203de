"""What traces cost: a question over a real bus and its answer, as they are by default (nobody wants spans), against the
same served by a loop that knows of no spans; and with each span made and taken."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from actors.adapters.nats_bus import connect
from actors.runtime import tracing
from actors.runtime.bus import Bus, Message
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.settings import Nats
from actors.runtime.tracing import Span
from actors.runtime.wire import ask, decode_request, send_reply
from bench.parts import nats_server
from bench.table import Row, compared, rate
from bus_schemas.monitor import ON_HOST, FiguresOnHost, HostFigures

COUNT, AT_ONCE = 4_000, 32
OFF, ON = 0.95, 0.6  # of the rate of those without
CONTEXT = Context(command_id="k", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
REPLY = HostFigures(host="a")
TASKS: set[asyncio.Task[None]] = set()


async def measure(folder: Path) -> list[Row]:
    async with nats_server(folder) as port:
        bus = await connect(Nats(port=port), name="bench", on_closed=lambda: None)
        service = Service(bus=bus, queue="", handlers=(serve(ON_HOST, _answer),), fields={"host": "a"})
        await service.start()
        stop = await bus.subscribe(ON_HOST.subject_for(FiguresOnHost(host="bare")), _bare)
        try:
            await rate(_asking(bus, "a"), count=COUNT, at_once=AT_ONCE)  # warm
            return [await _row(bus, on=False), await _row(bus, on=True)]
        finally:
            await stop()
            await service.stop()
            await bus.close()


async def _row(bus: Bus, *, on: bool) -> Row:
    async def ours() -> float:
        taken: list[Span] = []
        stop = tracing.send_to(taken.append) if on else lambda: None
        found, _ = await rate(_asking(bus, "a"), count=COUNT, at_once=AT_ONCE)
        stop()
        assert len(taken) >= (COUNT if on else 0)
        return found

    async def bare() -> float:
        found, _ = await rate(_asking(bus, "bare"), count=COUNT, at_once=AT_ONCE)
        return found

    mine, other, ratio = await compared(ours, bare, rounds=7)
    name = f"asked over the bus, traces {'on' if on else 'off'}"
    return Row(name, f"{mine:.0f}/s", f"no spans in the code {other:.0f}/s", ratio, f">= {ON if on else OFF}")


def _asking(bus: Bus, host: str) -> Callable[[], Awaitable[HostFigures]]:
    return lambda: ask(bus, ON_HOST, FiguresOnHost(host=host), CONTEXT)


async def _answer(request: FiguresOnHost, context: Context) -> HostFigures:
    return REPLY


async def _bare(message: Message) -> None:
    """As `wire.answer` in a task of `Service`, without spans."""
    task = asyncio.get_running_loop().create_task(_bare_answer(message))
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)


async def _bare_answer(message: Message) -> None:
    context = Context.from_headers(message.headers)
    context.must(ON_HOST.permission)
    await send_reply(message, await _answer(decode_request(ON_HOST, message), context))

