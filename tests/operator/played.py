"""An operator to whom things are done, second by second."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from zoneinfo import ZoneInfo

from actors.operator import machine
from actors.operator.machine import CallOver, CallUp, OperatorDecision, OperatorRules
from actors.operator.record import PRESENCE, RESERVATION, WRAP_UP, Operator, Plan, evolve
from actors.operator.settings import DISPOSITIONS
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import NOTHING, SetTimer, TimerFired
from bus_schemas.operator import (
    DisposeCall,
    JoinOperator,
    OperatorActivated,
    OperatorEvent,
    OperatorStatus,
    ReserveOperator,
)

S = OperatorStatus
START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
RULES = OperatorRules(
    zone=ZoneInfo("Europe/Kyiv"), wrap_up=30, wrap_up_longest=600, presence=60, reserve=2, words=DISPOSITIONS
)


def at(seconds: float) -> Moment:
    return Moment(at=utc(START + timedelta(seconds=seconds)), mono=seconds, boot="b")


class Played:
    """An operator, and what is done to them at which second."""

    def __init__(self, rules: OperatorRules = RULES) -> None:
        self.rules = rules
        self.now = 0.0
        self.last: OperatorDecision = NOTHING
        event = OperatorActivated(user="op12", at=at(0).at, host="h", epoch=1)
        self.operator: Operator = evolve(None, event)
        self.events: list[OperatorEvent] = [event]

    def take(self, decision: OperatorDecision) -> "Played":
        self.last = decision
        self.events += decision.events
        self.operator = reduce(evolve, decision.events, self.operator)
        return self

    def be(self, status: str, at_: float, *, by: str = "op12", reason: str = "", may_call: bool = True) -> "Played":
        self.now = at_
        wanted = Plan(S(status), reason)
        return self.take(machine.change(
            self.operator, wanted, by, may_call=may_call, now=at(at_), rules=self.rules
        ))  # fmt: skip

    def up(self, call: str, at_: float, seq: int = 0) -> "Played":
        self.now = at_
        report = CallUp(seq=seq or self.operator.heard + 1, call_id=call, at=at(at_).at)
        return self.take(machine.connected(self.operator, report, at(at_), self.rules))

    def over(self, call: str, at_: float) -> "Played":
        self.now = at_
        return self.take(machine.over(self.operator, CallOver(call_id=call, at=at(at_).at), at(at_), self.rules))

    def fired(self, name: str, at_: float) -> "Played":
        self.now = at_
        return self.take(machine.fired(self.operator, TimerFired(name=name), at(at_), self.rules))

    def reserve(self, campaign: str, at_: float, id: str = "r1", seconds: int | None = None) -> "Played":
        request = ReserveOperator(user="op12", campaign_id=campaign, seconds=seconds)
        return self.take(machine.reserve(self.operator, request, id, at(at_), self.rules))

    def join(self, call: str, at_: float, campaign: str | None = None, lead: str | None = None) -> "Played":
        request = JoinOperator(user="op12", call_id=call, campaign_id=campaign, lead=lead)
        return self.take(machine.join(self.operator, request, at(at_), self.rules))

    def say(self, call: str, word: str, at_: float, **more: str) -> "Played":
        request = DisposeCall(call_id=call, disposition=word, **more)  # type: ignore[arg-type]
        return self.take(machine.dispose(self.operator, request, at(at_), self.rules))

    @property
    def status(self) -> S:
        return self.operator.status

    def timer(self, name: str) -> float | None:
        """In how many seconds it was set to fire by the last decision."""
        found = [e.seconds for e in self.last.effects if isinstance(e, SetTimer) and e.name == name]
        return found[-1] if found else None


def step(played: Played, what: int, now: float) -> None:
    """One of the things that can be done. Raises Refusal."""
    played.last = NOTHING
    calls = [talk.call_id for talk in played.operator.calls]
    match what:
        case 0 | 1 | 2:
            played.be(("ready", "break", "offline")[what], now)
        case 3 | 4:
            played.up(f"c{round(10 * now)}", now)
        case 5 | 6 if calls:
            played.over(calls[0], now)
        case 7:
            played.fired(WRAP_UP, now)
        case 8:
            played.fired(RESERVATION, now)
        case 9:
            played.fired(PRESENCE, now)
        case 10:
            played.reserve("a", now, f"r{round(10 * now)}")
        case 11:
            played.join(f"j{round(10 * now)}", now, "a")
