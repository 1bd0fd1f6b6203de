"""What is on record of an operator: the state, what each event makes of it, and how it is shown. Pure."""

from collections.abc import Mapping
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas.operator import (
    Disposition,
    OperatorActivated,
    OperatorAssigned,
    OperatorCall,
    OperatorChanged,
    OperatorConnected,
    OperatorDisposed,
    OperatorEvent,
    OperatorFreed,
    OperatorReleased,
    OperatorReserved,
    OperatorStatus,
    OperatorView,
    Spent,
    Turn,
)

S = OperatorStatus
PAST = 20  # calls that are over and can be spoken of
WRAP_UP, PRESENCE, RESERVATION, LOOK = "wrap_up", "presence", "reservation", "look"  # the timers
BUSY = frozenset({S.ON_CALL, S.WRAP_UP})


class Plan(Struct, frozen=True):
    """What an operator wants to be at."""

    status: OperatorStatus
    reason: str = ""


GONE = Plan(S.OFFLINE)


class Talk(Struct, frozen=True, kw_only=True):
    """A call of an operator. `at`: since when they are on it."""

    call_id: str
    at: str
    campaign_id: str | None = None
    lead: str | None = None
    said: Disposition | None = None


class Operator(Struct, frozen=True, kw_only=True):
    """An operator as the events tell it. `next`: what comes after call and wrap-up; `until`: the end of the wrap-up.
    `calls`: that are up; `past`: those that are over, newest first. `heard`: up to which place in the journal calls
    count as heard of. `day`, `spent`: milliseconds in each status on the last day of which there are some."""

    user: str
    since: str
    status: OperatorStatus = S.OFFLINE
    reason: str = ""
    next: Plan = GONE
    until: str | None = None
    campaigns: tuple[str, ...] | None = None
    calls: tuple[Talk, ...] = ()
    past: tuple[Talk, ...] = ()
    reserved: OperatorReserved | None = None
    heard: int = 0
    day: str = ""
    spent: Mapping[str, int] = {}

    @property
    def plan(self) -> Plan:
        """What they are at, as something that they could go back to."""
        return self.next if self.status in BUSY else Plan(self.status, self.reason)

    def talk(self, call_id: str) -> Talk | None:
        """A call that they are on, or one of the last ones."""
        return next((talk for talk in (*self.calls, *self.past) if talk.call_id == call_id), None)

    @property
    def timers(self) -> frozenset[str]:
        """Those that may run."""
        runs = {
            WRAP_UP: self.status is S.WRAP_UP,
            PRESENCE: self.status is not S.OFFLINE,
            RESERVATION: self.reserved is not None,
            LOOK: bool(self.calls),
        }
        return frozenset(name for name, does in runs.items() if does)


def evolve(operator: Operator | None, event: OperatorEvent) -> Operator:
    """The state after an event."""
    operator = operator or Operator(user=event.user, since=event.at)
    match event:
        case OperatorActivated():
            return replace(operator, heard=max(operator.heard, event.heard))
        case OperatorReserved():
            return replace(operator, reserved=event)
        case OperatorReleased():
            return replace(operator, reserved=None)
        case OperatorAssigned():
            return replace(operator, campaigns=event.campaigns)
        case OperatorDisposed():
            return _disposed(operator, event)
    turned = _turned(operator, event)
    match event:
        case OperatorChanged():
            return turned
        case OperatorConnected():
            return _connected(turned, event)
        case OperatorFreed():
            return _freed(turned, event.call_id)
    return turned


def _turned(operator: Operator, turn: Turn) -> Operator:
    goes_on = turn.status is turn.before and not turn.spent
    day, sums = added(operator.day, operator.spent, turn.before, turn.spent)
    return replace(
        operator,
        status=turn.status, reason=turn.reason, since=operator.since if goes_on else turn.at,
        next=Plan(turn.next, turn.next_reason), until=turn.until, day=day, spent=sums,
        reserved=operator.reserved if turn.status is S.READY and goes_on else None,
    )  # fmt: skip


def added(
    day: str, sums: Mapping[str, int], status: str, more: tuple[Spent, ...]
) -> tuple[str, Mapping[str, int]]:
    """A day's sums with more time in a status: a later day begins anew."""
    for one in more:
        if one.day > day:
            day, sums = one.day, {}
        if one.day == day:
            sums = {**sums, str(status): sums.get(str(status), 0) + one.ms}
    return day, sums


def _connected(operator: Operator, event: OperatorConnected) -> Operator:
    known = operator.talk(event.call_id)
    talk = Talk(
        call_id=event.call_id, at=known.at if known is not None else event.at, campaign_id=event.campaign_id,
        lead=event.lead, said=known.said if known is not None else None,
    )  # fmt: skip
    others = tuple(one for one in operator.calls if one.call_id != event.call_id)
    return replace(operator, calls=(*others, talk), heard=max(operator.heard, event.heard))


def _freed(operator: Operator, call_id: str) -> Operator:
    over = tuple(talk for talk in operator.calls if talk.call_id == call_id)
    left = tuple(talk for talk in operator.calls if talk.call_id != call_id)
    return replace(operator, calls=left, past=(*over, *operator.past)[:PAST])


def _disposed(operator: Operator, event: OperatorDisposed) -> Operator:
    said = Disposition(
        call_id=event.call_id, by=event.user, disposition=event.disposition, meaning=event.meaning, note=event.note,
        callback=event.callback, operator=event.operator,
    )  # fmt: skip

    def with_it(talks: tuple[Talk, ...]) -> tuple[Talk, ...]:
        return tuple(replace(talk, said=said) if talk.call_id == event.call_id else talk for talk in talks)

    return replace(operator, calls=with_it(operator.calls), past=with_it(operator.past))


def _seconds(ms: int) -> int:
    """Milliseconds as they are shown."""
    return round(ms / 1000)


def _call(talk: Talk) -> OperatorCall:
    return OperatorCall(call_id=talk.call_id, at=talk.at, campaign_id=talk.campaign_id, lead=talk.lead)


def view(operator: Operator) -> OperatorView:
    """As it is shown."""
    planned = operator.status in BUSY or operator.reserved is not None
    held = operator.reserved
    return OperatorView(
        user=operator.user, status=operator.status, since=operator.since, reason=operator.reason,
        next=operator.next.status if planned else None, next_reason=operator.next.reason if planned else "",
        until=operator.until,
        calls=list(map(_call, operator.calls)),
        wrap_up_call=_call(operator.past[0]) if operator.status is S.WRAP_UP and operator.past else None,
        campaigns=cast(list[str], list(operator.campaigns)) if operator.campaigns is not None else None,
        reserved_by=held.campaign_id if held is not None else None,
        reserved_until=held.until if held is not None else None,
        day=operator.day,
        ready_seconds=_seconds(operator.spent.get(S.READY, 0)),
        talk_seconds=_seconds(operator.spent.get(S.ON_CALL, 0)),
        wrap_up_seconds=_seconds(operator.spent.get(S.WRAP_UP, 0)),
        break_seconds=_seconds(operator.spent.get(S.BREAK, 0)),
    )  # fmt: skip
