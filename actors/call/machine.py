"""A call as values: what its owner decides, what it makes of its line's reports, and how each event changes it.

    dialing --> alerting --> connected --> ended
       \\____________\\____________________/

Theory of operation. The attempt is on record before the phone is told (`Attempt` -> CallDialing -> Dial). From
then on only the phone, or the PBX, knows the truth, so every doubt (no report in time, a lost link, a new owner after a
crash) is settled by a look at the phone: a call that is up is adopted, one in the phone's history ends with what
the phone says, and where the phone knows nothing the call ends `unknown`. Nothing here ever dials twice.
No clock, no bus, no phone: the moment comes in as `now`, what must be done goes out as effects.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.call.line import Dial, HangUp, LookAt, Looked, Release
from actors.runtime.clock import Moment, elapsed
from actors.runtime.decision import NOTHING, CancelTimer, Decision, Effect, Elapsed, SetTimer, Tell
from actors.slot.phone import CallPhase, CallSeen, Link, LinkChanged, LiveCall, Look, PastCall, newer
from actors.trunk.pbx import CdrSeen
from bus_schemas.call import (
    CallAdopted,
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    CallEvent,
    CallView,
    EndReason,
    Phase,
    line_name,
    state_of,
    status_of,
)
from bus_schemas.errors import ErrorCode, Refusal

# Timers, by name. A timer that is not in its phase's row is called off when the phase is entered.
CREATED, RING, DURATION, HANGUP, LOST, GONE = "created", "ring", "duration", "hangup", "lost", "gone"
TIMERS: Mapping[Phase, frozenset[str]] = {
    Phase.DIALING: frozenset({CREATED, RING, HANGUP, LOST, GONE}),
    Phase.ALERTING: frozenset({RING, HANGUP, LOST, GONE}),
    Phase.CONNECTED: frozenset({DURATION, HANGUP, LOST, GONE}),
    Phase.ENDED: frozenset(),
}

RESUME = "resume"  # why a new owner looks

GONE_AFTER = 2.0  # a phone that shows no call is asked once more: one look can fall between two of its states
ASK_AGAIN = 2.0  # a question that could not be asked stays open
AGE_SLACK = 3.0  # seconds by which the phone's age of a call may exceed ours: whole seconds, and a slow shell
HANGUP_TRIES = 12


class Patience(Struct, frozen=True, kw_only=True):
    """How long a call waits, in seconds. `created`: for the phone to show it; `lost`: for a phone out of reach."""

    created: float
    hangup: float
    lost: float


class Attempt(Struct, frozen=True, kw_only=True):
    """Place this call. The number has passed the dial gate and the slot is booked."""

    call_id: str
    slot: int
    user: str
    number: str
    command_id: str
    ring_timeout: float
    max_duration: float
    trace_id: str | None
    after_ref: str | None = None
    trunk: str | None = None
    recording: str | None = None


class DialFailed(Struct, frozen=True, kw_only=True):
    """The order to dial was certainly not carried out."""

    cause: str
    reason: EndReason


class DialUncertain(Struct, frozen=True, kw_only=True):
    """The order was sent and no answer came. The look at the phone decides; it is not sent again."""

    cause: str


CallReport = CallSeen | LinkChanged | Looked | Elapsed | DialFailed | DialUncertain | CdrSeen


class Call(Struct, frozen=True, kw_only=True):
    """One call as its events tell it. `hangups`, and a `ref` before it rings, are only this owner's memory."""

    call_id: str
    slot: int
    user: str
    number: str
    command_id: str
    ring_timeout: float
    max_duration: float
    trace_id: str | None
    phase: Phase
    started: Moment
    rung: Moment | None = None
    answered: Moment | None = None
    ref: str | None = None
    ending_by: str | None = None
    ended: CallEnded | None = None
    after_ref: str | None = None
    hangups: int = 0
    trunk: str | None = None
    recording: str | None = None
    counted: CdrSeen | None = None  # what the PBX counted, until the end is on record
    enriched: bool = False

    @property
    def line(self) -> str:
        """The line as the call's subjects name it."""
        return line_name(self.slot, self.trunk)

    @property
    def outside(self) -> str:
        """What the call is on, for people."""
        return "phone" if self.trunk is None else "PBX"


def line_of(call: Call | Attempt | CallDialing) -> tuple[str, str]:
    """Kind and id of the actor that works with the outside for this call: its trunk, else its slot."""
    return ("slot", str(call.slot)) if call.trunk is None else ("trunk", call.trunk)


# --- decide ---------------------------------------------------------------------------------------------------


