"""What a bus in memory keeps when all its clients are gone: the journal, the keys, and who hears what.

It decides as JetStream does. For one server (R1) that is, found out on nats-server 2.15.1: the expected sequence is
looked at before the duplicate window, so the repeat of an accepted conditional write is refused (10071) and not
called a duplicate, and a write whose expectation holds but whose id was used in the last 120 s, under whatever
subject, is acknowledged as a duplicate with the sequence of the *first* message and never stored. Only what is stored
leaves its id. A refused expectation and a duplicate are told on a full disk too; what would be stored is refused.
With replicas (R3) the duplicate window is looked at first.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.bus import ID, Fenced, Handler, Headers, Message, Recorded
from actors.runtime.clock import Clock
from bus_schemas.contract import matches

DUPLICATE_WINDOW = 120.0  # seconds in which an id is known
PENDING_MESSAGES = 65536  # that may wait for one subscriber; those beyond are dropped
KIND_PLACE = 3  # `ottb.v1.evt.` is common to all: an index by it would be the whole journal


def _prefix(subject: str) -> str:
    """The first five tokens, or nothing for a pattern whose wildcard comes before."""
    prefix = ".".join(subject.split(".")[:5])
    return "" if "*" in prefix or ">" in prefix else prefix


FILES = "OTTB_FILE/"


class Full(Exception):
    """There is no space for another message."""


class Ack(Struct, frozen=True, kw_only=True):
    """The server's acknowledgement. `duplicate`: nothing was stored, `seq` is of the message that had the id first."""

    seq: int
    duplicate: bool = False


class Client(Protocol):
    """What the broker, and whoever asks a client through it, knows of one (`memory_bus.py`)."""

    alive: bool

    @property
    def connected(self) -> bool: ...
    @property
    def reachable(self) -> bool: ...
    async def awake(self) -> None: ...
    def receive(self, listener: "Subscription", message: Message) -> None: ...
    def cut_off(self, notice: float) -> None: ...
    def mended(self) -> None: ...


@dataclass(eq=False)
class Subscription:
    """A client that hears a subject. `waiting` counts what has not reached its handler."""

    client: Client
    pattern: str
    handler: Handler
    queue: str
    waiting: int = 0


@dataclass(eq=False)
class Follower:
    """A client that reads the journal on. `at`: how many entries of the whole journal it has behind it."""

    client: Client
    scope: str
    handler: Callable[[Recorded], Awaitable[None]]
    wake: asyncio.Event
    at: int


@dataclass
class Value:
    """What is under a key. `until`: when it runs out, on the clock that never jumps."""

    data: bytes | None
    revision: int
    until: float | None
    id: str = ""


