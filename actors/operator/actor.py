"""The actor of one operator."""

from functools import reduce
from typing import ClassVar, Never

import msgspec
from msgspec.structs import replace

from actors.operator import machine, record
from actors.operator.machine import CallOver, CallUp, Look, OperatorDecision, OperatorRules
from actors.operator.news import CallNews, News
from actors.operator.record import Operator, Plan
from actors.operator.uptime import Uptime
from actors.runtime.actor import Actor
from actors.runtime.bus import BusError
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Outcome, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Effect, TimerFired
from actors.runtime.host import Host
from bus_schemas.call import CallEnded
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.operator import (
    ASSIGN_OPERATOR,
    CHANGE_OPERATOR,
    DISPOSE_OF_OPERATOR,
    EXTEND_OPERATOR,
    GET_OPERATOR,
    JOIN_OPERATOR,
    OPERATOR,
    OPERATOR_DISPOSED,
    RELEASE_OPERATOR,
    RENEW_PRESENCE,
    RESERVE_OPERATOR,
    AssignOperator,
    ChangeOperator,
    DisposeOfOperator,
    Disposition,
    ExtendOperator,
    GetOperator,
    JoinOperator,
    OperatorActivated,
    OperatorEvent,
    OperatorStatus,
    OperatorView,
    PresenceNoted,
    ReleaseOperator,
    RenewPresence,
    Reservation,
    ReserveOperator,
)
from bus_schemas.permissions import Action

NO_OPERATOR = RefusalTemplate(ErrorCode.NOT_FOUND, "No such operator.")


