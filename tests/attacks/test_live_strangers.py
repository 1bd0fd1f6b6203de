"""Socket.IO under those who have not logged in: what they leave behind, and what they cost others."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aiohttp
import psutil
import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.permissions import Action
from gateway.live import engine, strangers, transports
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving, token_of
from tests.support.site import until

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
NO_LIMIT = 1e9
FLOOD = 3_000
AT_ONCE = 32
VIEW = frozenset({Action.SLOT_VIEW, Action.CALL_VIEW})

GARBAGE = [
    "x", "9", "4", "4x", "49", "42[", "42[]", '42["connect"]', "4" + "[" * 60_000, "42" + "[" * 50_000, "3" * 1000,
    "4" + "[" * 16_000, "42" + "[" * 15_000,
    "5", "6", "0", "2probe", "bAAAA", "b!", '451-["x",{"_placeholder":true,"num":0}]', "40/nowhere,", '40{"token":1}',
    "40[]", "44{}", "41", "42" + "9" * 60_000, "4" + "0" * 64_000, "y" * 70_000,
]  # fmt: skip
GARBAGE_BODIES = [
    b"", b"\xff\xfe", b"\x1e" * 100, b"d=", b"d", b"4" + b"\x1e4" * 15, b"4" + b"\x1e4" * 16, b"b====", b"9\x1e9",
    b"3" * 65_000, *(text.encode() for text in GARBAGE if len(text) < 64_000),
]  # fmt: skip


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    """A gateway whose time limits are short."""
    monkeypatch.setattr(transports, "UNNAMED", 0.4)
    monkeypatch.setattr(transports, "CLOSING", 0.2)
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}, {"op12": VIEW}), gateway_on(MemoryBus(broker)) as running:
        yield running


def held(gateway: InProcess) -> int:
    """What the libraries remember of clients, all together."""
    server = gateway.feed.server
    return len(server.eio.sockets) + len(server.environ) + len(server.manager.pending_connect)


async def nothing_is_left(gateway: InProcess, tasks: int, seconds: float = 5.0) -> None:
    """No socket, no environment, and no task more than before."""

    async def left() -> tuple[int, int]:
        return held(gateway), len(asyncio.all_tasks())

    await until(left, lambda now: now[0] == 0 and now[1] <= tasks + AT_ONCE // 8, seconds)


async def settled() -> int:
    """How many tasks there are when nothing is going on."""
    await asyncio.sleep(0.05)
    return len(asyncio.all_tasks())


async def handshake(session: aiohttp.ClientSession, gateway: InProcess) -> str:
    """A polling session that nobody has logged in to. Gives its id."""
    async with session.get(gateway._url(HANDSHAKE)) as answer:
        text = await answer.text()
        assert answer.status == 200, text
    return text.split('"sid":"')[1].split('"')[0]


async def hold(gateway: InProcess, count: int, work: Callable[[], Awaitable[object]]) -> None:
    """Do something so many times, some at once."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await work()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def test_one_request_that_is_never_followed_up_goes_and_so_do_those_after_it(gateway: InProcess) -> None:
    tasks = await settled()
    async with aiohttp.ClientSession() as session:
        await handshake(session, gateway)
        await asyncio.sleep(0.5)
        for _ in range(20):
            await handshake(session, gateway)
        async with session.ws_connect(gateway._url(WEBSOCKET)) as silent:
            async with asyncio.timeout(5):
                said = [message async for message in silent]
            assert said
        await nothing_is_left(gateway, tasks)
    print(f"22 sessions without a login: {held(gateway)} are left")


