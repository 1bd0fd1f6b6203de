"""Steps that run in tests: within narrow limits, as others share the machine."""

import asyncio
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.adapters.runner.execution import KeptExecution
from actors.adapters.runner.executor import LocalWorkspace
from actors.runner.port import MIB, Command, Ending, Limits

SECRET = "hunter2-hunter2"
NARROW = Limits(
    seconds=30, cpu_seconds=20, memory=512 * MIB, open_files=256, processes=64, file_size=64 * MIB, output=MIB,
    stop_seconds=1.0,
)  # fmt: skip


def narrow(**changes: Any) -> Limits:
    return replace(NARROW, **changes)


def python(code: str, *words: str) -> str:
    """A line of a shell that runs this."""
    return shlex.join([sys.executable, "-I", "-S", "-c", code, *words])


async def output(running: KeptExecution) -> bytes:
    async with asyncio.timeout(60):
        return b"".join([piece async for piece in running.output()])


async def ran(workspace: LocalWorkspace, run: str | tuple[str, ...], **command: Any) -> tuple[str, Ending]:
    """What a command wrote, and how it ended."""
    running = await workspace.start(Command(run=run, **{"limits": NARROW, **command}))
    told = await output(running)
    return told.decode(errors="replace"), await running.ended()


async def until_told(running: KeptExecution, word: bytes) -> "asyncio.Task[bytes]":
    """Read until a word was written; the task that reads on."""
    heard, seen = asyncio.Event(), bytearray()

    async def read() -> bytes:
        async for piece in running.output():
            seen.extend(piece)
            if word in seen:
                heard.set()
        return bytes(seen)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(20):
        await heard.wait()
    return reading


def running_with(token: str) -> set[int]:
    """The pids of all processes that have a word in their command line, but for this one and zombies."""
    found = set[int]()
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                if token.encode() in (place / "cmdline").read_bytes():
                    found.add(int(place.name))
            except OSError:
                continue
    return found


def gone(token: str, within: float = 0.0) -> bool:
    deadline = time.monotonic() + within
    while running_with(token):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True
