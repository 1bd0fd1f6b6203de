"""Replays of more than can wait for a client: all of it in order, or no word that it was all."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT_COMMAND_DONE, SLOT_LINKED, SlotCommandDone, SlotLinked, SlotStatus
from gateway.live import history, transports
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.gateway.test_live import AT, Journal
from tests.support.door import InProcess, gateway_on, serving, token_of
from tests.support.site import until

EVENTS = 5_000  # more than may wait for one client
BIG = "x" * 2_000
VIEW = frozenset({Action.SLOT_VIEW, Action.CALL_VIEW})
MANY = [f"boss{number}" for number in range(20)]


async def written(journal: Journal, detail: str = BIG, count: int = EVENTS) -> list[int]:
    linked = SlotLinked(slot=44, at=AT, status=SlotStatus.ONLINE, detail=detail)
    return [await journal.say(SLOT_LINKED, linked) for _ in range(count)]


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    journal = Journal(MemoryBroker(clock=SystemClock()))
    async with serving(journal.broker, {}, {"op12": VIEW} | dict.fromkeys(MANY, frozenset(Action))) as journal.point:
        await journal.configured(44, "op12")
        yield journal


class Raw:
    """A client on a bare websocket, which reads when the test wants it to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[int] = []
        self.secret: list[int] = []  # of those, what tells what a command said
        self.acks: list[dict[str, Any]] = []

    async def subscribe(self, since: int | None, number: int = 0) -> None:
        options = "" if since is None else f',{{"since":{since}}}'
        await self.socket.send_str(f'42{number}["subscribe:slots"{options}]')

    async def read(self) -> bool:
        """The next thing said. False: nothing more will be."""
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return False
        if message.data.startswith("42"):
            if "seq" not in (payload := json.loads(message.data[2:])[1]):
                return True
            self.seen.append(payload["seq"])
            self.secret += self.seen[-1:] if "the-secret" in message.data else []
        elif message.data.startswith("43"):
            self.acks.append(json.loads(message.data[message.data.index("[") :])[0])
        elif message.data == "2":
            await self.socket.send_str("3")
        return True

    async def read_until_acknowledged(self, count: int = 1, pause: float = 0.0) -> None:
        async with asyncio.timeout(15):
            while len(self.acks) < count and await self.read():
                if pause and len(self.seen) % 100 == 0:
                    await asyncio.sleep(pause)


@asynccontextmanager
async def raw(gateway: InProcess, user: str = "op12") -> AsyncIterator[Raw]:
    url = gateway._url("/socket.io/?EIO=4&transport=websocket")
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.receive()
        await socket.send_str(f'40{{"token":"{token_of(user)}"}}')
        assert (await socket.receive()).data.startswith("40")
        yield Raw(socket)


class Watched:
    """The most that has waited for any client, and the most tasks, looked at each millisecond."""

    def __init__(self, gateway: InProcess) -> None:
        self.frames = self.bytes = self.tasks = 0
        self._gateway = gateway

    async def watch(self) -> None:
        while True:
            for socket in list(self._gateway.feed.server.eio.sockets.values()):
                self.frames = max(self.frames, socket.queue.qsize())
            self.tasks = max(self.tasks, len(asyncio.all_tasks()))
            await asyncio.sleep(0.001)


@asynccontextmanager
async def watching(gateway: InProcess) -> AsyncIterator[Watched]:
    watched = Watched(gateway)
    task = asyncio.create_task(watched.watch())
    yield watched
    task.cancel()


@pytest.mark.parametrize("kept", [10_000, 500, 1])
@pytest.mark.parametrize("pause", [0.0, 0.01])
async def test_all_of_it_comes_in_order_before_it_is_said_to_be_all(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, kept: int, pause: float
) -> None:
    """From memory, from the journal and from both, to a client that reads fast and to one that does not."""
    monkeypatch.setattr(history, "KEPT", kept)
    async with gateway_on(MemoryBus(journal.broker)) as gateway:
        wanted = await written(journal)
        while gateway.feed.seq < wanted[-1]:
            await asyncio.sleep(0.01)
        async with raw(gateway) as client, watching(gateway) as watched:
            await client.subscribe(wanted[0] - 1)
            await client.read_until_acknowledged(pause=pause)
            more = await written(journal, count=3)
            while client.seen[-1:] != more[-1:] and await client.read():
                pass
            assert client.acks == [{"error": False, "seq": wanted[-1]}]
            assert client.seen == wanted + more
    print(f"{len(client.seen)} events to a client that pauses {pause} s: 0 lost, at most {watched.frames} waited")
    assert watched.frames <= 2 * 256


async def test_one_that_stops_reading_is_never_told_that_it_was_all(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "UNREAD", 0.5)
    monkeypatch.setattr(transports, "CLOSING", 0.2)
    wanted = await written(journal, BIG * 2)
    async with gateway_on(MemoryBus(journal.broker)) as gateway, watching(gateway) as watched:
        before = len(asyncio.all_tasks())
        async with raw(gateway) as client:
            transport = client.socket._response.connection.transport  # type: ignore[union-attr]
            await client.subscribe(wanted[0] - 1)
            transport.pause_reading()

            async def connected() -> int:
                return len(gateway.feed.server.eio.sockets)

            await until(connected, lambda count: count == 0)
            transport.resume_reading()
            async with asyncio.timeout(5):
                while await client.read():
                    pass
    assert client.seen == wanted[: len(client.seen)] and len(client.seen) < len(wanted)
    assert not [ack for ack in client.acks if ack["error"] is False]
    assert watched.tasks <= before + 12
    print(f"{len(client.seen)} of {len(wanted)} events were read, {len(client.acks)} acknowledgements, at most"
          f" {watched.tasks - before} tasks more than before")  # fmt: skip


