"""Connections held to keep others out, and headers written to be somebody else."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import aiohttp
import psutil
import pytest
from aiohttp import web

from actors.adapters.system_clock import SystemClock
from actors.runtime import pace
from actors.runtime.addresses import neighbourhood
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import Share
from bus_schemas.user import LOGIN, Login
from gateway import server
from gateway.connections import ConnectionLimits, Connections
from gateway.proxies import TrustedProxies
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import EVERYTHING, gateway_on, serving, token_of
from tests.support.raw_http import Answer, RawConnection, head

MOST, RESERVED, PER_ADDRESS, PER_USER = 60, 30, 8, 8
LIMITS = ConnectionLimits(
    most=MOST, reserved=RESERVED, per_address=PER_ADDRESS, per_user=PER_USER, refusals_per_second=1e6
)
HERE, NEAR, FAR, PROXY = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"
SIZE = 20_000_000  # of an answer, more than the kernel keeps for who does not read
SOCKET_IO = "/socket.io/?EIO=4&transport=polling"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
           "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
USERS = ("op12", "op21", "op33")
STOLEN = "panel"  # a second token of op12's

Open = Callable[[str], Awaitable[RawConnection]]


def asking(user: str | None = None, **headers: str) -> bytes:
    """A request that is answered at once: of a user (400, since the id is none), or of a stranger (401)."""
    if user is not None:
        headers["Authorization"] = f"Bearer {token_of(user)}"
    return head("GET", "/api/call/a.b", **headers)


def staying(user: str | None = None, **headers: str) -> bytes:
    """A request that stays: its body does not come."""
    if user is not None:
        headers["Authorization"] = f"Bearer {token_of(user)}"
    path = "/api/call/start" if user is not None else "/api/auth/login"
    return head("POST", path, Content_Length="10", Content_Type="application/json", **headers)


def working(user: str | None = None, **headers: str) -> bytes:
    """A request that stays: all of it has come, and who answers it takes their time."""
    if user is not None:
        headers["Authorization"] = f"Bearer {token_of(user)}"
    path = "/api/call/start" if user is not None else "/api/auth/login"
    body = b'{"number": "+380671234567"}' if user is not None else b'{"username": "a", "password": "b"}'
    return head("POST", path, Content_Length=str(len(body)), Content_Type="application/json", **headers) + body


class Door:
    """A gateway with small limits. `audited`: the addresses on its audit. Logins and calls are not answered until it
    closes."""

    def __init__(self, port: int, connections: Connections) -> None:
        self.port = port
        self.connections = connections
        self.audited: list[str] = []
        self._opened: list[RawConnection] = []
        self._closing = asyncio.Event()

    async def open(self, source: str = HERE) -> RawConnection:
        connection = await RawConnection.open(self.port, source=source)
        self._opened.append(connection)
        return connection

    async def ask(self, request: bytes, source: str = HERE, *, closing: float = 0.0) -> Answer | None:
        """The answer on a new connection. None: it was closed without one."""
        try:
            return await (await self.open(source)).ask(request, closing=closing)
        except (ConnectionError, EOFError):
            return None

    async def stay(self, request: bytes, source: str = HERE) -> RawConnection:
        """Have a request under way."""
        connection = await self.open(source)
        connection.writer.write(request)
        await connection.is_closed(0.05)
        return connection

    async def record(self, request: RecordAudit, context: Context) -> Audited:
        self.audited.append(request.entry.address)
        return Audited(number=1)

    async def take_time(self, request: Login | StartCall, context: Context) -> NoReturn:
        await self._closing.wait()
        raise Refusal(ErrorCode.UNAVAILABLE, "Closing.")

    async def close(self) -> None:
        self._closing.set()
        for connection in self._opened:
            await connection.close()


@asynccontextmanager
async def door_with(limits: ConnectionLimits) -> AsyncIterator[Door]:
    broker = MemoryBroker(clock=SystemClock())
    connections = Connections(limits=limits, proxies=TrustedProxies([PROXY]))
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_on(MemoryBus(broker), connections))
        door = Door(gateway.listener.port, connections)
        answering = {RECORD_AUDIT: door.record, LOGIN: door.take_time, START_CALL: door.take_time}
        users = dict.fromkeys((*USERS, STOLEN), EVERYTHING)
        await stack.enter_async_context(serving(broker, answering, users, {STOLEN: "op12"}))
        stack.push_async_callback(door.close)
        yield door


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with door_with(LIMITS) as opened:
        yield opened


def rule(answer: Answer | None) -> str | None:
    """Which limit an answer names."""
    assert answer is not None
    said = json.loads(answer.body)
    return (said["details"] or {}).get("rule") if answer.status == 429 else None


async def test_silent_connections_keep_nobody_out_who_shares_their_address(door: Door) -> None:
    silent = [await door.open() for _ in range(5 * PER_ADDRESS)]
    answers = [await door.ask(request) for request in (asking(), asking("op12"))]
    assert [answer and answer.status for answer in answers] == [401, 400]
    held = len([one for one in silent if not await one.is_closed(0.01)])
    print(f"{len(silent)} silent connections of one address: {held} held, 0 of 2 others kept out")
    assert held <= PER_ADDRESS


async def test_an_address_has_so_many_requests_of_strangers_under_way(door: Door) -> None:
    for _ in range(PER_ADDRESS):
        await door.stay(working())
    assert await door.ask(asking()) is None
    answer = await door.ask(asking(), NEAR)
    assert answer is not None and answer.status == 401


async def test_who_has_logged_in_does_not_count_for_the_address(door: Door) -> None:
    for user in ("op12", "op21"):
        for _ in range(PER_USER):
            await door.stay(working(user))
    answers = [await door.ask(request) for request in (asking(), asking("op33"))]
    print(f"{2 * PER_USER} connections of 2 users on one address, 0 of 2 others kept out")
    assert [answer and answer.status for answer in answers] == [401, 400]


async def test_one_user_cannot_hold_them_all(door: Door) -> None:
    for number in range(PER_USER):
        await door.stay(working("op12"), f"127.0.1.{number + 1}")
    refused = [await door.ask(asking("op12"), f"127.0.2.{number + 1}", closing=5) for number in range(5)]
    assert {rule(answer) for answer in refused} == {"connections_per_user"}
    assert all(answer is not None and answer.closed and answer.headers["retry-after"] for answer in refused)
    answer = await door.ask(asking("op21"))
    assert answer is not None and answer.status == 400
    print(f"{len(refused)} connections beyond a user's {PER_USER}, 0 let in")


async def test_whoever_has_a_stolen_token_does_not_keep_out_its_owner(door: Door) -> None:
    held = [await door.stay(working(STOLEN)) for _ in range(PER_USER)]
    answers = [await door.ask(asking("op12"), NEAR) for _ in range(5)]
    assert [answer and answer.status for answer in answers] == [400] * 5
    half = PER_USER // 2  # then the owner's own idle ones make room
    assert await held[half - 1].is_closed(1) and not await held[half].is_closed(0.01)
    for _ in range(2 * PER_USER):
        await door.stay(working(STOLEN))
        answer = await door.ask(asking("op12"), NEAR)
        assert answer is not None and answer.status == 400
    print(f"{3 * PER_USER} connections of a stolen token: 0 of {5 + 2 * PER_USER} requests of its owner kept out")


async def test_live_clients_of_a_stolen_token_do_not_keep_out_its_owner(door: Door) -> None:
    url = f"http://127.0.0.1:{door.port}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        for _ in range(PER_USER):
            client = await stack.enter_async_context(session.ws_connect(url))
            await client.receive()
            await client.send_str(f'40{{"token":"{token_of(STOLEN)}"}}')
            assert (await client.receive_str()).startswith("40")
        answers = [await door.ask(asking("op12"), NEAR) for _ in range(5)]
    print(f"{PER_USER} live clients of a stolen token: 0 of {len(answers)} requests of its owner kept out")
    assert [answer and answer.status for answer in answers] == [400] * len(answers)


async def test_what_a_user_left_open_makes_room(door: Door) -> None:
    kept = [await door.open() for _ in range(PER_USER)]
    for connection in kept:
        assert (await connection.ask(asking("op12"))).status == 400
    answer = await door.ask(asking("op12"))
    assert answer is not None and answer.status == 400
    assert await kept[0].is_closed(1) and not await kept[1].is_closed(0.01)


async def test_a_thief_who_is_busy_cuts_nothing_of_the_owners(door: Door) -> None:
    for _ in range(PER_USER):
        await door.stay(working(STOLEN))
    kept, sending = await door.open(NEAR), await door.stay(staying("op12"), NEAR)
    assert (await kept.ask(asking("op12"))).status == 400
    refused = [await door.ask(asking(STOLEN)) for _ in range(PER_USER)]
    ended = [one for one in (kept, sending) if await one.is_closed(0.05)]
    print(f"{len(refused)} more of a thief who has most of a share: {len(ended)} of the owner's cut")
    assert {rule(answer) for answer in refused} == {"connections_per_user"} and not ended
    assert (await kept.ask(asking("op12"))).status == 400


def share_of_four() -> tuple[Callable[..., bool], list[str]]:
    """Have a connection of a credential: whether it is let in; and whose were cut."""
    connections, cut = Connections(limits=ConnectionLimits(per_user=4)), list[str]()

    def hold(credential: str, *, idle: bool = False, name: str = "") -> bool:
        seat = connections.enter(HERE, partial(cut.append, name or credential))
        assert seat is not None
        connections.ask(seat, [])
        try:
            connections.known(seat, ("user", "op12"), credential, HERE)
        except Refusal:
            connections.leave(seat)
            return False
        if idle:
            connections.answered(seat)
        return True

    return hold, cut


def test_a_credential_that_holds_the_most_makes_room_before_others() -> None:
    hold, cut = share_of_four()
    assert hold("own", idle=True) and all(hold("stolen") for _ in range(3))
    assert hold("own") and cut == ["stolen"]
    assert not hold("stolen") and cut == ["stolen"]  # two each: whoever comes may do without one of their own only
    assert hold("own") and cut == ["stolen", "own"]


def test_what_is_idle_of_who_holds_the_most_is_cut_first() -> None:
    hold, cut = share_of_four()
    assert hold("other", idle=True) and hold("stolen") and hold("stolen", idle=True, name="idle") and hold("stolen")
    assert hold("own") and cut == ["idle"]


def test_of_many_sessions_with_one_each_an_idle_one_makes_room() -> None:
    hold, cut = share_of_four()
    assert all(hold(f"s{number}", idle=number == 2) for number in range(4))
    assert hold("new") and cut == ["s2"] and not hold("newer")


def test_a_request_whose_body_is_awaited_is_not_idle() -> None:
    connections = Connections()
    seat = connections.enter(HERE, print)
    assert seat is not None
    connections.ask(seat, [])
    connections.rest(seat)
    assert seat.idle  # a stranger's
    connections.known(seat, ("user", "op12"), "own", HERE)
    assert not seat.idle


async def test_a_reserve_is_left_for_addresses_that_are_known(door: Door) -> None:
    answer = await door.ask(asking("op12"), FAR)
    assert answer is not None and answer.status == 400
    for number in range(MOST - RESERVED):
        await door.stay(working(), f"127.0.3.{number // 4 + 1}")
    assert await door.ask(asking(), NEAR) is None
    known = [await door.ask(request, FAR) for request in (asking(), asking("op21"))]
    print(f"{MOST - RESERVED} strangers' connections: 0 of 2 kept out at an address that is known")
    assert [answer and answer.status for answer in known] == [401, 400]


def test_no_more_than_there_are_files_for() -> None:
    limits = ConnectionLimits(most=4, reserved=0, per_address=1, per_user=1)
    connections, cut = Connections(limits=limits, proxies=TrustedProxies([PROXY])), list[int]()
    seats = [connections.enter(PROXY, partial(cut.append, number)) for number in range(4)]
    for number, seat in enumerate(seats):
        assert seat is not None
        connections.ask(seat, [f"192.0.2.{number}"])
    assert connections.enter(FAR, print) is None and not cut
    assert seats[2] is not None
    connections.answered(seats[2])
    assert connections.enter(FAR, print) is not None  # what is idle makes room, be it a proxy's
    assert (cut, connections.count) == ([2], 4)


def test_silent_strangers_make_room_for_those_who_ask() -> None:
    limits = ConnectionLimits(most=40, reserved=20, per_address=5, per_user=5)
    connections, cut = Connections(limits=limits), list[int]()
    for number in range(100):
        seat = connections.enter(f"192.0.2.{number}", partial(cut.append, number))
        assert seat is not None
    print(f"{number + 1} silent strangers of as many addresses, 0 refused, {len(cut)} cut")
    assert cut == list(range(80)) and connections.count == 20


async def test_nothing_is_counted_once_all_have_gone(door: Door) -> None:
    for number in range(3 * PER_ADDRESS):
        await door.stay(staying(USERS[number % 3] if number % 2 else None), HERE if number % 3 else PROXY)
    had = door.connections.count, door.connections.shares
    await door.close()
    async with asyncio.timeout(10):
        while door.connections.count:
            await asyncio.sleep(0.01)
    print(f"{had[0]} connections of {had[1]} shares, then 0 of {door.connections.shares}")
    assert had[0] > 2 * PER_ADDRESS and had[1] > 3 and not door.connections.shares


def sockets_of(port: int) -> int:
    """The gateway's own ends."""
    return sum(
        one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process().net_connections("tcp")
    )


