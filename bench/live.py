"""What users feel while others attack Socket.IO as fast as they can, against the same site in peace: strangers who ask
for handshakes or send empty frames, and a user who has everything replayed again and again in many sessions.

`python -m bench.live ATTACK PORT TOKEN` attacks until it is ended, and prints how often it was answered.
"""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import msgspec
import psutil

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_streams import to_be_stored
from bench.gateway import asking
from bench.others import SECONDS, p95
from bench.parts import python
from bench.table import Row, compared
from bus_schemas.kinds import owners_header
from bus_schemas.slot import SLOT_LINKED, SlotLinked, SlotStatus

HANDSHAKE = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
WEBSOCKET = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PINGS = b"\x89\x80\0\0\0\0" * 5_000  # frames of a websocket with nothing in them
LEFT = 15.0  # seconds after which nobody of them is left
MISSED = 10_000  # events that there are to replay


async def measure(folder: Path) -> list[Row]:
    async with asking(folder / "live", "WORKSPACE") as asked:
        port, session, url = asked.site.ports["WORKSPACE"], asked.session, asked.url
        gateway = psutil.Process(asked.site.processes["gateway"].pid)
        await _write_history(asked.site.nats_port)
        await p95(session, url)
        before = gateway.memory_info().rss
        rows = []
        for name in ATTACKS:
            rows.append(await _under(name, port, asked.token, session, url))
            await asyncio.sleep(LEFT)
            after = gateway.memory_info().rss
            what = f"the gateway's memory after {name}"
            rows.append(Row(what, _mb(after), f"before {_mb(before)}", after / before, "<= 1.1"))
            before = after
        return rows


def _mb(size: int) -> str:
    return f"{size / 2**20:.0f} MB"


async def _under(name: str, port: int, token: str, session: aiohttp.ClientSession, url: str) -> Row:
    answers: list[int] = []

    async def attacked() -> float:
        async with _attackers(name, port, token, answers):
            return await p95(session, url)

    under, quiet, ratio = await compared(attacked, lambda: p95(session, url), rounds=3)
    each = sum(answers) / len(answers) / SECONDS
    return Row(
        f"users' p95 under {name}", f"{under:.1f} ms ({each:.0f}/s)", f"in peace {quiet:.1f} ms", ratio, "<= 2.0"
    )


async def _write_history(port: int) -> None:
    bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
    linked = SlotLinked(slot=44, at="2026-01-01T00:00:00.000Z", status=SlotStatus.ONLINE, detail="x" * 100)
    data, headers = msgspec.json.encode(linked), owners_header({"slot": ["op12"]})
    written = to_be_stored(SLOT_LINKED.subject_for(linked))
    for _ in range(MISSED):
        await bus.publish(written, data, headers)
    async with asyncio.timeout(60):
        while await bus.last_seq() < MISSED:
            await asyncio.sleep(0.1)
    await bus.close()


@asynccontextmanager
async def _attackers(name: str, port: int, token: str, answers: list[int]) -> AsyncIterator[None]:
    """They attack for as long as the block lasts; then how often they were answered is noted."""
    attacking = await asyncio.create_subprocess_exec(
        *python("-m", "bench.live", name, str(port), token),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # what they are cut off from is not awaited by all
    )
    assert attacking.stdout is not None
    await attacking.stdout.readline()  # they have begun
    try:
        yield
    finally:
        attacking.send_signal(signal.SIGTERM)
        answers.append(int(await attacking.stdout.readline()))
        await attacking.wait()


# --- attacks ------------------------------------------------------------------------------------------------------


async def _ask_for_handshakes(port: int, _: str, answered: "itertools.count[int]") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            writer.write(HANDSHAKE)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
            next(answered)
    finally:
        writer.close()


async def _send_empty_frames(port: int, _: str, answered: "itertools.count[int]") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(WEBSOCKET)
        await reader.readuntil(b"\r\n\r\n")
        while await reader.read(65_536):
            next(answered)
            writer.write(PINGS)
            await writer.drain()
    finally:
        writer.close()


async def _replay(port: int, token: str, answered: "itertools.count[int]") -> None:
    url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(f'40{{"token":"{token}"}}')
        await socket.send_str('421["subscribe:slots",{"since":1}]')
        async for message in socket:
            next(answered)
            if message.data == "2":
                await socket.send_str("3")
            elif message.data.startswith("431"):
                await socket.send_str('421["subscribe:slots",{"since":1}]')


ATTACKS = {
    "handshakes": (_ask_for_handshakes, 64),
    "empty frames": (_send_empty_frames, 16),
    "replays": (_replay, 32),
}


async def _attack(name: str, port: int, token: str) -> None:
    """Attack until SIGTERM."""
    work, at_once = ATTACKS[name]
    answered = itertools.count()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def one() -> None:
        while True:
            with suppress(OSError, aiohttp.ClientError, asyncio.IncompleteReadError):
                await work(port, token, answered)

    attacking = [asyncio.create_task(one()) for _ in range(at_once)]
    print("begun", flush=True)
    await ended.wait()
    for task in attacking:
        task.cancel()
    print(next(answered), flush=True)


if __name__ == "__main__":
    asyncio.run(_attack(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
