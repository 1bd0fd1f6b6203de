"""`make soak MINUTES=30`: a whole sandbox at work, and by how much each of its processes grows in an hour.

Calls are begun and ended, users log in and out, read and are refused, browsers come and go on Socket.IO, also without a
goodbye, and services on the bus. Meanwhile the memory, the descriptors and the asyncio tasks of each process are looked
at, and the state folder. After a warm-up, in which caches fill, the slope of each series is printed with the
half-width of its 95 % confidence interval: from means over equal parts of the time, so that what swings faster than
these does not count. A slope is MISSED where all of its interval lies above the goal: growth that is sure, not growth
that cannot be ruled out, which a short soak leaves much room for. What grows is what the goal says; the disk only
is printed, since there the calls are on record.
"""

import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import correlation, linear_regression, mean, stdev

import nats
import psutil
from yarl import URL

from bench.live import WEBSOCKET
from bench.parts import free_port, python
from ottb_client import ApiError, Client

PARTS = 12  # of the time, each with one mean
T_95 = 2.228  # Student's t for PARTS - 2 degrees of freedom, two-sided
WARM_UP = 0.25  # of the time, at the beginning
LOOK = 2.0  # seconds between two looks
START_SECONDS = 120.0
MB = 2**20
GOALS = {"memory": 1.0, "descriptors": 10.0, "tasks": 10.0}  # MB or pieces an hour
USER = ("op12", "1234")  # of the sandbox
PROCESSES = {
    "actors.main": "actors", "gateway.main": "gateway", "simulators.phone.main": "phones",
    "simulators.pbx.main": "pbx", "nats-server": "nats-server", "adb": "adb", "cli.main": "ottb up",
}  # fmt: skip
TASKS = {"ottb_host_tasks": "actors", "ottb_gateway_tasks": "gateway"}


# --- what is seen ---------------------------------------------------------------------------------------------------


@dataclass
class Series:
    """One figure over time. `points`: seconds, value."""

    points: list[tuple[float, float]] = field(default_factory=list)

    def after(self, share: float) -> "Series":
        """Without this share of the time, at the beginning."""
        return Series(self.points[int(len(self.points) * share) :])

    def slope(self) -> tuple[float, float]:
        """By how much it grows an hour, and the half-width of the 95 % confidence interval of that."""
        values = [value for _, value in self.points]
        if len(values) < 2 * PARTS or min(values) == max(values):
            return 0.0, 0.0 if len(values) >= 2 * PARTS else float("inf")
        size = len(self.points) / PARTS
        parts = [self.points[int(at * size) : int((at + 1) * size)] for at in range(PARTS)]
        times = [mean(when for when, _ in part) / 3600 for part in parts]
        means = [mean(value for _, value in part) for part in parts]
        if min(means) == max(means):
            return 0.0, 0.0
        slope = linear_regression(times, means).slope
        # Of the slope of a least-squares line: se = sd(y) / sd(x) * sqrt((1 - r^2) / (n - 2)).
        left = max(1 - correlation(times, means) ** 2, 0.0)
        return slope, T_95 * stdev(means) / stdev(times) * (left / (PARTS - 2)) ** 0.5


def kind_of(process: psutil.Process) -> str | None:
    """Which part of the site it is."""
    words = process.cmdline()
    for mark, kind in PROCESSES.items():
        if any(word == mark or Path(word).name == mark for word in words[:6]):
            return kind
    return None


