"""How long others wait over HTTP while one user of the bus sends as much as the server takes, and comes back for more.

The same requests with nobody else there, in the same run, are what it is compared with.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp

from actors.settings import Settings, load
from bench.gateway import token_of
from bench.parts import free_port, process, python, until_nats_answers
from bench.table import Row
from cli.site.children import children

CLIENTS = 8
PAUSE = 0.03  # seconds between two requests of one client
WRITE_PAUSE = 0.1
SECONDS = 10.0  # of one round: as long as who has flooded stays out, so that each has one flood in its beginning
ROUNDS = 3
AT_ONCE = 16  # logins
NAME, SECRET = "op12", "secure-1234"
FLOODS = {
    "door": "PUB ottb.v1.own.{user}.cmd.call.start _INBOX.u.{user}.1 32\r\n" + "x" * 32 + "\r\n",
    "refused": "PUB ottb.v1.evt.call.x.ended _INBOX.u.{user}.1 32\r\n" + "x" * 32 + "\r\n",
    "subscriptions": "SUB _INBOX.u.{user}.1 1\r\nUNSUB 1\r\n",
    "pings": "PING\r\n",
}
WHAT = {
    "door": "one bus user floods the door",
    "refused": "one bus user floods what is not theirs",
    "subscriptions": "one bus user subscribes in a loop",
    "pings": "one bus user pings in a loop",
    "logins": "one bus user logs in in a loop",
    "strangers": "strangers try passwords on the bus",
}


@dataclass(frozen=True)
class Times:
    """Milliseconds that requests took."""

    reads: list[float]
    writes: list[float]


async def measure(folder: Path) -> list[Row]:
    async with _site(folder / "overload") as site:
        rows = []
        for kind, what in WHAT.items():
            quiet, loud = [], []
            for number in range(ROUNDS):
                user = f"greedy-{kind}-{number}"  # who was cut in an earlier round would stay out
                await site.create(user)
                quiet.append(await _round(site))
                flood = python("-m", "bench.bus_overload", str(site.nats_port), kind, user)
                async with process(*flood):
                    loud.append(await _round(site))
            rows.append(_row(f"GET, {what}", [one.reads for one in loud], [one.reads for one in quiet]))
            rows.append(_row(f"PATCH, {what}", [one.writes for one in loud], [one.writes for one in quiet]))
        return rows


def _row(name: str, loud: list[list[float]], quiet: list[list[float]]) -> Row:
    ratio = median(_p95(one) / _p95(two) for one, two in zip(loud, quiet, strict=True))
    longest = median(max(one) for one in loud)
    ours = f"{median(map(_p95, loud)):.1f} ms, longest {longest:.0f}"
    return Row(f"HTTP p95 of {name}", ours, f"nobody does {median(map(_p95, quiet)):.1f} ms", ratio, "<= 2")


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


async def _round(site: "_Site") -> Times:
    times = Times([], [])
    over = time.perf_counter() + SECONDS

    async def client(work: Callable[[], Awaitable[object]], pause: float, into: list[float]) -> None:
        while time.perf_counter() < over:
            began = time.perf_counter()
            await work()
            into.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(pause)

    readers = (client(site.read, PAUSE, times.reads) for _ in range(CLIENTS))
    await asyncio.gather(*readers, client(site.write, WRITE_PAUSE, times.writes))
    return times


class _Site:
    """The site and its two askers: `read` looks at a slot, `write` changes a user, which is put on record."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession, reader: str, admin: str) -> None:
        self.nats_port = settings.nats.port
        self._slot = f"http://127.0.0.1:{settings.http.ottb_port}/api/slots/44"
        self._users = f"http://127.0.0.1:{settings.http.point_port}/api/users"
        self._session = session
        self._reader = {"Authorization": f"Bearer {reader}"}
        self._admin = {"Authorization": f"Bearer {admin}"}
        self._writes = itertools.count()

    async def create(self, user: str) -> None:
        body = {"username": user, "password": SECRET, "role": "operator", "must_change_password": False}
        async with self._session.post(self._users, json=body, headers=self._admin) as answer:
            assert answer.status == 201, await answer.text()

    async def read(self) -> None:
        async with self._session.get(self._slot, headers=self._reader) as answer:
            await answer.read()
            assert answer.status == 200

    async def write(self) -> None:
        body = {"email": f"a{next(self._writes)}@example.com"}
        async with self._session.patch(f"{self._users}/op13", json=body, headers=self._admin) as answer:
            assert answer.status == 200, await answer.text()


def _settings(folder: Path) -> tuple[Settings, Path, dict[str, str]]:
    """One slot, on free ports; with the file and the environment that say so."""
    (folder / "state" / "log").mkdir(parents=True)
    config = folder / "one.toml"
    config.write_text(f'[[slots]]\nid = 44\nserial = "127.0.0.1:{free_port()}"\nregion = "UA"\nuser = "{NAME}"\n')
    ports = ("HTTP__POINT_PORT", "HTTP__DCI_PORT", "HTTP__OTTB_PORT", "HTTP__WORKSPACE_PORT", "ADB__PORT",
             "NATS__PORT", "NATS__WEBSOCKET_PORT")  # fmt: skip
    env = {f"OTTB_{name}": str(free_port()) for name in ports} | {"OTTB_STATE_DIR": str(folder / "state")}
    return load(config=config, environment=env), config, env


@asynccontextmanager
async def _site(folder: Path) -> AsyncIterator[_Site]:
    """The bus, one actor host and one gateway, as `ottb up` starts them."""
    settings, config, env = _settings(folder)
    async with AsyncExitStack() as stack:
        for child in children(settings, config):
            if child.name in ("nats-server", "actors", "gateway"):
                await stack.enter_async_context(process(*child.argv, **(env | dict(child.env))))
                await until_nats_answers(settings.nats.port)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        reader = await token_of(session, settings.http.point_port)
        login = {"username": "admin", "password": (settings.state / "admin-password").read_text().strip()}
        async with session.post(f"http://127.0.0.1:{settings.http.point_port}/api/auth/login", json=login) as answer:
            site = _Site(settings, session, reader, (await answer.json())["token"])
        await site.create("op13")
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(AssertionError, aiohttp.ClientError):
                    await site.read()
                    break
                await asyncio.sleep(0.1)
        yield site


async def _flood(port: int, kind: str, user: str) -> None:
    """Send as fast as the server takes it; come back at once when cut."""
    lines = FLOODS.get(kind, "").format(user=user).encode() * 500
    password = SECRET if kind != "strangers" else "wrong"

    async def one() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            options = {"user": user, "pass": password, "verbose": False, "pedantic": False}
            writer.write(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
            eating = asyncio.get_running_loop().create_task(_until_let_in(reader, ever=bool(lines)))
            with contextlib.suppress(OSError):
                while lines and not eating.done():
                    writer.write(lines)
                    await writer.drain()
            await eating
            writer.close()

    async def for_ever() -> None:
        while True:
            await one()

    await asyncio.gather(*(for_ever() for _ in range(1 if lines else AT_ONCE)))


async def _until_let_in(reader: asyncio.StreamReader, *, ever: bool) -> None:
    """Read what the server says: to the end, or until it has let us in."""
    with contextlib.suppress(OSError):
        while (said := await reader.read(65536)) and (ever or b"PONG" not in said):
            pass


if __name__ == "__main__":
    asyncio.run(_flood(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
