"""How soon many clients hear of an event, against the Socket.IO server of Node as it comes: the same update, the same
clients, in turns.

`python -m bench.fanout PORT TOKENS CLIENTS STILL` is the clients: so many that hear, and so many that never read, of
the users of these tokens (`a,b`). It says when all are there, and at SIGTERM what they heard.
"""

import asyncio
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import msgspec
import psutil
from msgspec import Struct

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_streams import to_be_stored
from bench.gateway import Served, asking
from bench.parts import cpu_seconds, free_port, python
from bench.table import Row
from bus_schemas.kinds import owners_header
from bus_schemas.slot import SLOT_LINKED, SlotLinked, SlotStatus

MANY, SLOWLY = 1_000, 5.0  # clients; events a second
USERS = 5  # that have them: one has 256 sessions at most
FEW, FAST = 100, 200.0
LONG, STEADILY = 3_000, 40.0  # bytes of an update, of which one that never reads does not take eight seconds
SECONDS, ROUNDS = 8.0, 3
SETTLED, LATE = 1.0, 5.0  # seconds after the last event in which it may be heard
SAID_AT = re.compile(r"at=(\d+\.\d+)")
SERVER = Path(__file__).resolve().parents[1] / "tests" / "js" / "server.mjs"


class Heard(Struct):
    """`late`: seconds from an event to each client that heard of it, sorted."""

    late: list[float]

    def within(self, share: float) -> float:
        """Milliseconds."""
        return 1000 * self.late[min(int(len(self.late) * share), len(self.late) - 1)]


class Told(Struct):
    """A stretch of a server: what was heard, of how much, and its use of one core meanwhile. `each`: bytes of memory
    for a client."""

    heard: Heard
    expected: int
    share: float
    each: float


Tell = Callable[[SlotLinked], Awaitable[None]]


class Peer(Struct):
    """A server that tells: where it listens, its process, and how it is told. `tokens`: of who may hear it."""

    port: int
    tokens: list[str]
    process: psutil.Process
    tell: Tell


async def measure(folder: Path) -> list[Row]:
    async with gateway(folder) as ours, node() as theirs:
        many = [(await told(ours, MANY, SLOWLY), await told(theirs, MANY, SLOWLY)) for _ in range(ROUNDS)]
        fast = [
            (await told(ours, FEW, FAST, settled=LATE), await told(theirs, FEW, FAST, settled=LATE))
            for _ in range(ROUNDS)
        ]
        still = [
            (await told(ours, FEW, STEADILY, still=1, size=LONG), await told(ours, FEW, STEADILY, size=LONG))
            for _ in range(ROUNDS)
        ]
    harm = median(one.heard.within(0.99) / other.heard.within(0.99) for one, other in still)
    first, its_first = many[0]  # memory that was given back is taken by the next
    expected = sum(mine.expected for mine, _ in fast)
    lost = expected - sum(len(mine.heard.late) for mine, _ in fast)
    return [
        *_compared(f"an event to {MANY:,} clients, {SLOWLY:.0f} a second", many),
        Row("memory of a client", f"{first.each / 1024:.0f} kB", f"node {its_first.each / 1024:.0f} kB",
            first.each / max(its_first.each, 1.0), "<= 2.0"),
        *_compared(f"{FAST:.0f} events/s to {FEW} clients", fast),
        Row("the same, not heard", str(lost), f"of {expected}", lost / expected, "<= 0"),
        Row("p99 beside a client that never reads", f"{still[-1][0].heard.within(0.99):.1f} ms",
            f"without {still[-1][1].heard.within(0.99):.1f} ms", harm, "<= 1.1"),
    ]  # fmt: skip


def _compared(what: str, rounds: "list[tuple[Told, Told]]") -> list[Row]:
    """How late half of it is, and all but a hundredth, and the work of that; the last of the rounds is shown, and the
    median of their ratios counts."""
    rows = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        ratio = median(mine.heard.within(share) / other.heard.within(share) for mine, other in rounds)
        mine, other = (one.heard.within(share) for one in rounds[-1])
        rows.append(Row(f"{what}, {name}", f"{mine:.1f} ms", f"node {other:.1f} ms", ratio, "<= 1.0"))
    cpu = median(mine.share / other.share for mine, other in rounds)
    mine, other = (one.share for one in rounds[-1])
    return [*rows, Row("the same, processor", f"{mine:.1%}", f"node {other:.1%}", cpu, "<= 1.0")]


async def told(
    peer: Peer, clients: int, rate: float, *, still: int = 0, size: int = 100, settled: float = SETTLED
) -> Told:
    """Tell so many clients so often something of about `size` bytes. `settled`: seconds by which they may be late."""
    before = peer.process.memory_info().rss
    async with listening(peer, clients, still) as said:
        each = (peer.process.memory_info().rss - before) / (clients + still)
        loop, used = asyncio.get_running_loop(), cpu_seconds(peer.process)
        began, number = loop.time(), 0
        while (due := began + number / rate) < began + SECONDS:
            await asyncio.sleep(max(due - loop.time(), 0.0))
            await peer.tell(_event(size))
            number += 1
        share = (cpu_seconds(peer.process) - used) / (loop.time() - began)
        await asyncio.sleep(settled)
    return Told(heard=said(), expected=number * clients, share=share, each=each)


