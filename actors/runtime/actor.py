"""An actor: one owner, one bounded inbox, one state that changes only by events on record.

Bus commands, reports of the outside and timers pass the same inbox, one at a time. Each becomes a `Decision`:
its events are appended to the journal (the fence: the append fails when another owner has written since), then
the state moves, the asker is answered, and the effects are carried out. A crash answers the asker and ends the
actor; its host restarts it from the journal.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
import structlog
from msgspec import Meta, Struct

from actors.runtime.bus import BusError, BusUnavailable, Fenced, Message, Recorded
from actors.runtime.clock import Moment, Timer, moment
from actors.runtime.context import Context
from actors.runtime.decision import CancelTimer, Decision, Effect, Elapsed, SetTimer, Tell
from actors.runtime.wire import decode_request, send_refusal, send_reply
from bus_schemas.contract import UNDECODABLE, Rpc, Topic
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.kinds import Owners, owners_header

if TYPE_CHECKING:
    from actors.runtime.host import Host

log = structlog.get_logger()

State = TypeVar("State", bound=Struct)
NO_HEADERS: Mapping[str, str] = {}

INBOX_LIMIT = 1024
REMEMBERED_ANSWERS = 1024  # answers of the last commands in memory, for callers that repeat one
SNAPSHOT_EVERY = 200  # events
REPLY_HEADER = "Ottb-Reply"
SNAPSHOTS = "OTTB_SNAP"

INBOX_FULL = Refusal(ErrorCode.UNAVAILABLE, "Too much is waiting here already. Try again.")
NOT_READABLE = Refusal(ErrorCode.UNAVAILABLE, "What became of this command cannot be read now. Try again.")
STOPPED = Refusal(ErrorCode.UNAVAILABLE, "This is being taken over. Try again.")
UNREADABLE = "event {seq} ({past}) of its journal cannot be read: {error}"
QUARANTINED = Refusal(
    ErrorCode.CONFLICT, "This is quarantined: its record cannot be read. Its calls end, and nothing else begins."
)
CRASHED = Refusal(ErrorCode.INTERNAL, "This went wrong inside. It is in the log.")


class Unreadable(Exception):
    """An actor's own journal holds what cannot be read: it must not work on a state that may be wrong."""


class NotOurs(Exception):
    """The record says that another host owns this actor."""


class Asked(Struct, frozen=True):
    """A command from the bus."""

    rpc: Rpc[Any, Any]
    message: Message


class Ordered(Struct, frozen=True):
    """A command from the same host, answered through a future."""

    order: Any
    context: Context
    done: "asyncio.Future[Any]"


class Told(Struct, frozen=True):
    """A report, and when it came: while the bus is away it may have to wait, and its time must not move."""

    report: Any
    heard: Moment


class Snapshot(Struct, frozen=True, kw_only=True):
    """The state after the event `seq`, so that a start need not read from the beginning. `answers`: of the last
    commands, as JSON; `forgot`: there have been more."""

    seq: Annotated[int, Meta(ge=1)]
    state: Any
    answers: dict[str, str] = {}
    forgot: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """What a command leads to. `reply` may be a function of the state after the events."""

    decision: Decision[Any]
    reply: Any


