"""A look at one thing is let through 500 times a second: of what has much to show, as many fewer."""

import time
from collections.abc import Awaitable, Callable, Mapping

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Message
from actors.runtime.context import Context
from bus_schemas.pipeline import GET_DEFINITION, GetPipeline, PipelineDefinition
from bus_schemas.user import LoginKind
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, bus_door_on, gateway_on, serving

PER_SECOND, LOOKS = 200.0, 12
SMALL, LARGE = 1, 2  # pipelines
SIZES = {SMALL: 100, LARGE: 256_000}  # bytes of their definitions
LONG = 1.0  # seconds; 12 of the large are 375 looks, of which 200 come at once


async def _definition(request: GetPipeline, context: Context) -> PipelineDefinition:
    text = "x" * SIZES[request.pipeline]
    return PipelineDefinition(
        id=request.pipeline, name="n", version=1, source="api", at="2026-11-28T10:00:00.000Z", by="u", text=text
    )  # fmt: skip


async def _seconds(look: Callable[[], Awaitable[None]]) -> float:
    began = time.monotonic()
    for _ in range(LOOKS):
        await look()
    return time.monotonic() - began


def _told(door: str, small: float, large: float) -> None:
    print(f"{LOOKS} looks {door} at {SIZES[SMALL]} bytes: {small:.2f} s, at {SIZES[LARGE]} bytes: {large:.2f} s")
    assert large > max(small, LONG / 2)


async def test_looks_at_much_wait_for_longer_over_http() -> None:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {GET_DEFINITION: _definition}), gateway_on(
        MemoryBus(broker), looks=PER_SECOND
    ) as gateway:  # fmt: skip

        def look(pipeline: int) -> Callable[[], Awaitable[None]]:
            async def ask() -> None:
                status, body = await gateway.get(f"/api/dci/pipeline/{pipeline}")
                assert status == 200 and len(body["text"]) == SIZES[pipeline]

            return ask

        _told("over HTTP", await _seconds(look(SMALL)), await _seconds(look(LARGE)))


async def test_and_on_the_bus() -> None:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {GET_DEFINITION: _definition}):
        door = bus_door_on(MemoryBus(broker), looks=PER_SECOND)
        subject = GET_DEFINITION.subject.replace("ottb.v1.", f"ottb.v1.own.{USER}.")

        def look(pipeline: int) -> Callable[[], Awaitable[None]]:
            async def hear(data: bytes, headers: Mapping[str, str]) -> None:
                assert len(data) > SIZES[pipeline] and "Ottb-Error" not in headers, data

            async def ask() -> None:
                data = b'{"pipeline":%d}' % pipeline
                message = Message(subject=subject, data=data, headers={}, reply_to=f"_INBOX_{USER}.1", reply=hear)
                await door._answer(message, LoginKind.PASSWORD, USER)

            return ask

        _told("on the bus", await _seconds(look(SMALL)), await _seconds(look(LARGE)))