def attempt(call: Call | None, order: Attempt, now: Moment, patience: Patience) -> Decision[CallEvent]:
    """Record the attempt; the dial order goes out once that is safe."""
    if call is not None:
        raise Refusal(ErrorCode.CONFLICT, "This call has begun already.")
    event = CallDialing(
        line=line_name(order.slot, order.trunk),
        call_id=order.call_id,
        slot=order.slot,
        user=order.user,
        number=order.number,
        at=now.at,
        mono=now.mono,
        boot=now.boot,
        command_id=order.command_id,
        ring_timeout=order.ring_timeout,
        max_duration=order.max_duration,
        trace_id=order.trace_id,
        after_ref=order.after_ref,
        trunk=order.trunk,
        recording=order.recording,
    )
    return Decision(
        events=(event,),
        effects=(
            SetTimer(name=CREATED, seconds=patience.created),
            SetTimer(name=RING, seconds=order.ring_timeout),
            _to_line(_begun(event), Dial(call_id=order.call_id, number=order.number, trace_id=order.trace_id)),
        ),
    )


def end(call: Call, by: str, command_id: str, now: Moment, patience: Patience) -> Decision[CallEvent]:
    """Hang up. A call that has ended or is being ended stays as it is."""
    if call.phase is Phase.ENDED or call.ending_by is not None:
        return NOTHING
    event = CallEnding(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, by=by, command_id=command_id
    )
    return Decision(events=(event,), effects=_hang_up(call, patience))


def resume(call: Call | None, now: Moment, patience: Patience) -> Decision[CallEvent]:
    """A new owner's first steps: set the timers that are still running, and ask the phone."""
    if call is None:
        return NOTHING
    if call.phase is Phase.ENDED:
        return Decision(effects=(_release(call, unsure=True),))  # its old owner may have ended it without the phone
    age, _ = elapsed(call.started, now)
    effects: list[Effect] = [_to_line(call, LookAt(call_id=call.call_id, why=RESUME))]
    if call.phase is Phase.CONNECTED and call.answered is not None:
        talked, _ = elapsed(call.answered, now)
        effects.append(SetTimer(name=DURATION, seconds=max(call.max_duration - talked, 1.0)))
    else:
        effects.append(SetTimer(name=RING, seconds=max(call.ring_timeout - age, 1.0)))
    if call.phase is Phase.DIALING:
        effects.append(SetTimer(name=CREATED, seconds=max(patience.created - age, 1.0)))
    if call.ending_by is not None:
        effects.extend(_hang_up(call, patience))
    return Decision(effects=tuple(effects))


# --- observe --------------------------------------------------------------------------------------------------


def observe(call: Call | None, report: CallReport, now: Moment, patience: Patience) -> Decision[CallEvent]:
    """What follows from a report. Late, foreign and repeated news mean nothing; they are never an error."""
    if call is None:
        return NOTHING
    if isinstance(report, CdrSeen):
        return _counted(call, report, now)
    if call.phase is Phase.ENDED:
        return NOTHING
    match report:
        case CallSeen():
            return _seen(call, report, now)
        case Looked():
            return _looked(call, report, now, patience)
        case LinkChanged(link=Link.ONLINE):
            return Decision(effects=(CancelTimer(name=LOST),))
        case LinkChanged():
            return Decision(effects=(SetTimer(name=LOST, seconds=patience.lost, keep=True),))
        case Elapsed():
            return _elapsed(call, report, now, patience)
        case DialFailed():
            return _over(call, now, reason=report.reason, cause=report.cause)
        case DialUncertain():
            return NOTHING  # the timer that waits for the call to be created asks the phone


def _counted(call: Call, cdr: CdrSeen, now: Moment) -> Decision[CallEvent]:
    """What the PBX counted may come before the end, after it, or never. The first one counts."""
    if call.enriched or call.counted is not None:
        return NOTHING
    if call.phase is Phase.ENDED:
        return Decision(events=(_enriched(call, cdr, now),))
    return Decision(state=replace(call, counted=cdr))


def _enriched(call: Call, cdr: CdrSeen, now: Moment) -> CallEnriched:
    return CallEnriched(
        line=call.line,
        call_id=call.call_id,
        slot=call.slot,
        user=call.user,
        at=now.at,
        disposition=cdr.disposition,
        billable_seconds=cdr.billable_seconds,
    )


def _seen(call: Call, seen: CallSeen, now: Moment) -> Decision[CallEvent]:
    if seen.incoming or (seen.ref != call.ref if call.ref else not newer(seen.ref, call.after_ref)):
        return NOTHING
    now = now.earlier(seen.age)
    match seen.phase:
        case CallPhase.DIALING:
            return Decision(state=replace(call, ref=seen.ref), effects=(CancelTimer(name=CREATED),))
        case CallPhase.ALERTING if call.phase is Phase.DIALING:
            return Decision(events=(_alerting(call, seen.ref, now),))
        case CallPhase.ACTIVE if call.phase in (Phase.DIALING, Phase.ALERTING):
            timer = SetTimer(name=DURATION, seconds=call.max_duration)
            return Decision(events=(_connected(call, seen.ref, now),), effects=(timer,))
        case CallPhase.DISCONNECTED:
            return _over(call, now, reason=seen.reason or EndReason.UNKNOWN, cause=seen.cause)
    return NOTHING


