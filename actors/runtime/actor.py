"""An actor: one owner, one bounded inbox, one state that changes only by events on record.

Bus commands, orders of the same host, reports of the outside and timers pass the same inbox, one at a time. Each
becomes a `Decision`: its events are appended to the journal (the fence: the append fails when another owner has written
since), then the state changes, the asker is answered, and the effects are carried out. A crash answers the asker and
ends the actor; its host restarts it from the journal.

    commands.py    what an actor is asked, and by which function it answers
    actor.py       the inbox, and the life of an actor
    journalled.py  its state and its record
    effects.py     what it has under way beside: effects, tasks, timers
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import msgspec
from msgspec import Struct

from actors.runtime.bus import BusError, BusUnavailable, Fenced, Message
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import AnyCommand, Order, OrderTaken, Outcome, by_type
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Decision, TimerFired
from actors.runtime.inbox import BusCommand, InboxItem, LocalCommand, Report, Resume
from actors.runtime.journalled import REPLY_HEADER, Event, Journalled, State
from actors.runtime.tracing import span
from actors.runtime.wire import STOPPED, Page, decode_request, send_refusal, send_reply
from bus_schemas.contract import verb_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

if TYPE_CHECKING:
    from actors.runtime.host import Host

Memory = TypeVar("Memory")
Reported = TypeVar("Reported")
Reply = TypeVar("Reply")

INBOX_LIMIT = 1024

INBOX_FULL = RefusalTemplate(ErrorCode.UNAVAILABLE, "Too much is waiting here already. Try again.")
NOT_READABLE = RefusalTemplate(ErrorCode.UNAVAILABLE, "What became of this command cannot be read now. Try again.")
QUARANTINED = RefusalTemplate(
    ErrorCode.CONFLICT, "This is quarantined: its record cannot be read. Its calls end, and nothing else begins."
)
CRASHED = RefusalTemplate(ErrorCode.INTERNAL, "This went wrong inside. It is in the log.")
INTERRUPTED = RefusalTemplate(ErrorCode.TIMEOUT, "It was interrupted and may have been done. Ask before repeating.")
ANOTHERS = RefusalTemplate(ErrorCode.TIMEOUT, "Another host owns it now; it may have been done. Ask before repeating.")


class NotOurs(Exception):
    """The record says that another host owns this actor."""


class Maker(Struct, frozen=True):
    """How a host makes an actor of a kind from its id."""

    kind: str
    make: "Callable[[str, Host], AnyActor]"


class Actor(Journalled[State, Event], Generic[State, Event, Memory, Reported]):
    """The generic half. A subclass names its kind, topics and commands and gives the pure functions their place.

    `State` changes by `Event`s alone and is on record; `Memory` is what this owner knows beside it, or the part of its
    state that needs no record; `Reported` is what others tell it.
    """

    commands: ClassVar[Mapping[str, AnyCommand]]
    orders: ClassVar[Mapping[type, OrderTaken[Any]]] = by_type()  # any: of its own class, which it cannot name

    __slots__ = ("_inbox", "_pump")

    def __init__(self, *, id: str, host: "Host") -> None:
        super().__init__(id=id, host=host)
        self._inbox: deque[InboxItem[Reported | TimerFired]] | None = None
        self._pump: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id} at {self.seq}>"

    @classmethod
    def made_by(cls, make: "Callable[[str, Host], Self]") -> Maker:
        """How a host makes actors of this class."""
        return Maker(cls.kind, make)

    # --- what a subclass says

    def observe(self, report: Reported | TimerFired, now: Moment) -> Decision[Event, Memory]:
        """What follows from a report. May ignore, never refuse."""
        raise NotImplementedError

    def barrier(self, now: Moment, epoch: int) -> Event:
        """The event by which a new owner shuts out the older ones."""
        raise NotImplementedError

    def resume(self, now: Moment) -> Decision[Event, Memory]:
        """The first decision of a new owner."""
        return Decision()

    def remember(self, memory: Memory) -> None:
        """Take over a decision's memory that needs no record. The events of the same decision come after it."""
        raise NotImplementedError

    async def verify(self) -> None:
        """Make sure that nobody else has owned this actor meanwhile; if somebody has, begin afresh. Raises BusError."""

    def check_owner(self) -> None:
        """Raise NotOurs where the record, which has just been read, gives this actor to another host."""

    async def verify_parent(self) -> None:
        """Make sure that this host still owns what this actor is part of. Raises NotOurs, BusError."""

    async def take_over(self) -> None:
        """Read what a new owner must know besides, now that the barrier is written."""

    def costs_beside(self, events: Sequence[Event]) -> int:
        """The bytes that events of a command cost beside the journal. Where there are any, they count however short."""
        return 0

    def inherit_from(self, former: "AnyActor") -> None:
        """This actor is begun in the place of one that crashed."""

    async def stand_in_for(self, former: "AnyActor") -> bool:
        """Finish what a former has under way, from its state: that is good still, while the record cannot be read any
        more. False: there is nothing to finish. Raises BusError."""
        return False

    # --- what others call

    async def receive(self, message: Message) -> None:
        """Take a command from the bus into the inbox."""
        verb = verb_of(message.subject)
        command = self.commands.get(verb)
        if command is None:
            await send_refusal(message, Refusal(ErrorCode.NOT_FOUND, "No such command.", verb=verb))
        elif self._may_be_forgotten(command) and not Context.from_headers(message.headers).fresh:
            self._host.spawn(self._receive_after_a_look(command, message))
        else:
            await self._accept(command, message)

    def tell(self, report: Reported | TimerFired, received_at: Moment | None = None) -> None:
        """Put a report into the inbox. Where even reports pile up, the actor starts afresh and asks the outside.
        `received_at`: when this host received it, where another actor has passed it on."""
        self._enqueue_or_crash(Report(report, received_at or moment(self._host.clock)))

    async def order(self, order: Order[Reply], context: Context) -> Reply:
        """Carry out an order of the same host and wait for its reply. Raises Refusal."""
        done = asyncio.get_running_loop().create_future()
        if not self._enqueue(LocalCommand(order, context, done)):
            raise INBOX_FULL() if self._live else STOPPED()
        reply: Reply = await done
        return reply

    async def activate(self) -> None:
        """Become the owner: fold what is on record, then write the barrier. Raises Unreadable, NotOurs, BusError."""
        await self._fold()
        self.check_owner()
        await self.verify_parent()
        if not self._host.held:  # it may have run out while the record was read
            raise BusUnavailable("the lease has run out")
        now = moment(self._host.clock)
        await self._record(self.barrier(now, self._host.epoch))
        await self.take_over()
        self.begin()

    def begin(self) -> None:
        """Start to work on the state as it is: nothing is on record of a new actor, so nothing is read."""
        self._enqueue_or_crash(Resume())

    def timer_fired(self, name: str) -> None:
        self.tell(TimerFired(name=name))

    async def stop(self) -> None:
        """Finish what is in the inbox, keep a snapshot, and let go. The outside is left as it is."""
        while self._pump is not None and not self._pump.done():
            await asyncio.wait({self._pump}, timeout=5)
        if self._live:
            await self._save_at_stop()
        await self.terminate()

    async def terminate(self) -> None:
        """End every task and timer of this actor now."""
        await self._end_all(self._pump)
        self._refuse_waiting()

    @property
    def waiting(self) -> int:
        """How much is in the inbox."""
        return len(self._inbox or ())

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        return not self._inbox and not self._tasks and (self._pump is None or self._pump.done())

    # --- a command that may have been answered before

    def _may_be_forgotten(self, command: AnyCommand) -> bool:
        """Whether the answer may be on record and no longer in memory."""
        return command.answered_beside is not None and self._answers is not None and self._answers.forgot

    async def _accept(self, command: AnyCommand, message: Message) -> None:
        if not self._enqueue(BusCommand(command, message)):
            await send_refusal(message, INBOX_FULL() if self._live else STOPPED())

    async def _receive_after_a_look(self, command: AnyCommand, message: Message) -> None:
        """Look on record for a first answer that memory may no longer have. Beside the inbox: the record may be long,
        and calls and reports do not wait for it. Of two of one command that find nothing, the second is answered from
        memory."""
        try:
            first = await self._answer_on_record(command, Context.from_headers(message.headers))
        except BusError:
            await send_refusal(message, NOT_READABLE())
            return
        except Refusal as refusal:
            await send_refusal(message, refusal)
            return
        if first is None:
            await self._accept(command, message)
        else:
            await send_reply(message, msgspec.Raw(first))

    async def _answer_on_record(self, command: AnyCommand, context: Context) -> bytes | None:
        if (known := self._answer_to(context.command_id)) is not None:
            return known
        assert command.answered_beside is not None
        scope = self.scope.removesuffix("*") + command.answered_beside.verb
        return await self._host.recall.answer(self._host, context.share, scope, context.command_id)

    def _answer_to(self, command_id: str) -> bytes | None:
        """The answer that a command had before, as far as memory has it."""
        return self._answers.get(command_id) if self._answers is not None else None

    # --- the inbox

    def _enqueue(self, item: InboxItem[Reported | TimerFired]) -> bool:
        if not self._live:
            return False
        if self._inbox is None:
            self._inbox = deque()
        if len(self._inbox) >= INBOX_LIMIT:
            return False
        self._inbox.append(item)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._run_inbox())
        return True

    def _enqueue_or_crash(self, item: Report[Reported | TimerFired] | Resume) -> None:
        if not self._enqueue(item) and self._live:
            self._crash(RuntimeError(f"{self!r}: inbox full of reports"))

    async def _run_inbox(self) -> None:
        while self._live and self._inbox:
            item = self._inbox.popleft()
            try:
                await self._handle(item)
            except asyncio.CancelledError:  # it is let go of in the middle: whoever waits for this one is told, too
                self._host.spawn(self._refuse(item, INTERRUPTED()))
                raise
            except Exception as error:  # noqa: BLE001  a crash is this actor's end, not its host's
                await self._refuse(item, (ANOTHERS if isinstance(error, Fenced) else CRASHED)())
                self._crash(error)
                return
        self._inbox = None

    async def _handle(self, item: InboxItem[Reported | TimerFired]) -> None:
        match item:
            case BusCommand():
                await self._handle_command(item.command, item.message)
            case LocalCommand():
                await self._handle_order(item)
            case Report(body=report, received_at=received_at):
                await self._settle(self.observe(report, received_at), received_at)
            case Resume():
                await self._settle(self.resume(moment(self._host.clock)), None)

    async def _handle_command(self, command: AnyCommand, message: Message) -> None:
        context = Context.from_headers(message.headers)
        with span(command.rpc.subject, context, kind="server", about=self.id) as context:
            await self._carry_out(command, message, context)

    async def _carry_out(self, command: AnyCommand, message: Message, context: Context) -> None:
        if (known := self._answer_to(context.command_id)) is not None:
            await send_reply(message, msgspec.Raw(known))
            return
        try:
            context.must(command.rpc.permission)
            outcome = command.method(self, decode_request(command.rpc, message), context)
            if self.stands_in and outcome.decision.events:
                raise QUARANTINED()
            self._may_write(outcome.decision.events, context)
        except Refusal as refusal:
            await send_refusal(message, refusal)
            return
        reply = await self._commit(outcome, context)
        await send_reply(message, Page(body=reply, seq=self.seq, changed=outcome.decision != NOTHING))
        self._perform_all(outcome.decision.effects)

    async def _handle_order(self, item: LocalCommand) -> None:
        try:
            if self.stands_in:
                raise QUARANTINED()
            taken = self.orders.get(type(item.order))
            if taken is None:
                raise TypeError(f"not an order for a {self.kind}: {item.order!r}")
            outcome = taken.method(self, item.order, item.context, moment(self._host.clock))
            self._may_write(outcome.decision.events, item.context)
        except Refusal as refusal:
            if not item.done.done():
                item.done.set_exception(refusal)
            return
        reply = await self._commit(outcome, item.context)
        if not item.done.done():
            item.done.set_result(reply)
        self._perform_all(outcome.decision.effects)

    def _may_write(self, events: Sequence[Event], context: Context) -> None:
        """Raise Refusal where what was decided on a command cannot be written, or its asker has written too much."""
        self._must_be_digestible(events)
        self._host.written.take(context.share, events, beside=self.costs_beside(events))

    async def _settle(self, decision: Decision[Event, Memory], received_at: Moment | None) -> None:
        self._must_be_digestible(decision.events)
        self._remember(decision)
        for event in decision.events:
            await self._record(event)
        self._perform_all(decision.effects, received_at)

    async def _commit(self, outcome: Outcome[Reply], context: Context) -> Reply:
        """Put a command's events on record, the answer beside the last one, so that a repeat finds it."""
        self._remember(outcome.decision)
        events = outcome.decision.events
        for number, event in enumerate(events):
            headers = {}
            if number == len(events) - 1 and not callable(outcome.reply):
                headers[REPLY_HEADER] = msgspec.json.encode(outcome.reply).decode()
            await self._record(event, headers, context)
        return outcome.reply() if callable(outcome.reply) else outcome.reply

    def _remember(self, decision: Decision[Event, Memory]) -> None:
        if decision.memory is not None:
            self.remember(decision.memory)
            self.state_changed()

    async def _refuse(self, item: InboxItem[Reported | TimerFired], refusal: Refusal) -> None:
        match item:
            case BusCommand():
                await send_refusal(item.message, refusal)
            case LocalCommand() if not item.done.done():
                item.done.set_exception(refusal)

    def _refuse_waiting(self) -> None:
        waiting, self._inbox = self._inbox or (), None
        for item in waiting:
            if isinstance(item, LocalCommand) and not item.done.done():
                item.done.set_exception(STOPPED())
            elif isinstance(item, BusCommand):
                self._host.spawn(send_refusal(item.message, STOPPED()))


AnyActor = Actor[Any, Any, Any, Any]  # any: an actor of whatever class, of which only what all have is used
