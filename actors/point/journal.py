"""POINT's place in the journal: the directory as it is on record, and how it is changed.

Several hosts may write at once: each write names the last sequence of what it is about (the whole directory of users
and roles, or one session), so the second writer is fenced, reads what the first wrote, and decides again. Every
write waits until it has come back: then every answer includes it.

An entry that nobody can read, or that cannot be applied, costs itself: it fails closed for whom it names (see
`closing.py`), is named in `problems()`, and everything else goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from actors.point.closing import closing
from actors.point.directory import Directory
from actors.point.machine import missing_roles
from actors.point.snapshots import Kept, Snapshots
from actors.runtime.bus import Bus, BusError, Fenced, Recorded, RequestTimeout, Unsubscribe
from actors.runtime.callbacks import Callbacks
from actors.runtime.clock import Clock, parse_utc, utc
from actors.runtime.digest import must_be_digestible
from actors.runtime.ids import Ids
from actors.runtime.journalled import SNAPSHOT_EVERY
from actors.runtime.problems import Problem, Problems, of_entry
from bus_schemas.catalogue import topic_of, topics_of
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.user import (
    RoleDeleted,
    RoleSet,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    SessionsEnded,
    TokenCreated,
    TokenRevoked,
    UserChanged,
    UserDeleted,
)

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.point.>"
DIRECTORY = "directory"
WRITE_TRIES = 8
READ_DEADLINE = 2.0  # seconds to wait until an own write has come back from the journal
TOPIC_OF: Mapping[type, Topic[Any]] = {topic.event: topic for topic in topics_of("point")}

E = TypeVar("E")

BUSY = RefusalTemplate(ErrorCode.UNAVAILABLE, "Others change the same thing. Try again.")


class Void(Protocol):
    """Hears at once whose connections are no longer what they were: of a session, of a service token, or all of a
    user."""

    async def __call__(self, *, user: str | None, session: str | None, token: str | None) -> None: ...


class Journal:
    """The directory, kept as it is on record. `kept`: seconds that a session's entries stay in the journal."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids, kept: int) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._kept = kept
        self.directory = Directory()
        self._on_void: Callbacks[Void] = Callbacks()
        self._seqs: dict[str, int] = {DIRECTORY: 0}  # the last of the directory and of each open session
        self._last: Recorded | None = None
        self._live = False
        self._snapshots = Snapshots(bus)
        self._unsaved = 0  # entries since the last snapshot
        self._saving = asyncio.Lock()
        self._following: list[Unsubscribe] = []
        self._advanced = asyncio.Condition()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._problems = Problems("point")

    def problems(self) -> list[Problem]:
        """The entries that could not be taken, each with what that took away."""
        return self._problems.all()

    def on_void(self, callback: Void) -> Callable[[], None]:
        """Have it called from now on. Gives the end of the subscription."""
        return self._on_void.add(callback)

    async def start(self) -> None:
        """Read what is on record, go on reading, and write the built-in roles if they are missing."""
        if (found := await self._snapshots.read(SCOPE)) is not None:
            self._take(*found)
        async for recorded in self._bus.replay(SCOPE, after=self.seq):
            await self._hear(recorded)
        self.directory.forget_expired(self._clock.now())
        self._live = True
        self._following.append(await self._bus.follow(SCOPE, self._hear, after=self.seq))
        for event in list(missing_roles(self.directory, utc(self._clock.now()))):
            try:
                await self.change(_decided(event))
            except Refusal as refusal:  # a full journal can be read, and users be let in who are on record
                log.error("a built-in role is not written", role=event.role, why=refusal.message)

    async def stop(self) -> None:
        for stop in self._following:
            await stop()
        for task in self._tasks:
            task.cancel()
        if self._live and self._unsaved:
            await self._save()

    @property
    def seq(self) -> int:
        """The last entry that has been read."""
        return self._last.seq if self._last is not None else 0

    def _take(self, entry: Recorded, kept: Kept) -> None:
        """Begin with what was known after an entry."""
        self.directory.take(kept.directory)
        self._seqs = dict(kept.seqs)
        self._problems.restore(kept.faults, kept.forgotten)
        self._last = entry

    async def _save(self) -> None:
        """Keep a snapshot. Losing one costs only time, so a bus that is away is no error."""
        last = self._last
        if last is None or self._saving.locked():
            return
        self._unsaved = 0
        faults, forgotten = self._problems.faults
        last_of = {id: seq for id, seq in self._seqs.items() if id == DIRECTORY or id in self.directory.sessions}
        kept = Kept(directory=self.directory, seqs=last_of, faults=faults, forgotten=forgotten)
        async with self._saving:
            try:
                await self._snapshots.write(last, kept)
            except BusError as error:
                log.warning("the directory's snapshot is not kept", why=repr(error))

    async def change(self, decide: Callable[[], E | None]) -> E | None:
        """Decide on the directory as it is and put that on record; decide again when somebody else was first. Gives
        the event, None if nothing is to change."""
        async with self._turn:
            return await self._change(DIRECTORY, decide)

    async def change_session(self, session: str, decide: Callable[[], E | None]) -> E | None:
        """The same for one session."""
        return await self._change(session, decide)

    async def _change(self, id: str, decide: Callable[[], E | None]) -> E | None:
        for _ in range(WRITE_TRIES):
            event = decide()
            if event is None:
                return None
            try:
                await self._append(event, expect=self._seqs.get(id, 0))
            except Fenced:
                await self._catch_up(f"ottb.v1.evt.point.{id}.*")
                continue
            return event
        raise BUSY()

    async def _append(self, event: Any, *, expect: int) -> None:
        """Put an event on record and wait until it has come back. Raises Fenced, Refusal."""
        topic = TOPIC_OF[type(event)]
        subject, data = topic.subject_for(event), must_be_digestible(topic, event)
        headers = {"Nats-Msg-Id": self._ids.new()}
        if isinstance(event, SessionOpened | SessionRefreshed | SessionClosed):
            headers["Nats-TTL"] = f"{self._kept}s"
        scope = subject.rsplit(".", 1)[0] + ".*"
        try:
            seq = await self._bus.append(subject, data, headers, scope=scope, expect=expect)
        except Fenced:
            raise
        except RequestTimeout:  # not to be asked again by itself: what was done would be told as refused then
            raise Refusal(ErrorCode.TIMEOUT, "It may have been put on record. Ask before repeating.") from None
        except BusError:
            raise Refusal(ErrorCode.UNAVAILABLE, "This could not be put on record now. Try again.") from None
        await self.until(seq)

    async def _catch_up(self, scope: str) -> None:
        last = await self._bus.last(scope)
        await self.until(last.seq if last else 0)

    async def is_current(self, patience: float) -> bool:
        """Whether all that is on record now has been read here within `patience` seconds. False, too, where the bus
        does not say."""
        try:
            last = await self._bus.last(SCOPE, certain=True)
            await self.until(last.seq if last else 0, patience)
        except (BusError, Refusal):
            return False
        return True

    async def until(self, seq: int, seconds: float = READ_DEADLINE) -> None:
        """Wait until the journal's entry has come back: then every answer includes it. Raises Refusal(TIMEOUT)."""
        if self.seq >= seq:
            return
        try:
            async with asyncio.timeout(seconds), self._advanced:
                await self._advanced.wait_for(lambda: self.seq >= seq)
        except TimeoutError:
            raise Refusal(ErrorCode.TIMEOUT, "Written, but not read back in time.") from None

    async def _hear(self, recorded: Recorded) -> None:
        parts = recorded.subject.split(".")
        event = self._taken(recorded, parts[4], parts[5]) if len(parts) == 6 else None
        if len(parts) == 6:
            self._seqs[parts[4]] = recorded.seq
        else:
            self._left_out(recorded, f"its subject has {len(parts)} parts instead of 6")
        if isinstance(event, SessionClosed):
            self._seqs.pop(event.session, None)
        self._last = recorded
        self._unsaved += 1
        if self._live and self._unsaved >= SNAPSHOT_EVERY:
            self._spawn(self._save())
        async with self._advanced:
            self._advanced.notify_all()
        if self._live and event is not None:
            for whom in self._void(event):
                for void in self._on_void:
                    self._spawn(void(**whom))

    def _taken(self, recorded: Recorded, id: str, past: str) -> Any:
        """Apply an entry and return its event; of one that cannot be read, what it takes away; None if that is
        nothing."""
        topic = topic_of(recorded.subject)
        if topic is None:
            self._problems.fault(f"kind {past}", "entries of this kind are not known, and change nothing")
            return None
        try:
            event: Any = _sound(msgspec.json.decode(recorded.data, type=topic.event))
            self.directory.apply(event)
        except (msgspec.DecodeError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
            event = closing(self.directory, id, past, recorded.data)
            if event is not None:
                self.directory.apply(event)
            self._left_out(recorded, f"{type(error).__name__}: {error}; {_counts_as(event)}")
        return event

    def _left_out(self, recorded: Recorded, reason: str) -> None:
        if self._problems.fault(of_entry(recorded.seq), f"{recorded.subject}: {reason}"):
            log.error("entry of the directory not understood", subject=recorded.subject, seq=recorded.seq, why=reason)

    def _void(self, event: Any) -> list[dict[str, str | None]]:
        """Whose connections an event makes void, so that they come again with what they may do now."""
        match event:
            case SessionClosed(session=session):
                return [{"user": None, "session": session, "token": None}]
            case TokenRevoked(token_id=id):
                return [{"user": None, "session": None, "token": id}]
            case UserChanged(user=user) | UserDeleted(user=user) | SessionsEnded(user=user):
                return [{"user": user, "session": None, "token": None}]
            case RoleSet(role=role) | RoleDeleted(role=role):
                users = [user.name for user in self.directory.users.values() if user.role == role]
                return [{"user": user, "session": None, "token": None} for user in users]
        return []

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _sound(event: E) -> E:
    """The event, if its moments are some that can be compared. Raises ValueError, OverflowError."""
    if isinstance(event, SessionOpened | TokenCreated) and parse_utc(event.expires_at).tzinfo is None:
        raise ValueError(f"{event.expires_at} has no time zone")
    return event


def _decided(event: E) -> Callable[[], E]:
    """What is decided already, whatever the directory says."""
    return lambda: event


def _counts_as(event: Any) -> str:
    """What an unreadable entry does, in words without secrets."""
    match event:
        case None:
            return "it takes nothing away"
        case UserChanged(user=user):
            return f"user {user} is disabled until changed anew, and without service tokens"
        case UserDeleted(user=user):
            return f"user {user} is gone"
        case RoleSet(role=role) | RoleDeleted(role=role):
            return f"role {role} grants nothing until set anew"
        case TokenRevoked(token_id=id):
            return f"service token {id} is revoked"
        case SessionsEnded(user=user):
            return f"sessions and service tokens of {user} have ended"
        case SessionClosed(user=user):
            return f"a session of {user} has ended"
    return "it changes nothing"
