"""What strangers cost: memory after 100,000 refused requests of each kind, and how long others wait meanwhile."""

import asyncio
import gzip
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import aiohttp
import psutil

from bench.gateway import Served, asking
from bench.others import p95
from bench.parts import process, python
from bench.table import Row, compared

COUNT, WARM_UP = int(os.environ.get("OTTB_BENCH_REFUSED", "100000")), 5_000
CONNECTIONS, PIPELINED = 16, 25
ROUNDS = 3
ATTACKERS, BEGUN = 8, 1.0  # at once; seconds until all of them are at it
BOMB = gzip.compress(bytes(64 * 2**20), 9) * 16  # 1 MB that stands for 1 GB
TINY = b"1\r\na\r\n" * 200_000

LARGE = (
    b'{"username": "' + b"x" * 60_000 + b'"}',
    b'{"' + b"[" * 60_000 + b'": NaN}',
    b'{"' + b"k" * 30_000 + b'": [' + b"0," * 15_000 + b"NaN]}",
    b'{"a": [' + b'{"a":1},' * 7_500 + b"NaN]}",
    b"{" + b",".join(b'"k%d":1' % at for at in range(6_000)) + b',"k0":1}',
    b'{"x":[' + b",".join([b"1e300"] * 10_000) + b"]}",
)  # what takes longest to read, or to explain

Attack = Callable[[], Awaitable[None]]


async def measure(folder: Path) -> list[Row]:
    rows: list[Row] = []
    async with asking(folder / "waiting") as asked:
        port = asked.site.ports["WORKSPACE"]
        attacks = _attacks(port, asked.token)
        rows += [await _waiting(asked.session, asked.url, name, port, asked.token) for name in attacks]
    async with asking(folder / "refusing", OTTB_HTTP__REFUSALS_PER_SECOND="1000000") as asked:
        for name, request in _refused(asked.token).items():
            rows.append(await _memory(asked.site, asked.site.ports["WORKSPACE"], name, request))
    return rows


# --- memory -------------------------------------------------------------------------------------------------------


def _head(method: str, path: str, **headers: str) -> bytes:
    named = (f"{name.replace('_', '-')}: {value}" for name, value in headers.items())
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *named]).encode() + b"\r\n\r\n"


def _refused(token: str) -> Mapping[str, bytes]:
    """A request of each kind that is refused and leaves its connection open."""
    bearer = f"Bearer {token}"
    long = "x" * 500  # what would be kept alive
    login = _head("POST", "/api/auth/login", Content_Type="application/json", Content_Length="8")
    return {
        "no token": _head("GET", "/api/slots", X_Long=long),
        "a bad token": _head("GET", "/api/slots", Authorization=f"Bearer a.{long}.c"),
        "a bad service token": _head("GET", "/api/slots", Authorization=f"Bearer ottb_st_x_{40 * '0'}"),
        "an unknown call": _head("GET", "/api/call/c_unknown", Authorization=bearer, X_Long=long),
        "an unknown path": _head("GET", f"/{long}"),
        "a bad login": login + b'{"a": 1}',
    }


def _login(body: bytes) -> bytes:
    return _head("POST", "/api/auth/login", Content_Type="application/json", Content_Length=str(len(body))) + body


async def _memory(site: Served, port: int, name: str, request: bytes) -> Row:
    """Resident memory of both processes after all of them, against after the first few thousand."""
    await _send(port, request, WARM_UP)
    before = await _resident(site)
    began = time.perf_counter()
    await _send(port, request, COUNT)
    speed = COUNT / (time.perf_counter() - began)
    after = await _resident(site)
    ours, other = f"{after / 2**20:.1f} MB", f"before {before / 2**20:.1f} MB"
    return Row(f"{COUNT:,} refused ({name}, {speed:.0f}/s)", ours, other, after / before, "<= 1.1")


async def _resident(site: Served) -> int:
    await asyncio.sleep(1.0)
    return sum(psutil.Process(process.pid).memory_info().rss for process in site.processes.values())


async def _send(port: int, request: bytes, count: int) -> None:
    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // CONNECTIONS // PIPELINED):
            await _ask(reader, writer, request, PIPELINED)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, count: int) -> None:
    """So many in one go, each of which is refused."""
    writer.write(request * count)
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 4"), head
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))


# --- how long others wait -----------------------------------------------------------------------------------------


def _attacks(port: int, token: str) -> Mapping[str, Attack]:
    bomb = _head("POST", "/api/auth/login", Content_Encoding="gzip", Content_Length=str(len(BOMB))) + BOMB
    tiny = _head("POST", "/api/auth/login", Content_Type="application/json", Transfer_Encoding="chunked") + TINY
    unknown = _head("GET", "/api/call/c_unknown", Authorization=f"Bearer {token}")
    large = [_login(body) for body in LARGE]
    figures = _head("GET", "/metrics", Authorization=f"Bearer {token}", Connection="close")

    async def once(request: bytes) -> None:
        """One request on a connection of its own, to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            await reader.read()
        except ConnectionError:  # it was closed before all of it was sent
            pass
        finally:
            writer.close()
        await asyncio.sleep(0.1)

    async def many(request: bytes) -> None:
        """As many as are answered, on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                await _ask(reader, writer, request, PIPELINED)
        finally:
            writer.close()

    async def one_by_one(requests: Sequence[bytes]) -> None:
        """Each when the one before it is answered, on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for request in itertools.cycle(requests):
                await _ask(reader, writer, request, 1)
        finally:
            writer.close()

    return {
        "requests without a token": lambda: many(_head("GET", "/api/slots")),
        "requests for unknown calls": lambda: many(unknown),
        "bodies in chunks of one byte": lambda: once(tiny),
        "compressed bodies of 1 MB": lambda: once(bomb),
        "bodies of 60 KB that cannot be read": lambda: one_by_one(large),
        "/metrics": lambda: once(figures),
    }


async def _waiting(session: aiohttp.ClientSession, url: str, name: str, port: int, token: str) -> Row:
    """Of others, while attackers in a process of their own do this again and again."""

    async def attacked() -> float:
        async with process(*python("-m", "bench.refusals", name, str(port), token)) as attacker:
            await asyncio.sleep(BEGUN)
            took = await p95(session, url)
            assert attacker.returncode is None, "the attackers gave up"
            return took

    under, quiet, ratio = await compared(attacked, lambda: p95(session, url), rounds=ROUNDS)
    return Row(
        f"others' p95 while {ATTACKERS} send {name}", f"{under:.1f} ms", f"quiet {quiet:.1f} ms", ratio, "<= 2.0"
    )


async def _attack(name: str, port: int, token: str) -> None:
    attack = _attacks(port, token)[name]

    async def again_and_again() -> None:
        while True:
            await attack()

    await asyncio.gather(*(again_and_again() for _ in range(ATTACKERS)))


if __name__ == "__main__":
    asyncio.run(_attack(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
