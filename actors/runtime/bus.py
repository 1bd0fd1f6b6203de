"""The port to the bus: requests, telemetry, the journal stream and leased keys.

`actors/adapters/nats_bus.py` is the real one, `simulators/bus/memory_bus.py` the one for simulated time; both pass
the same contract tests (`tests/runtime/bus_contract.py`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from actors.runtime.clock import utc
from bus_schemas.host import StreamUse

Headers = Mapping[str, str]

ID = "Nats-Msg-Id"
APPEND_DEADLINE = 5.0  # seconds after which a write that was sent and not answered is given up

# What `Bus.healthy()` says.
AWAY = "There is no connection to the bus."
FULL = (
    "The journal is at its limit: its own ([journal] limit: raise it and restart the hosts), or the disk quota of"
    " nats-server (max_file_store, by default 75 % of what was free at its start: free space in it, or raise it and"
    " reload nats-server). It refuses what is new and writes again by itself once there is space."
)
STUCK = (
    "The bus answers and stores nothing: its disk is full, or was. Free some space and restart nats-server: it does not"
    " notice by itself that there is space again."
)


class BusError(Exception):
    """The bus did not do it."""


class NoResponders(BusError):
    """No subscriber for the subject: nothing was done, and a repeat with the same command id is safe."""


class RequestTimeout(BusError):
    """It was sent and no answer came in time: it may have been done."""


class BusUnavailable(BusError):
    """There is no connection to the bus now. Of a write: nothing was sent."""


class BusFull(BusUnavailable):
    """The bus takes no writes now, since its disk is full (or was, and it has not noticed that there is space again).
    Nothing was stored. `Bus.healthy()` says what a person has to do."""


class TooLarge(BusUnavailable):
    """The bus takes no message of this size. Nothing was sent."""


class NotErased(BusError):
    """The stream does not let anything be erased: it was made so by an earlier version."""


class Fenced(BusError):
    """Somebody else wrote to the journal after us: this owner is stale and must stop."""


class Message(Struct, frozen=True, kw_only=True):
    """One message as it came. `reply`: answers the asker, if there is one; the first answer counts. Raises TooLarge;
    what else keeps it from getting there is in the log. `reply_to`: the subject that the asker wants the answer on, as
    they wrote it."""

    subject: str
    data: bytes
    headers: Headers
    reply_to: str = ""
    reply: Callable[[bytes, Headers], Awaitable[None]] | None = None


class Recorded(Struct, frozen=True, kw_only=True, gc=False):
    """One entry of the journal. `seq` is its place in the whole stream, `at` when it was stored (epoch seconds)."""

    subject: str
    data: bytes
    headers: Headers
    seq: int
    at: float

    @property
    def stored_at(self) -> str:
        """The same as events have it (`clock.utc`)."""
        return utc(datetime.fromtimestamp(self.at, UTC))


class Entry(Struct, frozen=True, kw_only=True):
    """A value under a key and the revision that a change must name. `data` None: it was deleted or ran out."""

    data: bytes | None
    revision: int


class Size(Struct, frozen=True, kw_only=True):
    """How much the journal holds: entries that are there now, and the sequence of the newest that ever was."""

    entries: int
    last_seq: int


Handler = Callable[[Message], Awaitable[None]]
Unsubscribe = Callable[[], Awaitable[None]]


class Stream(Protocol):
    """Entries in order, as they are read. The journal is one; see `Bus` for what each of these does."""

    def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]: ...
    async def follow(
        self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int
    ) -> Unsubscribe: ...
    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None: ...
    async def last_seq(self) -> int: ...
    async def size(self) -> Size: ...


class LogStream(Stream, Protocol):
    """A stream beside the journal, which forgets what is old."""

    def replay(
        self, scope: str, *, after: int = 0, since: float = 0.0, gently: bool = False
    ) -> AsyncIterator[Recorded]: ...
    async def write(self, subject: str, data: bytes, headers: Headers, *, ttl: float | None = None) -> Recorded:
        """Put an entry at its end. `headers` must hold `Nats-Msg-Id`, as in `Bus.append`. `ttl` seconds (>= 1), then it
        is gone. Returns what is there, with its place and time. Fenced, RequestTimeout, BusUnavailable, BusFull."""

    async def erase_entry(self, seq: int) -> None:
        """Remove an entry and overwrite what it said. NotErased, RequestTimeout, BusUnavailable."""


class Bus(Protocol):
    """What actors and gateway need of a bus. Every call has a deadline; the errors are the ones above."""

    async def request(
        self, subject: str, data: bytes, headers: Headers, *, timeout: float, again: float | None = None
    ) -> Message:
        """Ask and wait for one answer. `again`: after so many seconds without one it is sent a second time, to whoever
        is there by then and not as fresh, and the first answer counts; only what `Rpc.again` allows, and as far as
        `Repeats` lets.
        NoResponders (also where nobody is there any more), RequestTimeout, BusUnavailable."""

    async def publish(self, subject: str, data: bytes, headers: Headers) -> None:
        """Say without being heard for certain: telemetry only."""

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Unsubscribe:
        """Hear a subject. The handler must not block: it puts the message into a bounded inbox. Who unsubscribes still
        hears what was sent before."""

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        """Write to the journal if `expect` is still the last sequence under the subject filter `scope`, which may have
        wildcards anywhere. Returns the entry's sequence.

        `headers` must hold `Nats-Msg-Id`: a nonce made for this write alone, and the same in every retry of it. After
        RequestTimeout (it may have been stored) or BusUnavailable the caller may call again with the same arguments:
        this object knows the nonces that it sent and got no answer for, and a retry of a write that had happened
        answers its sequence. A *first* try under an id that the journal has seen in the last 120 s is not stored, so
        it is Fenced. Fenced, RequestTimeout, BusUnavailable, BusFull.
        """

    def replay(
        self, scope: str, *, after: int = 0, since: float = 0.0, gently: bool = False
    ) -> AsyncIterator[Recorded]:
        """The journal's entries under a subject filter, oldest first, up to now. `since`: those that were stored from
        then on (epoch seconds). `gently`: for somebody who may read as much as they like; whoever else asks over this
        connection hardly waits for it."""

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        """The entries after `after` and then every new one, in order, once each, without a gap: over reconnects and
        however slow the handler is. An entry whose handler raises is named in the log and passed over."""

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        """The newest entry under a subject filter. `certain`: as the stream's leader has it, so no acknowledged entry
        is missed; otherwise any replica may answer, and on more than one server that may be a moment behind."""

    async def entry(self, seq: int) -> Recorded | None:
        """The journal's entry of this sequence, as the stream's leader has it. None: there is none, or no more."""

    async def ids(self, scope: str) -> list[str]:
        """The subjects under a filter that have entries."""

    async def last_seq(self) -> int:
        """The sequence of the newest entry of the whole journal, 0 when it is empty."""

    async def size(self) -> Size:
        """The stream's own count, as its leader has it. Entries whose time is over no longer count."""

    async def redact(self, entry: Recorded, data: bytes, headers: Headers) -> None:
        """Have an entry of the journal say something else from now on, wherever it is read, and overwrite what it said.
        Its place, its subject and its time stay. It must not be the last entry under the scope of who writes after it
        without having read it anew. Again changes nothing; nor does it where the entry says something else than what
        was read: read it again. NotErased, RequestTimeout, BusUnavailable, BusFull."""

    async def finish_redactions(self) -> None:
        """Have overwritten what somebody who was killed has left of entries that say something else now. NotErased,
        RequestTimeout, BusUnavailable, BusFull."""

    async def remove(self, seq: int, *, overwrite: bool = True) -> None:
        """Have an entry of the journal gone, and what it said overwritten; or only gone, which costs a fraction, and
        leaves its text on the disk until something else takes its place. Its number stays its own. It must not be the
        last entry under the scope of who writes after it. One that is gone is no error. NotErased, RequestTimeout,
        BusUnavailable."""

    @property
    def log(self) -> LogStream:
        """The platform's log: `ottb.v1.log.<module>.<severity>`."""

    @property
    def figures(self) -> LogStream:
        """What was measured: `ottb.v1.fig.<host>.<step>`."""

    @property
    def outputs(self) -> LogStream:
        """What steps of pipelines write: `ottb.v1.out.pipeline.<pipeline>.<run>.<step>`."""

    async def usage(self) -> list[StreamUse]:
        """How full each stream is, the journal first."""

    async def get(self, bucket: str, key: str, *, certain: bool = False) -> Entry | None:
        """A key's value now. None when the key was never set. `certain`: by the word of the stream's leader."""

    async def entries(self, bucket: str) -> Mapping[str, Entry]:
        """All keys of a small bucket (at most 1,000). Not of one moment: a key that is set meanwhile may be missing."""

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        """Set a key if `expect` is its revision (0: it must not exist; None: whatever it is). Returns the new
        revision. `ttl` seconds (>= 1), then it is gone. Fenced, RequestTimeout, BusUnavailable, BusFull."""

    async def delete(self, bucket: str, key: str, *, expect: int | None = None) -> None:
        """Remove a key if `expect` is its revision."""

    async def erase(self, bucket: str, key: str) -> None:
        """Remove a key that was set once, and overwrite what it was. NotErased, RequestTimeout, BusUnavailable."""

    async def wipe(self, bucket: str) -> None:
        """Remove all keys of a bucket with all that they ever were: nothing of it is left on a disk. NotErased,
        RequestTimeout, BusUnavailable."""

    def healthy(self) -> str | None:
        """None: nothing is known to be wrong. Otherwise why the bus does not serve, and what to do, in a sentence."""

    @property
    def full(self) -> bool:
        """Whether writes are refused or swallowed for want of space, as far as the last of them showed."""
