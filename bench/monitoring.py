"""What it costs to watch a host's phones: virtual ones over real adb servers, idle, with all that is measured.

The host is a whole one; nothing else is asked of it meanwhile. Messages are counted by the server itself, over a span
in which minutes go into the stream and the records.
"""

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from actors.adapters.nats_bus import connect
from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.settings import Nats
from actors.runtime.wire import ask
from actors.settings import load
from bench.parts import adb_process, cpu_seconds, free_port, nats_server, process, python
from bench.table import Row
from bus_schemas.errors import Refusal
from bus_schemas.monitor import FIGURES_SCOPE, ON_HOST, FiguresOnHost, read_figures
from bus_schemas.permissions import Action

PHONES = 200
MORE = (500, 1000)
SPAN = 90.0  # seconds; with a minute's end in it at least once
SETTLE = 20.0  # seconds after the last phone has come
START = 240.0
CORE, MESSAGES = 0.10, 60.0  # of a core, and a second
FLAT = 1.25  # so much more than with PHONES may each phone cost
SETTINGS = """\
state_dir = "{state}"
[nats]
port = {port}
[log]
level = "critical"
"""
SLOT = '[[slots]]\nid = {id}\nserial = "127.0.0.1:{port}"\nregion = "UA"\n'


class Cost(Struct, frozen=True, kw_only=True):
    """What so many phones cost: `core` of a core for the host and `adb` for all adb servers, messages a second to the
    bus and back, and the entry of a minute in kB, with so many phones in it."""

    phones: int
    online: int
    servers: int
    core: float
    adb: float
    said: float
    heard: float
    size: float
    listed: int


async def measure(folder: Path) -> list[Row]:
    cost = await _cost(folder, PHONES)
    rows = [
        Row(
            f"watching {cost.online} phones", f"{100 * cost.core:.1f} % of a core", "one core", cost.core, f"<= {CORE}"
        ),
        Row(
            "its messages to the bus", f"{cost.said:.0f}/s, {cost.heard:.0f}/s back", f"{MESSAGES:.0f}/s",
            cost.said / MESSAGES, "<= 1.0",
        ),
        Row("phones in an entry", f"{cost.listed} in {cost.size:.0f} kB", f"{PHONES}", cost.listed / PHONES, ">= 1.0"),
    ]  # fmt: skip
    for phones in MORE:
        rows += _more(await _cost(folder, phones), cost)
    return rows


def _more(many: Cost, few: Cost) -> list[Row]:
    each, before = many.core / max(many.online, 1), few.core / max(few.online, 1)
    servers = f"{many.servers} adb servers ({100 * many.adb:.0f} % of a core)"
    said, share = f"{many.said:.0f}/s, {many.heard:.0f}/s back", MESSAGES * many.phones / PHONES
    return [
        Row(f"{many.phones} phones online", f"{many.online}, {servers}", f"{many.phones}", many.online / many.phones,
            ">= 1.0"),
        Row(f"each of {many.phones} phones", f"{1e6 * each:.0f} us/s, in all {100 * many.core:.1f} % of a core",
            f"{1e6 * before:.0f} us/s of {few.online}", each / before, f"<= {FLAT}"),
        Row("its messages to the bus", said, f"{share:.0f}/s", many.said / share, "<= 1.0"),
    ]  # fmt: skip


async def _cost(folder: Path, phones: int) -> Cost:
    state, monitor = folder / f"watched-{phones}", free_port()
    (state / "adb").mkdir(parents=True)
    config = folder / f"watched-{phones}.toml"
    slots = "".join(SLOT.format(id=id, port=free_port()) for id in range(1, phones + 1))
    more = f'http: "127.0.0.1:{monitor}"\n'
    fleet = {"OTTB_SANDBOX__CONTROL_PORT": str(free_port()), "OTTB_SANDBOX__CONTROL_SECRET": "bench"}
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(folder, more))
        await asyncio.to_thread(config.write_text, SETTINGS.format(state=state, port=port) + slots)
        servers = load(config=config, environment={}).adb_servers
        adb = [await stack.enter_async_context(adb_process(state / "adb", at)) for at in range(len(servers))]
        virtual = python("-m", "simulators.phone.main", "--config", str(config))
        await stack.enter_async_context(process(*virtual, **fleet))
        bus = await connect(Nats(port=port), name="bench", on_closed=lambda: None)
        stack.push_async_callback(bus.close)
        host = await asyncio.create_subprocess_exec(
            *python("-m", "actors.main", "--config", str(config)), env=dict(os.environ)
        )
        try:
            online = await _all_online(bus, phones)
            await asyncio.sleep(SETTLE)
            return await _watch(psutil.Process(host.pid), adb, monitor, bus, phones, online)
        finally:
            host.send_signal(signal.SIGTERM)
            await host.wait()


async def _all_online(bus: Bus, phones: int) -> int:
    """How many phones have come, once all have or nobody waits any longer."""
    context = Context(command_id="bench", actions=frozenset(map(str, Action)))
    online = 0
    give_up = asyncio.get_running_loop().time() + START
    while online < phones and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(1)
        try:
            online = (await ask(bus, ON_HOST, FiguresOnHost(host="local"), context)).slots_online
        except Refusal:
            continue
    return online


async def _watch(
    host: psutil.Process, adb: Sequence[psutil.Process], monitor: int, bus: Bus, phones: int, online: int
) -> Cost:
    async def spent() -> tuple[float, ...]:
        said = (await asyncio.to_thread(_shown, monitor, "varz"))["in_msgs"]
        return cpu_seconds(host), sum(map(cpu_seconds, adb)), said, await asyncio.to_thread(_heard, monitor)

    before, begun = await spent(), asyncio.get_running_loop().time()
    await asyncio.sleep(SPAN)
    after, seconds = await spent(), asyncio.get_running_loop().time() - begun
    core, servers, said, heard = ((now - then) / seconds for now, then in zip(after, before, strict=True))
    entry = await bus.figures.last(FIGURES_SCOPE)
    return Cost(
        phones=phones, online=online, servers=len(adb), core=core, adb=servers, said=said, heard=heard,
        size=len(entry.data) / 1024 if entry is not None else 0.0,
        listed=len(read_figures(entry.data).things) - 1 if entry is not None else 0,
    )  # fmt: skip


def _heard(monitor: int) -> int:
    """Messages that came to subscriptions. The server's own `out_msgs` counts some four times as many as are on the
    wire: also what it hands to itself."""
    connections = _shown(monitor, "connz?subs=detail")["connections"]
    return sum(one["msgs"] for each in connections for one in each.get("subscriptions_list_detail", ()))


def _shown(monitor: int, path: str) -> Any:  # any: JSON of the server
    with urllib.request.urlopen(f"http://127.0.0.1:{monitor}/{path}", timeout=5) as answer:
        return json.load(answer)