@pytest.mark.usefixtures("apart")
async def test_a_flood_of_handshakes_leaves_no_memory_behind(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit for an address out of the way: what is let in must go again too."""
    monkeypatch.setattr(strangers, "BURST", NO_LIMIT)
    monkeypatch.setattr(transports, "UNNAMED", 2.0)
    process, tasks = psutil.Process(), await settled()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def poll() -> None:
            await handshake(session, gateway)

        async def refused() -> None:
            async with session.ws_connect(gateway._url(WEBSOCKET)) as client:
                await client.receive()
                await client.send_str('40{"token":"a.b.c"}')
                assert "AUTH_FAIL" in str(await client.receive())

        await hold(gateway, 300, poll)
        await hold(gateway, 100, refused)
        await nothing_is_left(gateway, tasks)
        gc.collect()
        before = process.memory_info().rss
        await hold(gateway, FLOOD, poll)
        await hold(gateway, FLOOD // 6, refused)
        await nothing_is_left(gateway, tasks, 10)
        gc.collect()
        after = process.memory_info().rss
    print(f"{FLOOD} handshakes and {FLOOD // 6} refused logins: {before >> 20} MB before, {after >> 20} MB after")
    assert after <= 1.1 * before


async def test_an_address_that_asks_too_often_waits_and_logins_are_not_counted(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(strangers, "BURST", 30.0)
    monkeypatch.setattr(strangers, "EACH_SECOND", 0.001)
    statuses: list[int] = []
    for _ in range(40):  # more than the limit, and each of them logs in
        async with gateway.live("op12", "slots"):
            pass
    async with aiohttp.ClientSession() as session:

        async def ask() -> None:
            async with session.get(gateway._url(HANDSHAKE)) as answer:
                statuses.append(answer.status)
                if answer.status == 429:
                    assert (await answer.json())["code"] == "RATE_LIMITED" and int(answer.headers["Retry-After"]) > 0

        async with gateway.live("op12", "slots") as known:
            await hold(gateway, 500, ask)
            ack = await known.socket.call("subscribe:slots")
            assert ack["error"] is False, "who is logged in stays so"
    assert statuses.count(200) == 30 and set(statuses) == {200, 429}
    refused = await gateway.figure("ottb_live_handshakes_refused_total")
    print(f"{len(statuses)} handshakes of one address: {statuses.count(200)} admitted, {refused:.0f} refused")


async def test_an_upgrade_that_never_ends_is_not_waited_for(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "UPGRADE_SECONDS", 0.2)
    tasks = await settled()
    async with aiohttp.ClientSession() as session:
        for said in ((), ("2probe",), ("2probe", "x"), ("x",), ("2probe", "4x")):
            sid = await handshake(session, gateway)
            async with session.ws_connect(gateway._url(f"{WEBSOCKET}&sid={sid}")) as client, asyncio.timeout(3):
                for text in said:
                    await client.send_str(text)
                async for _ in client:
                    pass
        await nothing_is_left(gateway, tasks)
    print(f"5 upgrades that were not finished: {held(gateway)} sessions are left")


async def test_a_session_serves_one_request_of_a_sort_at_a_time(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session:
        sid = await handshake(session, gateway)

        async def poll() -> int:
            async with session.get(gateway._url(f"{HANDSHAKE}&sid={sid}")) as answer:
                return answer.status

        async with asyncio.timeout(3):
            answers = await asyncio.gather(*(poll() for _ in range(20)), return_exceptions=True)
        waited = [answer for answer in answers if answer != 400]
        assert len(waited) == 1, answers
    print(f"20 polls of one session at once: {len(waited)} was waited for, and that until the session's time was over")


async def test_nonsense_ends_its_session_and_nothing_else(gateway: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    tasks = await settled()
    async with gateway.live("op12", "slots") as known, aiohttp.ClientSession() as session:

        async def say(text: str) -> None:
            async with session.ws_connect(gateway._url(WEBSOCKET)) as client, asyncio.timeout(5):
                await client.send_str(text)
                await client.send_bytes(text.encode())
                async for _ in client:
                    pass

        await asyncio.gather(*map(say, GARBAGE))
        for body in GARBAGE_BODIES:
            sid = await handshake(session, gateway)
            async with session.post(gateway._url(f"{HANDSHAKE}&sid={sid}"), data=body) as answer:
                assert answer.status < 500, body[:40]
        for headers, data in (({"Content-Encoding": "gzip"}, b"x"), ({}, b"4" * 70_000)):
            sid = await handshake(session, gateway)
            async with session.post(gateway._url(f"{HANDSHAKE}&sid={sid}"), data=data, headers=headers) as answer:
                assert answer.status in (413, 415)
        assert (await known.socket.call("subscribe:calls"))["error"] is False
    await nothing_is_left(gateway, tasks)
    noisy = [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
    print(f"{2 * len(GARBAGE) + len(GARBAGE_BODIES)} pieces of nonsense: {held(gateway)} sessions are left,"
          f" {len(noisy)} entries in the log")  # fmt: skip
    assert not noisy


@pytest.mark.parametrize("user", ["", "op12"])
async def test_who_sends_without_end_is_cut_off(gateway: InProcess, user: str) -> None:
    tasks = await settled()
    sent = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(gateway._url(WEBSOCKET)) as client:
        if user:
            await client.send_str(f'40{{"token":"{token_of(user)}"}}')
        with pytest.raises((aiohttp.ClientError, ConnectionError)):  # it may be any of them
            for _ in range(100_000):
                await client.send_str('42["subscribe:slots"]')
                sent += 1
                await asyncio.sleep(0)
    assert sent < 20_000
    await nothing_is_left(gateway, tasks)
    print(f"{user or 'a stranger'}: cut off after {sent} frames")


async def test_a_body_that_drips_is_not_waited_for(gateway: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BODY_SECONDS", 0.2)
    async with aiohttp.ClientSession() as session:
        sid = await handshake(session, gateway)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.listener.port)
    writer.write(f"POST {HANDSHAKE}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n4".encode())
    async with asyncio.timeout(3):
        assert b" 400 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("polls", [True, False])
async def test_a_revoked_client_is_gone_whether_it_reads_or_not(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch, polls: bool
) -> None:
    monkeypatch.setattr(transports, "UNNAMED", 60.0)
    tasks = await settled()
    async with aiohttp.ClientSession() as session:
        sid = await handshake(session, gateway)
        url = gateway._url(f"{HANDSHAKE}&sid={sid}")
        await session.post(url, data=f'40{{"token":"{token_of("op12")}"}}')
        async with session.get(url) as answer:
            assert '40{"sid"' in await answer.text()
        for known in list(gateway.feed._clients):
            gateway.feed._part(known, "auth.revoked", "The session was ended.")
        if polls:
            async with session.get(url) as answer:
                assert "auth.revoked" in await answer.text()
    await nothing_is_left(gateway, tasks)
    assert not gateway.feed._clients
    left = len(gateway.feed._clients)
    print(f"a revoked client that polls ({polls}): {held(gateway)} sessions and {left} logins left")


async def test_answers_that_nobody_fetches_do_not_pile_up(gateway: InProcess) -> None:
    tasks = await settled()
    most = 0
    async with aiohttp.ClientSession() as session:
        sid = await handshake(session, gateway)
        url = gateway._url(f"{HANDSHAKE}&sid={sid}")
        await session.post(url, data=f'40{{"token":"{token_of("op12")}"}}')
        many = "\x1e".join(['421["subscribe:slots"]'] * 8 + ["5"] * 8)  # a no-op is said for each upgrade
        with suppress(aiohttp.ClientError):
            for _ in range(1_000):
                async with session.post(url, data=many) as answer:
                    if answer.status != 200:
                        break
                socket = gateway.feed.server.eio.sockets.get(sid)
                most = max(most, socket.queue.qsize() if socket is not None else 0)
    await nothing_is_left(gateway, tasks)
    assert 0 < most < transports.SLOWEST + 2 * 16
    print(f"answers that are not fetched: at most {most} waited, {held(gateway)} sessions are left")


async def test_a_client_cannot_say_that_its_own_session_begins_or_ends(gateway: InProcess) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(gateway._url(WEBSOCKET)) as client:
        await client.receive()
        await client.send_str(f'40{{"token":"{token_of("op12")}"}}')
        await client.receive()
        known = dict(gateway.feed._clients)
        for said in ('42["disconnect"]', '42["disconnect","x"]', f'42["connect",{{}},{{"token":"{token_of("x")}"}}]',
                     "42[[1]]", "42[]", '42{"a":1}', "42", '421["subscribe:slots",{"since":0},1]'):  # fmt: skip
            await client.send_str(said)
        async with asyncio.timeout(3):
            assert "INVALID_PARAMS" in (await client.receive()).data
        assert gateway.feed._clients == known and len(known) == 1
        for sid in known:
            gateway.feed._part(sid, "auth.revoked", "The session was ended.")
        async with asyncio.timeout(3):
            assert "auth.revoked" in (await client.receive()).data
            async for _ in client:
                pass
    print(f"8 events that only the library may say: {len(known)} of 1 session still known, until it was revoked")


async def test_connections_that_break_off_in_a_handshake_leave_nothing(gateway: InProcess) -> None:
    tasks = await settled()
    raw = f"GET {HANDSHAKE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for _ in range(80):
        with socket.create_connection(("127.0.0.1", gateway.listener.port)) as connection:
            connection.sendall(raw)
        await asyncio.sleep(0)
    await nothing_is_left(gateway, tasks)
    print(f"80 handshakes that broke off: {held(gateway)} sessions are left")
