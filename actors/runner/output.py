"""What a step writes, on its way to the stream of outputs: whole lines, numbered, a few at a time."""

import asyncio
import codecs
import contextlib

import msgspec
import structlog

from actors.runtime.bus import ID, Bus, BusError, Fenced, Headers
from actors.runtime.ids import Ids
from bus_schemas.pipeline_events import OutputLines, output_subject

log = structlog.get_logger()

SOON = 0.05  # seconds in which a line that was written is on its way
PIECE = 64 * 1024  # bytes of one entry
AGAIN = 0.5  # seconds between two tries


class Output:
    """Of one step. `patience`: seconds for which nothing may be stored before some is lost: those after which its run
    is nobody's. `lines`: that there have been."""

    def __init__(self, *, bus: Bus, ids: Ids, pipeline: int, run: int, step: str, patience: float) -> None:
        self._bus = bus
        self._ids = ids
        self._patience = patience
        self._refused: float | None = None  # since when nothing is stored (monotonic)
        self._about = (pipeline, run, step)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""
        self._offset = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._sending = asyncio.get_running_loop().create_task(self._send())
        self.lines = 0

    async def write(self, data: bytes) -> None:
        """Take what comes next. Whoever writes faster than it is stored waits."""
        self._waiting += self._decoder.decode(data).replace("\r\n", "\n").replace("\0", "\ufffd")
        self._news.set()
        if len(self._waiting) > 4 * PIECE:
            self._room.clear()
            await self._room.wait()

    async def say(self, words: str) -> None:
        """A line of the runner's own."""
        start = "" if self._waiting.endswith("\n") or not self._waiting else "\n"
        await self.write(f"{start}[ottb] {words}\n".encode())

    async def close(self) -> None:
        """Send the rest."""
        self._waiting += self._decoder.decode(b"", True)
        self._closing = True
        self._news.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sending

    async def _send(self) -> None:
        while not (self._closing and not self._waiting):
            await self._news.wait()
            if not self._closing:
                await asyncio.sleep(SOON)
            self._news.clear()
            while piece := self._next():
                await self._put(piece)
            if self._closing:
                self._news.set()
            self._room.set()

    def _next(self) -> str:
        """The next lines; at the end, or of a line that is longer than an entry, a part of one."""
        text = self._waiting[: PIECE // 4]  # four bytes a letter at most
        end = len(text) if self._closing and len(text) == len(self._waiting) else text.rfind("\n") + 1
        if not end and len(text) == PIECE // 4:
            end = len(text)
        piece, self._waiting = self._waiting[:end], self._waiting[end:]
        return piece

    async def _put(self, text: str) -> None:
        pipeline, run, step = self._about
        said = OutputLines(
            pipeline=pipeline, run=run, step=step, first=self.lines + 1, offset=self._offset, text=text
        )
        self.lines += text.count("\n")
        self._offset += len(text.encode())
        headers, data = {ID: self._ids.new()}, msgspec.json.encode(said)
        while not await self._is_stored(output_subject(pipeline, run, step), data, headers):
            await asyncio.sleep(AGAIN)
            if self._refused is not None and asyncio.get_running_loop().time() - self._refused > self._patience:
                log.warning("output lost", pipeline=pipeline, run=run, step=step, bytes=len(text))
                return

    async def _is_stored(self, subject: str, data: bytes, headers: Headers) -> bool:
        try:
            await self._bus.outputs.write(subject, data, headers)
        except Fenced:  # it was stored, and the answer was lost
            pass
        except BusError as error:
            self._refused = self._refused or asyncio.get_running_loop().time()
            log.info("output not stored yet", subject=subject, error=repr(error))
            return False
        self._refused = None
        return True
