"""A phone's log as it comes: bounded, harmless, and read no faster than somebody reads it."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from actors.by_hand.places import Places
from actors.by_hand.port import PhoneTools
from actors.by_hand.streams import GONE, Streams
from actors.log.harmless import harmless
from actors.runtime.context import Context
from actors.runtime.effects import Work
from actors.slot.phone import PhoneError, PhoneUnreachable
from bus_schemas.slot_files import PIECE, FollowLogcat, LogcatLines, OpenedStream

WAITING, WAITING_BYTES = 2_000, 1_000_000  # lines for one reader
PER_SECOND = 200
BATCH, LINE = 200, 2_000  # lines of a piece, and characters of a line
QUIET = 10.0  # seconds without a line, after which the reader hears that nothing came
FIRST = 0.5  # the same at first: so the reader soon knows that the log is followed


class Followed:
    """A log that somebody reads. `now`: monotonic seconds. What nobody takes in time is left out, and counted."""

    def __init__(self, tools: PhoneTools, request: FollowLogcat, now: Callable[[], float]) -> None:
        self._tools = tools
        self._request = request
        self._text = request.text.casefold() if request.text is not None else None
        self._now = now
        self._waiting: deque[tuple[str, int]] = deque()  # with the bytes that each takes on the bus
        self._size = 0
        self._left_out = 0
        self._news = asyncio.Event()
        self._ended: PhoneError | None = None
        self._quiet = FIRST
        self._second, self._in_second = 0.0, 0
        self.task: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Read the phone's log until somebody ends it, or it ends."""
        try:
            async with self._tools.lines(words(self._request)) as lines:
                await self._take(lines)
            self._ended = PhoneUnreachable("its log ended")
        except PhoneError as error:
            self._ended = error
        self._news.set()

    async def _take(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            if line.startswith("--------- ") or (self._text is not None and self._text not in line.casefold()):
                continue
            self._news.set()
            if self._is_full():
                self._left_out += 1
            else:
                shown = harmless(line.rstrip("\r")[:LINE])
                self._waiting.append((shown, len(msgspec.json.encode(shown))))
                self._size += self._waiting[-1][1]

    def _is_full(self) -> bool:
        now = self._now()
        if now - self._second >= 1.0:
            self._second, self._in_second = now, 0
        self._in_second += 1
        fast = self._in_second > PER_SECOND + self._request.lines
        return fast or len(self._waiting) >= WAITING or self._size >= WAITING_BYTES

    async def next(self) -> tuple[bytes, bool]:
        if not self._waiting and not self._left_out and self._ended is None:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._quiet):
                    await self._news.wait()
        self._quiet = QUIET
        if self._ended is not None and not self._waiting:
            raise self._ended
        lines = tuple(self._batch())
        left_out, self._left_out = (self._left_out, 0) if not self._waiting else (0, self._left_out)
        return msgspec.json.encode(LogcatLines(lines=lines, left_out=left_out)), False

    def _batch(self) -> Iterator[str]:
        """The next lines, as many as a piece has room for: letters of three bytes are no less to be read."""
        room = PIECE
        for _ in range(BATCH):
            if not self._waiting or self._waiting[0][1] > room:
                return
            line, size = self._waiting.popleft()
            self._size, room = self._size - size, room - size
            yield line

    async def put(self, data: bytes) -> None:
        raise GONE()

    def close(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Logcat:
    """The contract line of a phone's log. `spawn`: begins a task that its host ends."""

    def __init__(
        self,
        places: Places,
        streams: Streams,
        *,
        spawn: Callable[[Work[None]], "asyncio.Task[None]"],
        now: Callable[[], float],
    ) -> None:
        self._places = places
        self._streams = streams
        self._spawn = spawn
        self._now = now

    async def follow(self, request: FollowLogcat, context: Context) -> OpenedStream:
        """FOLLOW_LOGCAT."""
        place = self._places.seen(request.slot, context)
        self._streams.room(context)
        followed = Followed(place.tools, request, self._now)
        followed.task = self._spawn(followed.follow())
        stream = self._streams.open(followed, place.id, context)
        return OpenedStream(stream=stream, name="logcat", content_type="text/event-stream")


def words(request: FollowLogcat) -> list[str]:
    """The command that shows what is wanted."""
    said = ["logcat", "-b", request.buffer, "-v", "threadtime", "-T", str(request.lines)]
    wanted = [f"{request.tag}:{request.level}", "*:S"] if request.tag is not None else [f"*:{request.level}"]
    return [*said, *wanted]