async def test_a_newer_subscription_takes_the_place_of_one_that_is_under_way(journal: Journal) -> None:
    wanted = await written(journal)
    async with gateway_on(MemoryBus(journal.broker)) as gateway, raw(gateway) as client, watching(gateway) as watched:
        for number in range(20):
            await client.subscribe(wanted[0] - 1, number)
        await client.read_until_acknowledged(20)
        assert sorted(ack.get("code", "") for ack in client.acks) == ["", *["CONFLICT"] * 19]
        assert client.seen[-len(wanted) :] == wanted
        assert len(client.seen) <= len(wanted) + 20 * 256
    print(f"20 subscriptions of one room at once: 1 complete, {len(client.seen) - len(wanted)} events twice")
    assert watched.frames <= 2_000


async def test_many_replays_at_once_hold_no_more_than_their_pieces(journal: Journal) -> None:
    wanted = await written(journal, "", 2_000)
    async with gateway_on(MemoryBus(journal.broker)) as gateway, watching(gateway) as watched:

        async def one(user: str) -> int:
            async with raw(gateway, user) as client:
                await client.subscribe(wanted[0] - 1)
                await client.read_until_acknowledged()
                assert client.seen == wanted
                return len(client.seen)

        counts = await asyncio.gather(*map(one, MANY))
    print(f"{len(counts)} replays of {len(wanted)} events at once: 0 lost, at most {watched.frames} waited for one")
    assert watched.frames <= 2 * 256


async def test_large_events_are_kept_in_memory_only_up_to_a_bound(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "KEPT_BYTES", 200_000)
    async with gateway_on(MemoryBus(journal.broker)) as gateway:
        wanted = await written(journal, BIG * 10, 100)
        while gateway.feed.seq < wanted[-1]:
            await asyncio.sleep(0.01)
        recent = gateway.feed._history._recent["slots"]
        kept = recent.events
        assert sum(event.size for event in kept) == recent.bytes <= 200_000 < 100 * 20_000
        async with raw(gateway) as client:
            await client.subscribe(wanted[0] - 1)
            await client.read_until_acknowledged()
            assert client.seen == wanted
    print(f"100 events of 20 kB: {len(kept)} in memory, 0 lost")


async def test_one_user_reads_at_one_pace_with_however_many_sessions(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or who replays without end would take the gateway's time from everybody."""
    monkeypatch.setattr(history, "EACH_SECOND", 1_000)
    wanted = await written(journal, "", 1_000)
    async with gateway_on(MemoryBus(journal.broker)) as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(gateway)) for _ in range(10)]
        for client in clients:
            await client.subscribe(wanted[0] - 1)

        async def read(client: Raw) -> None:
            while await client.read():
                pass

        reading = [asyncio.create_task(read(client)) for client in clients]
        async with raw(gateway, MANY[0]) as other:
            await other.subscribe(wanted[0] - 1)
            await other.read_until_acknowledged()
        got = sum(len(client.seen) for client in clients)
        for task in reading:
            task.cancel()
    print(f"{len(clients)} sessions of one user got {got} events while one of another got all of its {len(wanted)}")
    assert other.seen == wanted and got < 1.5 * len(wanted)


async def test_a_session_that_is_revoked_in_a_replay_gets_no_more_of_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not told that it was all, whether it was revoked or its time is over."""
    monkeypatch.setattr(history, "EACH_SECOND", 1_000)
    wanted = await written(journal, "")
    for event in ("auth.revoked", "auth.expired"):
        async with gateway_on(MemoryBus(journal.broker)) as gateway, raw(gateway) as client:
            await client.subscribe(wanted[0] - 1)
            while len(client.seen) < 300:
                assert await client.read()
            (known,) = gateway.feed._clients
            gateway.feed._part(known, event, "Over.")
            async with asyncio.timeout(5):
                while await client.read():
                    pass
            assert len(client.seen) < len(wanted) and not [ack for ack in client.acks if ack["error"] is False]
        print(f"{event}: {len(client.seen)} of {len(wanted)} events, then nothing")


async def test_rights_that_are_taken_in_a_replay_count_from_then_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EACH_SECOND", 1_000)
    done = SlotCommandDone(slot=44, at=AT, command_id="k", exit_code=0, output="the-secret", truncated=False)
    wanted = [await journal.say(SLOT_COMMAND_DONE, done) for _ in range(3_000)]
    async with gateway_on(MemoryBus(journal.broker)) as gateway, raw(gateway, MANY[0]) as client:
        await client.subscribe(wanted[0] - 1)
        while len(client.seen) < 300:
            assert await client.read()
        assert client.secret == client.seen, "who may see it sees it"
        journal.point.users[MANY[0]] = VIEW | {Action.SLOT_VIEW_ANY}
        await journal.write("ottb.v1.evt.point.directory.role_set", b"{}")
        await until(lambda: _rights(gateway), lambda rights: Action.SLOT_SHELL not in rights)
        async with asyncio.timeout(10):
            while not client.acks:
                assert await client.read()
    print(f"{len(client.seen)} events, {len(client.secret)} with what was said before the right was taken")
    assert client.acks[0]["error"] is False and client.seen == wanted
    assert client.secret == client.seen[: len(client.secret)] and len(client.secret) < 2_000


async def _rights(gateway: InProcess) -> frozenset[str]:
    (client,) = gateway.feed._clients.values()
    return client.caller.actions
