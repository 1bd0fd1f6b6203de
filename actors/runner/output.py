"""What a step writes, on its way to the stream of outputs: whole lines, numbered, a few at a time."""

import asyncio
import codecs
import contextlib
from collections.abc import Awaitable

import msgspec
import structlog

from actors.runtime.bus import ID, Bus, BusError, Fenced, Headers
from actors.runtime.ids import Ids
from bus_schemas.contract import UNDECODABLE
from bus_schemas.pipeline_events import OutputLines, output_subject

log = structlog.get_logger()

SOON = 0.05  # seconds in which a line that was written is on its way
PIECE = 64 * 1024  # bytes of one entry
AGAIN = 0.5  # seconds between two tries


class Output:
    """Of one step. `patience`: seconds for which nothing may be stored before some is lost: those after which its run
    is nobody's; `anew`: its run had another runner, and what that has written stands before this. `lines`: that there
    have been."""

    def __init__(
        self, *, bus: Bus, ids: Ids, pipeline: int, run: int, step: str, patience: float, anew: bool = False
    ) -> None:
        self._bus = bus
        self._ids = ids
        self._patience = patience
        self._anew = anew
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
        if self._anew:
            await self._follow_former()
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
        while not await self._reached(self._stored(output_subject(pipeline, run, step), data, headers)):
            if self._gives_up():
                log.warning("output lost", pipeline=pipeline, run=run, step=step, bytes=len(text))
                return

    async def _stored(self, subject: str, data: bytes, headers: Headers) -> None:
        with contextlib.suppress(Fenced):  # it was stored, and the answer was lost
            await self._bus.outputs.write(subject, data, headers)

    async def _follow_former(self) -> None:
        """Count on from the last line of the attempt before: readers know by that what they have, and what is
        forgotten."""
        while not await self._reached(self._counted_on()) and not self._gives_up():
            pass

    async def _counted_on(self) -> None:
        last = await self._bus.outputs.last(output_subject(*self._about), certain=True)
        if last is None:
            return
        with contextlib.suppress(*UNDECODABLE):
            said = msgspec.json.decode(last.data, type=OutputLines)
            self.lines = said.first - 1 + said.text.count("\n")
            self._offset = said.offset + len(said.text.encode())
            start = "" if said.text.endswith("\n") else "\n"
            self._waiting = f"{start}[ottb] the run is begun anew\n{self._waiting}"
            self._news.set()

    async def _reached(self, asked: Awaitable[None]) -> bool:
        """Whether the stream has answered; else after a pause."""
        try:
            await asked
        except BusError as error:
            self._refused = self._refused or asyncio.get_running_loop().time()
            log.info("the stream of outputs does not answer yet", about=self._about, error=repr(error))
            await asyncio.sleep(AGAIN)
            return False
        self._refused = None
        return True

    def _gives_up(self) -> bool:
        return self._refused is not None and asyncio.get_running_loop().time() - self._refused > self._patience