def _looked(call: Call, looked: Looked, now: Moment, patience: Patience) -> Decision[CallEvent]:
    if looked.look is None:  # the phone could not be asked: it is as good as out of reach
        again = (SetTimer(name=looked.why, seconds=ASK_AGAIN),) if looked.why in TIMERS[call.phase] else ()
        return Decision(effects=(SetTimer(name=LOST, seconds=patience.lost, keep=True), *again))
    live, past = _ours(call, looked.look, now)
    if live is not None:
        return _found_live(call, live, looked.why, now, patience)
    if past is not None:
        return _found_past(call, past, now)
    return _found_nothing(call, looked.why, now)


def _ours(call: Call, look: Look, now: Moment) -> tuple[LiveCall | None, PastCall | None]:
    """The call of ours in a look: by its name on the phone, or, while that is not known, by its age."""
    age, _ = elapsed(call.started, now)

    def is_ours(seen: LiveCall | PastCall) -> bool:
        if call.ref is not None:
            return seen.ref == call.ref
        return not seen.incoming and newer(seen.ref, call.after_ref) and seen.created_age <= age + AGE_SLACK

    live = next((seen for seen in look.live if is_ours(seen)), None)
    return live, next((seen for seen in look.past if is_ours(seen)), None)


def _found_live(call: Call, live: LiveCall, why: str, now: Moment, patience: Patience) -> Decision[CallEvent]:
    age = live.answered_age or 0.0 if live.phase is CallPhase.ACTIVE else 0.0
    decision = _seen(call, CallSeen(ref=live.ref, phase=live.phase, age=age), now)
    effects = (CancelTimer(name=CREATED), CancelTimer(name=LOST), CancelTimer(name=GONE), *decision.effects)
    if call.ending_by is not None and why != RESUME:  # the order to hang up was lost, or the phone did not obey
        if call.hangups >= HANGUP_TRIES:
            return _over(call, now, reason=EndReason.UNKNOWN, cause=f"the {call.outside} does not hang up", unsure=True)
        effects += _hang_up(call, patience)
        state = replace(decision.state or call, hangups=call.hangups + 1)
        return Decision(events=decision.events, effects=effects, state=state)
    return Decision(events=decision.events, effects=effects, state=decision.state)


def _found_past(call: Call, past: PastCall, now: Moment) -> Decision[CallEvent]:
    """It ended while nobody watched: the phone's own times count."""
    answered = call.answered
    if answered is None and past.answered_age is not None:
        answered = now.earlier(past.answered_age)
    over = replace(call, answered=answered)
    return _over(over, now.earlier(past.ended_age), reason=past.reason, cause=past.cause)


def _found_nothing(call: Call, why: str, now: Moment) -> Decision[CallEvent]:
    if why in (GONE, CREATED, HANGUP):
        never = call.ref is None
        cause = f"the {call.outside} never showed the call" if never else f"the {call.outside} no longer knows the call"
        lost = call.trunk is not None and not never  # a PBX forgets no call that is up, unless it dies
        return _over(call, now, reason=EndReason.TRUNK_LOST if lost else EndReason.UNKNOWN, cause=cause, unsure=True)
    if call.phase is Phase.DIALING and call.ref is None:
        return NOTHING  # it may not have appeared yet; the timer asks again
    return Decision(effects=(SetTimer(name=GONE, seconds=GONE_AFTER),))


def _elapsed(call: Call, timer: Elapsed, now: Moment, patience: Patience) -> Decision[CallEvent]:
    match timer.name:
        case "ring" if call.phase in (Phase.DIALING, Phase.ALERTING):
            return end(call, "ring_timeout", f"{call.call_id}-ring", now, patience)
        case "duration":
            return end(call, "max_duration", f"{call.call_id}-duration", now, patience)
        case "lost":
            reason = EndReason.PHONE_LOST if call.trunk is None else EndReason.TRUNK_LOST
            return _over(call, now, reason=reason, cause=f"the {call.outside} is out of reach", unsure=True)
        case "created" if call.ref is not None:
            return NOTHING
        case "created" | "hangup" | "gone":
            return Decision(effects=(_to_line(call, LookAt(call_id=call.call_id, why=timer.name)),))
    return NOTHING


# --- what is written and ordered --------------------------------------------------------------------------------


def _to_line(call: Call, order: Dial | HangUp | LookAt | Release) -> Tell:
    kind, id = line_of(call)
    return Tell(kind=kind, id=id, report=order)


