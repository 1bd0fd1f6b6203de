"""What others feel of one user who reads lists, tables and figures without end."""

import asyncio
import sys
from pathlib import Path

import aiohttp

from actors.settings import Http
from bench.gateway import ready, serving, token_of
from bench.others import p95
from bench.parts import process, python
from bench.table import Row, compared

PAUSE = 0.04  # seconds between two requests of one of the others, who are one user and have their bound, too
READERS, BEGUN = 50, 1.0  # connections; seconds until all of them are at it
ROWS = 500
ROUNDS = 3
BOUNDS = {
    "OTTB_AUTH__CHANGE_AT_FIRST_LOGIN": "false", "OTTB_HTTP__LOOKS_PER_SECOND": str(Http().looks_per_second)
}  # fmt: skip
READ = {
    "the audit as CSV": f"/api/audit?format=csv&limit={ROWS}",
    "the audit as JSON": f"/api/audit?limit={ROWS}",
    "the figures": "/metrics",
    "one slot": "/api/slots/44",
}


async def measure(folder: Path) -> list[Row]:
    place = folder / "reading"
    place.mkdir()
    async with serving(place, **BOUNDS) as site, aiohttp.ClientSession() as session:
        at = f"http://127.0.0.1:{site.ports['WORKSPACE']}"
        session.headers["Authorization"] = f"Bearer {await token_of(session, site.ports['POINT'])}"
        await ready(session, f"{at}/api/slots/44")
        token = await _administrator(at, (place / "state" / "admin-password").read_text().strip())
        return [await _waiting(session, at, name, token) for name in READ]


async def _administrator(at: str, password: str) -> str:
    """Their token, once the audit has as many rows as are read."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{at}/api/auth/login", json={"username": "admin", "password": password}) as answer:
            token = str((await answer.json())["token"])
        session.headers["Authorization"] = f"Bearer {token}"
        for number in range(ROWS // 2):
            async with session.post(f"{at}/api/tokens", json={"name": f"n{number}", "actions": ["call.view"]}) as made:
                id = (await made.json())["id"]
            async with session.delete(f"{at}/api/tokens/{id}") as ended:
                assert ended.status == 200
        for path in READ.values():
            async with session.get(f"{at}{path}") as answer:
                assert answer.status == 200, (path, await answer.text())
    return token


async def _waiting(session: aiohttp.ClientSession, at: str, name: str, token: str) -> Row:
    async def while_read() -> float:
        async with process(*python("-m", "bench.readers", at + READ[name], token)) as reader:
            await asyncio.sleep(BEGUN)
            took = await p95(session, f"{at}/api/slots/44", PAUSE)
            assert reader.returncode is None, "the reader gave up"
            return took

    under, quiet, ratio = await compared(while_read, lambda: p95(session, f"{at}/api/slots/44", PAUSE), rounds=ROUNDS)
    return Row(
        f"others' p95 while one user reads {name} on {READERS} connections", f"{under:.1f} ms", f"quiet {quiet:.1f} ms",
        ratio, "<= 2.0",
    )  # fmt: skip


async def _read(url: str, token: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def again_and_again() -> None:
            while True:
                async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                    await answer.read()
                    assert answer.status in (200, 429)

        await asyncio.gather(*(again_and_again() for _ in range(READERS)))


if __name__ == "__main__":
    asyncio.run(_read(sys.argv[1], sys.argv[2]))
