"""The common half of the actors that work with the outside, slots and trunks: who holds the line, which of its calls
are on record, and whether a call may be placed now.
"""

import asyncio
from typing import ClassVar, Generic, TypeVar

import structlog
from msgspec.structs import replace

from actors.runtime.actor import Actor, AnyActor, Memory, NotOurs, Reported
from actors.runtime.bus import BusError, Fenced, Recorded
from actors.runtime.clock import Moment, moment
from actors.runtime.decision import Decision, Effect, TimerFired
from actors.runtime.host import Host
from actors.runtime.journalled import Event, Unreadable
from actors.runtime.shards import owned
from actors.runtime.tracing import span, within_call
from actors.telephony.holdings import HOLDINGS, Holding
from actors.telephony.line import Adopt, Began, CallCounts, CallStart, LineState, OnRecord, Over
from actors.telephony.line_call import AnyLineHolder, LineCall
from actors.telephony.orders import Dial, Drop
from actors.telephony.reports import DialAccepted, DialFailed, DialUncertain
from bus_schemas.call import EndReason
from bus_schemas.contract import ROOT, UNDECODABLE, id_of, kind_of, verb_of
from bus_schemas.fields import plainly

log = structlog.get_logger()

STOLEN = "somebody else owns the line by now"
BEGUN_AFRESH = "the slot's extension was promised by an owner that has begun afresh"
NOT_SURE = "this host is not sure that it owns the line"
CALLED_OFF = "whoever wanted the call has called it off"
STAND_IN_PAUSE = 15.0  # seconds
ENDED_BEFORE = "ended before it was dialled"


State = TypeVar("State", bound=LineState)


