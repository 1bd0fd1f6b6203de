"""A state that changes only by events on record: read from the journal, written to it, kept in snapshots."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
import structlog
from msgspec import Meta, Struct

from actors.runtime.answers import Answers
from actors.runtime.bus import ID, Recorded
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
AT_ONCE = 128 * 1024  # bytes of events that are read until the state follows them
SNAPSHOTS = "OTTB_SNAP"
REPLY_HEADER, COMMAND_HEADER = "Ottb-Reply", "Ottb-Command"
NO_HEADERS: Mapping[str, str] = {}


def unreadable(seq: int, verb: str, error: Exception) -> str:
    """What is said of an event that cannot be read."""
    return f"event {seq} ({verb}) of its journal cannot be read: {plainly(error)}"


class Unreadable(Exception):
    """An actor's own journal holds what cannot be read: it must not work on a state that may be wrong."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The state after the event `seq`, so that a start need not read from the beginning. `answers`: of the last
    commands, as JSON; `forgot`: there have been more."""

    seq: Annotated[int, Meta(ge=1)]
    state: Any  # any: of whatever kind of actor; converted to its `state_type`
    answers: dict[str, str] = {}
    forgot: bool = False


class Journalled(EffectRunner, Generic[State, Event]):
    """The part of an actor that has a state, and its record."""

    state_type: ClassVar[type[Any]]  # any: it is `State`, but a class variable cannot be of its class's type variables
    topics: ClassVar[tuple[AnyTopic, ...]]
    snapshots: ClassVar[bool] = False  # for kinds whose journal grows for years

    read_back: ClassVar[Mapping[type, type]] = {}  # of an event's class: a part of it, where no more is read from it

    _by_verb: ClassVar[Mapping[str, Callable[[bytes], Any]]]  # what reads an event. Any: of each topic its own

    __slots__ = ("_answers", "_unsaved", "seq", "stands_in", "state")

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
        self._unsaved = 0
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
            for owner in self.owners(state):
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
            owners = (*self.owners(self.state), *self.owners(state))  # who had it hears that it is another's now
            about = owners_header({self.kind: owners, **self.owners_beside()})
            data, headers = msgspec.json.encode(event), self._headers({**headers, **about}, context)
            topic = self._topic_of(event)
            subject = topic.subject_for(event)
            feeds = feeds_of(subject, owners)  # before the write: what cannot be told is not written either
            self.seq = await self._host.append(subject, data, headers, scope=self.scope, expect=self.seq)
            self._apply(state, headers)
            self._host.publish_to_feeds(topic, event, data, feeds, seq=self.seq)
        self.recorded(event)
        self.state_changed()
        if self.snapshots and self._unsaved >= SNAPSHOT_EVERY and not self.stands_in:
            self.spawn(self._save_snapshot())

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
        kept = await self._host.bus.get(SNAPSHOTS, self._snapshot_key) if self.snapshots else None
        if kept is not None and kept.data is not None:
            self._use_snapshot(kept.data)
        if not await self._read_on():
            log.warning("snapshot not of this journal", actor=f"{self.kind} {self.id}", seq=self.seq)
            self.state, self.seq, self._answers = None, 0, None
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

    def _use_snapshot(self, data: bytes) -> None:
        try:
            snapshot = msgspec.json.decode(data, type=Snapshot)
            state = msgspec.convert(snapshot.state, self.state_type) if snapshot.state is not None else None
        except UNDECODABLE as error:  # the events say it all, only slower
            log.warning("snapshot not readable", actor=f"{self.kind} {self.id}", error=str(error))
            return
        self.state, self.seq = state, snapshot.seq
        if snapshot.answers or snapshot.forgot:
            self._answers = Answers(snapshot.answers, forgot=snapshot.forgot)

    async def _save_snapshot(self) -> None:
        state = self.snapshot_state()
        if state is None or self.stands_in:
            return
        answers = self._answers or Answers()
        snapshot = Snapshot(seq=self.seq, state=state, answers=answers.as_text(), forgot=answers.forgot)
        self._unsaved = 0
        await self._host.save_snapshot(SNAPSHOTS, self._snapshot_key, msgspec.json.encode(snapshot))
