"""What refused requests of strangers cost: how long others wait meanwhile, and what stays of them on disk."""

import asyncio
from pathlib import Path
from statistics import median

import aiohttp

from actors.adapters.nats_bus import NatsBus
from bench.gateway import asking
from bench.others import SECONDS, p95
from bench.table import Row

ROUNDS = 5
COUNT = 50  # requests of somebody known
STRANGERS, PER_SECOND = 8, 400  # connections, and requests of all of them in a second

REFUSED = {
    "logouts without a token": ("/api/auth/logout", b"{}", b""),
    "logouts with a bad token": ("/api/auth/logout", b"{}", b"Authorization: Bearer a.b.c\r\n"),
    "refreshes with a bad token": ("/api/auth/refresh", b'{"refresh_token": "a.b.c"}', b""),
    "passwords of nobody": ("/api/auth/password", b'{"password": "x", "new_password": "y"}', b""),
    "service tokens for nobody": ("/api/tokens", b'{"name": "x", "actions": []}', b""),
}


async def measure(folder: Path) -> list[Row]:
    async with asking(folder / "strangers") as asked:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{asked.site.nats_port}", name="bench")
        await p95(asked.session, asked.url)  # warm
        strangers = Strangers(bus, asked.site.ports["POINT"])
        rows = [await strangers.waiting(asked.session, asked.url, name) for name in REFUSED]
        rows.append(await strangers.on_disk(asked.session))
        await bus.close()
        return rows


class Strangers:
    """Asks again and again, and is refused. `asked`, `written`: requests, and bytes of the journal meanwhile."""

    def __init__(self, bus: NatsBus, port: int) -> None:
        self._bus = bus
        self._port = port
        self.asked = self.written = 0

    async def waiting(self, session: aiohttp.ClientSession, url: str, name: str) -> Row:
        """Others' p95 meanwhile, against that of a quiet time right before."""
        quiet, attacked, before = [], [], self.asked
        for _ in range(ROUNDS):
            quiet.append(await p95(session, url))
            attacked.append(await self._meanwhile(session, url, name))
        ratio = median(one / two for one, two in zip(attacked, quiet, strict=True))
        speed = (self.asked - before) / ROUNDS / SECONDS
        ours, other = f"{median(attacked):.1f} ms", f"quiet {median(quiet):.1f} ms"
        return Row(f"others' p95 at {speed:.0f}/s {name}", ours, other, ratio, "<= 2.0")

    async def on_disk(self, session: aiohttp.ClientSession) -> Row:
        """What one of them leaves in the journal, against a request of somebody known, which is on the audit."""
        before = await self._journal()
        for _ in range(COUNT):
            async with session.post(f"http://127.0.0.1:{self._port}/api/auth/refresh", json={}) as answer:
                assert answer.status == 200, await answer.text()
        known = (await self._journal() - before) / COUNT
        ours = self.written / self.asked
        name = f"journal for each of {self.asked:,} refused requests"
        return Row(name, f"{ours:.1f} B", f"a refresh of somebody known {known:.0f} B", ours / known, "<= 0.01")

    async def _meanwhile(self, session: aiohttp.ClientSession, url: str, name: str) -> float:
        before, counts = await self._journal(), [0] * STRANGERS
        tasks = [asyncio.create_task(_ask(self._port, name, counts, place)) for place in range(STRANGERS)]
        others = await p95(session, url)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.asked += sum(counts)
        self.written += await self._journal() - before
        return others

    async def _journal(self) -> int:
        return (await self._bus.usage())[0].bytes


async def _ask(port: int, name: str, counts: list[int], place: int) -> None:
    """One connection that is refused again and again, at its share of the speed."""
    path, body, headers = REFUSED[name]
    request = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
        + headers + b"\r\n" + body
    )  # fmt: skip
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop, due = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    try:
        while True:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401"), head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            counts[place] += 1
            due += STRANGERS / PER_SECOND
            await asyncio.sleep(max(due - loop.time(), 0))
    finally:
        writer.close()