def _release(call: Call, *, unsure: bool) -> Tell:
    return _to_line(call, Release(call_id=call.call_id, look=unsure))


def _hang_up(call: Call, patience: Patience) -> tuple[Effect, ...]:
    return (
        _to_line(call, HangUp(call_id=call.call_id)),
        SetTimer(name=HANGUP, seconds=patience.hangup),
    )


def _alerting(call: Call, ref: str, now: Moment) -> CallAlerting:
    return CallAlerting(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, mono=now.mono, boot=now.boot,
        ref=ref,
    )  # fmt: skip


def _connected(call: Call, ref: str, now: Moment) -> CallConnected:
    return CallConnected(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, mono=now.mono, boot=now.boot,
        ref=ref,
    )  # fmt: skip


def _over(call: Call, now: Moment, *, reason: EndReason, cause: str, unsure: bool = False) -> Decision[CallEvent]:
    """The one terminal event, and the slot's release. `unsure`: the phone may still be in the call."""
    reason, ended_by = _settle(call, reason)
    answered = call.answered is not None
    talked, suspect = elapsed(call.answered, now) if call.answered else (0.0, False)
    waited, _ = elapsed(call.started, call.answered or now)
    event = CallEnded(
        line=call.line,
        call_id=call.call_id,
        slot=call.slot,
        user=call.user,
        number=call.number,
        at=now.at,
        state=state_of(Phase.ENDED, answered=answered, reason=reason),
        reason=reason,
        cause=cause,
        duration=round(talked),
        ring_seconds=round(waited),
        start_time=call.started.at,
        ring_time=call.rung.at if call.rung else None,
        answer_time=call.answered.at if call.answered else None,
        ended_by=ended_by,
        clock_suspect=suspect,
        trace_id=call.trace_id,
        trunk=call.trunk,
        recording=call.recording if answered else None,
    )
    counted = (_enriched(call, call.counted, now),) if call.counted is not None else ()
    return Decision(events=(event, *counted), effects=(_release(call, unsure=unsure),))


def _settle(call: Call, reason: EndReason) -> tuple[EndReason, str | None]:
    """The reason and who ended it: a hang-up that we asked for is ours unless the phone says otherwise."""
    ours = reason in (EndReason.HANGUP_LOCAL, EndReason.UNKNOWN) and call.ending_by is not None
    if ours and call.ending_by == "ring_timeout":
        return EndReason.NO_ANSWER, "ring_timeout"
    if ours:
        return EndReason.HANGUP_LOCAL, call.ending_by
    if reason is EndReason.HANGUP_LOCAL:
        return reason, "phone" if call.trunk is None else "extension"  # somebody at the phone itself, at the extension
    if reason in (EndReason.HANGUP_REMOTE, EndReason.REJECTED, EndReason.BUSY):
        return reason, "remote"
    return reason, None


# --- evolve ---------------------------------------------------------------------------------------------------


def evolve(call: Call | None, event: CallEvent) -> Call | None:
    """The call after an event. An event that cannot follow is a bug and raises."""
    if isinstance(event, CallDialing):
        return _begun(event)
    if call is None or isinstance(event, CallAdopted):
        return call
    match event:
        case CallAlerting():
            return replace(call, phase=Phase.ALERTING, rung=Moment.of(event), ref=event.ref)
        case CallConnected():
            return replace(call, phase=Phase.CONNECTED, answered=Moment.of(event), ref=event.ref)
        case CallEnding():
            return replace(call, ending_by=event.by)
        case CallEnded():
            return replace(call, phase=Phase.ENDED, ended=event)
        case CallEnriched():
            return replace(call, enriched=True, counted=None)


def _begun(event: CallDialing) -> Call:
    return Call(
        call_id=event.call_id,
        slot=event.slot,
        user=event.user,
        number=event.number,
        command_id=event.command_id,
        ring_timeout=event.ring_timeout,
        max_duration=event.max_duration,
        trace_id=event.trace_id,
        phase=Phase.DIALING,
        started=Moment.of(event),
        after_ref=event.after_ref,
        trunk=event.trunk,
        recording=event.recording,
    )


def view(call: Call) -> CallView:
    """The call in the documented shape."""
    ended = call.ended
    state = ended.state if ended else state_of(call.phase)
    answered_at = ended.answer_time if ended else (call.answered.at if call.answered else None)
    return CallView(
        call_id=call.call_id,
        slot=call.slot,
        number=call.number,
        status=status_of(state),
        start_time=call.started.at,
        end_time=ended.at if ended else None,
        duration=ended.duration if ended else None,
        user=call.user,
        state=state,
        phase=call.phase,
        answer_time=answered_at,
        reason=ended.reason if ended else None,
        cause=ended.cause if ended else None,
        ending=call.ending_by is not None and ended is None,
        trace_id=call.trace_id,
        trunk=call.trunk,
    )
