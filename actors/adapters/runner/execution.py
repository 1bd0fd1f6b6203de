"""A command that runs, seen from the runner: its keeper, and what it writes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from time import thread_time
from typing import BinaryIO

import msgspec
import structlog
from msgspec import Struct

from actors.adapters.runner import leftovers
from actors.adapters.runner.keeper import KILL_WITHIN, Ended, Order, is_full
from actors.runner.masking import MaskedStream
from actors.runner.port import MOST_STOP_SECONDS, Ending, Limits, RunnerError

log = structlog.get_logger()

_ROOT = Path(__file__).parents[3]
_KEEP = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from actors.adapters.runner.keeper import main; main()"
_READ = 32 * 1024  # bytes at once
_TOLD = 64 * 1024  # bytes that are told at once
_AT_ONCE = 1024  # bytes that are masked without a look at the time: dense with secrets, they take 3 ms
_SHORT, _REST = 0.0005, 4.0  # seconds of that after which others have their turn, for so many times as long as it took
_CUT_PAUSE = 0.002  # seconds after each read of what is not told any more: 16 MB a second are enough of it
_SETTLE = 0.05  # seconds without output after which what is held back of it is looked at again
_BEGIN = 15.0  # seconds that a keeper has to begin
_SLACK = 5.0  # seconds more than a keeper may take for all it does


class _First(Struct, frozen=True):
    refused: str | None = None
    began: int | None = None


class KeptExecution:
    """One command and its keeper. Made by `begin`."""

    def __init__(
        self, *, keeper: asyncio.subprocess.Process, order: Order, limits: Limits, stream: MaskedStream,
        reader: asyncio.StreamReader, transport: asyncio.ReadTransport,
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._order = order
        self._limits = limits
        self._stream = stream
        self._reader = reader
        self._transport = transport
        self._written = self._told = 0
        self._cut = False
        self._worked = 0.0  # seconds of masking since others had their turn
        self._over = asyncio.create_task(self._watch(), name=f"keeper of {order['mark']}")

    @property
    def cut(self) -> bool:
        """Whether there was more than is told."""
        return self._cut

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._over.done()

    async def output(self) -> AsyncIterator[bytes]:
        try:
            while True:
                data = await self._read()
                if data is None:
                    piece = self._stream.settle()
                    if self._over.done() and not piece:
                        break  # somebody who cannot be ended still has the other end of the pipe
                elif data:
                    self._written += len(data)
                    piece = await self._masked(data)
                else:
                    break
                for part in self._within_bounds(piece):
                    yield part
            for part in self._within_bounds(self._stream.finish()):
                yield part
        finally:
            self._transport.close()

    async def _read(self) -> bytes | None:
        try:
            async with asyncio.timeout(_SETTLE):
                return await self._reader.read(_READ)
        except TimeoutError:
            return None

    async def _masked(self, data: bytes) -> bytes:
        """What can be told after this, and others' turn: whoever writes nothing but secrets, or without end, holds up
        nobody."""
        if self._cut:
            await asyncio.sleep(_CUT_PAUSE)
            return b""
        told = []
        for at in range(0, len(data), _AT_ONCE):
            began = thread_time()
            told.append(self._stream.feed(data[at : at + _AT_ONCE]))
            self._worked += thread_time() - began
            if self._worked > _SHORT:
                await asyncio.sleep(_REST * self._worked)
                self._worked = 0.0
        return b"".join(told)

    def _within_bounds(self, piece: bytes) -> list[bytes]:
        if self._cut:
            return []
        room = self._limits.output - self._told
        if len(piece) > room:
            self._cut = True
            notice = f"\n[cut: more than {self._limits.output} bytes of output, the rest is not told]\n"
            piece = piece[:room] + notice.encode()
        self._told += len(piece)
        return [piece[at : at + _TOLD] for at in range(0, len(piece), _TOLD)]

    async def ended(self) -> Ending:
        ended = await asyncio.shield(self._over)
        code = None if ended["status"] is None else os.waitstatus_to_exitcode(ended["status"])
        signalled = code is not None and code < 0
        return Ending(
            how="signalled" if signalled and ended["how"] == "exited" else ended["how"],
            code=code if code is not None and ended["how"] == "exited" and code >= 0 else None,
            signal=_name(-code) if code is not None and signalled else None,
            seconds=ended["seconds"], output=self._written, cut=self._cut, left_behind=ended["left_behind"],
            survivors=tuple(ended["survivors"]),
        )  # fmt: skip

    def stop(self) -> None:
        if not self._over.done() and self._keeper.stdin is not None and not self._keeper.stdin.is_closing():
            self._keeper.stdin.write(b"stop\n")

    async def close(self) -> None:
        """Stop it, wait until it is over, and let go of what it wrote."""
        self.stop()
        with suppress(RunnerError):
            await self.ended()
        self._transport.close()

    async def _watch(self) -> Ended:
        """Wait for the keeper's word. One that is killed, or silent for too long, is put in its place: what it kept is
        ended from here."""
        limit = self._limits.seconds + MOST_STOP_SECONDS + 2 * KILL_WITHIN + _SLACK
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(limit):
                assert self._keeper.stdout is not None
                line = await self._keeper.stdout.readline()
                if line.endswith(b"\n"):
                    await self._keeper.wait()
                    return msgspec.json.decode(line, type=Ended)
        except (TimeoutError, ValueError, msgspec.DecodeError) as error:
            log.error("a keeper does not tell how its command ended", mark=self._order["mark"], error=repr(error))
        with suppress(ProcessLookupError):
            self._keeper.kill()
        found = await asyncio.to_thread(leftovers.sweep, Path(self._order["pids"]), self._order["mark"])
        seconds = asyncio.get_running_loop().time() - began
        log.error("a keeper is gone", mark=self._order["mark"], ended=found.ended, survivors=found.survivors)
        filled = is_full(self._order["pids"], self._order["disk_free"])  # which may be what it died of
        return Ended(
            how="disk_full" if filled else "lost", status=None, seconds=seconds, left_behind=found.ended,
            survivors=list(found.survivors),
        )  # fmt: skip


def _name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"SIG{number}"


async def begin(order: Order, limits: Limits, stream: MaskedStream, errors: Path) -> KeptExecution:
    """Begin a command. `order`: with any `output`, which is made here; `errors`: where a keeper writes why it broke.
    Raises RunnerError where it cannot be begun."""
    reading, writing = os.pipe()
    read_end = os.fdopen(reading, "rb", buffering=0)
    try:
        with errors.open("ab") as broken:
            keeper = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-B", "-c", _KEEP, stdin=asyncio.subprocess.PIPE, env={},
                stdout=asyncio.subprocess.PIPE, stderr=broken, pass_fds=(writing,), cwd="/",
            )  # fmt: skip
    except BaseException:
        read_end.close()
        raise
    finally:
        os.close(writing)
    try:
        await _accepted(keeper, {**order, "output": writing})
        reader, transport = await _reader(read_end)
    except BaseException:
        read_end.close()
        assert keeper.stdin is not None
        keeper.stdin.close()  # whatever it began, it ends now
        raise
    return KeptExecution(
        keeper=keeper, order=order, limits=limits, stream=stream, reader=reader, transport=transport
    )  # fmt: skip


async def _accepted(keeper: asyncio.subprocess.Process, order: Order) -> None:
    assert keeper.stdin is not None and keeper.stdout is not None
    keeper.stdin.write(msgspec.json.encode(order) + b"\n")
    try:
        async with asyncio.timeout(_BEGIN):
            line = await keeper.stdout.readline()
    except TimeoutError:
        keeper.kill()
        raise RunnerError(f"it could not be begun within {_BEGIN:g} seconds") from None
    first = msgspec.json.decode(line or b'{"refused":"its keeper broke"}', type=_First)
    if first.refused is not None:
        await keeper.wait()
        raise RunnerError(f"it cannot be begun: {first.refused}")


async def _reader(pipe: BinaryIO) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader(limit=_READ)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    return reader, transport