class Journal:
    """The stream: entries, the places where they are found again, and the ids of the last while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[Recorded] = []
        self.erased: set[int] = set()  # of the platform's log, whose readers skip them
        self.removed: set[int] = set()  # of the journal; `entries` keeps their places
        # Entries by each token from the fourth on and its place: a filter with wildcards anywhere is answered from
        # the shortest list of its plain tokens.
        self._by_token: dict[tuple[int, str], list[Recorded]] = {}
        self._seqs: dict[str, int] = {}  # by message id
        self._aging: deque[tuple[float, str]] = deque()

    def store(self, subject: str, data: bytes, headers: Headers) -> Recorded:
        at, seq = self._clock.now().timestamp(), len(self.entries) + 1
        entry = Recorded(subject=subject, data=data, headers=dict(headers), seq=seq, at=at)
        self.entries.append(entry)
        for place, token in enumerate(subject.split(".")[KIND_PLACE:], start=KIND_PLACE):
            self._by_token.setdefault((place, token), []).append(entry)
        if (id := headers.get(ID)) is not None:
            self._seqs[id] = seq
            self._aging.append((self._clock.monotonic() + DUPLICATE_WINDOW, id))
        return entry

    def redact(self, entry: Recorded, data: bytes, headers: Headers) -> None:
        """Another text in an entry's place."""
        known = self.entries[entry.seq - 1]
        if entry.seq in self.removed or (known.data, known.headers) != (entry.data, entry.headers):
            return
        said = replace(known, data=data, headers=dict(headers))
        self.entries[entry.seq - 1] = said
        for place, token in enumerate(known.subject.split(".")[KIND_PLACE:], start=KIND_PLACE):
            near = self._by_token[place, token]
            near[near.index(known)] = said

    def entry(self, seq: int) -> Recorded | None:
        return self.entries[seq - 1] if 0 < seq <= len(self.entries) and seq not in self.removed else None

    def remove(self, seq: int) -> None:
        """Nobody reads it any more."""
        if seq not in self.removed:
            self.removed.add(seq)
            known = self.entries[seq - 1]
            for place, token in enumerate(known.subject.split(".")[KIND_PLACE:], start=KIND_PLACE):
                self._by_token[place, token].remove(known)

    def seen(self, id: str | None) -> int | None:
        """The sequence of the message that had this id in the last 120 s."""
        now = self._clock.monotonic()
        while self._aging and self._aging[0][0] <= now:
            del self._seqs[self._aging.popleft()[1]]
        return self._seqs.get(id) if id is not None else None

    def _near(self, scope: str) -> list[Recorded]:
        found = self.entries
        if self.removed:
            found = [entry for entry in found if entry.seq not in self.removed]
        for place, token in enumerate(scope.split(".")[KIND_PLACE:], start=KIND_PLACE):
            if token not in ("*", ">"):
                here = self._by_token.get((place, token), [])
                found = here if len(here) < len(found) else found
        return found

    def under(self, scope: str) -> list[Recorded]:
        """The entries under a subject filter, oldest first."""
        return [entry for entry in self._near(scope) if matches(scope, entry.subject)]

    def last(self, scope: str, behind: int = 0) -> Recorded | None:
        """The newest entry under a filter, for a reader who has not the newest `behind` entries yet."""
        known = len(self.entries) - behind
        for entry in reversed(self._near(scope)):
            if entry.seq <= known and matches(scope, entry.subject):
                return entry
        return None

    def first_after(self, scope: str, seq: int) -> Recorded | None:
        """The oldest entry under a filter that is newer than `seq`."""
        found = None
        for entry in reversed(self._near(scope)):
            if entry.seq <= seq:
                break
            found = entry if matches(scope, entry.subject) else found
        return found


