"""Bytes between a phone and whoever asked for them, a piece at a time.

The reader asks for each piece, so nothing is read faster than it is taken, and whoever asks no more is not sent to: a
stream that nobody has asked for a while ends by itself. A stream belongs to the user who opened it and to its slot; its
name is nothing that anybody could guess. It ends when its user does not see the slot any more, or another phone is
there.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.slot.phone import PhoneError, PhoneRefused, PhoneUncertain
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import Share
from bus_schemas.slot_files import EndStream, NextPiece, PutPiece, StreamDone, StreamPiece

Answer = TypeVar("Answer")

ALL, EACH = 64, 6  # streams of one host, and of one share
IDLE = 40.0  # seconds without being asked, after which a stream ends
LONGEST = 3600.0  # seconds that a stream may last

GONE = RefusalTemplate(ErrorCode.NOT_FOUND, "There is no such stream (any more).")
TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many files, logs or pictures of phones are sent at once.", rule="streams",
    retry_after=5,
)


class Source(Protocol):
    """What a stream is made of. Either side may be missing: then it refuses."""

    async def next(self) -> tuple[bytes, bool]:
        """The next bytes, and whether they are the last. Waits for no longer than some seconds. Raises PhoneError,
        Refusal."""

    async def put(self, data: bytes) -> None:
        """Take bytes. Raises PhoneError, Refusal."""

    def close(self) -> None:
        """Nobody asks any more."""


@dataclass(eq=False)
class Stream:
    """One of them. `phone`: which was in the slot. `number`: of the piece that is next. `busy`: it is being asked."""

    id: str
    slot: int
    phone: str | None
    user: str
    share: Share
    source: Source
    ends: float
    number: int = 0
    busy: bool = False
    idle: asyncio.TimerHandle | None = field(default=None, repr=False)


class Streams:
    """The streams of one host. `phone_in`: which phone is in a slot now, for who sees that; raises Refusal."""

    def __init__(self, ids: Ids, phone_in: Callable[[int, Context], str | None]) -> None:
        self._ids = ids
        self._phone_in = phone_in
        self._open: dict[str, Stream] = {}
        self._held: Counter[Share] = Counter()

    def room(self, context: Context) -> None:
        """Raise Refusal where there are too many."""
        if self._held[context.share] >= EACH or len(self._open) >= ALL:
            raise TOO_MANY()

    def open(self, source: Source, slot: int, context: Context) -> str:
        """Keep a stream for the asker. Returns its name. Raises Refusal, and has closed the source then."""
        try:
            self.room(context)
            phone = self._phone_in(slot, context)
        except Refusal:
            source.close()
            raise
        loop = asyncio.get_running_loop()
        stream = Stream(
            id=self._ids.new(), slot=slot, phone=phone, user=context.user, share=context.share, source=source,
            ends=loop.time() + LONGEST,
        )  # fmt: skip
        self._open[stream.id] = stream
        self._held[stream.share] += 1
        self._wait(stream)
        return stream.id

    def taken(self, id: str, slot: int, context: Context) -> Source:
        """What a stream that was written is made of: it is one no more. Raises Refusal(NOT_FOUND)."""
        stream = self._of(id, slot, context)
        self._drop(stream)
        return stream.source

    async def next_piece(self, request: NextPiece, context: Context) -> StreamPiece:
        """NEXT_PIECE."""
        stream = self._of(request.stream, request.slot, context, request.number)
        data, end = await self._asked(stream, stream.source.next(), context)
        stream.number += 1
        if end or asyncio.get_running_loop().time() >= stream.ends:
            self._end(stream)
            return StreamPiece(data=data, end=True)
        return StreamPiece(data=data)

    async def put_piece(self, request: PutPiece, context: Context) -> StreamDone:
        """PUT_PIECE."""
        stream = self._of(request.stream, request.slot, context, request.number)
        await self._asked(stream, stream.source.put(request.data), context)
        stream.number += 1
        return StreamDone()

    async def end_stream(self, request: EndStream, context: Context) -> StreamDone:
        """END_STREAM. One that is not there has ended."""
        stream = self._open.get(request.stream)
        if stream is not None and (stream.slot, stream.user) == (request.slot, context.user):
            self._end(stream)
        return StreamDone()

    def of_slot(self, slot: int) -> int:
        """How many are open on a slot."""
        return sum(stream.slot == slot for stream in self._open.values())

    async def stop(self) -> None:
        for stream in list(self._open.values()):
            self._end(stream)

    def _of(self, id: str, slot: int, context: Context, number: int | None = None) -> Stream:
        stream = self._open.get(id)
        if stream is None or stream.busy or (stream.slot, stream.user) != (slot, context.user):
            raise GONE()
        if number is not None and number != stream.number:
            raise GONE()
        return stream

    async def _asked(self, stream: Stream, work: Awaitable[Answer], context: Context) -> Answer:
        """What comes of it, if it is the asker's to see by then. Whatever goes wrong ends the stream."""
        stream.busy = True
        if stream.idle is not None:
            stream.idle.cancel()
        try:
            done = await work
            if self._phone_in(stream.slot, context) != stream.phone:
                raise GONE()
        except PhoneError as error:
            self._end(stream)
            raise refusal_of(error) from None
        except BaseException:
            self._end(stream)
            raise
        stream.busy = False
        if stream.id in self._open:
            self._wait(stream)
        return done

    def _wait(self, stream: Stream) -> None:
        stream.idle = asyncio.get_running_loop().call_later(IDLE, self._end, stream)

    def _end(self, stream: Stream) -> None:
        if self._drop(stream):
            stream.source.close()

    def _drop(self, stream: Stream) -> bool:
        if stream.idle is not None:
            stream.idle.cancel()
        if self._open.pop(stream.id, None) is None:
            return False
        self._held -= Counter((stream.share,))
        return True


def refusal_of(error: PhoneError) -> Refusal:
    """What somebody is told of a phone that did not do it."""
    if isinstance(error, PhoneUncertain):
        return Refusal(ErrorCode.TIMEOUT, f"The phone gave no answer; it may have been done. ({error})")
    if isinstance(error, PhoneRefused):
        return Refusal(ErrorCode.CONFLICT, f"The phone did not do it: {error}")
    return Refusal(ErrorCode.SLOT_OFFLINE, f"The slot's phone cannot be reached: {error}")
