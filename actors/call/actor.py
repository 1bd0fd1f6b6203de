"""The call's shell: keeps one call's record from its attempt to its one terminal event."""

from typing import Any, ClassVar

from actors.call import machine
from actors.call.machine import Attempt, Call, Patience
from actors.runtime.actor import Actor, Outcome
from actors.runtime.clock import Moment, moment
from actors.runtime.context import Context
from actors.runtime.decision import Decision
from actors.runtime.host import Host
from bus_schemas.call import (
    END_CALL,
    GET_CALL,
    TOPICS,
    CallAdopted,
    CallStarted,
    EndCall,
    GetCall,
    Phase,
    state_of,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.visibility import visible

NO_CALL = Refusal(ErrorCode.NOT_FOUND, "No such call.")
KEEP_ENDED = 5.0  # seconds an ended call still answers for itself, until the records surely have it


class CallActor(Actor[Call]):
    """One call, beside its slot."""

    kind: ClassVar[str] = "call"
    state_type: ClassVar[Any] = Call
    topics: ClassVar[Any] = TOPICS
    commands: ClassVar[Any] = {END_CALL: "end", GET_CALL: "get"}

    __slots__ = ("_patience", "_retiring")

    def __init__(self, *, id: str, host: Host, patience: Patience) -> None:
        super().__init__(id=id, host=host)
        self._patience = patience
        self._retiring = False

    @property
    def scope(self) -> str:
        """This call on whatever line: until its attempt is on record, its id must be new on all of them."""
        return f"ottb.v1.evt.call.{self.state.line if self.state is not None else '*'}.{self.id}.*"

    # --- commands

    def get(self, request: GetCall, context: Context) -> Outcome:
        return Outcome(decision=Decision(), reply=machine.view(self._seen_by(context)))

    def end(self, request: EndCall, context: Context) -> Outcome:
        call = self._seen_by(context)
        if context.user != call.user and not context.may(Action.CALL_END_ANY):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "The call was started by somebody else.")
        decision = machine.end(call, context.user, context.command_id, self._now(), self._patience)
        return Outcome(decision=decision, reply=lambda: machine.view(self._call()))

    def _seen_by(self, context: Context) -> Call:
        call = self._call()
        if not visible("call", call.user, user=context.user, actions=context.actions):
            raise NO_CALL
        return call

    def _call(self) -> Call:
        if self.state is None:
            raise NO_CALL
        return self.state

    def owners(self) -> tuple[str | None, ...]:
        return (self.state.user,) if self.state is not None else ()

    # --- orders of this host

    def carry_out(self, order: Any, context: Context, now: Moment) -> Outcome:
        assert isinstance(order, Attempt)
        decision = machine.attempt(self.state, order, now, self._patience)
        reply = CallStarted(call_id=order.call_id, slot=order.slot, state=state_of(Phase.DIALING))
        return Outcome(decision=decision, reply=reply)

    # --- the machine's place

    def evolve(self, state: Call | None, event: Any) -> Call | None:
        return machine.evolve(state, event)

    def observe(self, report: Any, now: Moment) -> Decision[Any]:
        return machine.observe(self.state, report, now, self._patience)

    def barrier(self, now: Moment, epoch: int) -> CallAdopted:
        call = self.state
        slot, user, line = (call.slot, call.user, call.line) if call else (0, "", "slot-0")
        host = self._host.name
        return CallAdopted(line=line, call_id=self.id, slot=slot, user=user, at=now.at, host=host, epoch=epoch)

    def resume(self, now: Moment) -> Decision[Any]:
        if self.state is None:  # booked, but the attempt never got on record: nothing was dialled
            self._retire()
        return machine.resume(self.state, now, self._patience)

    def timers_kept(self) -> frozenset[str]:
        return machine.TIMERS[self.state.phase] if self.state is not None else frozenset()

    def moved(self) -> None:
        if self.state is not None and self.state.phase is Phase.ENDED:
            self._retire()

    def _retire(self) -> None:
        if not self._retiring:
            self._retiring = True
            self._host.retire(self, KEEP_ENDED)

    def _now(self) -> Moment:
        return moment(self._host.clock)
