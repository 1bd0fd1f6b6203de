"""How soon a Socket.IO client sees a line that a step of a pipeline has written, at ten and a thousand lines a second,
and how many lines a second it sees of a step that writes as fast as it can. The step stamps each line with the clock
that all processes of the machine share."""

import asyncio
import shlex
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bench.gateway import serving
from bench.table import Row

SEEN = 200.0  # ms in which a line is to be seen
SLOWLY, QUICKLY, FLOOD = 10, 1_000, 0  # lines a second; 0: as fast as it can
SECONDS = 10
LINES = 60_000  # of the flood: less than a step may write
START = 60.0  # seconds until the site serves
WRITER = """
import sys, time
rate, lines = int(sys.argv[1]), int(sys.argv[2])
began, out = time.monotonic(), sys.stdout
for number in range(lines):
    if rate and (wait := began + number / rate - time.monotonic()) > 0:
        out.flush()
        time.sleep(wait)
    out.write(f"{time.monotonic():.6f} a line of a build that says what it does, and to what\\n")
out.flush()
"""
DEFINITION = """
id = 7
name = "bench"
params = {{ rate = {{ type = "integer" }}, lines = {{ type = "integer" }} }}
[[steps]]
name = "write"
do = "run"
secrets = ["KEY"]
commands = ['''{command} "$PARAM_RATE" "$PARAM_LINES"''']
"""
OURS = {"OTTB_SECRET_KEY": "never-said", "OTTB_RUNNER__BUBBLEWRAP": "false"}


@dataclass
class Seen:
    """Lines as they came: how late each was (ms), and when the first and the last one did."""

    late: list[float] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, text: str) -> None:
        now = time.monotonic()
        self.first, self.last = self.first or now, now
        self.late += [1000 * (now - float(line.partition(" ")[0])) for line in text.splitlines() if line[0] != "["]

    @property
    def p99(self) -> float:
        return sorted(self.late)[int(len(self.late) * 0.99) - 1]

    @property
    def rate(self) -> float:
        return len(self.late) / (self.last - self.first)


async def measure(folder: Path) -> list[Row]:
    place = folder / "pipelines"
    place.mkdir()
    async with serving(place, **OURS) as site, aiohttp.ClientSession() as session:
        at = f"http://127.0.0.1:{site.ports['WORKSPACE']}"
        token = await _administrator(session, at, place / "state" / "admin-password")
        session.headers["Authorization"] = f"Bearer {token}"
        await _asked(session, f"{at}/api/dci/pipelines", text=_definition())
        slow, quick, flood = [
            await _seen(session, at, token, rate, lines)
            for rate, lines in ((SLOWLY, SLOWLY * SECONDS), (QUICKLY, QUICKLY * SECONDS), (FLOOD, LINES))
        ]
    goal = f"at most {SEEN:.0f} ms"
    return [
        Row("a step's line is seen, p99 at 10 lines/s", f"{slow.p99:.0f} ms", goal, slow.p99 / SEEN, "<= 1.0"),
        Row("a step's line is seen, p99 at 1,000 lines/s", f"{quick.p99:.0f} ms", goal, quick.p99 / SEEN, "<= 1.0"),
        Row("1,000 lines/s are seen as fast as they come", f"{quick.rate:.0f}/s", f"written {QUICKLY}/s",
            quick.rate / QUICKLY, ">= 0.98"),
        Row("lines that are seen of a step that floods", f"{flood.rate:.0f}/s", f"wanted {QUICKLY}/s",
            flood.rate / QUICKLY, ">= 5.0"),
    ]  # fmt: skip


def _definition() -> str:
    return DEFINITION.format(command=shlex.join([sys.executable, "-I", "-S", "-c", WRITER]))


def _text(file: Path) -> str:
    return file.read_text().strip()


async def _administrator(session: aiohttp.ClientSession, at: str, password: Path) -> str:
    """Their token, once the site serves."""
    async with asyncio.timeout(START):
        while True:
            try:
                body = {"username": "admin", "password": _text(password)}
                async with session.post(f"{at}/api/auth/login", json=body) as answer:
                    if answer.status == 200:
                        return str((await answer.json())["token"])
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.2)


async def _asked(session: aiohttp.ClientSession, url: str, **body: Any) -> Any:
    """What a POST is answered, once there is a runner."""
    async with asyncio.timeout(START):
        while True:
            async with session.post(url, json=body) as answer:
                found = await answer.json()
            if answer.status == 201:
                return found
            assert answer.status in (422, 503), found
            await asyncio.sleep(0.2)


async def _seen(session: aiohttp.ClientSession, at: str, token: str, rate: int, lines: int) -> Seen:
    seen = Seen()
    async with _listening(session, at, token, seen):
        parameters = {"rate": rate, "lines": lines}
        await _asked(session, f"{at}/api/dci/pipeline/7/run", parameters=parameters)
        async with asyncio.timeout(120):
            await seen.over.wait()
        async with asyncio.timeout(30):
            while len(seen.late) < lines:  # the last lines may come behind the news of the end
                await asyncio.sleep(0.05)
    assert len(seen.late) == lines
    return seen


@asynccontextmanager
async def _listening(session: aiohttp.ClientSession, at: str, token: str, seen: Seen) -> AsyncIterator[None]:
    """A client of the room `pipelines`, for as long as the block lasts."""
    url = f"{at}/socket.io/?EIO=4&transport=websocket"
    async with session.ws_connect(url, max_msg_size=0) as socket:
        await socket.send_str(f'40{{"token":"{token}"}}')
        await _said_by(socket, "40")
        await socket.send_str('421["subscribe:pipelines",{"pipeline":7}]')
        await _said_by(socket, "431")
        hearing = asyncio.create_task(_hear(socket, seen))
        try:
            yield
        finally:
            hearing.cancel()


async def _said_by(socket: aiohttp.ClientWebSocketResponse, beginning: str) -> None:
    async with asyncio.timeout(30):
        while not (said := await socket.receive_str()).startswith(beginning):
            assert not said.startswith("44"), said


async def _hear(socket: aiohttp.ClientWebSocketResponse, seen: Seen) -> None:
    async for message in socket:
        if message.data == "2":
            await socket.send_str("3")
        elif message.data.startswith("42"):
            name, payload = msgspec.json.decode(message.data[2:])
            if name == "pipeline.log":
                seen.take(payload["data"]["text"])
            elif payload["data"].get("change") == "ended":
                seen.over.set()
