"""Answers that nobody reads: they keep no turn of their user's."""

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from actors.runtime.files import PIECE, FileWriter
from actors.runtime.wire import Page
from bus_schemas.lead import EXPORT_LEADS, ExportLeads
from bus_schemas.script import RUN_SCREEN, GetRun, KeptFile
from gateway import pace
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving

PIECES, ROWS, PAGES = 40, 1000, 40
WHOLE = 15 << 20  # bytes that both have at least: more than kernels take for somebody who reads nothing
FILE, TABLE = "/api/gacs/runs/gacs_1/screenshot", "/api/autodialer/campaigns/c/export?format=csv"


async def kept(request: GetRun, context: Context) -> KeptFile:
    return KeptFile(script_id="gacs_1", key="k", pieces=PIECES, type="image/png", name="x.png")


async def exported(request: ExportLeads, context: Context) -> Page:
    number = int(request.cursor or "0") + 1
    rows = [{"lead_id": f"l{row}", "name": "x" * 400} for row in range(ROWS)]
    return Page(body=rows, next_cursor=str(number) if number < PAGES else None)


@pytest.mark.parametrize("path", [FILE, TABLE], ids=["a file", "a table"])
async def test_who_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    given_up, write = asyncio.Event(), pace.write

    async def watched(response: web.StreamResponse, piece: bytes) -> None:
        try:
            await write(response, piece)
        except TimeoutError:
            given_up.set()
            raise

    monkeypatch.setattr(pace, "READ_SECONDS", 0.3)
    monkeypatch.setattr(pace, "write", watched)
    broker = MemoryBroker(clock=SystemClock())
    file = FileWriter(MemoryBus(broker), "k")
    for _ in range(PIECES):
        await file.add(bytes(PIECE))
    await file.finish()
    lines: dict[Any, Any] = {RUN_SCREEN: kept, EXPORT_LEADS: exported}
    async with serving(broker, lines), gateway_on(MemoryBus(broker), per_second=1e6) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.listener.port, limit=1)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            got = len(await reader.readexactly(12))  # it has begun
            await given_up.wait()
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(1 << 16):
                    got += len(piece)
                    if got >= WHOLE:
                        break
        writer.close()
    print(f"of {WHOLE >> 20} MB that nobody read for a while: {got >> 10} kB, then cut off")
    assert got < WHOLE
