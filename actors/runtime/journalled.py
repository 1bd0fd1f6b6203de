"""A state that changes only by events on record: read from the journal, written to it, kept in snapshots."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
import structlog
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.runtime import pieces
from actors.runtime.answers import Answers
from actors.runtime.bus import ID, BusError, Recorded
from actors.runtime.context import Context
from actors.runtime.digest import must_be_digestible
from actors.runtime.effects import EffectRunner
from bus_schemas.contract import UNDECODABLE, AnyTopic, token, verb_of
from bus_schemas.fields import plainly
from bus_schemas.kinds import Owners, feeds_of, owners_header

if TYPE_CHECKING:
    from actors.runtime.host import Host

log = structlog.get_logger()

State = TypeVar("State", bound=Struct)
Event = TypeVar("Event", bound=Struct)

SNAPSHOT_EVERY = 200  # events
LARGE_EVERY, LARGE_AT_STOP = 20_000, 2000  # the same of a large state, and how many a stop keeps one for
AT_ONCE = 128 * 1024  # bytes of events that are read until the state follows them
SNAPSHOTS = "OTTB_SNAP"
REPLY_HEADER, COMMAND_HEADER = "Ottb-Reply", "Ottb-Command"
STRANGE = (ValueError, IndexError, TypeError)  # of a piece that is of another form
NO_HEADERS: Mapping[str, str] = {}


def unreadable(seq: int, verb: str, error: Exception) -> str:
    """What is said of an event that cannot be read."""
    return f"event {seq} ({verb}) of its journal cannot be read: {plainly(error)}"


class Unreadable(Exception):
    """An actor's own journal holds what cannot be read: it must not work on a state that may be wrong."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The state after the event `seq`, so that a start need not read from the beginning. `answers`: of the last
    commands, as JSON; `forgot`: there have been more. Of a large state: where the `rest` of it is, what is known
    `beside` it, and of which `form` all that is."""

    seq: Annotated[int, Meta(ge=1)]
    state: Any  # any: of whatever kind of actor; converted to its `state_type`
    answers: dict[str, str] = {}
    forgot: bool = False
    rest: pieces.Pieces | None = None
    beside: int = 0
    form: str = ""


class Journalled(EffectRunner, Generic[State, Event]):
    """The part of an actor that has a state, and its record."""

    state_type: ClassVar[type[Any]]  # any: it is `State`, but a class variable cannot be of its class's type variables
    topics: ClassVar[tuple[AnyTopic, ...]]
    snapshots: ClassVar[bool] = False  # for kinds whose journal grows for years
    large: ClassVar[bool] = False  # their state does not fit into one message: snapshots in pieces, and rarer
    form: ClassVar[str] = ""  # of what is in a snapshot: one of another form is not used

    read_back: ClassVar[Mapping[type, type]] = {}  # of an event's class: a part of it, where no more is read from it

    _by_verb: ClassVar[Mapping[str, Callable[[bytes], Any]]]  # what reads an event. Any: of each topic its own

    __slots__ = ("_answers", "_saving", "_unsaved", "seq", "stands_in", "state")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        events = {topic.verb: topic.event for topic in getattr(cls, "topics", ())}
        cls._by_verb = {
            verb: msgspec.json.Decoder(cls.read_back.get(event, event)).decode for verb, event in events.items()
        }

    def __init__(self, *, id: str, host: "Host") -> None:
        super().__init__(id=id, host=host)
        self.state: State | None = None
        self.seq = 0
        self.stands_in = False  # nothing is written any more: what follows is known here alone
        self._saving, self._unsaved = False, 0
        self._answers: Answers | None = None

    # --- what a subclass says

    @staticmethod
    def evolve(state: State | None, event: Event, /) -> State | None:
        """The state after an event. A look-up without `self`: it reaches no clock, no bus and no timer."""
        raise NotImplementedError

    @classmethod
    def evolve_all(cls, state: State | None, events: Sequence[Event], /) -> State | None:
        """The state after several, which have been read from the journal."""
        for event in events:
            state = cls.evolve(state, event)
        return state

    def state_changed(self) -> None:
        """The state, or the memory beside it, has changed."""

    def recorded(self, event: Event) -> None:
        """An event of this actor is on record as `seq`, and the state has changed. Of one that stands in for another,
        nothing is on record: it is known here alone."""

    def replayed(self, recorded: Recorded) -> None:
        """An entry of this actor has been read."""

    def newest(self, verb: str) -> int | None:
        """The sequence of the newest of its events of this name, 0: there is none; None: that is not kept in memory."""
        return None

    def snapshot_state(self) -> State | None:
        """The state as it goes into a snapshot; None: not now, or there is none."""
        return self.state

    @staticmethod
    def taken_apart(state: State, /) -> tuple[State, Iterable[bytes]]:
        """Of a large state: what of it goes into the snapshot, and the rest in pieces, which are made as each is asked
        for."""
        return state, ()

    @staticmethod
    def with_piece(state: State, piece: bytes, /) -> State:
        """The same state with the next piece. Raises what a codec raises."""
        raise NotImplementedError

    @property
    def beside(self) -> int:
        """What has to be known beside the state of what was on record before the snapshot."""
        return 0

    def take_beside(self, beside: int) -> None:
        """The same, read back. 0: nothing was before."""

    def allowed_timers(self) -> frozenset[str] | None:
        """The timers that may run in the present state; None: all."""
        return None

    @property
    def scope(self) -> str:
        """The subject filter of its events: a write is fenced by the last of them."""
        return f"ottb.v1.evt.{self.kind}.{self.id}.*"

    @property
    def read_scope(self) -> str:
        """Where its events are read; the same, but that it may be known more exactly."""
        return self.scope

    def owners(self, state: State | None) -> tuple[str | None, ...]:
        """Whose thing this is in a state, for those who see only their own; None: everybody's. Empty: only who sees
        all is shown it, which for a kind that belongs to nobody is who may view it."""
        return ()

    def hears_too(self, event: Event) -> tuple[str, ...]:
        """Who hears of one event, before it is in the state, as of something of theirs, beside whose thing this is."""
        return ()

    def owners_beside(self) -> Owners:
        """Whose the things of other kinds are that this actor's events are about too."""
        return {}

    # --- writing

    def _must_be_digestible(self, events: Iterable[Event]) -> None:
        """Raise Refusal(INVALID_PARAMS) where one of the events that were decided could not be read by whoever comes
        later, or not be told to whose thing it is."""
        state = self.state
        for event in events:
            must_be_digestible(self._topic_of(event), event)
            state = self.evolve(state, event)
            for owner in (*self.owners(state), *self.hears_too(event)):
                if owner is not None:
                    token(owner)

    async def _record(
        self, event: Event, headers: Mapping[str, str] = NO_HEADERS, context: Context | None = None
    ) -> None:
        """Put one event on record and change the state. The write is known by a name that is made for it alone: one
        made of the command would be made again by a repeat, or by another host. Raises Fenced, BusError."""
        state = self.evolve(self.state, event)
        if self.stands_in:
            self._apply(state, headers)
        else:
            # Who had it hears that it is another's now.
            owners = (*self.owners(self.state), *self.owners(state), *self.hears_too(event))
            about = owners_header({self.kind: owners, **self.owners_beside()})
            data, headers = msgspec.json.encode(event), self._headers({**headers, **about}, context)
            topic = self._topic_of(event)
            subject = topic.subject_for(event)
            feeds = feeds_of(subject, owners)  # before the write: what cannot be told is not written either
            self.seq = await self._host.append(subject, data, headers, scope=self.scope, expect=self.seq)
            self._apply(state, headers)
            self._host.feeds.publish_to_owners(topic, event, data, feeds, seq=self.seq)
        self.recorded(event)
        self.state_changed()
        self._save_if_due()

    def _headers(self, headers: Mapping[str, str], context: Context | None) -> Mapping[str, str]:
        written = {ID: self._host.ids.new(), **headers}
        if context is not None:
            written[COMMAND_HEADER] = context.command_id
            if context.traceparent:
                written["traceparent"] = context.traceparent
        return written

    def _topic_of(self, event: Event) -> AnyTopic:
        return next(topic for topic in self.topics if topic.event is type(event))

    def _apply(self, state: State | None, headers: Mapping[str, str]) -> None:
        self.state = state
        self._keep_answer(headers)
        self._keep_timers()

    def _keep_answer(self, headers: Mapping[str, str]) -> None:
        self._unsaved += 1
        reply = headers.get(REPLY_HEADER)
        if reply is not None and (command := headers.get(COMMAND_HEADER)):
            self._answers = self._answers or Answers()
            self._answers.keep(command, reply)

    def _keep_timers(self) -> None:
        if (kept := self.allowed_timers()) is not None:
            self._cancel_other_timers(kept)

    # --- reading

    async def _fold(self) -> None:
        """Read the state from the snapshot, if there is one that fits, and the journal. Raises Unreadable, BusError."""
        if self.snapshots:
            await self._use_snapshot()
        if not await self._read_on():
            log.warning("snapshot not of this journal", actor=f"{self.kind} {self.id}", seq=self.seq)
            self.state, self.seq, self._answers = None, 0, None
            self.take_beside(0)
            await self._forget_snapshot()  # else it fits once the journal has come to there, with other events
            await self._read_on()

    async def _read_on(self) -> bool:
        """Fold what follows. False: the journal does not have the event that the snapshot is of, since it has been
        restored, or is another; every write would be fenced."""
        snapshot, known = self.seq, self.seq == 0
        events, size = list[Event](), 0
        async for recorded in self._host.bus.replay(self.read_scope, after=max(snapshot - 1, 0)):
            if known:
                self._read_back(recorded, events)
            elif recorded.seq == snapshot:
                known = True
            else:
                break
            size += len(recorded.data)
            if size >= AT_ONCE:
                self._fold_in(events)
                size = 0
        self._fold_in(events)
        return known

    def _read_back(self, recorded: Recorded, events: list[Event]) -> None:
        """Add an event to those that the state follows."""
        verb = verb_of(recorded.subject)
        self.seq = recorded.seq
        if recorded.seq in self._host.step_over:
            log.warning("stepped over", actor=f"{self.kind} {self.id}", seq=recorded.seq, subject=recorded.subject)
            return
        self.replayed(recorded)
        decode = self._by_verb.get(verb)
        if decode is None:  # an event of a later version: not ours to understand
            return
        try:
            events.append(decode(recorded.data))
        except UNDECODABLE as error:
            raise Unreadable(unreadable(recorded.seq, verb, error)) from None
        self._keep_answer(recorded.headers)

    def _fold_in(self, events: list[Event]) -> None:
        self.state = self.evolve_all(self.state, events)
        self._keep_timers()
        events.clear()

    # --- snapshots

    @property
    def _snapshot_key(self) -> str:
        return f"{self.kind}.{self.id}"

    async def _kept_snapshot(self, *, certain: bool = False) -> Snapshot | None:
        """The one that is there, if it can be read. Raises BusError."""
        kept = await self._host.bus.get(SNAPSHOTS, self._snapshot_key, certain=certain)
        if kept is None or kept.data is None:
            return None
        try:
            return msgspec.json.decode(kept.data, type=Snapshot)
        except UNDECODABLE as error:  # the events say it all, only slower
            self._cannot_use(error)
            return None

    def _cannot_use(self, why: object) -> None:
        log.warning("snapshot not readable", actor=f"{self.kind} {self.id}", error=str(why))

    async def _use_snapshot(self) -> None:
        snapshot = await self._kept_snapshot()
        if snapshot is None:
            return
        try:
            state = await self._state_of(snapshot)
        except (*UNDECODABLE, *STRANGE, pieces.Missing) as error:
            self._cannot_use(error)
            return
        self.state, self.seq = state, snapshot.seq
        self.take_beside(snapshot.beside)
        if snapshot.answers or snapshot.forgot:
            self._answers = Answers(snapshot.answers, forgot=snapshot.forgot)

    async def _state_of(self, snapshot: Snapshot) -> State | None:
        """Raises Missing, BusError, and what a codec raises."""
        if snapshot.form != self.form:
            raise pieces.Missing("it is of another version")
        if snapshot.state is None:
            return None
        state: State = msgspec.convert(snapshot.state, self.state_type, str_keys=True)
        if snapshot.rest is not None:
            async for piece in pieces.read(self._host.bus, SNAPSHOTS, self._snapshot_key, snapshot.rest):
                state = self.with_piece(state, piece)
                await asyncio.sleep(0)
        return state

    def _save_if_due(self) -> None:
        """Keep a snapshot if so much has come on record since the last one."""
        if self.snapshots and self._unsaved >= (LARGE_EVERY if self.large else SNAPSHOT_EVERY) and not self.stands_in:
            self.spawn(self._save_snapshot())

    async def _save_at_stop(self) -> None:
        if self.snapshots and self._unsaved >= (LARGE_AT_STOP if self.large else 1):
            await self._save_snapshot()

    async def _save_snapshot(self) -> None:
        """Keep one of now. Losing one costs only time, so a bus that is away is no error."""
        state = self.snapshot_state()
        if state is None or self.stands_in or self._saving:
            return
        self._saving, self._unsaved = True, 0
        try:
            await self._save(state)
        except BusError as error:
            log.warning("snapshot not kept", key=self._snapshot_key, error=repr(error))
        finally:
            self._saving = False

    async def _save(self, state: State) -> None:
        """Raises BusError."""
        answers, (state, rest) = self._answers or Answers(), self.taken_apart(state)
        snapshot = Snapshot(
            seq=self.seq, state=state, answers=answers.as_text(), forgot=answers.forgot, beside=self.beside,
            form=self.form,
        )  # fmt: skip
        bus, key = self._host.bus, self._snapshot_key
        if not self.large:
            await bus.put(SNAPSHOTS, key, msgspec.json.encode(snapshot), expect=None)
            return
        kept = await self._kept_snapshot(certain=True)

        def head(there: pieces.Pieces) -> bytes:
            return msgspec.json.encode(replace(snapshot, rest=there))

        await pieces.put(bus, SNAPSHOTS, key, rest, head, last=kept.rest if kept is not None else None)

    async def _forget_snapshot(self) -> None:
        """It is not needed any more."""
        try:
            if (kept := await self._kept_snapshot()) is not None:
                await self._host.bus.delete(SNAPSHOTS, self._snapshot_key)
                if kept.rest is not None:
                    await pieces.forget(self._host.bus, SNAPSHOTS, self._snapshot_key, kept.rest)
        except BusError as error:
            log.info("snapshot not forgotten", key=self._snapshot_key, error=repr(error))