class Actor(Generic[State]):
    """The generic half. A subclass names its kind, topics and commands and gives the pure functions their place."""

    kind: ClassVar[str]
    state_type: ClassVar[Any]
    topics: ClassVar[tuple[Topic[Any], ...]]
    commands: ClassVar[Mapping[Rpc[Any, Any], str]]
    snapshots: ClassVar[bool] = False  # for kinds whose journal grows for years
    answered_once: ClassVar[Mapping[Rpc[Any, Any], Topic[Any]]] = {}  # whose answer is on record, and beside what

    __slots__ = (
        "_answers", "_forgot", "_host", "_inbox", "_live", "_pump", "_tasks", "_timers", "_unsaved", "id", "seq",
        "stands_in", "state",
    )  # fmt: skip

    def __init__(self, *, id: str, host: "Host") -> None:
        self.id = id
        self.state: State | None = None
        self.seq = 0
        self.stands_in = False  # nothing is written any more: what follows is known here alone
        self._host = host
        self._live = True
        self._unsaved = 0
        self._inbox: deque[Asked | Ordered | Told] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] | None = None
        self._timers: dict[str, Timer] | None = None
        self._answers: OrderedDict[str, bytes] | None = None
        self._forgot = False

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id} at {self.seq}>"

    # --- what a subclass says

    def evolve(self, state: State | None, event: Any) -> State | None:
        """The state after an event."""
        raise NotImplementedError

    def observe(self, report: Any, now: Moment) -> Decision[Any]:
        """What follows from a report. May ignore, never refuse."""
        raise NotImplementedError

    def carry_out(self, order: Any, context: Context, now: Moment) -> Outcome:
        """What follows from an order of the same host. May refuse."""
        raise NotImplementedError

    def barrier(self, now: Moment, epoch: int) -> Any:
        """The event by which a new owner shuts out the older ones."""
        raise NotImplementedError

    def resume(self, now: Moment) -> Decision[Any]:
        """The first decision of a new owner."""
        return Decision()

    def perform(self, effect: Effect) -> None:
        """Carry out one effect of the subclass's own. Must not block: slow work goes to `spawn`."""
        raise NotImplementedError

    def remember(self, memory: Any) -> None:
        """Take over a decision's memory that needs no record. The events of the same decision come after it."""
        self.state = memory

    def moved(self) -> None:
        """The state has changed."""

    def recorded(self, event: Any) -> None:
        """An event of this actor is on record as `seq`, and the state has moved."""

    def replayed(self, recorded: Recorded) -> None:
        """An entry of this actor has been read."""

    async def verify(self) -> None:
        """Make sure that nobody else has owned this actor meanwhile; if somebody has, begin afresh. Raises BusError."""

    def may_be_owned(self) -> None:
        """Raise NotOurs where the record, which has just been read, gives this actor to another host."""

    async def make_sure(self) -> None:
        """Make sure that this host still owns what this actor is part of. Raises NotOurs, BusError."""

    async def take_over(self) -> None:
        """Read what a new owner must know besides, now that the barrier is written."""

    def follow_after(self, former: "Actor[Any]") -> None:
        """This actor is begun in the place of one that crashed."""

    async def stand_in_for(self, former: "Actor[Any]") -> bool:
        """Finish what a former has under way, from its state: that is good still, while the record cannot be read any
        more. False: there is nothing to finish. Raises BusError."""
        return False

    def kept_state(self) -> State | None:
        """The state as it goes into a snapshot; None: not now, or there is none."""
        return self.state

    def timers_kept(self) -> frozenset[str] | None:
        """The timers that may run in the present state; None: all."""
        return None

    # --- what others call

    @property
    def scope(self) -> str:
        return f"ottb.v1.evt.{self.kind}.{self.id}.*"

    @property
    def read_scope(self) -> str:
        """Where its events are read; the same, but that it may be known more exactly."""
        return self.scope

    def owners(self, state: State | None) -> tuple[str | None, ...]:
        """Whose thing this is in a state, for those who see only their own; None: everybody's. Empty: only who sees
        all is shown it."""
        return ()

    def owners_beside(self) -> Owners:
        """Whose the things of other kinds are that this actor's events are about too."""
        return {}

    async def receive(self, message: Message) -> None:
        """Take a command from the bus into the inbox."""
        verb = message.subject.rsplit(".", 1)[1]
        rpc = next((rpc for rpc in self.commands if rpc.verb == verb), None)
        if rpc is None:
            await send_refusal(message, Refusal(ErrorCode.NOT_FOUND, "No such command.", verb=verb))
        elif self._forgot and rpc in self.answered_once and not Context.from_headers(message.headers).fresh:
            self._host.spawn(self._receive_after_a_look(rpc, message))
        else:
            await self._accept(rpc, message)

    async def _accept(self, rpc: Rpc[Any, Any], message: Message) -> None:
        if not self._put(Asked(rpc, message)):
            await send_refusal(message, INBOX_FULL if self._live else STOPPED)

    async def _receive_after_a_look(self, rpc: Rpc[Any, Any], message: Message) -> None:
        """Look on record for a first answer that memory may no longer have. Beside the inbox: the record may be long,
        and calls and reports do not wait for it. Of two of one command that find nothing, the second is answered from
        memory."""
        try:
            first = await self._answer_on_record(rpc, Context.from_headers(message.headers).command_id)
        except BusError:
            await send_refusal(message, NOT_READABLE)
            return
        if first is None:
            await self._accept(rpc, message)
        else:
            await send_reply(message, msgspec.Raw(first))

    async def _answer_on_record(self, rpc: Rpc[Any, Any], command_id: str) -> bytes | None:
        if self._answers and command_id in self._answers:
            return self._answers[command_id]
        scope = self.scope.removesuffix("*") + self.answered_once[rpc].past
        async for recorded in self._host.bus.replay(scope):
            if recorded.headers.get("Ottb-Command") == command_id and REPLY_HEADER in recorded.headers:
                return recorded.headers[REPLY_HEADER].encode()
        return None

    def tell(self, report: Any, heard: Moment | None = None) -> None:
        """Put a report into the inbox. Where even reports pile up, the actor starts afresh and asks the outside.
        `heard`: when it came to this host, where another actor has passed it on."""
        if not self._put(Told(report, heard or moment(self._host.clock))) and self._live:
            self._crash(RuntimeError(f"{self!r}: inbox full of reports"))

    async def order(self, order: Any, context: Context) -> Any:
        """Carry out an order of the same host and wait for its reply. Raises Refusal."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._put(Ordered(order, context, done)):
            raise INBOX_FULL if self._live else STOPPED
        return await done

    async def activate(self) -> None:
        """Become the owner: fold what is on record, then write the barrier. Raises Unreadable, NotOurs, BusError."""
        await self._fold()
        self.may_be_owned()
        await self.make_sure()
        if not self._host.held:  # it may have run out while the record was read
            raise BusUnavailable("the lease has run out")
        now = moment(self._host.clock)
        await self._record(self.barrier(now, self._host.epoch))
        await self.take_over()
        self.begin()

    def begin(self) -> None:
        """Start to work on the state as it is: nothing is on record of a new actor, so nothing is read."""
        self.tell(_Resume())

    async def stop(self) -> None:
        """Finish what is in the inbox, keep a snapshot, and let go. The outside is left as it is."""
        while self._pump is not None and not self._pump.done():
            await asyncio.wait({self._pump}, timeout=5)
        if self._live and self.snapshots and self._unsaved:
            await self._keep_snapshot()
        await self.let_go()

    async def let_go(self) -> None:
        """End every task and timer of this actor now."""
        self._live = False
        for timer in (self._timers or {}).values():
            timer.cancel()
        self._timers = None
        current = asyncio.current_task()
        tasks = [task for task in (*(self._tasks or ()), self._pump) if task is not None and task is not current]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        self._refuse_waiting()

    @property
    def alive(self) -> bool:
        """It has not ended, by an error or otherwise."""
        return self._live

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        return not self._inbox and not self._tasks and (self._pump is None or self._pump.done())

    # --- the loop

    def _put(self, item: Asked | Ordered | Told) -> bool:
        if not self._live:
            return False
        if self._inbox is None:
            self._inbox = deque()
        if len(self._inbox) >= INBOX_LIMIT:
            return False
        self._inbox.append(item)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._drain())
        return True

    async def _drain(self) -> None:
        while self._live and self._inbox:
            item = self._inbox.popleft()
            try:
                await self._handle(item)
            except Exception as error:  # noqa: BLE001  a crash is this actor's end, not its host's
                await self._answer(item, CRASHED)
                self._crash(error)
                return
        self._inbox = None

    async def _handle(self, item: Asked | Ordered | Told) -> None:
        match item:
            case Asked(rpc, message):
                await self._handle_command(rpc, message)
            case Ordered(order, context, done):
                await self._handle_order(order, context, done)
            case Told(_Resume(), _):
                await self._settle(self.resume(moment(self._host.clock)), None)
            case Told(report, heard):
                await self._settle(self.observe(report, heard), heard)

    async def _handle_command(self, rpc: Rpc[Any, Any], message: Message) -> None:
        context = Context.from_headers(message.headers)
        known = self._answers.get(context.command_id) if self._answers else None  # the answer that it had before
        if known is not None:
            await send_reply(message, msgspec.Raw(known))
            return
        try:
            context.must(rpc.permission)
            outcome: Outcome = getattr(self, self.commands[rpc])(decode_request(rpc, message), context)
            if self.stands_in and outcome.decision.events:
                raise QUARANTINED
        except Refusal as refusal:
            await send_refusal(message, refusal)
            return
        reply = await self._commit(outcome, context)
        await send_reply(message, reply, seq=self.seq)
        self._perform_all(outcome.decision)

    async def _handle_order(self, order: Any, context: Context, done: "asyncio.Future[Any]") -> None:
        try:
            if self.stands_in:
                raise QUARANTINED
            outcome = self.carry_out(order, context, moment(self._host.clock))
        except Refusal as refusal:
            if not done.done():
                done.set_exception(refusal)
            return
        reply = await self._commit(outcome, context)
        if not done.done():
            done.set_result(reply)
        self._perform_all(outcome.decision)

    async def _settle(self, decision: Decision[Any], heard: Moment | None) -> None:
        self._remember(decision)
        for event in decision.events:
            await self._record(event)
        self._perform_all(decision, heard)

    async def _commit(self, outcome: Outcome, context: Context) -> Any:
        """Put a command's events on record, the answer beside the last one, so that a repeat finds it."""
        self._remember(outcome.decision)
        events = outcome.decision.events
        for number, event in enumerate(events):
            headers = {}
            if number == len(events) - 1 and not callable(outcome.reply):
                headers[REPLY_HEADER] = msgspec.json.encode(outcome.reply).decode()
            await self._record(event, headers, context)
        return outcome.reply() if callable(outcome.reply) else outcome.reply

    def _remember(self, decision: Decision[Any]) -> None:
        if decision.state is not None:
            self.remember(decision.state)
            self.moved()

    # --- the journal

    async def _record(
        self, event: Any, headers: Mapping[str, str] = NO_HEADERS, context: Context | None = None
    ) -> None:
        """Put one event on record and move the state. The write is known by a name that is made for it alone: one made
        of the command would be made again by a repeat, or by another host."""
        if self.stands_in:
            self._apply(self.evolve(self.state, event), headers)
            self.moved()
            return
        topic = self._topic_of(event)
        data = msgspec.json.encode(event)
        all_headers = {"Nats-Msg-Id": self._host.ids.new(), **headers}
        if context is not None:
            all_headers["Ottb-Command"] = context.command_id
            if context.traceparent:
                all_headers["traceparent"] = context.traceparent
        subject, state = topic.subject_for(event), self.evolve(self.state, event)
        owners = (*self.owners(self.state), *self.owners(state))  # who had it hears that it is another's now
        all_headers |= owners_header({self.kind: owners, **self.owners_beside()})
        self.seq = await self._host.append(subject, data, all_headers, scope=self.scope, expect=self.seq)
        self._apply(state, all_headers)
        self._host.show(subject, data, owners, seq=self.seq)
        self.recorded(event)
        self.moved()
        if self.snapshots and self._unsaved >= SNAPSHOT_EVERY:
            self.spawn(self._keep_snapshot())

    def _apply(self, state: State | None, headers: Mapping[str, str]) -> None:
        self.state = state
        self._unsaved += 1
        reply, command = headers.get(REPLY_HEADER), headers.get("Ottb-Command")
        if reply is not None and command:
            self._answers = self._answers or OrderedDict()
            self._answers[command] = reply.encode()
            if len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
                self._forgot = True
        kept = self.timers_kept()
        if kept is not None and self._timers:
            for name in self._timers.keys() - kept:
                self._timers.pop(name).cancel()

    async def _fold(self) -> None:
        kept = await self._host.bus.get(SNAPSHOTS, self._snapshot_key) if self.snapshots else None
        if kept is not None and kept.data is not None:
            self._use_snapshot(kept.data)
        if not await self._read_on():
            log.warning("snapshot not of this journal", actor=f"{self.kind} {self.id}", seq=self.seq)
            self.state, self.seq, self._answers, self._forgot = None, 0, None, False
            await self._read_on()

    async def _read_on(self) -> bool:
        """Fold what follows. False: the journal does not have the event that the snapshot is of, since it has been
        restored, or is another; every write would be fenced."""
        snapshot, known = self.seq, self.seq == 0
        async for recorded in self._host.bus.replay(self.read_scope, after=max(snapshot - 1, 0)):
            if known:
                self._replay(recorded)
            elif recorded.seq == snapshot:
                known = True
            else:
                break
        return known

    def _use_snapshot(self, data: bytes) -> None:
        try:
            snapshot = msgspec.json.decode(data, type=Snapshot)
            state = msgspec.convert(snapshot.state, self.state_type) if snapshot.state is not None else None
        except UNDECODABLE as error:  # the events say it all, only slower
            log.warning("snapshot not readable", actor=f"{self.kind} {self.id}", error=str(error))
            return
        self.state, self.seq, self._forgot = state, snapshot.seq, snapshot.forgot
        if snapshot.answers:
            self._answers = OrderedDict((id, answer.encode()) for id, answer in snapshot.answers.items())

    def _replay(self, recorded: Recorded) -> None:
        past = recorded.subject.rsplit(".", 1)[1]
        topic = next((topic for topic in self.topics if topic.past == past), None)
        self.seq = recorded.seq
        self.replayed(recorded)
        if topic is None:  # an event of a later version: not ours to understand
            return
        try:
            event = msgspec.json.decode(recorded.data, type=topic.event)
        except UNDECODABLE as error:
            raise Unreadable(UNREADABLE.format(seq=recorded.seq, past=past, error=error)) from None
        self._apply(self.evolve(self.state, event), recorded.headers)

    def _topic_of(self, event: Any) -> Topic[Any]:
        return next(topic for topic in self.topics if topic.event is type(event))

    @property
    def _snapshot_key(self) -> str:
        return f"{self.kind}.{self.id}"

    async def _keep_snapshot(self) -> None:
        state = self.kept_state()
        if state is None or self.stands_in:
            return
        answers = {id: answer.decode() for id, answer in (self._answers or {}).items()}
        snapshot = msgspec.json.encode(Snapshot(seq=self.seq, state=state, answers=answers, forgot=self._forgot))
        self._unsaved = 0
        await self._host.keep(SNAPSHOTS, self._snapshot_key, snapshot)

    # --- effects

    def _perform_all(self, decision: Decision[Any], heard: Moment | None = None) -> None:
        """Carry out the effects. What a report makes this actor tell others was heard when the report was."""
        for effect in decision.effects:
            match effect:
                case SetTimer():
                    self._set_timer(effect)
                case CancelTimer():
                    self._cancel_timer(effect.name)
                case Tell():
                    self._host.tell(effect.kind, effect.id, effect.report, heard)
                case _:
                    self.perform(effect)

    def _set_timer(self, effect: SetTimer) -> None:
        self._timers = self._timers if self._timers is not None else {}
        if effect.name in self._timers:
            if effect.keep:
                return
            self._timers.pop(effect.name).cancel()

        def fire() -> None:
            if self._timers is not None:
                self._timers.pop(effect.name, None)
            self.tell(Elapsed(name=effect.name))

        self._timers[effect.name] = self._host.clock.call_later(effect.seconds, fire)

    def _cancel_timer(self, name: str) -> None:
        timer = (self._timers or {}).pop(name, None)
        if timer is not None:
            timer.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run slow work in a task that ends with this actor. A failure in it is a crash of the actor."""
        self._tasks = self._tasks if self._tasks is not None else set()
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._work_done)

    def _work_done(self, task: "asyncio.Task[None]") -> None:
        if self._tasks is not None:
            self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash(error)

    # --- the end

    def _crash(self, error: BaseException) -> None:
        if not self._live:
            return
        self._live = False
        level = log.warning if isinstance(error, Fenced) else log.error
        level("actor crashed", actor=f"{self.kind} {self.id}", error=repr(error), exc_info=error)
        self._host.crashed(self, error)

    async def _answer(self, item: Asked | Ordered | Told, refusal: Refusal) -> None:
        match item:
            case Asked(_, message):
                await send_refusal(message, refusal)
            case Ordered(_, _, done) if not done.done():
                done.set_exception(refusal)

    def _refuse_waiting(self) -> None:
        waiting, self._inbox = self._inbox or (), None
        for item in waiting:
            if isinstance(item, Ordered) and not item.done.done():
                item.done.set_exception(STOPPED)
            elif isinstance(item, Asked):
                self._host.spawn(send_refusal(item.message, STOPPED))


class _Resume(Struct, frozen=True):
    """The first thing in a new owner's inbox."""


Factory = Callable[..., Actor[Any]]
