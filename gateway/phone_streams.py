"""What comes from phones and goes to them through a gateway, a piece at a time: files, pictures, and what is followed.

Each piece is asked for once the last one was read, so a slow reader slows their own stream and nothing is kept for
them; who reads nothing for a while is cut off, and the host is told.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.files import PieceWriter
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import Share
from bus_schemas.slot_files import (
    END_STREAM,
    NEXT_PIECE,
    PIECE,
    PUT_PIECE,
    EndStream,
    LogcatLine,
    LogcatLines,
    NextPiece,
    OpenedStream,
    PutPiece,
    SentFile,
)
from gateway.answers import attachment
from gateway.auth import Caller
from gateway.live.engine import bound_unread
from gateway.routes import Passed
from gateway.server import has_gone

ALL, EACH = 64, 6  # that are sent at once, of all and of one share
LOOK_SECONDS = 0.5  # between two looks whether the reader is there, while a piece is awaited
WRITE_SECONDS = 20.0  # for which a reader may leave unread what was sent
BOUNDARY = "ottb-frame"
PRIVATE = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
CONTENT_TYPES = {
    Passed.LINES: "text/event-stream; charset=utf-8",
    Passed.FRAMES: f"multipart/x-mixed-replace; boundary={BOUNDARY}",
}

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many files, logs or pictures of phones are sent to you at once.", rule="streams",
    retry_after=5,
)  # fmt: skip

TAKEN = RefusalTemplate(ErrorCode.PERMISSION_DENIED, "What you may do has changed. Ask again.")

Answer = TypeVar("Answer")
_decode_lines = msgspec.json.Decoder(LogcatLines).decode
Still = Callable[[], Awaitable[Caller]]  # raises Refusal once the reader may no longer


class Poured(PieceWriter):
    """A body on its way to a phone's host, which has opened a stream for it. Raises Refusal."""

    def __init__(self, bus: Bus, slot: int, stream: str, context: Context) -> None:
        super().__init__(PIECE)
        self._bus = bus
        self._slot = slot
        self._stream = stream
        self._context = context

    async def finish(self) -> SentFile:
        """Send the rest. Raises Refusal."""
        digest = await self.flush()
        return SentFile(key=self._stream, size=self.size, pieces=self.pieces, digest=digest)

    async def undo(self) -> None:
        """Nothing of it is needed."""
        await _end(self._bus, self._slot, self._stream, self._context)

    async def put(self, number: int, piece: bytes) -> None:
        wanted = PutPiece(slot=self._slot, stream=self._stream, number=number, data=piece)
        await ask(self._bus, PUT_PIECE, wanted, self._context)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Who reads what. `still`: asked before each piece is sent, what its reader may do by then."""

    request: web.Request
    slot: int
    opened: OpenedStream
    context: Context
    still: Still


class PhoneStreams:
    """What one gateway sends of phones."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._held: Counter[Share] = Counter()
        self._read: set[Reading] = set()

    @contextlib.contextmanager
    def place(self, share: Share) -> Iterator[None]:
        """Be one of those who are sent something while the block lasts. Raises Refusal(RATE_LIMITED)."""
        if self._held[share] >= EACH or self._held.total() >= ALL:
            raise TOO_MANY()
        self._held[share] += 1
        try:
            yield
        finally:
            self._held -= Counter((share,))

    async def part(self, app: web.Application) -> None:
        """A listener stops: so does what is sent there."""
        for reading in self._read:
            if reading.request.app is app:
                _abort(reading.request)

    async def send(self, passed: Passed, reading: Reading) -> web.StreamResponse:
        """Send it, until its end or until the reader goes or may no longer. Raises Refusal before anything was sent."""
        request, opened = reading.request, reading.opened
        response = web.StreamResponse(headers=headers_of(passed, opened))
        if passed in (Passed.FILE, Passed.PICTURE) and opened.size is not None:
            response.content_length = opened.size
        left = opened.size
        self._read.add(reading)
        try:
            async with contextlib.aclosing(self._pieces(passed, reading)) as pieces:
                async for piece in pieces:
                    if not response.prepared:
                        bound_unread(request)
                        await response.prepare(request)
                    left = left - len(piece) if left is not None else None
                    if left is not None and left < 0:
                        break
                    async with asyncio.timeout(WRITE_SECONDS):
                        await response.write(piece)
            if left:  # it is not what was said: the client sees that it is not whole
                raise ConnectionError("not whole")
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
        except Refusal:
            if not response.prepared:
                raise
            _abort(request)
        except (ConnectionError, TimeoutError):  # they have gone, or read nothing
            _abort(request)
        finally:
            self._read.discard(reading)
        return response

    async def _pieces(self, passed: Passed, reading: Reading) -> AsyncGenerator[bytes, None]:
        """Each once the last was taken. What is not read to its end is ended."""
        number, end = 0, False
        try:
            while not end:
                wanted = NextPiece(slot=reading.slot, stream=reading.opened.stream, number=number)
                piece = await _while_there(reading.request, ask(self._bus, NEXT_PIECE, wanted, reading.context))
                now = await reading.still()  # a log's piece may have been awaited for long
                if not reading.context.actions <= now.actions:  # for which the host has given it
                    raise TAKEN()
                number, end = number + 1, piece.end
                yield _shown(passed, piece.data)
        except Refusal as refusal:
            if passed is not Passed.LINES or not number:
                raise
            yield _event("end", {"message": refusal.message})
        finally:
            if not end:
                with contextlib.suppress(Refusal):
                    await _end(self._bus, reading.slot, reading.opened.stream, reading.context)


async def _while_there(request: web.Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """What comes of it. Raises ConnectionError once the reader has gone, whose place is others' then."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            if has_gone(request):
                raise ConnectionError("they have gone")
        return task.result()
    finally:
        task.cancel()


def headers_of(passed: Passed, opened: OpenedStream) -> dict[str, str]:
    """What is sent, and what it is called."""
    headers = {**PRIVATE, "Content-Type": CONTENT_TYPES.get(passed, opened.content_type)}
    if passed is Passed.FILE:
        headers["Content-Disposition"] = attachment(opened.name)
    return headers


def _shown(passed: Passed, data: bytes) -> bytes:
    if passed is Passed.FRAMES:
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode() + data + b"\r\n" if data else b"\r\n"
    if passed is not Passed.LINES:
        return data
    said = _decode_lines(data)
    gap = [_event("gap", {"left_out": said.left_out})] if said.left_out else []
    return b"".join([*gap, *(_event("log", LogcatLine(line=one)) for one in said.lines)]) or b":\n\n"


def _event(name: str, said: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(said))


async def _end(bus: Bus, slot: int, stream: str, context: Context) -> None:
    await ask(bus, END_STREAM, EndStream(slot=slot, stream=stream), context, retry=False)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
