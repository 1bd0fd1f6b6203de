"""A list of 100,000 leads from the upload to the last lead on record, on a site of one gateway and one host; and what
of that is reading it: the same list, read alone by a process of the same kind."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from actors.adapters.list_reader import Apart
from actors.dialing.settings import Dial
from actors.dialing.site_rules import rules_of
from bench.gateway import asking
from bench.table import Row

LEADS = 100_000
GOAL = 10.0  # seconds
IMPORTS = "/api/autodialer/imports"


def table(leads: int) -> bytes:
    """A list as a spreadsheet of a Ukrainian office writes it."""
    lines = ("Телефон;ПІБ;Місто", *(f"0{990_000_000 + at};Олена Петренко {at};Київ" for at in range(leads)))
    return "\r\n".join(lines).encode("cp1251")


async def measure(folder: Path) -> list[Row]:
    data = table(LEADS)
    alone = await _read(data)
    async with asking(folder / "imports") as asked:
        password = (folder / "imports" / "state" / "admin-password").read_text().strip()
        login = {"username": "admin", "password": password}
        url = f"http://127.0.0.1:{asked.site.ports['POINT']}/api/auth/login"
        async with asked.session.post(url, json=login) as answer:
            asked.session.headers["Authorization"] = f"Bearer {(await answer.json())['token']}"
        seconds, events = await _import(asked.session, f"http://127.0.0.1:{asked.site.ports['OTTB']}", data)
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return [
        Row(
            f"{LEADS:,} leads from upload to record", f"{seconds:.1f} s", f"read alone {alone:.1f} s, load {load:.1f}",
            seconds / GOAL, "<= 1.0",
        ),
        Row("updates of an import of that size", f"{events}", "rows of the list", events / LEADS, "<= 0.001"),
    ]  # fmt: skip


async def _read(data: bytes) -> float:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    began = time.perf_counter()
    async with Apart().open(pieces(), rules_of(Dial())) as file:
        found = await file.examine(None, count=False)
        assert sum([len(part.leads) async for part in file.parts(found.layout, found.mapping, 0)]) == LEADS
    return time.perf_counter() - began


async def _import(session: aiohttp.ClientSession, site: str, data: bytes) -> tuple[float, int]:
    """Seconds that it takes, and how often it was seen to have got further."""
    async with session.post(f"{site}/api/autodialer/campaigns", json={"campaign_id": "bench"}) as answer:
        assert answer.status == 201, await answer.text()
    seen, began = set[int](), time.perf_counter()
    query = {"campaign_id": "bench", "name": "leads.csv", "begin": "true"}
    async with session.post(f"{site}{IMPORTS}", params=query, data=data) as answer:
        made: dict[str, Any] = await answer.json()
        assert answer.status == 201, made
    while True:
        async with session.get(f"{site}{IMPORTS}/{made['import_id']}") as answer:
            found = await answer.json()
        seen.add(found["done"])
        if found["ended"] is not None:
            assert (found["status"], found["new"]) == ("finished", LEADS), found
            return time.perf_counter() - began, len(seen)
        await asyncio.sleep(0.05)
