"""`GET /api/slots/:id` through gateway, bus and actor, against bare aiohttp with one request to an echo."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp

from bench.parts import free_port, nats_server, process, python
from bench.table import Row, rate

CLIENTS = 64
COUNT = 4000
ROUNDS = 5


@dataclass(frozen=True)
class Served:
    """A gateway with its actors. `processes`: by the package that runs."""

    ports: Mapping[str, int]
    nats_port: int
    processes: Mapping[str, Process]


@dataclass(frozen=True)
class Asked:
    """A site, its user who is logged in, and what that one asks for."""

    site: Served
    session: aiohttp.ClientSession
    token: str
    url: str


@asynccontextmanager
async def serving(folder: Path, **more: str) -> AsyncIterator[Served]:
    """A site of one slot, 44 of op12, whose phone is absent. `more`: for its environment."""
    state, config = folder / "state", folder / "one.toml"
    phone = free_port()
    config.write_text(f'[[slots]]\nid = 44\nserial = "127.0.0.1:{phone}"\nregion = "UA"\nuser = "op12"\n')
    async with AsyncExitStack() as stack:
        nats_port = await stack.enter_async_context(nats_server(folder))
        ports = {name: free_port() for name in ("POINT", "DCI", "OTTB", "WORKSPACE")}
        env = {f"OTTB_HTTP__{name}_PORT": str(port) for name, port in ports.items()}
        env |= {"OTTB_NATS__PORT": str(nats_port), "OTTB_STATE_DIR": str(state)}
        env |= {"OTTB_HTTP__LOOKS_PER_SECOND": "1000000"}  # one user asks for all
        env |= more
        processes = {
            name: await stack.enter_async_context(
                process(*python("-m", f"{name}.main", "--config", str(config)), **env)
            )
            for name in ("actors", "gateway")
        }
        yield Served(ports, nats_port, processes)


@asynccontextmanager
async def asking(folder: Path, part: str = "OTTB", **more: str) -> AsyncIterator[Asked]:
    """Such a site in a folder of its own, once it answers. `part`: on whose port it is asked."""
    async with serving(_made(folder), **more) as site, aiohttp.ClientSession() as session:
        token = await token_of(session, site.ports["POINT"])
        session.headers["Authorization"] = f"Bearer {token}"
        url = f"http://127.0.0.1:{site.ports[part]}/api/slots/44"
        await ready(session, url)
        yield Asked(site, session, token, url)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def measure(folder: Path) -> list[Row]:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving(folder))
        floor_port = free_port()
        floor = python("-m", "bench.floor", str(site.nats_port), str(floor_port))
        for role in ("echo", "http"):
            await stack.enter_async_context(process(*floor, role))
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        token = await token_of(session, site.ports["POINT"])
        session.headers["Authorization"] = f"Bearer {token}"
        ours_url = f"http://127.0.0.1:{site.ports['OTTB']}/api/slots/44"
        floor_url = f"http://127.0.0.1:{floor_port}/api/slots/44"
        for url in (ours_url, floor_url):
            await ready(session, url)
        return await _compare(session, ours_url, floor_url)


async def _compare(session: aiohttp.ClientSession, ours_url: str, floor_url: str) -> list[Row]:
    ours, floor = [], []
    for _ in range(ROUNDS):
        ours.append(await rate(lambda: _get(session, ours_url), count=COUNT, at_once=CLIENTS))
        floor.append(await rate(lambda: _get(session, floor_url), count=COUNT, at_once=CLIENTS))
    speed, speed_floor = median(r for r, _ in ours), median(r for r, _ in floor)
    tail, tail_floor = median(p for _, p in ours), median(p for _, p in floor)
    ratios = [one / two for (one, _), (two, _) in zip(ours, floor, strict=True)]
    name = "GET /api/slots/:id, 64 clients"
    other = f"bare aiohttp + nats {speed_floor:.0f}/s"
    return [
        Row(name, f"{speed:.0f}/s", other, median(ratios), ">= 0.8"),
        Row(f"{name}, p99", f"{tail:.1f} ms", f"{tail_floor:.1f} ms", tail / tail_floor, "<= 1.3"),
    ]


async def _get(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as answer:
        await answer.read()
        assert answer.status == 200


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await _get(session, url)
                return
            except (aiohttp.ClientError, AssertionError):
                await asyncio.sleep(0.1)


async def token_of(session: aiohttp.ClientSession, port: int) -> str:
    async with asyncio.timeout(30):
        while True:
            try:
                login = {"username": "op12", "password": "1234"}
                async with session.post(f"http://127.0.0.1:{port}/api/auth/login", json=login) as answer:
                    if answer.status == 200:
                        return str((await answer.json())["token"])
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
