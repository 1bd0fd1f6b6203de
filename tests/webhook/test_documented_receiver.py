"""The receiver in docs/webhooks.md, as it stands there, and the one of the command line."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from actors.runtime.signature import EVENT_ID, SIGNATURE, sign
from bench.parts import free_port
from tests.support.site import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_test"
BODY = b'{"id": "7", "event": "call.ended", "data": {"number": "\\u001b[2J"}}'


@asynccontextmanager
async def process(*command: str, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"OTTB_WEBHOOK_SECRET": SECRET} | more, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        yield running
    finally:
        running.terminate()
        await running.wait()


async def post(url: str, body: bytes, header: str, event_id: str = "7") -> int:
    give_up = time.monotonic() + 20
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                headers = {SIGNATURE: header, EVENT_ID: event_id}
                async with session.post(url, data=body, headers=headers) as answer:
                    return answer.status
            except aiohttp.ClientConnectionError:
                assert time.monotonic() < give_up, "it does not listen"
                await asyncio.sleep(0.05)


async def line(running: asyncio.subprocess.Process) -> str:
    assert running.stdout is not None
    return (await asyncio.wait_for(running.stdout.readline(), PATIENCE)).decode().rstrip("\n")


async def test_the_documented_receiver_takes_what_is_signed_once(tmp_path: Path) -> None:
    [code] = re.findall(r"```python receiver\.py\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.S)
    (tmp_path / "receiver.py").write_text(code)
    port, now = str(free_port()), int(time.time())
    url = f"http://127.0.0.1:{port}/"
    async with process(sys.executable, str(tmp_path / "receiver.py"), PORT=port) as running:
        good = sign([SECRET], BODY, now)
        assert await post(url, BODY, good) == 204
        assert await line(running) == "7 call.ended"
        for header in ("", "t=x,v1=y", sign(["other"], BODY, now), sign([SECRET], BODY, now - 1000), good + "0"):
            assert await post(url, BODY, header) == 401, header
        assert await post(url, BODY + b" ", good) == 401
        assert await post(url, BODY, sign(["new", SECRET], BODY, now)) == 204  # a repeat, while it is replaced
        assert await post(url, BODY, good, "8") == 204
        assert await line(running) == "8 call.ended"


@pytest.mark.parametrize(("given", "status"), [((), 204), (("--status", "503"), 503)])
async def test_the_command_prints_what_comes_and_whether_it_is_signed(given: tuple[str, ...], status: int) -> None:
    port, now = str(free_port()), int(time.time())
    url = f"http://127.0.0.1:{port}/any/path"
    async with process(sys.executable, "-m", "cli.main", "webhook", "listen", "--port", port, *given) as running:
        assert await post(url, BODY, sign([SECRET], BODY, now)) == status
        assert await line(running) == 'ok  7  call.ended  {"number": "\\u001b[2J"}'
        assert await post(url, b"\x1b[2J", sign([SECRET], BODY, now)) == 401
        assert await line(running) == "UNSIGNED  7  -  ␛[2J"
