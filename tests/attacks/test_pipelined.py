"""Requests sent behind one whose answer is awaited: of a connection little is kept that is nobody's turn yet."""

import asyncio
import gc
from typing import NoReturn

import pytest
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from gateway.connections import Connections
from gateway.server import BODY_AHEAD, QUEUED
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.attacks.test_connections import working
from tests.support.door import UNHURRIED, USER, InProcess, gateway_on, serving
from tests.support.raw_http import RawConnection, head

BODY, MANY = 125_000, 40
UNDER_WAY = 2  # requests: the one that is being answered, and one that aiohttp reads before it stops


def posts(size: int) -> bytes:
    """Many requests with a body of so many bytes, which nobody reads while the first of the connection is answered."""
    return MANY * (head("POST", "/api/nothing", Content_Length=str(size)) + size * b" ")


def chunks() -> bytes:
    """The same in chunks."""
    chunk = b"%x\r\n%b\r\n" % (BODY, BODY * b" ")
    return MANY * (head("POST", "/api/nothing", Transfer_Encoding="chunked") + chunk + b"0\r\n\r\n")


def long_heads() -> bytes:
    return MANY * head("GET", "/livez", **{f"X_{number}": 8000 * "x" for number in range(60)})


def kept() -> tuple[int, int]:
    """How many requests are known, and how many bytes of bodies have been taken for them."""
    gc.collect()
    objects = gc.get_objects()
    bodies = [one for one in objects if isinstance(one, StreamReader)]
    return sum(isinstance(one, RawRequestMessage) for one in objects), sum(one.total_bytes for one in bodies)


async def send_ahead(gateway: InProcess, sent: bytes) -> RawConnection:
    """A connection that has sent much more than is answered. Returns when the server takes no more."""
    connection = await RawConnection.open(gateway.listener.port)
    connection.writer.write(working(USER) + sent)
    waiting = -1
    while waiting != (waiting := connection.writer.transport.get_write_buffer_size()):
        await connection.is_closed(0.3)
    return connection


SENT = {"bodies": posts(BODY), "none": 50 * posts(0), "chunks": chunks(), "heads": long_heads()}


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
async def test_of_requests_sent_ahead_two_are_kept(sent: bytes) -> None:
    broker, answer = MemoryBroker(clock=SystemClock()), asyncio.Event()

    async def take_time(request: StartCall, context: Context) -> NoReturn:
        await answer.wait()
        raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.")

    connections = Connections(limits=UNHURRIED)
    async with serving(broker, {START_CALL: take_time}), gateway_on(MemoryBus(broker), connections) as gateway:
        before = kept()
        connection = await send_ahead(gateway, sent)
        requests, taken = (now - then for now, then in zip(kept(), before, strict=True))
        connection.writer.transport.abort()
        answer.set()
        while connections.count:
            await asyncio.sleep(0.01)
    print(f"{MANY} requests sent ahead, {len(sent)} bytes: {requests} are kept, with {taken} bytes of bodies")
    assert 2 <= requests <= UNDER_WAY + QUEUED and taken <= (UNDER_WAY + QUEUED) * 3 * BODY_AHEAD


async def test_whoever_sends_ahead_is_answered_in_turn() -> None:
    async with gateway_on(MemoryBus(MemoryBroker(clock=SystemClock()))) as gateway:
        connection = await RawConnection.open(gateway.listener.port)
        connection.writer.write(MANY * head("GET", "/livez"))
        answers = [await connection.ask(b"") for _ in range(MANY)]
        connection.writer.write(5 * (head("POST", "/api/nothing", Content_Length=str(BODY)) + BODY * b" "))
        after = [await connection.ask(b"") for _ in range(5)]
        await connection.close()
    assert [one.status for one in answers + after] == [200] * MANY + [404] * 5
