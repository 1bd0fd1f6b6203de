"""An operator's machine: what follows from what they ask, from calls, from campaigns and from time. Pure.

    offline <-> ready <-> break         as is asked; offline also when nothing is heard for a while
    any -> on_call                      a call is theirs; what they were at, or ask for meanwhile, is next
    on_call -> wrap_up -> what is next  when the last call is over; who goes needs no wrap-up
"""

from collections.abc import Mapping
from datetime import timedelta, tzinfo
from functools import reduce
from typing import Any, Never

from msgspec import Struct
from msgspec.structs import replace

from actors.operator.days import day_of, down_within, spent
from actors.operator.record import GONE, LOOK, PRESENCE, RESERVATION, WRAP_UP, Operator, Plan, evolve
from actors.runtime.clock import Moment, parse_utc, utc
from actors.runtime.decision import NOTHING, Decision, Effect, SetTimer, TimerFired
from actors.runtime.moments import must_come
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.lead import Meaning
from bus_schemas.operator import (
    AssignOperator,
    DisposeCall,
    Disposition,
    Down,
    JoinOperator,
    OperatorAssigned,
    OperatorChanged,
    OperatorConnected,
    OperatorDisposed,
    OperatorEvent,
    OperatorFreed,
    OperatorReleased,
    OperatorReserved,
    OperatorStatus,
    ReserveOperator,
)

S = OperatorStatus
READY = Plan(S.READY)
START_TAKES = 30.0  # seconds at most, from when a site is up until it has its operators
LOOK_EVERY = 60.0  # seconds between two looks whether the calls are still up

NOT_FREE = RefusalTemplate(ErrorCode.CONFLICT, "The operator is not free now.")
NOT_WRAPPING_UP = RefusalTemplate(ErrorCode.CONFLICT, "There is nothing to wrap up.")
NOT_THEIRS = RefusalTemplate(ErrorCode.NOT_FOUND, "No such call of yours, or it is long over.")
SAID = RefusalTemplate(ErrorCode.CONFLICT, "The wrap-up is over: what was said of the call stands.")
MAY_NOT_CALL = RefusalTemplate(ErrorCode.PERMISSION_DENIED, "Who is ready must be allowed to call: call.start.")
NOT_THERE = RefusalTemplate(ErrorCode.CONFLICT, "Who is offline can only be made ready by themselves.")

OperatorDecision = Decision[OperatorEvent, Never]


class OperatorRules(Struct, frozen=True, kw_only=True):
    """How operators work here: seconds, the zone of the days, and the words with what they mean. `down`: when there was
    no site, oldest first."""

    zone: tzinfo
    wrap_up: float
    wrap_up_longest: float
    presence: float
    reserve: float
    words: Mapping[str, Meaning]
    down: tuple[Down, ...] = ()


class CallUp(Struct, frozen=True, kw_only=True):
    """A call of the operator's is answered. `seq`: where the journal says so; `campaign`: for which it was made."""

    seq: int
    call_id: str
    at: str
    campaign: str | None = None


class CallOver(Struct, frozen=True, kw_only=True):
    """A call is over."""

    call_id: str
    at: str


class Look(Effect, frozen=True, kw_only=True):
    """See on record whether these calls are still up."""

    calls: tuple[str, ...]


# --- what is asked


def change(
    operator: Operator, wanted: Plan, by: str, *, may_call: bool, now: Moment, rules: OperatorRules
) -> OperatorDecision:
    """Be at something else, at once or after the call. `may_call`: the asker may. Raises Refusal."""
    own = by == operator.user
    if wanted.status is S.READY and own and not may_call:
        raise MAY_NOT_CALL()
    if wanted.status is S.READY and not own and operator.status is S.OFFLINE:
        raise NOT_THERE()
    there: tuple[Effect, ...] = (SetTimer(name=PRESENCE, seconds=rules.presence),) if own and may_call else ()
    waits = bool(operator.calls) or operator.reserved is not None
    if wanted == (operator.next if waits else Plan(operator.status, operator.reason)):
        return Decision(effects=there if operator.status is not S.OFFLINE else ())
    event = _goes_on(operator, by, now, next=wanted) if waits else _changed(operator, wanted, by, now, rules)
    return _decided(operator, event, now=now, rules=rules, more=there if wanted.status is not S.OFFLINE else ())


