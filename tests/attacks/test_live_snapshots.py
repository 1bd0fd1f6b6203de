"""Snapshots of rooms with much in them: one message has a bound, and so have all that nobody reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from actors.runtime.wire import Page
from bus_schemas.call import CALLS_FEED, CallsFeed
from bus_schemas.permissions import Action
from gateway.live import snapshot, transports
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.attacks.test_live_replays import Raw, raw
from tests.support.door import InProcess, gateway_on, serving, token_of
from tests.support.site import until

USERS = dict.fromkeys(("mal", "zoe"), frozenset(Action))
ROW = 10_000  # bytes
SHOW = '421["subscribe:calls",{"snapshot":true}]'
CLIENTS = 20


class Calls:
    """Records of so many large calls. `asked`: pages of them; `at_once`: the most that were asked for together."""

    def __init__(self, count: int, seconds: float = 0.0) -> None:
        self.rows = [{"call_id": f"c_{number}", "name": "Ж" * (ROW // 2)} for number in range(count)]
        self.seconds = seconds
        self.asked = self.at_once = self._now = 0

    async def answer(self, request: CallsFeed, context: Context) -> Page:
        self.asked += 1
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        await asyncio.sleep(self.seconds)
        self._now -= 1
        first = int(request.cursor or 0)
        last = first + 30
        return Page(body=self.rows[first:last], next_cursor=str(last) if last < len(self.rows) else None)


@asynccontextmanager
async def gateway_of(calls: Calls, users: Any = USERS) -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {CALLS_FEED: calls.answer}, users), gateway_on(MemoryBus(broker)) as gateway:
        yield gateway


async def shown(client: Raw, options: str = '{"snapshot":true}') -> dict[str, Any]:
    await client.socket.send_str(f'421["subscribe:calls",{options}]')
    await client.read_until_acknowledged(len(client.acks) + 1)
    return client.acks[-1]


def unread(gateway: InProcess) -> int:
    """Bytes that wait for all clients."""
    boxes = [socket.queue for socket in gateway.feed.server.eio.sockets.values()]
    return sum(box.size + (box.wire.get_write_buffer_size() if box.wire else 0) for box in boxes)


async def test_more_than_a_snapshot_holds_is_refused_before_it_is_read() -> None:
    calls = Calls(250)
    async with gateway_of(calls) as gateway, raw(gateway, "mal") as client:
        refused = await shown(client)
        assert refused["code"] == "UNAVAILABLE" and "page by page, or narrow" in refused["message"], refused
        asked = calls.asked
        assert asked == 4
        found = await shown(client, '{"snapshot":true,"call_id":"c_249"}')
        assert found["snapshot"] == calls.rows[249:]
    print(f"2.5 MB of calls: refused after {asked} of 9 pages, and one of them is shown")


async def test_snapshots_that_nobody_reads_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "UNREAD", 1.5)
    monkeypatch.setattr(snapshot, "QUEUE_SECONDS", 0.7)
    calls = Calls(90)
    async with gateway_of(calls) as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(gateway, "mal")) for _ in range(CLIENTS)]
        connections: list[Any] = [client.socket._response.connection.transport for client in clients]  # type: ignore[union-attr]
        for client, connection in zip(clients, connections, strict=True):
            connection.pause_reading()
            stack.callback(connection.resume_reading)
            await client.socket.send_str(SHOW)

        async def asked() -> int:
            return calls.asked // 3

        await until(asked, lambda count: count == snapshot.UNREAD)
        await asyncio.sleep(0.3)
        most = unread(gateway)
        async with raw(gateway, "zoe") as other:
            assert len((await shown(other))["snapshot"]) == 90
        assert await asked() == snapshot.UNREAD + 1 and most <= snapshot.UNREAD * snapshot.MOST_BYTES

        async def left() -> int:
            return len(gateway.feed.server.eio.sockets)

        await until(left, lambda count: count <= CLIENTS - snapshot.UNREAD)
        assert await asked() == snapshot.UNREAD + 1 and unread(gateway) < ROW
        assert not gateway.feed._snapshots._unread._held
    print(f"{CLIENTS} clients ask for 0.9 MB and read nothing: {snapshot.UNREAD} are made, {most} bytes wait,"
          f" {unread(gateway)} when these are cut off")  # fmt: skip


async def test_who_reads_has_as_many_as_they_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "UNREAD", 1.5)
    calls = Calls(20)
    async with gateway_of(calls) as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(gateway, "mal")) for _ in range(CLIENTS)]
        answers = await asyncio.gather(*map(shown, clients))
        assert all(answer["snapshot"] == calls.rows for answer in answers)
        await asyncio.sleep(0.1)
        assert not gateway.feed._snapshots._unread._held
    print(f"{CLIENTS} clients of one user that read: all were shown 0.2 MB, {calls.at_once} at once")
    assert calls.at_once == 1


async def test_only_so_many_are_made_at_once_for_everybody() -> None:
    users = {f"u{number}": frozenset(Action) for number in range(CLIENTS)}
    calls = Calls(1, seconds=0.05)
    async with gateway_of(calls, users) as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(gateway, user)) for user in users]
        answers = await asyncio.gather(*map(shown, clients))
        assert all(answer["snapshot"] == calls.rows for answer in answers)
    print(f"{CLIENTS} users at once: {calls.at_once} snapshots made together")
    assert calls.at_once == snapshot.AT_ONCE


async def test_one_that_was_not_polled_yet_is_not_read() -> None:
    calls = Calls(90)
    async with gateway_of(calls) as gateway, aiohttp.ClientSession() as session:
        url = gateway._url("/socket.io/?EIO=4&transport=polling")
        async with session.get(url) as begun:
            url += "&sid=" + msgspec.json.decode((await begun.read())[1:])["sid"]
        for said in (f'40{{"token":"{token_of("mal")}"}}', SHOW):
            async with session.post(url, data=said):
                pass
            if said != SHOW:
                async with session.get(url) as entered:
                    assert (await entered.text()).startswith("40")
        held = gateway.feed._snapshots._unread._held

        async def places() -> int:
            return held.total() if calls.asked == 3 else 0

        await until(places, lambda count: count == 1)
        await asyncio.sleep(0.2)
        assert await places() == 1
        async with session.get(url) as answer:
            [found] = msgspec.json.decode((await answer.text()).removeprefix("431"))
        assert len(found["snapshot"]) == 90
        await until(places, lambda count: count == 0)