class LineActor(
    Actor[State, Event, Memory, Reported | Began | Over | Drop], Generic[State, Event, Memory, Reported]
):
    """One line. A subclass decides in `observed` what follows from reports."""

    barrier_verb: ClassVar[str] = "activated"

    __slots__ = ("_barrier", "_counts", "_moving_here", "_succeeded")

    def __init__(self, *, id: str, host: Host, counts: CallCounts) -> None:
        super().__init__(id=id, host=host)
        self._counts = counts
        self._barrier = 0
        self._succeeded = 0  # the first barrier after the snapshot that was read: whoever kept that knew no more
        self._moving_here = False

    @property
    def line(self) -> str:
        """As the subjects of its calls name it."""
        return f"{self.kind}-{self.id}"

    @property
    def fence(self) -> tuple[str, int]:
        """The subject of this line's barriers, and the last one's sequence as far as this owner knows."""
        return f"{ROOT}.evt.{self.kind}.{self.id}.{self.barrier_verb}", self._barrier

    @staticmethod
    def evolve(state: State | None, event: Event | Began | Over, /) -> State | None:
        """The state after an event of the line's own, or of one of its calls."""
        raise NotImplementedError

    def observed(
        self, report: Reported | Began | Over | Drop | TimerFired, now: Moment
    ) -> Decision[Event, Memory]:
        """What follows from a report."""
        raise NotImplementedError

    async def _dial(self, order: Dial) -> DialAccepted | DialFailed | DialUncertain:
        """Give the order to the outside, and say what became of it."""
        raise NotImplementedError

    def owner_on_record(self) -> str | None:
        """The host that the record names for this line; None: nobody yet."""
        raise NotImplementedError

    # --- owning

    def move_here(self) -> None:
        """The settings give this line to this host, whatever the record says."""
        self._moving_here = True

    def check_owner(self) -> None:
        owner = self.owner_on_record()
        if owner not in (None, self._host.name) and not self._moving_here:
            raise NotOurs(f"{self.line} belongs to the host {owner}")

    async def take_over(self) -> None:
        """Read the line's calls. A claim from before the barrier is found here; whoever wrote one after it finds the
        barrier and does not dial."""
        self._barrier = self.seq
        if self.state is None:
            return
        # Of a snapshot that is ahead of the journal, or of an owner that wrote on after another had taken the line
        # over, and knows nothing of what that one began.
        if self.state.calls.seq > (self._succeeded or self._barrier):
            self.state = replace(self.state, calls=OnRecord())
        self.state = replace(self.state, calls=self.state.calls.to_be_read())
        for start in self.state.starts:
            self._count(start.call_id, start.user, start.at)
        await self._read_calls()

    def replayed(self, recorded: Recorded) -> None:
        if not self._succeeded and verb_of(recorded.subject) == self.barrier_verb:
            self._succeeded = recorded.seq

    @property
    def pooled(self) -> bool:
        """Whether anybody may use the line, so that nobody shall have too many of its kind."""
        return False

    async def _read_calls(self) -> None:
        assert self.state is not None
        after = self.state.calls.seq
        for kind, holding in HOLDINGS.items():
            async for recorded in self._host.bus.replay(f"{ROOT}.evt.{kind}.{self.line}.>", after=after):
                self._read(holding, recorded)
        pooled = int(self.id) if self.pooled else None
        for began in self.state.calls.open.values():
            holder = began.holder
            if HOLDINGS[holder.kind].counts:
                self._counts.is_open(holder.id, holder.user, pooled=pooled if holder.inside is None else None)

    async def stand_in_for(self, former: AnyActor) -> bool:
        """The open calls are seen to their end: looked at and hung up, while no new one begins."""
        assert isinstance(former, LineActor)
        if former.state is None:
            return False
        calls = replace(former.state.calls, seq=former.state.calls.safe_seq)
        self.state, self.seq, self._barrier = replace(former.state, calls=calls), former.seq, former._barrier
        await self._read_calls()
        if not self.state.calls.open and not former.under_way:
            return False
        self.stands_in = True
        self.begin()
        self.spawn(self._release_in_the_end())
        return True

    async def _release_in_the_end(self) -> None:
        """A start that was under way gets on record or is told that it is lost, and a call that is over may be looked
        at once more, before nobody is there."""
        calls_open = True
        while calls_open:
            await self._host.pause(STAND_IN_PAUSE)
            calls_open = self.state is not None and bool(self.state.calls.open)
        self._host.retire(self, 0.0)

    def _read(self, holding: Holding, recorded: Recorded) -> None:
        if recorded.seq in self._host.step_over:
            return
        verb = verb_of(recorded.subject)
        if verb == holding.over.verb:
            self._take_in(self._over(holding, recorded))
        elif verb == holding.began.verb:
            try:
                self._take_in(holding.begins(recorded))
            except (ValueError, TypeError, RecursionError) as error:  # JSON, or a moment that is none
                # The phone is asked anyway before it is used.
                why = f"its attempt (event {recorded.seq}) cannot be read: {plainly(error)}"
                self._host.quarantine(kind_of(recorded.subject), id_of(recorded.subject), why)

    def _over(self, holding: Holding, recorded: Recorded) -> Over:
        try:
            return holding.ends(recorded)
        except UNDECODABLE:  # that it is over its subject says
            at = recorded.stored_at
            return Over(id=id_of(recorded.subject), at=at, seq=recorded.seq)

    def _take_in(self, event: Began | Over) -> None:
        assert self.state is not None
        if isinstance(event, Began):
            holder = event.holder
            if HOLDINGS[holder.kind].counts:
                self._count(holder.id, holder.user, event.at)
        elif (began := self.state.calls.open.get(event.id)) is not None:
            self._counts.over(event.id, began.holder.user)
        self.state = self.evolve(self.state, event)

    def _count(self, call_id: str, user: str, at: Moment) -> None:
        """A call on record for the limits."""
        self._counts.began(self.line, call_id, user, at, moment(self._host.clock), pooled=self.pooled)

    def snapshot_state(self) -> State | None:
        """Without what is under way, so that no claim falls between this and what a later owner reads."""
        if self.state is None or self.under_way:
            return None
        calls = replace(self.state.calls, seq=self.state.calls.safe_seq)
        starts = tuple(CallStart(call_id=id, user=user, at=at) for id, user, at in self._counts.of(self.line))
        return replace(self.state, calls=calls, starts=starts)

    @property
    def under_way(self) -> bool:
        """Whether a start is under way whose attempt may or may not be on record."""
        raise NotImplementedError

    async def is_still_owned(self) -> bool:
        """Whether nobody else owns the line by now, by the word of the journal's leader. Raises BusError."""
        return await self._stands(*self.fence)

    async def verify(self) -> None:
        if not await self.is_still_owned():
            self._crash(Fenced(STOLEN))

    # --- calls

    def observe(
        self, report: Reported | Began | Over | Drop | TimerFired, now: Moment
    ) -> Decision[Event, Memory]:
        if isinstance(report, Began | Over) and self.state is not None:
            self._take_in(report)
            self.state_changed()
        return self.observed(report, now)

    def perform(self, effect: Effect) -> None:
        match effect:
            case Dial():
                self.spawn(self.place(effect))
            case Adopt(kind=kind, id=id):
                self.spawn(self._adopt(kind, id))

    async def _adopt(self, kind: str, id: str) -> None:
        """Take what holds the line over with it. A call whose attempt never got on record was never dialled: its own
        actor says so, once it has made sure that the attempt can no longer get there. So it is with all that holds
        lines."""
        holder = HOLDINGS[kind].actor
        here = self._host.get(holder, id)
        if here is not None:
            here.begin()
            return
        try:
            await self._host.activate_at_last(holder, id, self._prepare)
        except Fenced:  # it is on record for another line, or has another owner
            if self.state is not None and id in self.state.calls.open:
                self._crash(Fenced(STOLEN))  # whose it is, and whether it is over, the record tells
            else:
                self.tell(Drop(id=id))
        except (Unreadable, NotOurs) as error:
            if not self.alive:  # the line is somebody else's, and what holds it with it
                return
            self._host.quarantine(kind, id, str(error))
            self.tell(Drop(id=id))
            if isinstance(error, Unreadable):  # nobody can end it on record, and it shall not hold the line for ever
                self.tell(Over(id=id, at=moment(self._host.clock).at, seq=0))

    def _prepare(self, holder: AnyLineHolder) -> None:
        holder.on(self.line)

    async def place(self, order: Dial) -> None:
        """The one effect that cannot be undone: asked of the outside once, by an owner, never again."""
        attempt = order.attempt
        context = within_call(attempt.call_id, attempt.trace_id if attempt.traced else None)
        with span("dial", context, kind="client", about=self.line):
            outcome = await self._hindrance(order) or await self._dial(order)
        self._tell_outcome(order, outcome)

    async def _hindrance(self, order: Dial) -> DialFailed | None:
        """Why the call must not be placed now, asked right before it is: the lease, the journal's leader, the
        caller."""
        if not await self._host.may_act_once_verified():
            return DialFailed(cause=NOT_SURE, reason=EndReason.NOT_DIALED)
        try:
            called_off = order.unless is not None and await self._is_newer(*order.unless)
            stands = await asyncio.gather(*(self._stands(*fence) for fence in order.fences))
        except BusError as error:
            return DialFailed(cause=f"whose the line is could not be asked: {error}", reason=EndReason.NOT_DIALED)
        if called_off:
            return DialFailed(cause=CALLED_OFF, reason=EndReason.NOT_DIALED)
        for (subject, _), still_stands in zip(order.fences, stands, strict=True):
            if not still_stands:
                cause = STOLEN if subject == self.fence[0] else BEGUN_AFRESH  # that is not this line's trouble
                return DialFailed(cause=cause, reason=EndReason.NOT_DIALED)
        return None if self.wanted(order.call_id) else self.withdrawn(order.call_id)

    async def _stands(self, subject: str, seq: int) -> bool:
        """Whether a barrier is still the last of its subject, by the word of the journal's leader."""
        last = await self._host.bus.last(subject, certain=True)
        return last is not None and last.seq == seq

    async def _is_newer(self, subject: str, seq: int) -> bool:
        """Whether there is an event of a subject after that one, by the word of who alone writes it, where that is
        here, else of the journal's leader."""
        shard = owned(self._host, id_of(subject))
        writer = shard.find(kind_of(subject), id_of(subject)) if shard is not None else None
        newest = writer.newest(verb_of(subject)) if writer is not None and writer.alive else None
        if newest is None:
            last = await self._host.bus.last(subject, certain=True)
            newest = last.seq if last is not None else 0
        return newest > seq

    def wanted(self, call_id: str) -> bool:
        """Whether the call is still to be placed: nobody has ended it meanwhile, and this host may act."""
        call = self._host.get(LineCall, call_id)
        return call is not None and call.to_be_dialled and self._host.may_act

    def _tell_outcome(self, order: Dial, report: DialAccepted | DialFailed | DialUncertain) -> None:
        """Tell the call what became of the order to dial. Where somebody else has had the line meanwhile, begin afresh:
        from the record, with a barrier of one's own."""
        if not isinstance(report, DialAccepted):
            log.warning("dial did not go through", line=self.line, call_id=order.call_id, cause=report.cause)
        self._host.tell(LineCall, order.call_id, report)
        if isinstance(report, DialFailed) and report.cause == STOLEN:
            self._crash(Fenced(STOLEN))

    def withdrawn(self, call_id: str) -> DialFailed:
        """Why a call that is no longer wanted was not placed."""
        call = self._host.get(LineCall, call_id)
        if call is not None and call.is_ending:
            return DialFailed(cause=ENDED_BEFORE, reason=EndReason.HANGUP_LOCAL)
        return DialFailed(cause=NOT_SURE, reason=EndReason.NOT_DIALED)