class Watch:
    """Looks at the processes of one site. Those of one kind count together."""

    def __init__(self, top: psutil.Process, state: Path) -> None:
        self._top, self._state = top, state
        self.seen: dict[tuple[str, str], Series] = {}

    def look(self, when: float, tasks: dict[str, float]) -> None:
        found: Counter[tuple[str, str]] = Counter()
        for process in [self._top, *self._top.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if (kind := kind_of(process)) is not None:
                    found[kind, "memory"] += process.memory_info().rss
                    found[kind, "descriptors"] += process.num_fds()
        found.update({(kind, "tasks"): int(count) for kind, count in tasks.items()})
        found["state folder", "disk"] = sum(one.stat().st_blocks * 512 for one in _files(self._state))
        for (kind, what), value in found.items():
            scaled = value / MB if what in ("memory", "disk") else float(value)
            self.seen.setdefault((kind, what), Series()).points.append((when, scaled))


def _files(folder: Path) -> list[os.DirEntry[str]]:
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _files(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                found.append(entry)
    return found


# --- what is done ---------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """What asks the site, and how often it has done each thing."""

    url: str
    bus: int
    done: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=lambda: random.Random(18))

    async def again(self, name: str, pause: float, once: Callable[[], Awaitable[object]]) -> None:
        """Do it for ever. What the site refuses is counted; what it does not answer at all ends the soak."""
        while True:
            try:
                await once()
                self.done[name] += 1
            except ApiError as error:
                self.done[f"{name}: {error.code}"] += 1
            await asyncio.sleep(pause * (0.5 + self.dice.random()))

    async def call(self, client: Client) -> None:
        answer = await client.start_call(number=f"+38050123{self.dice.choice(('0007', '0001', '2001'))}", slot="AUTO")
        await asyncio.sleep(1.0)
        await client.end_call(call_id=answer.call_id)

    async def log_in(self) -> None:
        async with Client(self.url) as client:
            await client.login(*USER)
            await client.refresh()
            await client.logout()

    async def read(self, client: Client) -> None:
        path = self.dice.choice(("/api/slots", "/api/calls/feed", "/api/dashboard", "/api/pbx/cdr", "/api/pbx/status"))
        async with client.session.get(self.url + path, headers=await bearer(client)) as answer:
            await answer.read()
            assert answer.status == 200, (path, answer.status)

    async def watch(self, client: Client) -> None:
        """A browser that comes, hears two rooms and goes."""
        async with client.live() as live:
            await live.slots()
            await live.calls()
            await asyncio.sleep(self.dice.random())

    async def vanish(self) -> None:
        """A websocket that is cut off as it stands."""
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(self.url).port)
        writer.write(WEBSOCKET)
        await asyncio.wait_for(reader.read(1000), 10)
        writer.transport.abort()

    async def on_the_bus(self) -> None:
        client = await nats.connect(
            f"nats://127.0.0.1:{self.bus}", user="op12", password="1234", allow_reconnect=False, connect_timeout=10,
            inbox_prefix=b"_INBOX.u.op12",
        )  # fmt: skip
        await client.subscribe("ottb.v1.evt.slot.>")
        await client.close()

    async def be_refused(self, client: Client) -> None:
        """What is not there, not allowed, not well-formed, or not known."""
        known = await bearer(client)
        for method, path, headers, body in (
            ("GET", "/api/slots", {}, None), ("GET", "/api/slots", {"Authorization": "Bearer x.y.z"}, None),
            ("GET", "/api/nothing", {}, None), ("POST", "/api/call/start", known, b"{"),
            ("POST", "/api/call/end", known, b'{"call_id": "c_none"}'), ("GET", "/api/slots/9999", known, None),
        ):  # fmt: skip
            async with client.session.request(method, self.url + path, headers=headers, data=body) as answer:
                await answer.read()
                assert 400 <= answer.status < 500, (path, answer.status)


