"""Lists are read in a process of their own, with bounds on memory and time: on the event loop calls would wait for it,
and a list is a stranger's file.

What is to be done goes in as JSON on the standard input, the file as an open one without a name; what was found comes
out in frames, each with its length before it. The process reads on only as its frames are taken.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from actors.adapters.workbook import as_table, is_workbook
from actors.dialing.rules import DialRules
from actors.imports.reading import OpenList
from actors.leads.lead import ListError
from actors.leads.mapping import Mapping
from actors.leads.parts import MOST_BYTES, ListPart, parts_of
from actors.leads.preview import Preview, preview
from actors.leads.reading import Layout

MEMORY = 2 << 30  # bytes, of addresses
WORK = 600  # seconds of work
SILENCE = 180.0  # seconds until something comes out: a preview of a million rows, a part behind as many
FRAME = 4 * MOST_BYTES  # bytes; a preview may be larger than a part
NICE = 5  # after what calls wait for
ROOT = Path(__file__).resolve().parents[2]
LENGTH = 4  # bytes
_WRONG, _TOO_MUCH = 1, 4  # how the process ends by an error of ours, and where it met a bound that did not end it


class Job(Struct, frozen=True, kw_only=True):
    """What is to be done with the file that is open as `file`: a preview, or with a `layout` its parts after a row."""

    file: int
    rules: DialRules
    mapping: Mapping | None = None
    count: bool = True
    layout: Layout | None = None
    after: int = 0


class Failed(Struct, frozen=True, tag=True):
    """It is no list that can be read."""

    why: str


class Found(Struct, frozen=True, tag=True):
    """A preview."""

    preview: Preview


class Part(Struct, frozen=True, tag=True):
    """A part."""

    part: ListPart


class Done(Struct, frozen=True, tag=True):
    """There is no more."""


Frame = Failed | Found | Part | Done
_decode = msgspec.msgpack.Decoder(Frame).decode


class Apart:
    """Reads in processes of their own. Raises ListError for what they cannot read, or not within the bounds."""

    @asynccontextmanager
    async def open(self, pieces: AsyncIterator[bytes], rules: DialRules) -> AsyncIterator[OpenList]:
        with tempfile.TemporaryFile() as file:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(file.flush)
            yield _InFile(file.fileno(), rules)


class _InFile:
    def __init__(self, file: int, rules: DialRules) -> None:
        self._file = file
        self._rules = rules

    async def examine(self, mapping: Mapping | None, *, count: bool) -> Preview:
        job = Job(file=self._file, rules=self._rules, mapping=mapping, count=count)
        async with contextlib.aclosing(_frames(job)) as frames:
            async for frame in frames:
                if isinstance(frame, Found):
                    return frame.preview
        raise ListError("nothing was found in it")

    async def parts(self, layout: Layout, mapping: Mapping, after: int) -> AsyncGenerator[ListPart, None]:
        job = Job(file=self._file, rules=self._rules, mapping=mapping, layout=layout, after=after)
        async with contextlib.aclosing(_frames(job)) as frames:
            async for frame in frames:
                if isinstance(frame, Part):
                    yield frame.part


async def _frames(job: Job) -> AsyncGenerator[Frame, None]:
    """What comes out of a process, until it is done. Raises ListError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "actors.adapters.list_reader", stdin=PIPE, stdout=PIPE, pass_fds=(job.file,), cwd=ROOT,
        start_new_session=True, limit=FRAME,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},  # nothing else of ours: there are secrets in it
    )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(job))
        process.stdin.close()
        while not isinstance(frame := await _next(process), Done):
            if isinstance(frame, Failed):
                raise ListError(frame.why)
            yield frame
    finally:
        await _end(process)


async def _next(process: Process) -> Frame:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SILENCE):
            size = int.from_bytes(await process.stdout.readexactly(LENGTH))
            if size > FRAME:
                raise ListError("what was read of it is too large")
            frame: Frame = _decode(await process.stdout.readexactly(size))
            return frame
    except TimeoutError:
        raise ListError(f"it takes more than {SILENCE:.0f} s to read") from None
    except asyncio.IncompleteReadError:
        if await process.wait() in (_WRONG, 0):
            raise ListError("reading it went wrong inside: that is in the log") from None
        raise ListError(f"it needs more than {MEMORY >> 20} MB of memory or {WORK} s to read") from None
    except msgspec.DecodeError as error:
        raise ListError(f"what was read of it makes no sense: {error}") from None


async def _end(process: Process) -> None:
    """End the process, and whatever it has begun."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


# --- the process --------------------------------------------------------------------------------------------------


def main() -> None:
    """A job comes in, and what was found goes out."""
    for kind, bound in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, WORK), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(kind, (bound, bound))
    os.nice(NICE)
    try:
        for frame in _read(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)):
            data = msgspec.msgpack.encode(frame)
            sys.stdout.buffer.write(len(data).to_bytes(LENGTH))
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except MemoryError:
        os._exit(_TOO_MUCH)
    except BrokenPipeError:  # whoever wanted it is gone
        os._exit(_WRONG)


def _read(job: Job) -> Iterator[Frame]:
    try:
        with os.fdopen(job.file, "rb") as file:
            file.seek(0)
            with as_table(file) if is_workbook(file.read(8)) else nullcontext(file) as table:
                yield from _found(job, table)
    except ListError as error:
        yield Failed(str(error))
        return
    yield Done()


def _found(job: Job, table: BinaryIO) -> Iterator[Frame]:
    if job.layout is None:
        yield Found(preview(table, job.rules, job.mapping, count=job.count))
    else:
        assert job.mapping is not None
        for part in parts_of(table, job.layout, job.mapping, job.rules, job.after):
            yield Part(part)


if __name__ == "__main__":
    main()
