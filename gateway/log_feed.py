"""The platform's log as it grows, by Server-Sent Events.

One reading of the stream for all who follow, each of whom has a queue with a bound: who does not read is cut off with a
word, and comes back with `Last-Event-ID`, as browsers do by themselves. What they have missed is read from the stream
before anything new.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import structlog
from aiohttp import web

from actors.runtime.bus import Bus, BusError, Recorded, Unsubscribe
from actors.runtime.callbacks import Callbacks
from actors.runtime.clock import parse_utc
from actors.runtime.moments import moment
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.log import LOG_SCOPE, ListLogs, LogRecord, fits, record_of
from bus_schemas.names import Share
from bus_schemas.permissions import Action
from gateway.auth import Authenticator, Caller
from gateway.live.engine import bound_unread
from gateway.live.history import PIECE, PIECE_BYTES, Turn, Turns, bytes_in, cost_of
from gateway.server import has_gone

log = structlog.get_logger()

FOLLOWERS = 8  # of one share
ALL_FOLLOWERS = 512
QUEUE = 1_000  # events that wait for one reader
MISSED = 10_000  # events of the stream that are looked through for who comes back; beyond, the list is cheaper
QUIET = 15.0  # seconds without an event, after which a reader hears that the connection lives
WRITE_SECONDS = 10.0  # for which a reader may leave unread what was sent
LONGEST_ID = 18  # digits
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # proxies that keep answers until they are whole
    "X-Content-Type-Options": "nosniff",
}
NOT_FOLLOWED = ("until", "cursor")  # fields of a list that have no sense here

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "The log is followed too often at once.", rule="log_followers", retry_after=10
)
AWAY = RefusalTemplate(ErrorCode.UNAVAILABLE, "The log cannot be followed now. Try again.")
SLOW = "Events are not read as fast as they come. Follow again with Last-Event-ID."
STOPPED = "This gateway stops. Follow again with Last-Event-ID."
MANY_MISSED = "More was missed than is sent again. GET /api/dci/logs has what lies between."
ALIVE = b":\n\n"

Piece = LogRecord | bytes | None  # an event, what is said beside events, or nothing for a while


@dataclass(eq=False)
class Follower:
    """One who reads. `said`: the last event that was there when they came. `gone`: whether they read no more. `cut`:
    why nothing follows."""

    said: int
    gone: Callable[[], bool]
    waiting: asyncio.Queue[LogRecord | None] = field(default_factory=lambda: asyncio.Queue(maxsize=QUEUE))
    cut: str = ""

    def offer(self, record: LogRecord) -> None:
        """What is new. Who has too much of it already gets no more."""
        if self.cut:
            return
        try:
            self.waiting.put_nowait(record)
        except asyncio.QueueFull:
            self.end(SLOW)

    def look(self) -> None:
        """Something may have changed for them."""
        if not self.waiting.full():
            self.waiting.put_nowait(None)

    def end(self, why: str) -> None:
        """Say why, and nothing else."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.cut = why
        self.look()


