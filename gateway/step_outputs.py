"""What steps of pipelines have written, from its stream to the client: as text, whole or the part that `Range` asks
for. Nobody ever holds more than an entry of it in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import msgspec
from aiohttp import web

from actors.runtime.bus import Bus, BusError
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.pipeline import RunOutput
from bus_schemas.pipeline_events import OutputLines
from gateway import pace, ranges

NOT_NOW = RefusalTemplate(ErrorCode.UNAVAILABLE, "What steps have written cannot be read now. Try again.")
PIECE = 64 * 1024  # bytes of what the stream has forgotten
_decode = msgspec.json.Decoder(OutputLines).decode
HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
}


class StepOutputs:
    """Of one gateway."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def send(self, request: web.Request, output: RunOutput) -> web.StreamResponse:
        """The text as an answer. Raises Refusal(UNAVAILABLE) before anything is sent, and what aiohttp has for a range
        that is not there."""
        try:
            sizes = [await self._size(subject) for subject in output.subjects]
        except BusError:
            raise NOT_NOW() from None
        heads = [_head(subject).encode() if len(sizes) > 1 else b"" for subject in output.subjects]
        size = sum(sizes) + sum(map(len, heads))
        span = ranges.wanted(request, size)
        response = web.StreamResponse(headers=HEADERS)
        span.say(response)
        await response.prepare(request)
        try:
            if request.method != "HEAD":
                await self._write(response, output, heads, sizes, span.start, span.stop)
            await response.write_eof()
        except (BusError, TimeoutError):  # what is out cannot be taken back: it is seen not to be whole
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _write(
        self, response: web.StreamResponse, output: RunOutput, heads: list[bytes], sizes: list[int], start: int,
        stop: int,
    ) -> None:  # fmt: skip
        at = 0
        for subject, head, size in zip(output.subjects, heads, sizes, strict=True):
            if at + len(head) + size > start and at < stop:
                async for piece in self._text(subject, head, size):
                    part = piece[max(start - at, 0) : max(stop - at, 0)]
                    if part:
                        await pace.write(response, part)
                    at += len(piece)
            else:
                at += len(head) + size

    async def _text(self, subject: str, head: bytes, size: int) -> AsyncIterator[bytes]:
        """A step's text of exactly so many bytes: what comes meanwhile is left out, and for what the stream has
        forgotten of it there are blanks."""
        yield head
        at = 0
        async for entry in self._bus.outputs.replay(subject):
            await asyncio.sleep(0)  # an entry is long, several come at once, and others want to be answered
            try:
                said = _decode(entry.data)
            except UNDECODABLE:
                continue
            text = said.text.encode()
            if said.offset < at or at >= size:
                continue
            if said.offset > at:
                for blanks in _blanks(min(said.offset, size) - at):
                    yield blanks
            yield text[: size - said.offset]
            at = said.offset + len(text)
        if at < size:
            for blanks in _blanks(size - at):
                yield blanks

    async def _size(self, subject: str) -> int:
        last = await self._bus.outputs.last(subject)
        if last is None:
            return 0
        try:
            said = _decode(last.data)
        except UNDECODABLE:
            return 0
        return said.offset + len(said.text.encode())


def _blanks(count: int) -> Iterator[bytes]:
    """A step may have had 180 MB, and nobody need take them."""
    return (b" " * min(PIECE, count - at) for at in range(0, count, PIECE))


def _head(subject: str) -> str:
    return f"\n==> {subject.rpartition('.')[2]}\n"
