"""How long a sandbox takes to be up: the first time, the second, and with a million entries in its journal; and what
work a command is before it does anything."""

import asyncio
import re
import resource
import subprocess
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median, median_low

import nats

from actors.runtime.bus import ID
from actors.runtime.settings import Nats
from actors.settings import Settings
from bench.journal import OWNERS, SLOTS, _call, entry_of
from bench.parts import START_SECONDS, cpu_seconds, free_port, process, python, until_nats_answers
from bench.soak import bearer, sandbox
from bench.table import Row
from cli.site.children import children
from cli.site.nats_conf import CONF
from ottb_client import Client

FIRST, AGAIN, FULL = 15.0, 2.0, 3.0  # seconds that are promised
COMMAND = 0.25  # the same
ENTRIES, AT_ONCE = 1_000_000, 2_000
ROUNDS = 5
FOLDED_WITHIN = 300.0  # seconds
COMMANDS = (["--help"], ["slot", "--help"], ["doctor", "--help"], ["pipeline", "run", "--help"])
BEHIND = re.compile(r'^ottb_records_behind\{.*records="(\w+)".*\} ([0-9.e+]+)$', re.MULTILINE)


async def measure(folder: Path) -> list[Row]:
    place = folder / "starts"
    place.mkdir()
    first, work = await _start(place)
    again = median_low([await _start(place) for _ in range(ROUNDS)])
    await _fill(place)
    async with sandbox(place) as (_, ports):
        await _records_are_there(place, ports["HTTP__WORKSPACE"])
    full = median_low([await _start(place) for _ in range(ROUNDS)])
    rows = [
        _row(f"a first start ({work:.1f} s of a core)", first, FIRST),
        _row(f"a second start ({again[1]:.1f} s of a core)", again[0], AGAIN),
        _row(f"a start with {ENTRIES:,} entries ({full[1]:.1f} s of a core)", full[0], FULL),
    ]
    return rows + [_row(f"ottb {' '.join(words)}, of a core", _work_of(words), COMMAND) for words in COMMANDS]


def _row(name: str, seconds: float, promised: float) -> Row:
    return Row(name, f"{seconds:.2f} s", f"promised {promised:g} s", seconds / promised, "<= 1.0")


async def _start(folder: Path) -> tuple[float, float]:
    """Until the sandbox says that it is up, and how much of a core that took."""
    (folder / "up.log").unlink(missing_ok=True)
    began = time.perf_counter()
    async with sandbox(folder) as (top, _):
        seconds = time.perf_counter() - began
        return seconds, sum(map(cpu_seconds, [top, *top.children(recursive=True)]))


def _work_of(words: list[str]) -> float:
    return median(_work_once(words) for _ in range(ROUNDS))


def _work_once(words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(python("-m", "cli.main", *words), stdout=subprocess.DEVNULL, check=True, timeout=START_SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _fill(folder: Path) -> None:
    """Put calls that are over into the journal of the site, which does not run: its own server, but for making sure of
    each entry, which would take an hour."""
    conf = folder / "filling.conf"
    conf.write_text(CONF.read_text().replace("sync_interval: always", 'sync_interval: "1m"'))
    settings = Settings(state_dir=str(folder / "state"), nats=Nats(port=free_port(), websocket_port=free_port()))
    server = children(settings, None)[0]
    async with process(server.argv[0], "-c", str(conf), **server.env):
        await until_nats_answers(settings.nats.port)
        connected = await nats.connect(
            settings.nats.address, user="core", password=server.env["OTTB_NATS_CORE_PASSWORD"],
            inbox_prefix=b"_INBOX_core",
        )  # fmt: skip
        entries = _entries()
        while group := list(islice(entries, AT_ONCE)):
            for subject, data, headers in group[:-1]:
                await connected.publish(subject, data, headers=headers)
            subject, data, headers = group[-1]
            await connected.jetstream().publish(subject, data, headers=headers, timeout=START_SECONDS)
        await connected.close()


def _entries() -> Iterator[tuple[str, bytes, dict[str, str]]]:
    events = (event for number in range(ENTRIES) for event in _call(number, number % SLOTS + 1, None))
    for place, event in enumerate(islice(events, ENTRIES)):
        yield *entry_of(event), {ID: f"bench-{place}", **OWNERS}


async def _records_are_there(folder: Path, port: int) -> None:
    """Wait until the ledger has all of it."""
    async with Client(f"http://127.0.0.1:{port}") as client:
        await client.login("admin", (folder / "state" / "admin-password").read_text().strip())
        async with asyncio.timeout(FOLDED_WITHIN):
            while "ledger" not in (behind := await _behind(client)) or max(behind.values()) > 0:
                await asyncio.sleep(1.0)


async def _behind(client: Client) -> dict[str, float]:
    async with client.session.get(f"{client.url}/metrics", headers=await bearer(client)) as answer:
        return {name: float(behind) for name, behind in BEHIND.findall(await answer.text())}
