"""Socket.IO under clients that know its inside: frames that are no messages, answers that nobody reads, logins that
leave their transport, and more sessions than anybody needs."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.permissions import Action
from gateway.live import feed, transports
from gateway.live.said import Said
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.attacks.test_live_strangers import HANDSHAKE, WEBSOCKET, handshake, held, nothing_is_left, settled
from tests.gateway.test_live import Journal
from tests.support.door import InProcess, Point, gateway_on, serving, token_of
from tests.support.site import until

UPGRADE = (
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
TEXT, PING, BEGIN, EMPTY = b"\x81", b"\x89\x80\0\0\0\0", b"\x01\x80\0\0\0\0", b"\x00\x80\0\0\0\0"
VIEW = frozenset({Action.SLOT_VIEW, Action.CALL_VIEW})


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    journal = Journal(MemoryBroker(clock=SystemClock()))
    async with serving(journal.broker, {}, {"op12": VIEW, "op13": VIEW}) as journal.point:
        yield journal


@pytest.fixture
async def gateway(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    monkeypatch.setattr(transports, "UNNAMED", 0.5)
    monkeypatch.setattr(transports, "CLOSING", 0.2)
    async with gateway_on(MemoryBus(journal.broker)) as running:
        yield running


async def websocket(gateway: InProcess, user: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.listener.port)
    writer.write(f"GET {WEBSOCKET} HTTP/1.1\r\n{UPGRADE}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}")
    if user:
        login = f'40{{"token":"{token_of(user)}"}}'.encode()
        writer.write(TEXT + bytes([0x80 | len(login)]) + b"\0\0\0\0" + login)
        await reader.readuntil(b"}")
    return reader, writer


async def polling(session: aiohttp.ClientSession, gateway: InProcess, user: str = "op12") -> str:
    """A session that polls and has logged in. Gives its address."""
    url = gateway._url(f"{HANDSHAKE}&sid={await handshake(session, gateway)}")
    await session.post(url, data=f'40{{"token":"{token_of(user)}"}}')
    async with session.get(url) as answer:
        assert '40{"sid"' in await answer.text()
    return url


@pytest.mark.parametrize("user", ["", "op12"])
@pytest.mark.parametrize("frame", [PING, EMPTY], ids=["pings", "empty fragments"])
async def test_frames_that_are_no_messages_are_counted_too(gateway: InProcess, user: str, frame: bytes) -> None:
    tasks = await settled()
    reader, writer = await websocket(gateway, user)
    writer.write(BEGIN if frame is EMPTY else b"")
    sent = 0
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(4):
            while not reader.at_eof():
                writer.write(frame * 100)
                await writer.drain()
                await reader.read(0 if frame is EMPTY else 2)
                sent += 100
                await asyncio.sleep(0)
    writer.close()
    await nothing_is_left(gateway, tasks)
    print(f"{user or 'a stranger'}: cut off after {sent} frames")
    assert sent < 30_000


async def test_upgrades_that_are_none_are_refused_and_leave_nothing(
    gateway: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = await settled()
    bad = {
        "no connection header": {"Upgrade": "websocket"},
        "another protocol": {"Upgrade": "h2c", "Connection": "Upgrade"},
        "no key": {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
        "an old version": {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "1"},
    }
    statuses = {}
    async with aiohttp.ClientSession() as session:
        for name, headers in bad.items():
            for path in (WEBSOCKET, f"{WEBSOCKET}&sid={await handshake(session, gateway)}", f"{WEBSOCKET}&sid=x"):
                async with session.get(gateway._url(path), headers=headers) as answer:
                    statuses[name, path] = answer.status
    await nothing_is_left(gateway, tasks)
    noisy = [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    print(f"{len(statuses)} upgrades that are none: {held(gateway)} sessions left, {len(noisy)} lines in the log")
    assert set(statuses.values()) == {400} and not noisy


async def test_a_session_gets_nothing_more_while_an_answer_is_unread(
    journal: Journal, gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not read an answer and asks on another connection would have the gateway keep all of them."""
    monkeypatch.setattr(transports, "UNREAD", 0.5)
    async with aiohttp.ClientSession() as session:
        url = await polling(session, gateway)
        path = url.partition(str(gateway.listener.port))[2]
        outbox = next(iter(gateway.feed.server.eio.sockets.values())).queue
        answered = 0
        with suppress(OSError):
            connections = []
            for _ in range(30):
                sid = path.partition("sid=")[2]
                for _ in range(100):
                    gateway.feed.transports.write(sid, Said(b"x" * 20_000))
                connection = socket.socket()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", gateway.listener.port))
                connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                connections.append(connection)
                before = outbox.size
                await asyncio.sleep(0.02)
                answered += outbox.size < before
    for connection in connections:
        connection.close()
    print(f"30 polls on connections that read nothing: {answered} taken from what waits")
    assert answered == 1


