"""What it costs to watch a host's phones: 200 virtual ones over a real adb server, idle, with all that is measured.

The host is a whole one; nothing else is asked of it meanwhile. Messages are counted by the server itself, over a span
in which minutes go into the stream and the records.
"""

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from actors.adapters.adb import AdbClient
from actors.adapters.nats_bus import connect
from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.settings import Nats
from actors.runtime.wire import ask
from bench.parts import adb_server, free_port, nats_server, process, python
from bench.table import Row
from bus_schemas.errors import Refusal
from bus_schemas.monitor import FIGURES_SCOPE, ON_HOST, FiguresOnHost, read_figures
from bus_schemas.permissions import Action

PHONES = 200
SPAN = 90.0  # seconds; with a minute's end in it at least once
SETTLE = 20.0  # seconds after the last phone has come
START = 120.0
CORE, MESSAGES = 0.10, 60.0  # of a core, and a second
SETTINGS = """\
state_dir = "{state}"
[nats]
port = {port}
[log]
level = "critical"
"""
SLOT = '[[slots]]\nid = {id}\nserial = "127.0.0.1:{port}"\nregion = "UA"\n'


async def measure(folder: Path) -> list[Row]:
    state, monitor = folder / "watched", free_port()
    (state / "adb").mkdir(parents=True)
    ports = [free_port() for _ in range(PHONES)]
    config = folder / "watched.toml"
    slots = "".join(SLOT.format(id=id, port=port) for id, port in enumerate(ports, 1))
    more = f'http: "127.0.0.1:{monitor}"\n'
    fleet = {"OTTB_SANDBOX__CONTROL_PORT": str(free_port()), "OTTB_SANDBOX__CONTROL_SECRET": "bench"}
    async with nats_server(folder, more) as port:
        await asyncio.to_thread(config.write_text, SETTINGS.format(state=state, port=port) + slots)
        phones = python("-m", "simulators.phone.main", "--config", str(config))
        async with process(*phones, **fleet), adb_server(state / "adb") as place:
            await _plug(AdbClient(place), ports)
            bus = await connect(Nats(port=port), name="bench", on_closed=lambda: None)
            host = await asyncio.create_subprocess_exec(
                *python("-m", "actors.main", "--config", str(config)), env=dict(os.environ)
            )
            try:
                online = await _all_online(bus)
                await asyncio.sleep(SETTLE)
                rows = await _watch(psutil.Process(host.pid), monitor, bus, online)
            finally:
                host.send_signal(signal.SIGTERM)
                await host.wait()
                await bus.close()
    return rows


async def _plug(client: AdbClient, ports: Sequence[int]) -> None:
    """Connect each phone, as a cable does."""
    for port in ports:
        async with asyncio.timeout(20):
            while "connected" not in await client.connect(f"127.0.0.1:{port}"):
                await asyncio.sleep(0.2)


async def _all_online(bus: Bus) -> int:
    """How many phones have come, once all have or nobody waits any longer."""
    context = Context(command_id="bench", actions=frozenset(map(str, Action)))
    online = 0
    give_up = asyncio.get_running_loop().time() + START
    while online < PHONES and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(1)
        try:
            online = (await ask(bus, ON_HOST, FiguresOnHost(host="local"), context)).slots_online
        except Refusal:
            continue
    return online


async def _watch(host: psutil.Process, monitor: int, bus: Bus, online: int) -> list[Row]:
    async def spent() -> tuple[float, int, int]:
        varz = await asyncio.to_thread(_varz, monitor)
        times = host.cpu_times()
        return times.user + times.system, varz["in_msgs"], varz["out_msgs"]

    before, begun = await spent(), asyncio.get_running_loop().time()
    await asyncio.sleep(SPAN)
    after, seconds = await spent(), asyncio.get_running_loop().time() - begun
    core, said, heard = ((now - then) / seconds for now, then in zip(after, before, strict=True))
    entry = await bus.figures.last(FIGURES_SCOPE)
    size = len(entry.data) / 1024 if entry is not None else 0.0
    things = len(read_figures(entry.data).things) if entry is not None else 1
    return [
        Row(f"watching {online} phones", f"{100 * core:.1f} % of a core", "one core", core, f"<= {CORE}"),
        Row(
            "its messages to the bus", f"{said:.0f}/s, {heard:.0f}/s back", f"{MESSAGES:.0f}/s", said / MESSAGES,
            "<= 1.0",
        ),
        Row("phones in an entry", f"{things - 1} in {size:.0f} kB", f"{PHONES}", (things - 1) / PHONES, ">= 1.0"),
    ]  # fmt: skip


def _varz(monitor: int) -> Any:  # any: JSON of the server
    with urllib.request.urlopen(f"http://127.0.0.1:{monitor}/varz", timeout=5) as answer:
        return json.load(answer)
