"""Writes to a stream, each stored once or not at all.

What nats-server 2.15.1 answers to a write, found out on it, one server (R1):
- the expected sequence is looked at first (10071), then the id (an acknowledgement that says `duplicate`, with the
  sequence of the *first* message under the id), then whether there is space. With replicas (R3) the id comes first.
- quota used up (max_file_store, default 75 % of what was free at the start; max_bytes): 10023 or 10077 at once. It
  stores again by itself when space in it was freed, or after a reload with a higher limit.
- no space on the disk itself (ENOSPC): that write and all later ones to that stream are *not answered at all*; other
  streams and all reads go on. It stays so when there is space again, over updates of the stream and reloads of the
  server. A restart of the server mends it; so does taking JetStream from the account and giving it back by two
  reloads. Nothing that was acknowledged is lost.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from actors.adapters.nats_link import Link
from actors.adapters.nats_reading import JOURNAL, TRY_TIMEOUT, get
from actors.adapters.nats_wire import encode_headers, nobody_heard
from actors.runtime.bus import APPEND_DEADLINE, FULL, ID, STUCK, BusFull, BusUnavailable, Fenced, RequestTimeout

log = structlog.get_logger()

EXPECT = "Nats-Expected-Last-Subject-Sequence"
EXPECT_SCOPE = "Nats-Expected-Last-Subject-Sequence-Subject"
WRONG_SEQUENCE, SEQUENCE_IN_FLIGHT = 10071, 10164
# No space: of the server, of a stream (max_bytes), of the account, of the storage that a stream reserved.
NO_SPACE = (10023, 10077, 10002, 10047)
AT_ITS_LIMIT = "maximum bytes exceeded"
RETRY_PAUSE = 0.05
UNSETTLED = 4096  # ids of unanswered writes that are remembered
PROBE = 2.0  # seconds between two tries of a stream that answers no write
REMEMBERED = 15.0  # seconds after the last refusal in which it is told


class Problem(Struct):
    """Why a stream does not take a write."""

    err_code: int = 0
    description: str = ""


class Ack(Struct):
    """What a stream answers to a write. `seq`: its place there, or with `duplicate` that of the first of its id."""

    seq: int = 0
    duplicate: bool = False
    error: Problem | None = None


_decode_ack = msgspec.json.Decoder(Ack).decode


class Write:
    """One write to a stream. `again`: it was sent before, so it may find itself there. `mine`: the query for the
    message that it is then."""

    def __init__(
        self,
        stream: str,
        subject: str,
        data: bytes,
        headers: dict[str, str],
        mine: Mapping[str, Any],
        ttl: float | None,
    ) -> None:
        self.stream = stream
        self.subject = subject
        self.data = data
        self.headers = encode_headers(headers if ttl is None else headers | {"Nats-TTL": str(int(ttl))})
        self.mine = mine
        self.id = headers[ID]
        self.again = False


class Writer:
    """All writes of one connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._unsettled: dict[str, None] = {}  # ids of writes that were sent and not answered, oldest first
        self._stores = _Stores()

    def refuses(self) -> str | None:
        """Why writes are refused or swallowed now, as far as the last of them showed."""
        return self._stores.why()

    async def write(
        self,
        stream: str,
        subject: str,
        data: bytes,
        headers: dict[str, str],
        mine: Mapping[str, Any],
        ttl: float | None = None,
    ) -> int:
        """Write until it is answered, with the same id each time. Gives the sequence. Fenced, RequestTimeout,
        BusUnavailable, BusFull. An id proves nothing about who wrote it first, but to the object that sent it."""
        write = Write(stream, subject, data, headers, mine, ttl)
        write.again = write.id in self._unsettled
        if not write.again and (why := self._stores.refused(stream)):
            raise BusFull(why)
        give_up, proven = asyncio.get_running_loop().time() + APPEND_DEADLINE, False
        while (seq := await self._once(write)) is None:
            if asyncio.get_running_loop().time() >= give_up:
                if not write.again:
                    raise BusUnavailable(f"{stream} is not there")
                if proven:
                    self._stores.full(stream, STUCK)
                if proven or not await self._answers(stream):
                    raise RequestTimeout(subject)
                proven = True  # the server lives: once more, and then it is the store that does not
            await asyncio.sleep(RETRY_PAUSE)
        self._settle(write)
        self._stores.stored(stream)
        return seq

    async def _once(self, write: Write) -> int | None:
        """One try. None: it has to be tried again."""
        if not self._link.up:
            if write.again:  # the connection may come back in time
                return None
            raise BusUnavailable("not connected")
        self._unsettled[write.id] = None
        if len(self._unsettled) > UNSETTLED:
            del self._unsettled[next(iter(self._unsettled))]
        try:
            headers, data = await self._link.request(write.subject, write.data, write.headers, TRY_TIMEOUT)
        except RequestTimeout:  # it may have been stored
            write.again = True
            return None
        except BusUnavailable:  # it was not sent this time
            if write.again:
                return None
            self._settle(write)
            raise
        if nobody_heard(headers, data):  # a server that has just started takes a moment
            return None
        acked = _decode_ack(data)
        if acked.error is not None:
            return await self._refused(write, acked.error)
        if acked.duplicate and not write.again:
            self._settle(write)
            raise Fenced(f"{write.subject}: the id was used before")
        return acked.seq

    async def _refused(self, write: Write, problem: Problem) -> int | None:
        if problem.err_code == SEQUENCE_IN_FLIGHT:  # R3: a write before this one, under the same scope, is undecided
            return None
        if write.again:
            try:
                found = await get(self._link, write.stream, write.mine, certain=True)
            except (RequestTimeout, BusUnavailable):
                return None
            if found is not None and found.headers.get(ID) == write.id:
                return found.seq
        self._settle(write)
        if problem.err_code == WRONG_SEQUENCE:
            raise Fenced(f"{write.subject}: {problem.description}")
        if problem.err_code in NO_SPACE and write.stream != JOURNAL and AT_ITS_LIMIT in problem.description:
            raise BusFull(f"{write.stream} is full")  # it alone
        if problem.err_code in NO_SPACE:
            self._stores.full(write.stream, FULL)
            raise BusFull(FULL)
        raise BusUnavailable(repr(problem))

    def _settle(self, write: Write) -> None:
        self._unsettled.pop(write.id, None)

    async def _answers(self, stream: str) -> bool:
        """Whether the server answers for the stream, if not to writes."""
        with contextlib.suppress(RequestTimeout, BusUnavailable):
            headers, data = await self._link.request(f"$JS.API.STREAM.INFO.{stream}", b"", b"", TRY_TIMEOUT)
            return not nobody_heard(headers, data) and _decode_ack(data).error is None
        return False


class _Stores:
    """Which streams refuse to store now, and why. Each write says anew; without one, it is forgotten after a while."""

    def __init__(self) -> None:
        self._why: dict[str, tuple[str, float]] = {}  # by stream: the reason, and when it was heard last
        self._tried: dict[str, float] = {}

    def full(self, stream: str, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if stream not in self._why:
            log.error("nothing can be stored", stream=stream, why=why)
        self._why[stream] = (why, now)
        self._tried[stream] = now

    def stored(self, stream: str) -> None:
        if self._why.pop(stream, None) is not None:
            log.info("the stream stores again", stream=stream)

    def refused(self, stream: str) -> str | None:
        """Why a write need not be tried now. One of them may try each PROBE seconds."""
        known = self._why.get(stream)
        if known is None or known[0] != STUCK:  # a full one answers at once by itself
            return None
        now = asyncio.get_running_loop().time()
        if now - self._tried[stream] < PROBE:
            return known[0]
        self._tried[stream] = now
        return None

    def why(self) -> str | None:
        now = asyncio.get_running_loop().time()
        return next((why for why, heard in self._why.values() if now - heard < REMEMBERED), None)
