"""A call as values: what its owner decides, what it makes of its line's reports, and how each event changes it.

    dialing --> alerting --> connected --> ended
       \\____________\\____________________/

Theory of operation. The attempt is on record before the phone is told (CallDialing, then `Dial`). From then
on only the phone, or the PBX, knows the truth, so every doubt (no report in time, a lost link, a new owner after a
crash) is settled by a look: a call that is up is adopted, one in the phone's history ends with what the phone says,
and where the phone knows nothing the call ends `unknown`. Nothing here ever dials twice.

What keeps a record from lying:
 * While an order to dial is under way, and for `CallTimeouts.created` where it is not known what became of it, the
   phone may yet dial: nothing is concluded. Whoever cancels is heard at once, and the hang-up follows the first sight
   of the call.
 * A look says nothing about what happened after it was asked for.
 * A call that is up is never called over. Before a ring time-out hangs up it looks, and an answer always wins.
No clock, no bus, no phone: the moment comes in as `now`, what must be done goes out as effects.
"""

from collections.abc import Mapping
from functools import reduce

from msgspec import Struct
from msgspec.structs import replace

from actors.call import app
from actors.call.looks import clocks_differ, never_left, of_another_phone, ours
from actors.call.record import (
    BEAT,
    RING_TIMEOUT,
    Away,
    Call,
    Early,
    Lasted,
    Since,
    alerting,
    connected,
    enriched,
    evolve,
    moved,
    over,
    rings_on,
    view,
)
from actors.runtime.clock import Moment, elapsed
from actors.runtime.decision import NOTHING, CancelTimer, Decision, Effect, SetTimer, Tell, TimerFired
from actors.telephony.orders import Dial, Fence, Fences, HangUp, LookAt, Named, Redirect, Release
from actors.telephony.reports import (
    CallPhase,
    CallSeen,
    CdrSeen,
    DialAccepted,
    DialFailed,
    DialUncertain,
    InApp,
    JoinFailed,
    Link,
    LinkChanged,
    LiveCall,
    Looked,
    PastCall,
    after,
)
from bus_schemas.call import CallDialing, CallEnding, CallEvent, CallJoined, EndReason, JoinCall, Phase
from bus_schemas.errors import ErrorCode, RefusalTemplate

__all__ = ["Call", "CallTimeouts", "begin", "end", "evolve", "join", "line_of", "observe", "resume", "view"]

# Timers, by name. A timer that is not in its phase's row is called off when the phase is entered. Looks are asked for
# by the same names: the answer of a look that could not be had is asked for again by its timer.
CREATED, RING, DURATION, HANGUP, LOST, GONE, ASK = "created", "ring", "duration", "hangup", "lost", "gone", "ask"
TIMERS: Mapping[Phase, frozenset[str]] = {
    Phase.DIALING: frozenset({CREATED, RING, HANGUP, LOST, GONE, ASK}),
    Phase.ALERTING: frozenset({RING, HANGUP, LOST, GONE, ASK}),
    Phase.CONNECTED: frozenset({DURATION, HANGUP, LOST, GONE, ASK}),
    Phase.ENDED: frozenset(),
}

GONE_AFTER = 2.0  # a phone that shows no call is asked once more: one look can fall between two of its states
ASK_AGAIN = 2.0  # a question that could not be asked stays open
LOOK_LASTS = 15.0  # seconds after which no answer to a look comes any more
EAGER_HANGUPS, PATIENT = 12, 6  # after so many hang-ups in vain, they are tried that many times more rarely
COMES_UP = 0.5  # seconds before the answer to an order in which a call may come up without being asked about
EARLY = 16  # reports of calls that are remembered while an order to dial is under way


DOES_NOT_WAIT = RefusalTemplate(ErrorCode.CONFLICT, "The call does not wait for an operator, or not any more.")
IS_ANOTHERS = RefusalTemplate(ErrorCode.CONFLICT, "The call was joined to another operator.")


class CallTimeouts(Struct, frozen=True, kw_only=True):
    """How long a call waits, in seconds. `created`: for the phone to show it, and longer than any order to dial can be
    under way; `lost`: for a phone out of reach."""

    created: float
    hangup: float
    lost: float


