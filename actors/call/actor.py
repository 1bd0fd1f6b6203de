"""The call's shell: keeps one call's record from its attempt to its one terminal event."""


from actors.call import machine
from actors.call.machine import Call, CallDecision, CallReport, CallTimeouts
from actors.call.spans import spans
from actors.runtime.bus import Recorded
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Outcome, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING
from actors.runtime.host import Host
from actors.runtime.tracing import was, within_call
from actors.telephony.holdings import began_of
from actors.telephony.line import over_of
from actors.telephony.line_call import LineCall
from actors.telephony.orders import Drop, Fence, Fences
from bus_schemas.call import (
    CALL,
    CALL_DIALING,
    END_CALL,
    GET_CALL,
    JOIN_CALL,
    CallAdopted,
    CallDialing,
    CallEnded,
    CallEvent,
    CallView,
    EndCall,
    GetCall,
    JoinCall,
    Phase,
)
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.kinds import Owners
from bus_schemas.permissions import Action

NO_CALL = RefusalTemplate(ErrorCode.NOT_FOUND, "No such call.")
NO_LINE = "slot-0"  # of a call of which nothing is on record
KEEP_ENDED = 5.0  # seconds an ended call still answers for itself, until the records surely have it


class CallActor(LineCall[Call, CallEvent, Call, CallReport]):
    """One call, beside its slot."""

    state_type = Call
    topics = topics_of("call")

    __slots__ = ("_began", "_begun", "_retiring", "_timeouts")

    def __init__(self, *, id: str, host: Host, timeouts: CallTimeouts) -> None:
        super().__init__(id=id, host=host)
        self._timeouts = timeouts
        self._retiring = False
        self._began = 0  # the sequence of its attempt
        self._begun: CallDecision | None = None

    # --- commands

    def get(self, request: GetCall, context: Context) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply=machine.view(self._visible_to(context)))

    def end(self, request: EndCall, context: Context) -> Outcome[CallView]:
        call = self._visible_to(context)
        if context.user not in call.owners and not context.may(Action.CALL_END_ANY):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "The call is somebody else's.")
        decision = machine.end(call, context.user, context.command_id, self._now(), self._timeouts)
        return Outcome(decision=decision, reply=lambda: machine.view(self._call()))

    def join(self, request: JoinCall, context: Context) -> Outcome[CallView]:
        decision = machine.join(self._call(), request, context.user, context.command_id, self._now())
        return Outcome(decision=decision, reply=lambda: machine.view(self._call()))

    commands = by_verb(command(END_CALL, end), command(GET_CALL, get), command(JOIN_CALL, join))

    def _visible_to(self, context: Context) -> Call:
        call = self._call()
        if not CALL.visible(*call.owners, user=context.user, actions=context.actions):
            raise NO_CALL()
        return call

    def _call(self) -> Call:
        if self.state is None:
            raise NO_CALL()
        return self.state

    def owners(self, state: Call | None) -> tuple[str | None, ...]:
        return state.owners if state is not None else ()

    def owners_beside(self) -> Owners:
        """A call on a phone is about its slot too, which is taken by it and freed."""
        line = self._line_here()
        return {line.kind: line.owners(line.state)} if line is not None else {}

    # --- the attempt

    async def claim(
        self, attempt: CallDialing, fences: Fences, context: Context, unless: Fence | None = None
    ) -> None:
        """Write the attempt: the one write that begins a call. It claims the command's id over all lines and hosts,
        and its line. Raises Fenced when the id is taken, BusError when nobody knows whether it was written, Refusal
        when it cannot be."""
        self._must_be_digestible((attempt,))
        self._line = attempt.line
        await self._record(attempt, {}, context)
        self._begun = machine.begin(attempt, fences, self._timeouts, unless)

    def go_on(self) -> None:
        """Now that commands for it are heard: have the line dial."""
        begun, self._begun = self._begun, None
        if begun is not None:
            self._perform_all(begun.effects)

    @property
    def to_be_dialled(self) -> bool:
        call = self.state
        return call is not None and call.placing and call.phase is Phase.DIALING and call.ending_by is None

    @property
    def is_being_dialled(self) -> bool:
        """Whether an order to dial is under way, or is yet to leave, or nobody knows."""
        return self.state is not None and machine.is_being_dialled(self.state, self._now(), self._timeouts)

    @property
    def is_ending(self) -> bool:
        return self.state is not None and self.state.ending_by is not None

    # --- the machine's place

    @property
    def line_on_record(self) -> str | None:
        return self.state.line if self.state is not None else None

    def recorded(self, event: CallEvent) -> None:
        """Tell the line what is on record of it."""
        match event:
            case CallDialing():
                self._began = self.seq
                self._tell_line(began_of(event, self.seq))
            case CallEnded():
                self._tell_line(over_of(event, self.seq))
                self._trace(event)

    def _trace(self, ended: CallEnded) -> None:
        """Tell the trace of the call what it came to."""
        attempt = self.state.attempt if self.state is not None else None
        if attempt is not None and attempt.traced:
            context = within_call(self.id, attempt.trace_id)
            for name, begun, over in spans(ended):
                was(name, context, begun=begun, ended=over, attributes={"ottb.reason": ended.reason.value})

    def replayed(self, recorded: Recorded) -> None:
        if recorded.subject.endswith(f".{CALL_DIALING.verb}"):
            self._began = recorded.seq

    def _tell_line_what_is_on_record(self) -> None:
        """The line may have missed it: a write whose acknowledgement was lost is on record all the same."""
        if self.state is None:
            self._tell_line(Drop(id=self.id))
            self._retire()
        elif self.state.ended is not None:
            self._tell_line(over_of(self.state.ended, self.seq))
            self._retire()
        else:
            self._tell_line(began_of(self.state.attempt, self._began))

    evolve = staticmethod(machine.evolve)

    def remember(self, memory: Call) -> None:
        self.state = memory

    def observe(self, report: CallReport, now: Moment) -> CallDecision:
        return machine.observe(self.state, report, now, self._timeouts)

    def barrier(self, now: Moment, epoch: int) -> CallAdopted:
        """Also for a call of which nothing is on record: its attempt, should it still be under way, is then void."""
        call = self.state
        slot, user = (call.slot, call.user) if call else (None, "")
        line = call.line if call else self._line or NO_LINE
        host = self._host.name
        return CallAdopted(line=line, call_id=self.id, slot=slot, user=user, at=now.at, host=host, epoch=epoch)

    def resume(self, now: Moment) -> CallDecision:
        self._tell_line_what_is_on_record()
        return machine.resume(self.state, now, self._timeouts)

    def allowed_timers(self) -> frozenset[str]:
        return machine.TIMERS[self.state.phase] if self.state is not None else frozenset()

    def state_changed(self) -> None:
        if self.state is not None and self.state.phase is Phase.ENDED:
            self._retire()

    def _retire(self) -> None:
        if not self._retiring:
            self._retiring = True
            self._host.retire(self, KEEP_ENDED)

    def _now(self) -> Moment:
        return moment(self._host.clock)