@dataclass
class MemoryBroker:
    """What survives every client, and what goes wrong there: set `full`, `stuck`, `lose_ack`, `reply_delays`."""

    clock: Clock
    replicated: bool = False
    full: bool = False  # what would be stored is refused
    journal_full: bool = False  # what would be stored in the journal is refused; keys are not
    files_limit: int = 2**28  # bytes of the bucket of files, which refuses what is more
    limit: int = 2**30  # bytes of the journal, as the bus tells them; `full` is what refuses
    stuck: bool = False  # what would be stored is not even answered, as after a write that the disk had no space for
    lose_ack: Callable[[], bool] = lambda: False  # asked after each write and each change of a key
    # Seconds after which each copy of an answer arrives: one in order by default. Different ones for different
    # answers put them out of order, two repeat one, none loses it.
    reply_delays: Callable[[], tuple[float, ...]] = lambda: (0.0,)
    overlooks: Callable[[str], bool] = lambda name: False  # asked of each key while all are read: is it set just now?
    lag: Callable[[], int] = lambda: 0  # how many of the newest entries the replica that answers has not yet
    pending_limit: int = PENDING_MESSAGES
    values: dict[str, Value] = field(default_factory=dict)
    followers: list[Follower] = field(default_factory=list)
    heard_by: dict[str, list[Subscription]] = field(default_factory=dict)
    revision: int = 0
    changes: int = 0
    turn: int = 0

    def __post_init__(self) -> None:
        self.log = Journal(self.clock)
        self.platform_log = Journal(self.clock)
        self.figures = Journal(self.clock)
        self.outputs = Journal(self.clock)
        self.log_readers: list[asyncio.Event] = []  # set for each entry of it

    # --- what goes wrong with one client

    def cut(self, client: Client, *, notice: float = 0.0) -> None:
        """Nothing passes between a client and the broker until `mend`. It notices after `notice` seconds (a real one
        within 4); until then it sends into the void. Messages said meanwhile are lost to its subscriptions."""
        client.cut_off(notice)

    def mend(self, client: Client) -> None:
        client.mended()

    # --- the journal

    @property
    def journal(self) -> list[Recorded]:
        return self.log.entries

    def write(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> Ack:
        """Decide on one write as the server does. Raises Fenced (10071) and Full."""
        first = self.log.seen(headers.get(ID))
        if self.replicated and first is not None:
            return Ack(seq=first, duplicate=True)
        last = self.log.last(scope)
        if (last.seq if last else 0) != expect:
            raise Fenced(scope)
        if first is not None:
            return Ack(seq=first, duplicate=True)
        if self.full or self.journal_full or self.stuck:
            raise Full
        entry = self.log.store(subject, data, headers)
        for follower in self.followers:
            follower.wake.set()
        return Ack(seq=entry.seq)

    def entries(self, scope: str) -> list[Recorded]:
        """The entries under a subject filter, oldest first."""
        return self.log.under(scope)

    def last(self, scope: str, *, behind: int = 0) -> Recorded | None:
        return self.log.last(scope, behind)

    # --- who hears what

    def add(self, subscription: Subscription) -> None:
        self.heard_by.setdefault(_prefix(subscription.pattern), []).append(subscription)

    def drop(self, subscription: Subscription) -> None:
        known = self.heard_by.get(_prefix(subscription.pattern), [])
        if subscription in known:
            known.remove(subscription)

    def drop_client(self, client: Client) -> None:
        for known in self.heard_by.values():
            known[:] = [one for one in known if one.client is not client]
        self.followers = [one for one in self.followers if one.client is not client]

    def listeners(self, subject: str) -> list[Subscription]:
        """Who hears a message: everybody, and one of each queue group in turn. Not who is cut off."""
        heard: list[Subscription] = []
        groups: dict[tuple[str, str], list[Subscription]] = {}
        near = [*self.heard_by.get(_prefix(subject), ()), *self.heard_by.get("", ())]
        for one in near:
            if one.client.reachable and matches(one.pattern, subject):
                if one.queue:
                    groups.setdefault((one.pattern, one.queue), []).append(one)
                else:
                    heard.append(one)
        self.turn += 1
        return heard + [members[self.turn % len(members)] for members in groups.values()]

    # --- keys

    def value(self, name: str) -> Value | None:
        value = self.values.get(name)
        if value is not None and value.until is not None and value.until <= self.clock.monotonic():
            self.revision += 1
            value = self.values[name] = Value(None, self.revision, None)
        return value

    @property
    def files(self) -> int:
        """Bytes in the bucket of files."""
        return sum(len(value.data or b"") for name, value in self.values.items() if name.startswith(FILES))

    def _no_room(self, name: str, data: bytes) -> bool:
        had = self.values.get(name)
        return self.files - len(had.data or b"" if had else b"") + len(data) > self.files_limit

    def new_id(self) -> str:
        """An id for one change of a key."""
        self.changes += 1
        return f"change-{self.changes}"

    def change(self, name: str, data: bytes | None, *, expect: int | None, ttl: float | None, id: str = "") -> int:
        """Set a key (`data` None: delete it) if `expect` is its revision. Raises Fenced and Full."""
        value = self.value(name)
        if expect is not None and (value.revision if value is not None else 0) != expect:
            raise Fenced(name)
        if self.full or self.stuck or (data and name.startswith(FILES) and self._no_room(name, data)):
            raise Full
        self.revision += 1
        until = None if ttl is None else self.clock.monotonic() + max(ttl, 1.0)
        self.values[name] = Value(data, self.revision, until, id)
        return self.revision