CallDecision = Decision[CallEvent, Call]  # its memory: the parts of a call that no event tells
CallReport = (
    CallSeen | LinkChanged | Looked | TimerFired | DialFailed | DialUncertain | DialAccepted | JoinFailed | CdrSeen
    | InApp
)


def line_of(call: Call | CallDialing) -> tuple[str, str]:
    """Kind and id of the actor that works with the outside for this call: its trunk, else its slot."""
    return ("slot", str(call.slot)) if call.trunk is None else ("trunk", call.trunk)


# --- decide ---------------------------------------------------------------------------------------------------


def begin(
    attempt: CallDialing, fences: Fences, timeouts: CallTimeouts, unless: Fence | None = None
) -> CallDecision:
    """Record the attempt, whose number has passed the dial rules and whose line is held for it; the order to dial goes
    out once that is safe. `fences`, `unless`: see `Dial`."""
    if attempt.app is not None:
        return app.begin(attempt)
    kind, id = line_of(attempt)
    return Decision(
        events=(attempt,),
        effects=(
            SetTimer(name=CREATED, seconds=timeouts.created),
            SetTimer(name=RING, seconds=attempt.ring_timeout),
            Tell(kind=kind, id=id, report=Dial(attempt=attempt, fences=fences, unless=unless)),
        ),
    )