async def test_who_does_not_take_their_answers_makes_room(door: Door) -> None:
    """Closed in good order, a connection stays until all is taken: its place would be free, its file would not."""
    async with AsyncExitStack() as stack:
        for _ in range(5 * PER_ADDRESS):
            unread = socket.socket()
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            unread.setblocking(False)
            stack.callback(unread.close)
            await asyncio.get_running_loop().sock_connect(unread, ("127.0.0.1", door.port))
            await asyncio.get_running_loop().sock_sendall(unread, head("GET", "/openapi.json") * 100)
            await asyncio.sleep(0.03)
        answer = await door.ask(asking())
        assert answer is not None and answer.status == 401
        held = sockets_of(door.port)
        print(f"{5 * PER_ADDRESS} connections that do not take their answers: {held} held, 0 others kept out")
        assert held <= PER_ADDRESS


async def test_a_head_that_trickles_in_is_not_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    connection = await door.open()
    for byte in asking():
        connection.writer.write(bytes([byte]))
        if await connection.is_closed(0.02):
            break
    else:
        raise AssertionError("all of the head was waited for")


async def test_an_answer_that_is_being_taken_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a head has to arrive begins when the answer before it is out."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    file = tmp_path / "recording.wav"
    file.write_bytes(bytes(SIZE))
    app = web.Application()

    async def send(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file)

    app.router.add_get("/", send)
    listener = server.Listener(app=app, host="127.0.0.1", port=0, connections=Connections())
    await listener.start()
    connection = await RawConnection.open(listener.port)
    connection.writer.write(head("GET", "/"))
    await connection.reader.readuntil(b"\r\n\r\n")
    for _ in range(10):
        await connection.reader.readexactly(SIZE // 10)
        await asyncio.sleep(0.05)
    await connection.close()
    await listener.stop()


async def test_a_live_client_does_not_count_for_the_address(door: Door) -> None:
    """Its next poll is another connection than the one that it logged in on, and so is the WebSocket after polls."""
    for number in range(PER_ADDRESS + 4):
        handshake = await door.open()
        sid = json.loads((await handshake.ask(head("GET", SOCKET_IO))).body[1:])["sid"]
        login = b"40" + json.dumps({"token": token_of(USERS[number % 3])}).encode()
        posted = await handshake.ask(head("POST", f"{SOCKET_IO}&sid={sid}", Content_Length=str(len(login))) + login)
        polled = await handshake.ask(head("GET", f"{SOCKET_IO}&sid={sid}"))
        assert (posted.status, polled.body[:2]) == (200, b"40")
        await handshake.close()
        if number % 2:
            await door.stay(head("GET", f"{SOCKET_IO}&sid={sid}"))
        else:
            await door.stay(head("GET", f"{SOCKET_IO}&sid={sid}".replace("polling", "websocket"), **UPGRADE))
    answer = await door.ask(asking())
    print(f"{PER_ADDRESS + 4} clients of one address, 0 of 1 others kept out")
    assert answer is not None and answer.status == 401


# --- who asks too often -------------------------------------------------------------------------------------------


async def test_who_is_refused_again_and_again_waits_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connections.LATER", 60.0)
    async with door_with(ConnectionLimits(refusals_per_second=2)) as door:
        connection = await door.open()
        statuses = [(await connection.ask(asking())).status for _ in range(10)]
        assert statuses == [401] * 10
        late = [await door.stay(asking(None, X_Forwarded_For=f"192.0.2.{number}")) for number in range(5)]
        assert not [one for one in late if await one.is_closed(0.02)] and not late[0].reader.at_eof()
        others = [await door.ask(request, source) for request, source in ((asking("op12"), HERE), (asking(), NEAR))]
        assert [answer and answer.status for answer in others] == [400, 401]
        print(f"{len(late)} strangers' requests beyond 10 of an address, 0 answered at once; 0 of 2 others held back")


def test_what_is_owed_is_paid_by_waiting() -> None:
    now = 1000.0
    paced = pace.Pace(per_second=8, at_once=40, now=lambda: now)

    def wait(share: Share) -> bool:
        return paced.turn(share, patience=5.0) != 0.0

    assert [wait(("address", "a")) for _ in range(200)] == [False] * 41 + [True] * 159
    assert not wait(("address", "b")) and not wait(("user", "a"))
    now += 5.0  # no more than this is owed, however much was asked
    assert wait(("address", "a"))
    now += 0.25
    assert not wait(("address", "a"))


# --- proxies ------------------------------------------------------------------------------------------------------


async def test_a_header_that_no_proxy_of_ours_wrote_is_not_believed(door: Door) -> None:
    for number in range(PER_ADDRESS):
        await door.stay(working(X_Forwarded_For=f"192.0.2.{number}"))
    assert await door.ask(asking(X_Forwarded_For="192.0.2.200")) is None
    await door.ask(staying("op12", X_Forwarded_For="192.0.2.7") + b"[not json]", NEAR)
    assert door.audited == [NEAR]


async def test_behind_a_proxy_the_client_counts_and_not_the_proxy(door: Door) -> None:
    for number in range(PER_ADDRESS):  # whatever the client wrote itself stands left of what the proxy saw
        await door.stay(working(X_Forwarded_For=f"198.51.100.{number}, 192.0.2.1"), PROXY)
    refused = [await door.ask(asking(X_Forwarded_For=f"{written}192.0.2.1"), PROXY) for written in ("", "10.9.8.7, ")]
    assert [rule(answer) for answer in refused] == ["connections_per_address"] * 2
    others = [await door.ask(asking(X_Forwarded_For=f"192.0.2.{number}"), PROXY) for number in range(2, 30)]
    print(f"{len(others)} other clients behind the proxy, 0 kept out")
    assert all(answer is not None and answer.status == 401 for answer in others)


async def test_one_connection_of_a_proxy_carries_many_clients(door: Door) -> None:
    connection = await door.open(PROXY)
    for number in range(4 * PER_ADDRESS):
        user = USERS[number % 3]
        answer = await connection.ask(asking(user, X_Forwarded_For="192.0.2.1"))
        assert answer.status == 400
    assert not door.connections.shares


async def test_the_audit_has_the_client_behind_a_proxy(door: Door) -> None:
    await door.ask(staying("op12", X_Forwarded_For="6.6.6.6, 192.0.2.9") + b"[not json]", PROXY)
    assert door.audited == ["192.0.2.9"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", ["6.6.6.6"], "192.0.2.1"),  # no proxy of ours: nothing is believed
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["6.6.6.6", "192.0.2.1"], "192.0.2.1"),  # the header twice: the last one is the proxy's
        ("10.0.0.1", ["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),  # two proxies of ours
        ("10.0.0.1", ["10.0.0.3, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),  # who pretends to be one
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # a client inside
        ("10.0.0.1", ["192.0.2.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["10.0.0.2," * 1000], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1" + ",10.0.0.2" * 31], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1" + ",10.0.0.2" * 1000], "10.0.0.2"),
        ("fd00::1", ["192.0.2.1"], "192.0.2.1"),
        ("", ["192.0.2.1"], ""),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_none_of_ours(peer: str, forwarded: list[str], client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "fd00::1"])
    assert proxies.client_of(peer, forwarded) == client


def test_nobody_is_trusted_unless_it_is_said() -> None:
    assert TrustedProxies().client_of("127.0.0.1", ["192.0.2.1"]) == "127.0.0.1"


def test_one_who_has_a_network_of_addresses_counts_once() -> None:
    assert neighbourhood("2001:db8:1:2:3::4") == neighbourhood("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert neighbourhood("2001:db8:1:3::1") != neighbourhood("2001:db8:1:2::1")
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") == "192.0.2.1"
