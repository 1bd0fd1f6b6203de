"""What users feel while strangers ask Socket.IO for handshakes as fast as they can, against the same site in peace.

`python -m bench.handshakes HOST PORT` is the strangers: it asks until it is ended, and prints how often it was
answered.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from bench.gateway import ready, token_of
from bench.parts import free_port, nats_server, process, python
from bench.table import Row, compared

HANDSHAKE = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
STRANGERS = 64  # connections at once
SECONDS = 4.0
USERS = 8  # who work meanwhile
PAUSE = 0.005  # seconds between two requests of one of them


async def measure(folder: Path) -> list[Row]:
    async with AsyncExitStack() as stack:
        ports = await stack.enter_async_context(_site(folder))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        session.headers["Authorization"] = f"Bearer {await token_of(session, ports['POINT'])}"
        url = f"http://127.0.0.1:{ports['WORKSPACE']}/api/slots/44"
        await ready(session, url)
        answers: list[int] = []

        async def attacked() -> float:
            async with _strangers(ports["WORKSPACE"], answers):
                return await _p95(session, url)

        flooded, quiet, ratio = await compared(attacked, lambda: _p95(session, url), rounds=3)
    each = sum(answers) / len(answers) / SECONDS
    name = f"users' p95 under handshakes from {STRANGERS} connections"
    return [Row(name, f"{flooded:.1f} ms ({each:.0f}/s)", f"in peace {quiet:.1f} ms", ratio, "<= 2.0")]


@asynccontextmanager
async def _site(folder: Path) -> AsyncIterator[dict[str, int]]:
    """A site with one slot. Gives its ports."""
    config = folder / "handshakes.toml"
    config.write_text(f'[[slots]]\nid = 44\nserial = "127.0.0.1:{free_port()}"\nregion = "UA"\nuser = "op12"\n')
    ports = {name: free_port() for name in ("POINT", "DCI", "OTTB", "WORKSPACE")}
    env = {f"OTTB_HTTP__{name}_PORT": str(port) for name, port in ports.items()}
    env |= {"OTTB_STATE_DIR": str(folder / "handshakes"), "OTTB_ADB__PORT": str(free_port())}
    async with AsyncExitStack() as stack:
        env["OTTB_NATS__PORT"] = str(await stack.enter_async_context(nats_server(folder)))
        for module in ("actors.main", "gateway.main"):
            await stack.enter_async_context(process(*python("-m", module, "--config", str(config)), **env))
        yield ports


@asynccontextmanager
async def _strangers(port: int, answers: list[int]) -> AsyncIterator[None]:
    """Strangers who ask for as long as the block lasts; then how often they were answered is noted."""
    asking = await asyncio.create_subprocess_exec(
        *python("-m", "bench.handshakes", "127.0.0.1", str(port)), stdout=asyncio.subprocess.PIPE
    )
    assert asking.stdout is not None
    await asking.stdout.readline()  # they have begun
    try:
        yield
    finally:
        asking.send_signal(signal.SIGTERM)
        answers.append(int(await asking.stdout.readline()))
        await asking.wait()


async def _p95(session: aiohttp.ClientSession, url: str) -> float:
    """Of some seconds of users who look at a slot, milliseconds."""
    times: list[float] = []
    over = time.perf_counter() + SECONDS

    async def user() -> None:
        while time.perf_counter() < over:
            began = time.perf_counter()
            async with session.get(url) as answer:
                await answer.read()
                assert answer.status == 200
            times.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(user() for _ in range(USERS)))
    return 1000 * sorted(times)[int(len(times) * 0.95)]


async def _ask(host: str, port: int) -> None:
    """Ask as strangers do, until SIGTERM."""
    answered = 0
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def stranger() -> None:
        nonlocal answered
        while not ended.is_set():
            reader, writer = await asyncio.open_connection(host, port)
            try:
                while True:
                    writer.write(HANDSHAKE)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                    await reader.readexactly(int(length))
                    answered += 1
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

    asking = [asyncio.create_task(stranger()) for _ in range(STRANGERS)]
    print("begun", flush=True)
    await ended.wait()
    for task in asking:
        task.cancel()
    print(answered, flush=True)


if __name__ == "__main__":
    asyncio.run(_ask(sys.argv[1], int(sys.argv[2])))