class OperatorActor(Actor[Operator, OperatorEvent, Never, CallUp | CallOver]):
    """One operator. `site`: the name of the host that has its shard."""

    kind: ClassVar[str] = "operator"
    state_type = Operator
    topics = topics_of("operator")
    snapshots = True

    __slots__ = ("_fixed", "_news", "_seen", "_site", "_uptime")

    def __init__(
        self, *, id: str, host: Host, news: CallNews, rules: OperatorRules, site: str, uptime: Uptime
    ) -> None:
        super().__init__(id=id, host=host)
        self._news = news
        self._fixed = rules
        self._uptime = uptime
        self._site = site
        self._seen = False  # since we have them

    @property
    def _rules(self) -> OperatorRules:
        """As they are, and when there was no site."""
        return replace(self._fixed, down=self._uptime.down)

    # --- commands

    def get(self, request: GetOperator, context: Context) -> Outcome[OperatorView]:
        operator = self._operator()
        if not OPERATOR.visible(self.id, user=context.user, actions=context.actions):
            raise NO_OPERATOR()
        there = context.user == self.id and context.may(Action.CALL_START)
        decision = self._renewed() if there else NOTHING
        return Outcome(decision=decision, reply=record.view(operator))

    def change(self, request: ChangeOperator, context: Context) -> Outcome[OperatorView]:
        wanted = Plan(OperatorStatus(request.status), request.reason)
        self._seen = self._seen or (context.user == self.id and request.may_call)
        return self._shown(machine.change(
            self._operator(), wanted, context.user, may_call=request.may_call, now=self._now(), rules=self._rules
        ))  # fmt: skip

    def extend(self, request: ExtendOperator, context: Context) -> Outcome[OperatorView]:
        return self._shown(machine.extend(self._operator(), request.seconds, self._now(), self._rules))

    def assign(self, request: AssignOperator, context: Context) -> Outcome[OperatorView]:
        return self._shown(machine.assign(self._operator(), request, context.user, self._now()))

    def present(self, request: RenewPresence, context: Context) -> Outcome[PresenceNoted]:
        return Outcome(decision=self._renewed(), reply=PresenceNoted())

    def _renewed(self) -> OperatorDecision:
        self._seen = True
        return machine.renew(self._operator(), self._rules)

    def reserve(self, request: ReserveOperator, context: Context) -> Outcome[Reservation]:
        operator, id = self._operator(), context.command_id
        decision = machine.reserve(operator, request, id, self._now(), self._rules)
        held = self._after(decision).reserved
        assert held is not None
        reply = Reservation(user=self.id, campaign_id=held.campaign_id, reservation=id, until=held.until)
        return Outcome(decision=decision, reply=reply)

    def release(self, request: ReleaseOperator, context: Context) -> Outcome[OperatorView]:
        return self._shown(machine.release(self._operator(), request.reservation, self._now(), self._rules))

    def joined(self, request: JoinOperator, context: Context) -> Outcome[OperatorView]:
        return self._shown(machine.join(self._operator(), request, self._now(), self._rules))

    def dispose(self, request: DisposeOfOperator, context: Context) -> Outcome[Disposition]:
        operator, now, rules = self._operator(), self._now(), self._rules
        if request.words is not None:
            rules = replace(rules, words=request.words)
        decision = machine.dispose(operator, request.dispose, now, rules)
        said = machine.disposition(operator, request.dispose, now, rules)
        return Outcome(decision=decision, reply=said)

    commands = by_verb(
        command(GET_OPERATOR, get),
        command(CHANGE_OPERATOR, change),
        command(EXTEND_OPERATOR, extend),
        command(ASSIGN_OPERATOR, assign),
        command(RENEW_PRESENCE, present),
        command(RESERVE_OPERATOR, reserve),
        command(RELEASE_OPERATOR, release),
        command(JOIN_OPERATOR, joined),
        command(DISPOSE_OF_OPERATOR, dispose, answered_beside=OPERATOR_DISPOSED),
    )
    evolve = staticmethod(record.evolve)

    def _operator(self) -> Operator:
        if self.state is None:
            raise NO_OPERATOR()
        return self.state

    def _after(self, decision: OperatorDecision) -> Operator:
        return reduce(record.evolve, decision.events, self._operator())

    def _shown(self, decision: OperatorDecision) -> Outcome[OperatorView]:
        """Answered with the state after the decision, which stands on record beside it for a repeat."""
        return Outcome(decision=decision, reply=record.view(self._after(decision)))

    def _now(self) -> Moment:
        return moment(self._host.clock)

    # --- what happens

    def observe(self, report: CallUp | CallOver | TimerFired, now: Moment) -> OperatorDecision:
        operator = self.state
        if operator is None:
            return NOTHING
        match report:
            case CallUp():
                return machine.connected(operator, report, now, self._rules)
            case CallOver():
                return machine.over(operator, report, now, self._rules)
            case TimerFired():
                return machine.fired(operator, report, now, self._rules, seen=self._seen)

    def resume(self, now: Moment) -> OperatorDecision:
        return machine.resume(self.state, now, self._rules) if self.state is not None else NOTHING

    def barrier(self, now: Moment, epoch: int) -> OperatorActivated:
        heard = self._news.begin_with(self.id) if self.state is None else 0
        return OperatorActivated(user=self.id, at=now.at, host=self._site, epoch=epoch, heard=heard)

    async def take_over(self) -> None:
        """Hear of calls from now on, and what was said of them since this operator last heard of one."""
        operator = self._operator()
        for talk in operator.calls:
            self._news.joined(self.id, talk.call_id)
        self._news.tell(self.id, self._hear, operator.heard)

    def _hear(self, news: News) -> None:
        if self.alive:
            self.tell(news)

    def recorded(self, event: OperatorEvent) -> None:
        for talk in self.state.calls if self.state is not None else ():
            self._news.joined(self.id, talk.call_id)

    def perform(self, effect: Effect) -> None:
        if not isinstance(effect, Look):
            raise TypeError(f"no effect of an operator: {effect!r}")
        for call_id in effect.calls:
            self.spawn(self._look(call_id))

    async def _look(self, call_id: str) -> None:
        """Whether a call is over, by its record. One of which there is nothing on record is none."""
        try:
            ended = await self._host.bus.last(f"ottb.v1.evt.call.*.{call_id}.ended", certain=True)
            known = ended or await self._host.bus.last(f"ottb.v1.evt.call.*.{call_id}.*", certain=True)
            if ended is not None:
                at = msgspec.json.decode(ended.data, type=CallEnded).at
            elif known is None:
                at = self._now().at
            else:
                return
        except BusError:  # the next look may find it
            return
        except UNDECODABLE:
            at = self._now().at
        self.tell(CallOver(call_id=call_id, at=at))

    # --- who sees it, and what goes on

    def owners(self, state: Operator | None) -> tuple[str | None, ...]:
        return (self.id,)

    def allowed_timers(self) -> frozenset[str] | None:
        return self.state.timers if self.state is not None else None
