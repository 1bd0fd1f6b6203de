"""What a client is told arrives whole and in order, whether it is written at once, waits for the client, or is polled
for."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.permissions import Action
from gateway.live.engine import Outbox
from gateway.live.said import Said, answer_said, event_said
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving, token_of

PATH = "/socket.io/?EIO=4&transport="
SIZES = (0, 50, 125, 126, 127, 1_000, 65_500, 65_535, 65_536, 70_000)
WRITTEN = 1_500


@pytest.fixture
async def gateway() -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}, {"admin": frozenset(Action)}), gateway_on(MemoryBus(broker)) as found:
        yield found


def said(number: int, size: int) -> Said:
    return event_said("said", [number, "x" * size])


async def logged_in(session: aiohttp.ClientSession, gateway: InProcess) -> tuple[aiohttp.ClientWebSocketResponse, str]:
    """A websocket, and what the gateway calls its transport."""
    socket = await session.ws_connect(gateway._url(f"{PATH}websocket"), max_msg_size=0)
    sid = msgspec.json.decode((await socket.receive_str())[1:])["sid"]
    await socket.send_str(f'40{{"token":"{token_of("admin")}"}}')
    assert (await socket.receive_str()).startswith("40")
    await asyncio.sleep(0.05)  # all that was said is out
    return socket, sid


def number_in(text: str) -> tuple[int, int]:
    assert text.startswith('42["said",['), text[:20]
    number, filled = msgspec.json.decode(text[2:])[1]
    return number, len(filled)


async def test_packets_of_every_length_arrive_whole(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session:
        socket, sid = await logged_in(session, gateway)
        for number, size in enumerate(SIZES):
            gateway.feed.transports.write(sid, said(number, size))
        for number, size in enumerate(SIZES):
            assert number_in(await socket.receive_str()) == (number, size)


async def test_nothing_waits_in_a_queue_for_a_client_that_reads(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session:
        socket, sid = await logged_in(session, gateway)
        outbox = gateway.feed.server.eio.sockets[sid].queue
        for number in range(100):
            gateway.feed.transports.write(sid, said(number, 10))
            assert outbox.qsize() == 0
        assert [number_in(await socket.receive_str())[0] for _ in range(100)] == list(range(100))


async def test_a_client_that_reads_late_hears_everything_in_order(gateway: InProcess) -> None:
    """What waits for it is not overtaken by what is said when it reads again."""
    async with aiohttp.ClientSession() as session:
        socket, sid = await logged_in(session, gateway)
        outbox, waited = gateway.feed.server.eio.sockets[sid].queue, 0
        assert socket._conn is not None and socket._conn.transport is not None
        socket._conn.transport.pause_reading()
        for number in range(WRITTEN):
            gateway.feed.transports.write(sid, said(number, 2_000))
            if number % 20 == 0:
                await asyncio.sleep(0)
            if number == WRITTEN - 300:
                socket._conn.transport.resume_reading()
            waited = max(waited, outbox.qsize())
            if number > WRITTEN - 300:
                await asyncio.sleep(0.001)
        found = [number_in(await socket.receive_str())[0] for _ in range(WRITTEN)]
    print(f"{WRITTEN} packets, of which {waited} waited at once")
    assert waited > 100 and found == list(range(WRITTEN))


async def test_what_the_library_says_comes_before_what_is_said_after_it(gateway: InProcess) -> None:
    """Its packets, such as pings, go through the queue, and what is said while one waits there goes behind it; so do
    answers."""
    async with aiohttp.ClientSession() as session:
        socket, sid = await logged_in(session, gateway)
        await gateway.feed.server.eio.send(sid, "of the library")
        assert gateway.feed.server.eio.sockets[sid].queue.qsize() == 1
        gateway.feed.transports.write(sid, answer_said(7, [{}]), said(0, 1))
        assert [await socket.receive_str() for _ in range(2)] == ["4of the library", "437[{}]"]
        assert number_in(await socket.receive_str()) == (0, 1)


async def test_what_is_being_sent_is_not_overtaken() -> None:
    """Whoever sends has taken something out, and has not come back for more."""
    near, far = sockets.socketpair()
    far.setblocking(False)
    wire, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    outbox = Outbox()
    outbox.wire = wire
    outbox.put_out(said(0, 1))
    await outbox.get()
    outbox.put_out(said(1, 1))
    with pytest.raises(BlockingIOError):
        far.recv(1)
    assert outbox.qsize() == 1
    await outbox.get()
    more = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put_out(said(2, 1))
    assert far.recv(1_000) == said(2, 1).frame and outbox.qsize() == 0
    more.cancel()
    wire.close()
    far.close()


async def test_who_polls_is_told_the_same(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(gateway._url(f"{PATH}polling")) as answer:
            sid = msgspec.json.decode((await answer.text())[1:])["sid"]
        url = gateway._url(f"{PATH}polling&sid={sid}")
        await session.post(url, data=f'40{{"token":"{token_of("admin")}"}}')
        async with session.get(url) as answer:
            assert (await answer.text()).startswith("40")
        for number, size in enumerate(SIZES):
            gateway.feed.transports.write(sid, said(number, size))
        async with session.get(url) as answer:
            packets = (await answer.text()).split("\x1e")
    assert [number_in(packet) for packet in packets] == list(enumerate(SIZES))