def end(call: Call, by: str, command_id: str, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    """Hang up. A call that has ended or is being ended stays as it is, but an answer overrules a ring time-out, and
    nobody's wish. One that the phone has not shown yet is hung up when it does; if the order to dial has not left, it
    never will."""
    if call.app is not None:
        return app.end(call, by, command_id, now)
    if call.phase is Phase.ENDED or (call.ending_by is not None and not (call.ending_by == RING_TIMEOUT != by)):
        return NOTHING
    event = CallEnding(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, by=by, command_id=command_id
    )
    return Decision(memory=_pressed(call, by), events=(event,), effects=_hang_up(call, timeouts))


def join(call: Call, request: JoinCall, by: str, command_id: str, now: Moment) -> CallDecision:
    """Join a call that waits with an operator's extension. Whose it is goes on record first, once, and its line is told
    once: where its owner dies in between nobody is joined, and the PBX ends what waits there. Raises
    Refusal(CONFLICT)."""
    if call.joined is not None and call.joined.operator == request.operator:
        return NOTHING
    if call.joined is not None:
        raise IS_ANOTHERS(operator=call.joined.operator)
    if call.slot is not None or call.phase is not Phase.CONNECTED or call.ending_by is not None:
        raise DOES_NOT_WAIT(phase=call.phase)
    event = CallJoined(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, operator=request.operator,
        extension=request.extension, by=by, command_id=command_id,
    )  # fmt: skip
    order = Redirect(call_id=call.call_id, extension=request.extension)
    return Decision(events=(event,), effects=(_to_line(call, order),))


def resume(call: Call | None, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    """A new owner's first steps: set the timers that are still running, and ask the phone."""
    if call is None:
        return NOTHING
    if call.app is not None:
        return app.resume(call)
    if call.phase is Phase.ENDED:
        return Decision(effects=(_release(call, unsure=True),))  # its old owner may have ended it without the phone
    age, _ = elapsed(call.started, now)
    # One that is to be ended is looked at first: whether it was answered meanwhile nothing tells afterwards.
    effects: list[Effect] = [_look(call, HANGUP if call.ending_by is not None else ASK)]
    if call.phase is Phase.CONNECTED and call.answered is not None:
        talked, _ = elapsed(call.answered, now)
        effects.append(SetTimer(name=DURATION, seconds=max(call.attempt.max_duration - talked, 1.0)))
    else:
        effects.append(SetTimer(name=RING, seconds=max(call.attempt.ring_timeout - age, 1.0)))
    if call.phase is Phase.DIALING:
        effects.append(SetTimer(name=CREATED, seconds=max(timeouts.created - age, 1.0)))
    if call.ref is not None:
        effects.append(_to_line(call, Named(call_id=call.call_id, ref=call.ref)))
    call = replace(call, placing=False, early=(), missed=None, resumed=now.mono, doubt=call.trunk is None)
    if call.ending_by is not None:
        call = _pressed(call, call.ending_by)
        effects.append(SetTimer(name=HANGUP, seconds=timeouts.hangup))
    return Decision(memory=call, effects=tuple(effects))


# --- observe --------------------------------------------------------------------------------------------------


def observe(call: Call | None, report: CallReport, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    """What follows from a report. Late, foreign and repeated news mean nothing; they are never an error."""
    if call is None:
        return NOTHING
    if call.app is not None:
        return app.observe(call, report, now)
    if isinstance(report, CdrSeen):
        return _counted(call, report, now)
    return _observed(call, report, now, timeouts) if call.phase is not Phase.ENDED else NOTHING


def _observed(call: Call, report: CallReport, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    match report:
        case CallSeen():
            return _seen(call, report, now, timeouts)
        case Looked():
            return _looked(call, report, now, timeouts)
        case LinkChanged():
            return _link_changed(call, report, now)
        case TimerFired():
            return _timer_fired(call, report, now, timeouts)
        case DialAccepted():
            return _accepted(call, report, now, timeouts)
        case DialFailed():
            return _over(call, now, reason=report.reason, cause=report.cause)
        case DialUncertain():
            return _doubtful(call)
        case JoinFailed():
            return end(call, EndReason.EXTENSION_FAILED, f"{call.call_id}-join", now, timeouts)
    return NOTHING


def _link_changed(call: Call, link: LinkChanged, now: Moment) -> CallDecision:
    if link.link is Link.ONLINE:
        return Decision(memory=replace(call, away=None), effects=(CancelTimer(name=LOST),))
    away = (call.away or Away(since=now.mono - link.silent, beat=now.mono)).at(now)
    return Decision(memory=replace(call, away=away), effects=(SetTimer(name=LOST, seconds=BEAT, keep=True),))


def _counted(call: Call, cdr: CdrSeen, now: Moment) -> CallDecision:
    """What the PBX counted may come before the end, after it, or never. The last before the end counts, or the first
    after it."""
    if call.enriched:
        return NOTHING
    if call.phase is Phase.ENDED:
        return Decision(events=(enriched(call, cdr, now),))
    return Decision(memory=replace(call, counted=cdr))


def _accepted(call: Call, accepted: DialAccepted, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    """The order has left. What the phone told meanwhile is looked at now: before, nobody could know whose call it was.
    The first call that came up after the order is ours; but where one was over before the order had left, somebody may
    have dialled it by hand while the order waited, and only the phone's note of the order tells."""
    before = call
    if any(early.seen.phase is CallPhase.DISCONNECTED for early in call.early):
        return _doubtful(replace(call, after_ref=accepted.after_ref))
    call = replace(call, placing=False, early=(), after_ref=accepted.after_ref)
    events: tuple[CallEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    for early in before.early:
        if call.phase is Phase.ENDED:
            break
        late = early.seen.age + elapsed(early.heard, now)[0]
        decision = _seen(call, replace(early.seen, age=late), now, timeouts)
        events, effects = (*events, *decision.events), (*effects, *decision.effects)
        call = decision.memory or call
        for event in decision.events:
            call = moved(call, event)
    if call.ending_by is not None and call.ref is None:
        effects = (*effects, SetTimer(name=HANGUP, seconds=ASK_AGAIN))
    # The actor applies the events to this memory: what they say must not be in it yet.
    memory = replace(
        call, accepted=now.mono, phase=before.phase, rung=before.rung, answered=before.answered, ended=before.ended,
        ending_by=before.ending_by, suspect=before.suspect,
    )  # fmt: skip
    return Decision(memory=memory, events=events, effects=effects)


def _doubtful(call: Call) -> CallDecision:
    """Whether the order has reached the phone only the phone's own note of it tells. On a PBX its name does."""
    call = replace(call, placing=False, early=(), doubt=call.trunk is None)
    pause = (SetTimer(name=HANGUP, seconds=ASK_AGAIN),) if call.ending_by is not None and call.ref is None else ()
    return Decision(memory=call, effects=(_look(call, ASK), *pause))


def _is_ours(call: Call, seen: CallSeen) -> bool:
    if call.ref is not None or call.trunk is not None:  # on a PBX a call has our name from the beginning
        return seen.ref == (call.ref or call.call_id)
    return not seen.incoming and after(seen.ref, call.after_ref)


def _may_be_anothers(call: Call, seen: CallSeen, happened: Moment) -> bool:
    """Whether what is told only now was before the order got through: of a phone that was out of reach, the answer to
    an order can come before the news of what somebody dialled by hand meanwhile. And what is told late may be all that
    is told: of a host that stood still nobody knows what it has missed."""
    if call.accepted is None or call.trunk is not None:
        return False
    if call.ref is None and seen.age > COMES_UP:
        return True
    if seen.phase is CallPhase.DISCONNECTED:
        return happened.mono <= call.accepted
    return call.ref is None and happened.mono < call.accepted - COMES_UP


def _seen(call: Call, seen: CallSeen, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    if not _is_ours(call, seen):
        return NOTHING
    if call.doubt and call.ref is None:
        return Decision(effects=(_look(call, ASK),))
    if call.placing and call.ref is None and call.trunk is None:
        return Decision(memory=replace(call, early=(*call.early, Early(seen, now))[-EARLY:]))
    first, happened = call.ref is None, now.earlier(seen.age)
    if _may_be_anothers(call, seen, happened):
        return Decision(memory=replace(call, ref=None, doubt=True), effects=(_look(call, ASK),))
    unwatched = call.trunk is None and call.resumed is not None and call.heard <= call.resumed
    call = replace(call, ref=seen.ref, heard=now.mono, missed=None, away=None)
    named: tuple[Effect, ...] = (_to_line(call, Named(call_id=call.call_id, ref=seen.ref)),) if first else ()
    if seen.phase is CallPhase.DISCONNECTED and unwatched and call.answered is None:
        return Decision(memory=call, effects=(*named, _look(call, ASK)))  # it may have been answered meanwhile
    if seen.phase is CallPhase.DISCONNECTED:
        dated = replace(call, suspect=call.suspect or seen.suspect)
        ended = _over(dated, happened, reason=seen.reason or EndReason.UNKNOWN, cause=seen.cause)
        return Decision(memory=call, events=ended.events, effects=(*named, *ended.effects))
    effects: tuple[Effect, ...] = (*named, CancelTimer(name=CREATED), CancelTimer(name=LOST), CancelTimer(name=GONE))
    events: tuple[CallEvent, ...] = ()
    if seen.phase is CallPhase.ALERTING and call.phase is Phase.DIALING:
        events = (alerting(call, happened),)
    elif seen.phase is CallPhase.ACTIVE and call.phase in (Phase.DIALING, Phase.ALERTING):
        events = (connected(call, happened, suspect=seen.suspect),)
        effects = (*effects, SetTimer(name=DURATION, seconds=call.attempt.max_duration))
        if call.ending_by == RING_TIMEOUT:  # the answer wins
            effects = (*effects, CancelTimer(name=HANGUP))
    if seen.asks and call.ending_by is None:  # nobody is there to choose a SIM
        ended = end(call, EndReason.PHONE_ASKS_FOR_SIM, f"{call.call_id}-sim", now, timeouts)
        call, events, effects = ended.memory or call, (*events, *ended.events), (*effects, *ended.effects)
    elif first and call.ending_by is not None:  # it was to be ended before it came up
        call = _pressed(call, call.ending_by)
        effects = (*effects, *_hang_up(call, timeouts))
    return Decision(memory=call, events=events, effects=effects)


def _looked(call: Call, looked: Looked, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    if looked.look is None and looked.why == LOST:
        return _lost(call, now, timeouts)
    if looked.look is None:  # could not be asked: the question stays open
        why = looked.why if looked.why in TIMERS[call.phase] else ASK
        return Decision(effects=(SetTimer(name=why, seconds=ASK_AGAIN),) if TIMERS[call.phase] else ())
    live, past = ours(call, looked.look, now)
    if live is not None:
        return _found_live(call, live, looked, now, timeouts)
    if past is not None and not (call.placing and call.ref is None):
        return _found_past(call, past, looked, now)
    return _found_nothing(call, looked, now, timeouts)


def _away(call: Call, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    """The line is still out of reach. Whether it is for good the outside is asked once more, in its time."""
    if call.away is None:  # the timer fired just as it came back
        return NOTHING
    away = call.away.at(now)
    effects: tuple[Effect, ...] = (SetTimer(name=LOST, seconds=BEAT),)
    unasked = away.asked is None or now.mono - away.asked > LOOK_LASTS
    if unasked and now.mono - away.since >= timeouts.lost and _may_yet_dial(call, now, timeouts) <= 0:
        away, effects = replace(away, asked=now.mono), (*effects, _look(call, LOST))
    return Decision(memory=replace(call, away=away), effects=effects)


def _lost(call: Call, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    """It could not be asked. Was it out of reach for as long as that, and all the time?"""
    if call.away is None:
        return NOTHING
    away = replace(call.away.at(now), asked=None)
    if now.mono - away.since < timeouts.lost or _may_yet_dial(call, now, timeouts) > 0:
        return Decision(memory=replace(call, away=away))
    reason = EndReason.PHONE_LOST if call.trunk is None else EndReason.TRUNK_LOST
    return _over(call, now, reason=reason, cause=f"the {call.outside} is out of reach", unsure=True)


def _found_live(call: Call, live: LiveCall, looked: Looked, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    age = live.answered_age or 0.0 if live.phase is CallPhase.ACTIVE else 0.0
    suspect = live.suspect or clocks_differ(call, live.created_age, looked, now)
    seen = CallSeen(ref=live.ref, phase=live.phase, age=age, suspect=suspect, asks=live.asks)
    # It is known to be ours, by its name or by the note of the order: what told it from others' is not asked any more.
    call = replace(call, doubt=False, accepted=None, after_ref=call.after_ref if call.placing else None)
    if suspect:
        call = replace(call, suspect=True)
    elif call.started.boot != now.boot:
        answered = None if live.answered_age is None else now.mono - live.answered_age
        call = replace(call, since=Since(now.mono - live.created_age, answered).or_before(call.since))
    decision = _seen(call, seen, now, timeouts)
    known = decision.memory or call
    if known.ref is None:  # while an order is under way, nobody knows whose it is
        return decision
    answered = any(moved(known, event).phase is Phase.CONNECTED for event in decision.events)
    ending = known.ending_by is not None or seen.asks
    if looked.why == RING and not ending and known.phase is not Phase.CONNECTED and not answered:
        if (rest := rings_on(reduce(moved, decision.events, known), now)) > 0:
            again = SetTimer(name=RING, seconds=rest)
            return Decision(memory=known, events=decision.events, effects=(*decision.effects, again))
        ended = end(known, RING_TIMEOUT, f"{call.call_id}-ring", now, timeouts)
        return Decision(
            memory=ended.memory, events=(*decision.events, *ended.events), effects=(*decision.effects, *ended.effects)
        )
    if looked.why == HANGUP and known.ending_by is not None and not (answered and known.ending_by == RING_TIMEOUT):
        known = replace(_pressed(known, known.ending_by), hangups=known.hangups + 1)
        return Decision(memory=known, events=decision.events, effects=(*decision.effects, *_hang_up(known, timeouts)))
    return Decision(memory=known, events=decision.events, effects=decision.effects)


def _found_past(call: Call, past: PastCall, looked: Looked, now: Moment) -> CallDecision:
    """It ended while nobody watched: the phone's own times count."""
    call = replace(call, ref=past.ref)
    answered = call.answered
    if answered is None and past.answered_age is not None:
        answered = now.earlier(past.answered_age)
    suspect = past.suspect or clocks_differ(call, past.created_age, looked, now)
    known = replace(call, answered=answered, suspect=call.suspect or suspect)
    lasted = None
    if not suspect and (known.answered is None) == (past.answered_age is None):
        until = past.ended_age if past.answered_age is None else past.answered_age
        talked = 0.0 if past.answered_age is None else past.answered_age - past.ended_age
        lasted = Lasted(past.created_age - until, talked)
    ended = _over(known, now.earlier(past.ended_age), reason=past.reason, cause=past.cause, lasted=lasted)
    return Decision(memory=call, events=ended.events, effects=ended.effects)


def _found_nothing(call: Call, looked: Looked, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    rings = call.phase in (Phase.DIALING, Phase.ALERTING) and call.ending_by is None
    again = (SetTimer(name=RING, seconds=ASK_AGAIN),) if looked.why == RING and rings else ()
    wait = _may_yet_dial(call, replace(now, mono=looked.asked), timeouts)
    if wait > 0:
        return Decision(effects=(*again, SetTimer(name=CREATED, seconds=max(wait, ASK_AGAIN), keep=True)))
    if looked.asked <= call.heard:  # it was up after the look was asked for
        return Decision(effects=(*again, SetTimer(name=ASK, seconds=ASK_AGAIN, keep=True)))
    if looked.look is not None and of_another_phone(call, looked.look, now):
        return _over(call, now, reason=EndReason.PHONE_LOST, cause="another phone is in its place", unsure=True)
    if call.missed is None or looked.asked < call.missed + GONE_AFTER:
        missed = replace(call, missed=looked.asked if call.missed is None else call.missed)
        return Decision(memory=missed, effects=(*again, SetTimer(name=GONE, seconds=GONE_AFTER, keep=True)))
    if call.ref is None and never_left(call, looked.look, now):
        return _over(call, now, reason=EndReason.NOT_DIALED, cause="the order never reached the phone")
    never = call.ref is None
    cause = f"the {call.outside} never showed the call" if never else f"the {call.outside} no longer knows the call"
    lost = call.trunk is not None and not never  # a PBX forgets no call that is up, unless it dies
    return _over(call, now, reason=EndReason.TRUNK_LOST if lost else EndReason.UNKNOWN, cause=cause, unsure=True)


def _timer_fired(call: Call, timer: TimerFired, now: Moment, timeouts: CallTimeouts) -> CallDecision:
    match timer.name:
        case "ring" if call.phase in (Phase.DIALING, Phase.ALERTING) and call.ending_by is None:
            return Decision(effects=(_look(call, RING),))
        case "duration":
            return end(call, "max_duration", f"{call.call_id}-duration", now, timeouts)
        case "created" if call.ref is not None:
            return NOTHING
        case "lost":
            return _away(call, now, timeouts)
        case "created" | "hangup" | "gone" | "ask":
            return Decision(effects=(_look(call, timer.name),))
    return NOTHING


def is_being_dialled(call: Call, now: Moment, timeouts: CallTimeouts) -> bool:
    """Whether an order to dial is under way, or may be."""
    unsure = call.doubt or (call.trunk is not None and call.accepted is None)  # whose answer was lost, or came late
    return call.phase is Phase.DIALING and (call.placing or unsure) and _may_yet_dial(call, now, timeouts) > 0


def _may_yet_dial(call: Call, at: Moment, timeouts: CallTimeouts) -> float:
    """Seconds from then on in which the phone may yet dial. An order whose end is never told, since its line was begun
    afresh in between, cannot be under way longer than twice what an order takes. One of a former owner, which may have
    stood still and given it just before it lost the call, not longer than an order takes from then on."""
    if call.ref is not None:
        return 0.0
    age = elapsed(call.started, at)[0] if call.resumed is None else at.mono - call.resumed
    return (2 if call.placing else 1) * timeouts.created - age


# --- what is ordered ------------------------------------------------------------------------------------------------


def _to_line(call: Call, order: HangUp | LookAt | Named | Redirect | Release) -> Tell:
    kind, id = line_of(call)
    return Tell(kind=kind, id=id, report=order)


def _look(call: Call, why: str) -> Tell:
    return _to_line(call, LookAt(call_id=call.call_id, why=why))


def _release(call: Call, *, unsure: bool) -> Tell:
    return _to_line(call, Release(call_id=call.call_id, look=unsure))


def _pressed(call: Call, by: str) -> Call:
    """Remember for whom the call is being hung up: what the phone then calls a local end is theirs."""
    return replace(call, hung_up_for=by) if call.ref is not None else call


def _hang_up(call: Call, timeouts: CallTimeouts) -> tuple[Effect, ...]:
    """Order the end, if there is something to end yet, and look later whether it is."""
    pause = timeouts.hangup * (1 if call.hangups < EAGER_HANGUPS else PATIENT)
    order = (_to_line(call, HangUp(call_id=call.call_id, ref=call.ref)),) if call.ref is not None else ()
    return (*order, SetTimer(name=HANGUP, seconds=pause))


def _over(
    call: Call, now: Moment, *, reason: EndReason, cause: str, unsure: bool = False, lasted: Lasted | None = None
) -> CallDecision:
    """The one terminal event, and the line's release. `unsure`: the phone may still be in the call."""
    events: tuple[CallEvent, ...] = (over(call, now, reason=reason, cause=cause, lasted=lasted),)
    if call.counted is not None:
        events = (*events, enriched(call, call.counted, now))
    return Decision(memory=call, events=events, effects=(_release(call, unsure=unsure),))