async def test_names_of_namespaces_are_not_repeated_to_strangers(gateway: InProcess) -> None:
    tasks = await settled()
    most = 0
    async with aiohttp.ClientSession() as session:
        url = gateway._url(f"{HANDSHAKE}&sid={await handshake(session, gateway)}")
        outbox = next(iter(gateway.feed.server.eio.sockets.values())).queue
        with suppress(aiohttp.ClientError):
            for number in range(30):
                await session.post(url, data=f"40/{number}{'n' * 15_000},")
                await asyncio.sleep(0)
                most = max(most, outbox.size)
    await nothing_is_left(gateway, tasks)
    print(f"30 connects to namespaces with long names: at most {most} bytes wait for an answer")
    assert most < 10_000


async def test_what_only_scripts_of_old_browsers_say_is_refused(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session:
        sid = await handshake(session, gateway)
        async with session.post(gateway._url(f"{HANDSHAKE}&sid={sid}"), data="d=4&" + "a=&" * 4_000) as form:
            assert form.status == 400
        async with session.get(gateway._url(f"{HANDSHAKE}&j=0")) as script:
            said = await script.text()
    print(f"JSONP: a form is refused with {form.status}, no script is answered")
    assert said.startswith("0{")


@pytest.mark.parametrize("polls", [True, False])
async def test_who_logs_out_of_the_session_does_not_keep_its_transport(gateway: InProcess, polls: bool) -> None:
    tasks = await settled()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        if polls:
            url = await polling(session, gateway)
            await session.post(url, data="41")
        else:
            client = await stack.enter_async_context(session.ws_connect(gateway._url(WEBSOCKET)))
            for said in (f'40{{"token":"{token_of("op12")}"}}', "41", f'40{{"token":"{token_of("op12")}"}}', "41"):
                await client.send_str(said)
        await until(lambda: asyncio.sleep(0, len(gateway.feed._clients)), lambda count: count == 0)
        await nothing_is_left(gateway, tasks)
    print(f"logged out, still connected: {held(gateway)} sessions are left")


async def test_who_logs_in_again_and_again_may_not_send_more_for_it(gateway: InProcess) -> None:
    taken = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(gateway._url(WEBSOCKET)) as client:
        with suppress(aiohttp.ClientError, ConnectionError):
            while taken < 3_000:
                for said in (f'40{{"token":"{token_of("op12")}"}}', *['42["x"]'] * 50, "41"):
                    await client.send_str(said)
                    taken += 1
                await asyncio.sleep(0.01)
    print(f"logging in and out: cut off after {taken} frames")
    assert taken < 3_000


async def test_a_user_has_a_number_of_sessions_whatever_they_come_by(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions that poll hold no connection, so that no limit of connections counts them."""
    monkeypatch.setattr(feed, "SESSIONS", 5)
    refused = 0
    async with aiohttp.ClientSession() as session:
        for _ in range(20):
            url = gateway._url(f"{HANDSHAKE}&sid={await handshake(session, gateway)}")
            await session.post(url, data=f'40{{"token":"{token_of("op12")}"}}')
            async with session.get(url) as answer:
                refused += "RATE_LIMITED" in await answer.text()
        held_by_one = len(gateway.feed._clients)
        async with gateway.live("op13", "slots"):
            assert len(gateway.feed._clients) == held_by_one + 1
    print(f"20 sessions of one user: {held_by_one} admitted, {refused} refused")
    assert held_by_one == 5 and refused == 15


async def test_sessions_of_a_stolen_token_make_room_for_its_owner(
    journal: Journal, gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SESSIONS", 5)
    assert isinstance(journal.point, Point)
    journal.point.users, journal.point.owners = {"op12": VIEW, "panel": VIEW}, {"panel": "op12"}
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            await polling(session, gateway, "panel")
        async with gateway.live("op12", "slots"), gateway.live("op12", "slots"):
            held_by = Counter(client.caller.credential for client in gateway.feed._clients.values())
    print(f"5 live clients of a stolen token, then 2 of its owner: {dict(held_by)}")
    assert held_by == {"token:panel": 3, "token:op12": 2} and gateway.feed._sessions.total() <= 5


async def test_packets_of_one_body_count_each(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session:
        url = await polling(session, gateway)
        body = "\x1e".join(['42["subscribe:slots"]'] * 16)
        taken = 0
        with suppress(aiohttp.ClientError):
            for _ in range(200):
                async with session.post(url, data=body) as answer:
                    if answer.status != 200:
                        break
                taken += 1
    print(f"bodies of 16 packets: {taken} taken at once, {16 * taken} packets")
    assert 16 * taken < 2 * transports.SENDS


async def test_changes_of_rights_are_looked_at_by_one_at_a_time(journal: Journal, gateway: InProcess) -> None:
    """Who makes changes as fast as they can would have everybody's rights asked again by ever more at once."""
    point, looking = journal.point, [0, 0]
    assert isinstance(point, Point)
    look = gateway.feed._authenticator.again

    async def slow(caller: object) -> object:
        looking[0] += 1
        looking[1] = max(looking)
        try:
            await asyncio.sleep(0.05)
            return await look(caller)  # type: ignore[arg-type]  # it is passed on
        finally:
            looking[0] -= 1

    gateway.feed._authenticator.again = slow  # type: ignore[method-assign, assignment]  # the real one, late
    async with gateway.live("op12"), gateway.live("op13"):
        for _ in range(30):
            gateway.feed._look_again()
            await asyncio.sleep(0.03)
        point.users = {"op12": VIEW}
        gateway.feed._authenticator._callers.clear()
        gateway.feed._look_again()
        left = await until(lambda: asyncio.sleep(0, gateway.feed._clients), lambda known: len(known) == 1)
        assert [client.caller.user for client in left.values()] == ["op12"]
    print(f"30 changes in a second: rights asked by {looking[1]} at once")
    assert looking[1] == 1


async def test_one_user_has_one_piece_of_the_journal_read_at_a_time(journal: Journal) -> None:
    """Subscriptions that others replace are not read for, and many sessions of one user do not keep others waiting."""
    first = await journal.write("ottb.v1.evt.slot.1.nothing", b"{}")
    for number in range(2_000):
        await journal.write(f"ottb.v1.evt.slot.{number}.nothing", b"{}")
    reading = {"now": 0, "most": 0, "all": 0}
    async with gateway_on(MemoryBus(journal.broker)) as gateway:
        read = gateway.feed._history._from_journal

        async def counted(*args: object, **options: object) -> object:
            reading["now"] += 1
            reading["all"] += 1
            reading["most"] = max(reading["most"], reading["now"])
            try:
                await asyncio.sleep(0.01)
                return await read(*args, **options)  # type: ignore[arg-type]  # it is passed on
            finally:
                reading["now"] -= 1

        gateway.feed._history._from_journal = counted  # type: ignore[method-assign, assignment]  # the real one, late
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            sockets = [await stack.enter_async_context(session.ws_connect(gateway._url(WEBSOCKET))) for _ in range(5)]
            for client in sockets:
                await client.send_str(f'40{{"token":"{token_of("op12")}"}}')
                await client.receive()
                assert (await client.receive()).data.startswith("40")
            for client in sockets:
                for number in range(30):
                    await client.send_str(f'42{number}["subscribe:slots",{{"since":{first}}}]')
            done = 0
            async with asyncio.timeout(15):
                for client in sockets:
                    for _ in range(30):
                        said = json.loads((await client.receive()).data[2:].lstrip("0123456789"))[0]
                        done += said["error"] is False
    print(f"150 subscriptions of one user: {done} complete, {reading['all']} pieces read, {reading['most']} at once")
    assert done == 5 and reading["most"] == 1
    assert reading["all"] <= 5 * (2 + 2_000 // 256 + 1)