class LogFeed:
    """Those who follow the log at one gateway. `seq`: of the newest event that was heard."""

    def __init__(self, *, bus: Bus, authenticator: Authenticator) -> None:
        self._bus = bus
        self._authenticator = authenticator
        self._followers: set[Follower] = set()
        self._held: Counter[Share] = Counter()
        self._turns = Turns()
        self._listeners: Callbacks[Callable[[LogRecord], None]] = Callbacks()
        self.seq = 0
        self._unfollow: Unsubscribe | None = None
        self._beginning = asyncio.Lock()
        self._forget = authenticator.on_change(self._look_again)

    async def stop(self) -> None:
        self._forget()
        if self._unfollow is not None:
            await self._unfollow()

    async def part(self, app: web.Application) -> None:
        """A listener stops: so does what is sent there."""
        for follower in self._followers:
            follower.end(STOPPED)

    async def send(
        self, request: web.Request, wanted: ListLogs, caller: Caller, permission: Action
    ) -> web.StreamResponse:
        """Send what comes, until the reader goes or may no longer. Raises Refusal before anything was sent."""
        after, since = _last_event_id(request), _beginning(wanted)
        with self._place(caller.share):
            await self.begin()
            follower = Follower(said=self.seq, gone=lambda: has_gone(request))
            turn = self._turns.of(caller.share)
            self._followers.add(follower)
            response = web.StreamResponse(headers=HEADERS)
            reader = _Reader(response, wanted, caller, permission, self._authenticator)
            try:
                bound_unread(request)
                await response.prepare(request)
                async with contextlib.aclosing(self._pieces(follower, after, since, turn)) as pieces:
                    async for piece in pieces:
                        if not await reader.take(piece):
                            break
            except (ConnectionError, TimeoutError):  # they have gone, or read nothing
                if request.transport is not None:
                    request.transport.abort()
            finally:
                self._followers.discard(follower)
            return response

    async def _pieces(
        self, follower: Follower, after: int | None, since: float, turn: Turn
    ) -> AsyncGenerator[Piece, None]:
        """What was missed, and what is new."""
        if after is not None or since:
            async for piece in self._missed(follower, after or 0, since, turn):
                yield piece
        while not follower.cut:
            yield await _next(follower)
        yield _said("end", follower.cut)

    async def _missed(self, follower: Follower, after: int, since: float, turn: Turn) -> AsyncIterator[Piece]:
        """What the stream has of before, and a word where that is not all. Nobody is sent more than `MISSED`, and each
        user reads in turn and so much a second, whether it is what they want or not."""
        begin = at = max(after, follower.said - MISSED)
        try:
            async with contextlib.aclosing(self.entries(begin, follower.said, since)) as entries:
                first = more = True
                while more and not follower.cut:
                    async with turn:
                        if follower.gone():
                            raise ConnectionError("they have gone")
                        some, more = await some_of(entries)
                        until = some[-1].seq if more else follower.said
                        turn.pay(cost_of(until - at if at else len(some), bytes_in(some)))
                    at = until
                    if first and begin > after and some and some[0].seq == begin + 1:
                        yield _said("gap", MANY_MISSED)
                    first = False
                    for record in filter(None, map(understood, some)):
                        yield record
        except BusError:
            follower.end(AWAY().message)

    async def entries(self, after: int, until: int, since: float = 0.0) -> AsyncGenerator[Recorded, None]:
        """What the stream has from behind `after` up to `until`. `since`: epoch seconds. Raises BusError."""
        async for recorded in self._bus.log.replay(LOG_SCOPE, after=after, since=since):
            if recorded.seq > until:
                break
            yield recorded

    def listen(self, listener: Callable[[LogRecord], None]) -> Callable[[], None]:
        """Have it told each event that is heard, which is none before somebody had `begin` done. Gives the end."""
        return self._listeners.add(listener)

    async def begin(self) -> None:
        """Read the stream from now on, if nobody did yet. Raises Refusal(UNAVAILABLE)."""
        async with self._beginning:
            if self._unfollow is None:
                try:
                    self.seq = await self._bus.log.last_seq()
                    self._unfollow = await self._bus.log.follow(LOG_SCOPE, self._hear, after=self.seq)
                except BusError:
                    raise AWAY() from None

    async def _hear(self, recorded: Recorded) -> None:
        self.seq = recorded.seq
        if (record := understood(recorded)) is not None:
            for follower in self._followers:
                follower.offer(record)
            for listener in self._listeners:
                listener(record)

    def _look_again(self) -> None:
        for follower in self._followers:
            follower.look()

    @contextlib.contextmanager
    def _place(self, share: Share) -> Iterator[None]:
        if self._held[share] >= FOLLOWERS or self._held.total() >= ALL_FOLLOWERS:
            raise TOO_MANY()
        self._held[share] += 1
        try:
            yield
        finally:
            self._held -= Counter((share,))


class _Reader:
    """What one reader gets of it: as far as they may see it, and as they wanted it."""

    def __init__(
        self, response: web.StreamResponse, wanted: ListLogs, caller: Caller, permission: Action, known: Authenticator
    ) -> None:
        self._response = response
        self._wanted = wanted
        self._caller = caller
        self._permission = permission
        self._known = known

    async def take(self, piece: Piece) -> bool:
        """Send it. False: they may no longer read, and were told."""
        try:
            self._caller = await self._known.again(self._caller, self._permission)
        except Refusal as refusal:
            await self._write(_said("end", refusal.message))
            return False
        if isinstance(piece, bytes):
            await self._write(piece)
        elif piece is None:
            await self._write(ALIVE)
        elif sees(self._caller, piece) and fits(self._wanted, piece):
            await self._write(b"id: %d\nevent: log\ndata: %s\n\n" % (piece.id, msgspec.json.encode(piece)))
        return True

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self._response.write(data)


def sees(caller: Caller, record: LogRecord) -> bool:
    """Whether an event is one of the caller's own, or they see all."""
    return record.sender == caller.user or Action.LOG_VIEW_ANY in caller.actions


async def _next(follower: Follower) -> LogRecord | None:
    """The next event, or None after a while without one."""
    try:
        async with asyncio.timeout(QUIET):
            return await follower.waiting.get()
    except TimeoutError:
        return None


async def some_of(entries: AsyncIterator[Recorded]) -> tuple[list[Recorded], bool]:
    """The next entries, few of large ones, and whether there may be more."""
    some, size = list[Recorded](), 0
    async for recorded in entries:
        some.append(recorded)
        size += len(recorded.data)
        if len(some) == PIECE or size > PIECE_BYTES:
            return some, True
    return some, False


def _said(event: str, why: str) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode({"message": why}))


def understood(recorded: Recorded) -> LogRecord | None:
    """The event of an entry. None: it cannot be read."""
    try:
        return record_of(recorded.seq, recorded.stored_at, recorded.data)
    except UNDECODABLE as error:  # the records name it
        log.debug("event of the log not understood", seq=recorded.seq, error=str(error))
        return None


def _last_event_id(request: web.Request) -> int | None:
    said = request.headers.get("Last-Event-ID")
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) <= LONGEST_ID):
        raise misfit("Last-Event-ID", "it is not the id of an event.")
    return int(said)


def _beginning(wanted: ListLogs) -> float:
    """From when on, epoch seconds; 0: from now. Raises Refusal(INVALID_PARAMS) for what has no sense here."""
    for name in NOT_FOLLOWED:
        if getattr(wanted, name) is not None:
            raise misfit(name, "what is followed has no end.")
    since = moment(wanted.since, "since")
    return 0.0 if since is None else parse_utc(since).timestamp()