async def bearer(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {await client.fresh_token()}"}


async def tasks_now(client: Client) -> dict[str, float]:
    """The asyncio tasks of host and gateway, as they count them."""
    async with client.session.get(f"{client.url}/metrics", headers=await bearer(client)) as answer:
        said = await answer.text()
    found = re.findall(r"^(\w+)(?:\{[^}]*\})? ([0-9.e+]+)$", said, re.MULTILINE)
    return {TASKS[name]: float(value) for name, value in found if name in TASKS}


# --- all of it ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def sandbox(folder: Path) -> AsyncIterator[tuple[psutil.Process, dict[str, int]]]:
    """`ottb up` with the sandbox's own settings, in this folder and on free ports. Gives its process and the ports."""
    names = ("HTTP__POINT", "HTTP__DCI", "HTTP__OTTB", "HTTP__WORKSPACE", "NATS_", "NATS__WEBSOCKET",
             "SANDBOX__CONTROL", "SANDBOX__PBX", "SANDBOX__PBX_CONTROL", "SANDBOX__SIP")  # fmt: skip
    ports = {name: free_port() for name in names}
    env = {f"OTTB_{name}_PORT": str(port) for name, port in ports.items()}
    env |= {"OTTB_STATE_DIR": str(folder / "state"), "OTTB_SANDBOX__ASTERISK": "false"}
    said = folder / "up.log"
    with said.open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            *python("-m", "cli.main", "up", "--config", "config/sandbox.toml"), stdout=log, stderr=log,
            env={**os.environ, **env},
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_SECONDS):
                while "is up in" not in said.read_text():
                    if running.returncode is not None:
                        sys.exit(f"the sandbox has not started:\n{said.read_text()}")
                    await asyncio.sleep(0.1)
            yield psutil.Process(running.pid), ports
        finally:
            if running.returncode is None:
                running.send_signal(signal.SIGINT)
                await running.wait()


async def soak(folder: Path, seconds: float) -> tuple[Watch, Load]:
    async with sandbox(folder) as (top, ports), Client(f"http://127.0.0.1:{ports['HTTP__WORKSPACE']}") as client:
        await client.login("admin", (folder / "state" / "admin-password").read_text().strip())
        load, watch = Load(url=client.url, bus=ports["NATS_"]), Watch(top, folder / "state")
        work: list[tuple[str, float, Callable[[], Awaitable[object]]]] = [
            ("call", 1.0, lambda: load.call(client)), ("call", 1.0, lambda: load.call(client)),
            ("login", 2.0, load.log_in), ("read", 0.1, lambda: load.read(client)),
            ("browser", 1.0, lambda: load.watch(client)), ("cut off", 0.5, load.vanish),
            ("bus", 2.0, load.on_the_bus), ("refused", 0.5, lambda: load.be_refused(client)),
        ]  # fmt: skip
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(load.again(*one)) for one in work]
            began = time.monotonic()
            for look in itertools.count(1):
                watch.look(time.monotonic() - began, await tasks_now(client))
                if look * LOOK >= seconds:
                    break
                await asyncio.sleep(max(began + look * LOOK - time.monotonic(), 0))
                if look * LOOK % 60 < LOOK:
                    print(f"soak: {look * LOOK / 60:.0f} of {seconds / 60:.0f} minutes", flush=True)
            for task in tasks:
                task.cancel()
        return watch, load


def report(watch: Watch, load: Load) -> bool:
    """Print all that was seen. Returns whether nothing grows for sure."""
    print("\ndone: " + ", ".join(f"{name} {count}" for name, count in sorted(load.done.items())))
    print(f"\n{'what':<26}{'first':>10}{'last':>10}{'an hour':>12}{'+-':>10}  goal")
    flat = True
    for (kind, what), series in sorted(watch.seen.items()):
        kept = series.after(WARM_UP)
        slope, sure = kept.slope()
        goal = GOALS.get(what)
        missed = goal is not None and slope - sure > goal
        flat = flat and not missed
        unit = "MB" if what in ("memory", "disk") else "  "
        first, last = kept.points[0][1], kept.points[-1][1]
        print(f"{kind + ', ' + what:<26}{first:>8.1f}{unit}{last:>8.1f}{unit}{slope:>+10.2f}{unit}{sure:>10.2f}"
              f"  {'' if goal is None else f'<= {goal:g}'}{'   MISSED' if missed else ''}")  # fmt: skip
    return flat


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    with tempfile.TemporaryDirectory() as folder:
        watch, load = asyncio.run(soak(Path(folder), minutes * 60))
    sys.exit(0 if report(watch, load) else 1)


if __name__ == "__main__":
    main()
