"""`GET /api/slots/:id` through gateway, bus and actor, against bare aiohttp with one request to an echo."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import aiohttp

from bench.parts import free_port, nats_server, process, python
from bench.table import Row, rate

CLIENTS = 64
COUNT = 4000
ROUNDS = 5


async def measure(folder: Path) -> list[Row]:
    state, config = folder / "state", folder / "one.toml"
    phone = free_port()
    config.write_text(f'[[slots]]\nid = 44\nserial = "127.0.0.1:{phone}"\nregion = "UA"\nuser = "op12"\n')
    async with AsyncExitStack() as stack:
        nats_port = await stack.enter_async_context(nats_server(folder))
        ports = {name: free_port() for name in ("POINT", "DCI", "OTTB", "WORKSPACE")}
        env = {f"OTTB_HTTP__{name}_PORT": str(port) for name, port in ports.items()}
        env |= {"OTTB_NATS__PORT": str(nats_port), "OTTB_STATE_DIR": str(state)}
        for module in ("actors.main", "gateway.main"):
            await stack.enter_async_context(process(*python("-m", module, "--config", str(config)), **env))
        floor_port = free_port()
        floor = python("-m", "bench.floor", str(nats_port), str(floor_port))
        for role in ("echo", "http"):
            await stack.enter_async_context(process(*floor, role))
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        token = await _token(session, ports["POINT"])
        session.headers["Authorization"] = f"Bearer {token}"
        ours_url = f"http://127.0.0.1:{ports['OTTB']}/api/slots/44"
        floor_url = f"http://127.0.0.1:{floor_port}/api/slots/44"
        for url in (ours_url, floor_url):
            await _ready(session, url)
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


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await _get(session, url)
                return
            except (aiohttp.ClientError, AssertionError):
                await asyncio.sleep(0.1)


async def _token(session: aiohttp.ClientSession, port: int) -> str:
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
