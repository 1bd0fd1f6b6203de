"""How the states of operators are walked through, for docs/states.md."""

from datetime import UTC
from typing import Any

from actors.operator import machine as operators
from actors.operator import record as operator_record
from actors.operator.machine import CallOver as OperatorCallOver
from actors.operator.machine import CallUp, OperatorRules
from actors.operator.record import Plan as OperatorPlan
from actors.operator.settings import DISPOSITIONS
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, TimerFired
from bus_schemas.operator import OperatorActivated, OperatorChanged, OperatorStatus, ReserveOperator
from tests.support.states import Input, Stand, Walk, verb

OPERATOR_RULES = OperatorRules(
    zone=UTC, wrap_up=30, wrap_up_longest=600, presence=60, reserve=2, words=DISPOSITIONS
)


def _operator_asks(status: OperatorStatus) -> Input:
    return lambda stand, now: operators.change(
        stand[0], OperatorPlan(status), "op", may_call=True, now=now, rules=OPERATOR_RULES
    )


def _operator_call_begins(stand: Stand, now: Moment) -> Decision[Any, Any]:
    report = CallUp(seq=stand[0].heard + 1, call_id=f"c_{now.mono}", at=now.at)
    return operators.connected(stand[0], report, now, OPERATOR_RULES)


def _operator_call_ends(stand: Stand, now: Moment) -> Decision[Any, Any]:
    for talk in stand[0].calls:
        return operators.over(stand[0], OperatorCallOver(call_id=talk.call_id, at=now.at), now, OPERATOR_RULES)
    return NOTHING


def _operator_time(name: str) -> Input:
    return lambda stand, now: operators.fired(stand[0], TimerFired(name=name), now, OPERATOR_RULES)


OPERATOR_INPUTS: tuple[Input, ...] = (
    *(_operator_asks(status) for status in (OperatorStatus.READY, OperatorStatus.BREAK, OperatorStatus.OFFLINE)),
    *(_operator_time(name) for name in ("wrap_up", "presence", "reservation")),
    _operator_call_begins,
    _operator_call_ends,
    lambda stand, now: operators.reserve(
        stand[0], ReserveOperator(user="op", campaign_id="c"), "r", now, OPERATOR_RULES
    ),
)


def _after_operator(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    operator = stand[0]
    for event in decision.events:
        operator = operator_record.evolve(operator, event)
    return operator, None


def _operator_why(event: Any) -> str:
    return event.by.replace("op", "asked") if isinstance(event, OperatorChanged) else verb(event)


WALK = Walk(
    title="An operator",
    text="`status` of an operator. `asked`: by themselves or a supervisor; `presence`, `wrap_up`: that time is over.",
    start=lambda now: Decision(events=(OperatorActivated(user="op", at=now.at, host="h", epoch=1),)),
    inputs=OPERATOR_INPUTS,
    after=_after_operator,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (
        stand[0].status, stand[0].next, bool(stand[0].calls), len(stand[0].calls) > 1, stand[0].reserved is None
    ),
    why=_operator_why,
)  # fmt: skip