def renew(operator: Operator, rules: OperatorRules) -> OperatorDecision:
    """The operator is there."""
    if operator.status is S.OFFLINE:
        return NOTHING
    return Decision(effects=(SetTimer(name=PRESENCE, seconds=rules.presence),))


def extend(operator: Operator, seconds: float, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """More time to wrap up. Raises Refusal."""
    if operator.status is not S.WRAP_UP or operator.until is None:
        raise NOT_WRAPPING_UP()
    until = min(_later(now.at, seconds), _later(operator.since, rules.wrap_up_longest))
    if until <= operator.until:
        return NOTHING
    event = _goes_on(operator, operator.user, now, next=operator.next, until=until)
    return _decided(operator, event, now=now, rules=rules)


def assign(operator: Operator, request: AssignOperator, by: str, now: Moment) -> OperatorDecision:
    """Work for these campaigns."""
    campaigns = tuple(dict.fromkeys(request.campaigns)) if request.campaigns is not None else None
    if campaigns == operator.campaigns:
        return NOTHING
    return Decision(events=(OperatorAssigned(user=operator.user, at=now.at, campaigns=campaigns, by=by),))


# --- calls


def connected(operator: Operator, report: CallUp, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """A call of theirs is answered, heard of for the first time or again. Of one to which they were joined before it is
    noted too, or it would be another one for who hears of it when it is no longer among the last ones."""
    known = operator.talk(report.call_id)
    if report.seq <= operator.heard or (known is not None and known not in operator.calls):
        return NOTHING
    campaign, lead = (known.campaign_id, known.lead) if known is not None else (report.campaign, None)
    event = _connected(
        operator, report.call_id, report.at, rules, campaign_id=campaign, lead=lead, heard=report.seq
    )
    return _decided(operator, event, now=now, rules=rules)


def join(operator: Operator, request: JoinOperator, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """They have been joined to a call, or it is said whose a call of theirs is. Who is in another one is not there for
    it. Raises Refusal."""
    known, held = operator.talk(request.call_id), operator.reserved
    if known is None:
        theirs = _works_for(operator, request.campaign_id) if held is None else held.campaign_id == request.campaign_id
        if operator.status is not S.READY or not theirs:
            raise NOT_FREE(status=operator.status, campaign=theirs)
    elif known not in operator.calls or (known.campaign_id, known.lead) == (request.campaign_id, request.lead):
        return NOTHING
    elif len(operator.calls) > 1 and known.lead is None:
        raise NOT_FREE(status=operator.status)
    event = _connected(
        operator, request.call_id, now.at, rules, campaign_id=request.campaign_id, lead=request.lead
    )
    look = (Look(calls=(request.call_id,)),) if known is None else ()  # it may be over already
    return _decided(operator, event, now=now, rules=rules, more=look)


def over(operator: Operator, report: CallOver, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """A call is over. One that is not theirs, or was over before, changes nothing."""
    if not any(talk.call_id == report.call_id for talk in operator.calls):
        return NOTHING
    at = min(max(report.at, operator.since), max(now.at, operator.since))
    if len(operator.calls) > 1:
        turn = _turn(operator, S.ON_CALL, at, rules, next=operator.next)
    elif operator.next == GONE or not rules.wrap_up:
        turn = _turn(operator, operator.next.status, at, rules, next=operator.next, reason=operator.next.reason)
    else:
        turn = _turn(operator, S.WRAP_UP, at, rules, next=operator.next, until=_later(at, rules.wrap_up))
    return _decided(operator, OperatorFreed(**turn, call_id=report.call_id), now=now, rules=rules)


def dispose(operator: Operator, request: DisposeCall, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """Say what came of a call, or say it anew while there is time for that. Raises Refusal."""
    talk = operator.talk(request.call_id)
    if talk is None:
        raise NOT_THEIRS()
    said = disposition(operator, request, now, rules)
    if talk.said == said:
        return NOTHING
    wrapping_up = operator.status is S.WRAP_UP and operator.past[:1] == (talk,)
    if talk.said is not None and talk not in operator.calls and not wrapping_up:
        raise SAID(disposition=talk.said.disposition)
    event = OperatorDisposed(
        user=operator.user, at=now.at, call_id=said.call_id, campaign_id=talk.campaign_id, lead=talk.lead,
        disposition=said.disposition, meaning=said.meaning, note=said.note, callback=said.callback,
        operator=said.operator, corrects=talk.said is not None, day=day_of(now.at, rules.zone),
    )  # fmt: skip
    return Decision(events=(event,))


def disposition(operator: Operator, request: DisposeCall, now: Moment, rules: OperatorRules) -> Disposition:
    """What the request says, in the site's words; `callback` as `clock.utc` writes it. Raises Refusal."""
    meaning = rules.words.get(request.disposition)
    if meaning is None:
        raise misfit("disposition", "no such word here.", given=request.disposition, known=sorted(rules.words))
    if (meaning is Meaning.CALLBACK) != (request.callback is not None):
        raise misfit("callback", "a time belongs to a word that means a callback, and to no other.")
    if request.callback is not None:
        must_come(request.callback, "callback", now.at)
    same = meaning is Meaning.CALLBACK and request.callback_to == "same"
    return Disposition(
        call_id=request.call_id, by=operator.user, disposition=request.disposition, meaning=meaning, note=request.note,
        callback=request.callback, operator=operator.user if same else None,
    )  # fmt: skip


# --- campaigns


def reserve(
    operator: Operator, request: ReserveOperator, reservation: str, now: Moment, rules: OperatorRules
) -> OperatorDecision:
    """Keep them for a call of one campaign. Raises Refusal."""
    theirs = _works_for(operator, request.campaign_id)
    if operator.status is not S.READY or operator.reserved is not None or not theirs:
        raise NOT_FREE(status=operator.status, reserved=operator.reserved is not None, campaign=theirs)
    event = OperatorReserved(
        user=operator.user, at=now.at, campaign_id=request.campaign_id, reservation=reservation,
        until=_later(now.at, request.seconds or rules.reserve),
    )  # fmt: skip
    return _decided(operator, event, now=now, rules=rules)


def _works_for(operator: Operator, campaign: str | None) -> bool:
    return campaign is None or operator.campaigns is None or campaign in operator.campaigns


def release(operator: Operator, reservation: str, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """No call comes."""
    held = operator.reserved
    return NOTHING if held is None or held.reservation != reservation else _released(operator, False, now, rules)


# --- time


def fired(
    operator: Operator, timer: TimerFired, now: Moment, rules: OperatorRules, *, seen: bool = True
) -> OperatorDecision:
    """A time is over. `seen`: they were heard of since this owner has them."""
    match timer.name:
        case "wrap_up" if operator.status is S.WRAP_UP:
            event = _changed(operator, operator.next, WRAP_UP, now, rules)
            return _decided(operator, event, now=now, rules=rules)
        case "reservation" if operator.reserved is not None:
            return _released(operator, True, now, rules)
        case "presence" if operator.calls or operator.reserved is not None:  # never in the middle of a call
            seconds = rules.presence if operator.calls else rules.reserve
            return Decision(effects=(SetTimer(name=PRESENCE, seconds=seconds),))
        case "presence" if operator.status is not S.OFFLINE:
            last = None if seen else _went_down(now, rules)
            return _decided(operator, _changed(operator, GONE, PRESENCE, last or now, rules), now=now, rules=rules)
        case "look" if operator.calls:
            return Decision(effects=(_look(operator), SetTimer(name=LOOK, seconds=LOOK_EVERY)))
    return NOTHING


def _went_down(now: Moment, rules: OperatorRules) -> Moment | None:
    """When the site was last up before it was down, if it has been so lately: who has not come back went then."""
    lately = _later(now.at, -rules.presence - START_TAKES)
    return next((replace(now, at=one.begun) for one in rules.down[-1:] if one.over >= lately), None)


def resume(operator: Operator, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """A new owner goes on: what has run out meanwhile does so at once, and calls may be over."""
    look = (_look(operator),) if operator.calls else ()
    return _decided(operator, now=now, rules=rules, more=look)


# --- what decisions are made of


def _decided(
    operator: Operator, *events: OperatorEvent, now: Moment, rules: OperatorRules, more: tuple[Effect, ...] = ()
) -> OperatorDecision:
    """These events, and the timers that the state after them needs."""
    after = reduce(evolve, events, operator)
    held = after.reserved
    seconds = {
        WRAP_UP: _seconds(after.until, now), RESERVATION: _seconds(held.until if held is not None else None, now),
        PRESENCE: rules.presence, LOOK: LOOK_EVERY,
    }  # fmt: skip
    timers = (
        SetTimer(name=name, seconds=seconds[name], keep=name in (PRESENCE, LOOK)) for name in sorted(after.timers)
    )
    return Decision(events=events, effects=(*timers, *more))


def _turn(
    operator: Operator, status: OperatorStatus, at: str, rules: OperatorRules, *, next: Plan, reason: str = "",
    until: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a turn. Time on a call goes on while another one is up, also without the site; nobody counts the
    time of who is gone."""
    goes_on = status is S.ON_CALL and operator.status is S.ON_CALL
    counted = not goes_on and operator.status is not S.OFFLINE
    alone = counted and operator.status is not S.ON_CALL
    down = down_within(rules.down, operator.since, at) if alone else ()
    return {
        "user": operator.user, "at": at, "status": status, "before": operator.status, "reason": reason,
        "next": next.status, "next_reason": next.reason, "until": until,
        "spent": spent(operator.since, at, rules.zone, down) if counted else (), "down": down,
    }  # fmt: skip


def _changed(operator: Operator, to: Plan, by: str, now: Moment, rules: OperatorRules) -> OperatorChanged:
    at = max(now.at, operator.since)
    return OperatorChanged(**_turn(operator, to.status, at, rules, next=to, reason=to.reason), by=by)


def _goes_on(operator: Operator, by: str, now: Moment, *, next: Plan, until: str | None = None) -> OperatorChanged:
    """Nothing but what comes afterwards, or when, is another."""
    return OperatorChanged(
        user=operator.user, at=now.at, status=operator.status, before=operator.status, reason=operator.reason,
        next=next.status, next_reason=next.reason, until=until, by=by,
    )  # fmt: skip


def _connected(
    operator: Operator, call_id: str, at: str, rules: OperatorRules, *, campaign_id: str | None = None,
    lead: str | None = None, heard: int = 0,
) -> OperatorConnected:  # fmt: skip
    plan = operator.next if operator.reserved is not None else operator.plan
    turn = _turn(operator, S.ON_CALL, max(at, operator.since), rules, next=plan)
    return OperatorConnected(**turn, call_id=call_id, campaign_id=campaign_id, lead=lead, heard=heard)


def _released(operator: Operator, expired: bool, now: Moment, rules: OperatorRules) -> OperatorDecision:
    """Free again, or at what was asked for meanwhile."""
    held = operator.reserved
    assert held is not None
    released = OperatorReleased(
        user=operator.user, at=now.at, campaign_id=held.campaign_id, reservation=held.reservation,
        why="expired" if expired else "released",
    )  # fmt: skip
    events: tuple[OperatorEvent, ...] = (released,)
    if operator.next != READY:
        events += (_changed(operator, operator.next, operator.user, now, rules),)
    return _decided(operator, *events, now=now, rules=rules)


def _look(operator: Operator) -> Look:
    return Look(calls=tuple(talk.call_id for talk in operator.calls))


def _later(at: str, seconds: float) -> str:
    return utc(parse_utc(at) + timedelta(seconds=seconds))


def _seconds(until: str | None, now: Moment) -> float:
    return max((parse_utc(until or now.at) - parse_utc(now.at)).total_seconds(), 0.0)