def _event(size: int) -> SlotLinked:
    at = f"at={time.monotonic():.6f} {'x' * size}"
    return SlotLinked(slot=44, at="2026-01-01T00:00:00.000Z", status=SlotStatus.ONLINE, detail=at)


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Peer]:
    limits = {"OTTB_AUTH__CHANGE_AT_FIRST_LOGIN": "false"}
    async with asking(folder / "fanout", "WORKSPACE", **limits) as asked:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{asked.site.nats_port}", name="bench")
        headers = owners_header({"slot": ["op12"]})

        async def tell(event: SlotLinked) -> None:
            await bus.publish(to_be_stored(SLOT_LINKED.subject_for(event)), msgspec.json.encode(event), headers)

        tokens = await _users(asked.site, folder / "fanout" / "state" / "admin-password")
        running = psutil.Process(asked.site.processes["gateway"].pid)
        yield Peer(asked.site.ports["WORKSPACE"], tokens, running, tell)
        await bus.close()


async def _users(site: Served, password: Path) -> list[str]:
    """Tokens of users who see every slot."""
    point, found = f"http://127.0.0.1:{site.ports['POINT']}/api", list[str]()
    async with aiohttp.ClientSession() as session:

        async def ask(path: str, body: dict[str, Any]) -> Any:
            async with session.post(point + path, json=body) as answer:
                assert answer.status < 300, await answer.text()
                return await answer.json()

        admin = {"username": "admin", "password": (await asyncio.to_thread(password.read_text)).strip()}
        session.headers["Authorization"] = f"Bearer {(await ask('/auth/login', admin))['token']}"
        for number in range(USERS):
            login = {"username": f"bench{number}", "password": "hears-of-slots"}
            await ask("/users", {**login, "role": "supervisor", "must_change_password": False})
            found.append((await ask("/auth/login", login))["token"])
    return found


@asynccontextmanager
async def node() -> AsyncIterator[Peer]:
    port = free_port()
    server = await asyncio.create_subprocess_exec("node", str(SERVER), str(port), stdin=PIPE, stdout=PIPE)
    try:
        assert server.stdin is not None and server.stdout is not None
        await _line(server)
        pipe = server.stdin

        async def tell(event: SlotLinked) -> None:
            pipe.write(msgspec.json.encode(event) + b"\n")
            await pipe.drain()

        yield Peer(port, ["-"], psutil.Process(server.pid), tell)
    finally:
        server.kill()
        await server.wait()


@asynccontextmanager
async def listening(peer: Peer, clients: int, still: int) -> AsyncIterator[Callable[[], Heard]]:
    """The clients, for as long as the block lasts; then what they heard."""
    command = python("-m", "bench.fanout", str(peer.port), ",".join(peer.tokens), str(clients), str(still))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, limit=2**26)
    found: list[Heard] = []
    try:
        await _line(process)
        yield lambda: found[0]
        process.send_signal(signal.SIGTERM)
        found.append(msgspec.json.decode(await _line(process), type=Heard))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(120):
        return await process.stdout.readline()


# --- the clients --------------------------------------------------------------------------------------------------


async def _clients(port: int, tokens: list[str], clients: int, still: int) -> None:
    late: list[float] = []
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        hearing, held = list[asyncio.Task[None]](), []
        for number in range(clients + still):
            socket = await _subscribed(session, port, tokens[number % len(tokens)])
            held.append(socket)
            if number < clients:
                hearing.append(asyncio.create_task(_hear(socket, late)))
        print("there", flush=True)
        await ended.wait()
        for task in hearing:
            task.cancel()
        print(msgspec.json.encode(Heard(sorted(late))).decode(), flush=True)


async def _subscribed(session: aiohttp.ClientSession, port: int, token: str) -> aiohttp.ClientWebSocketResponse:
    url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
    socket = await session.ws_connect(url, max_msg_size=0)
    await socket.send_str(f'40{{"token":"{token}"}}')
    async with asyncio.timeout(30):
        await _said_by(socket, "40")
        await socket.send_str('421["subscribe:slots",{}]')
        await _said_by(socket, "431")
    return socket


async def _said_by(socket: aiohttp.ClientWebSocketResponse, beginning: str) -> None:
    while not (said := await socket.receive_str()).startswith(beginning):
        if said.startswith("44"):
            raise RuntimeError(said)


async def _hear(socket: aiohttp.ClientWebSocketResponse, late: list[float]) -> None:
    async for message in socket:
        if message.data == "2":
            await socket.send_str("3")
        elif (found := SAID_AT.search(message.data)) is not None:
            late.append(time.monotonic() - float(found.group(1)))


if __name__ == "__main__":
    asyncio.run(_clients(int(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), int(sys.argv[4])))
