"""What is on record of a call: the state that its events tell, and how the events themselves are made. Pure.

Times that the phone tells are clamped: nothing of a call happens before it began, and nothing ends before it was
answered. Where that had to be enforced by more than the phone's whole seconds explain, the record is marked
(`clock_suspect`).
"""

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment, elapsed, parse_utc
from actors.telephony.reports import WORDS, CallSeen, CdrSeen
from bus_schemas.call import (
    CallAdopted,
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    CallEvent,
    CallJoined,
    CallView,
    EndReason,
    Phase,
    owners_of,
    state_of,
    status_of,
)

RING_TIMEOUT = "ring_timeout"
CLOCK_SLACK = 3.0  # seconds that whole seconds and a slow shell explain


class Early(Struct, frozen=True):
    """What the phone told while an order to dial was under way, and when it was heard."""

    seen: CallSeen
    heard: Moment


class Since(Struct, frozen=True):
    """When a call of an earlier boot of the host began and was answered, on the monotonic clock of this one."""

    began: float
    answered: float | None

    def or_before(self, other: "Since | None") -> "Since":
        """The earlier of what two looks said: an answer that took long makes a call seem younger, never older."""
        if other is None:
            return self
        answered = [one.answered for one in (self, other) if one.answered is not None]
        return Since(min(self.began, other.began), min(answered, default=None))


BEAT = 1.0  # seconds between two looks at the clock while a line is out of reach
STOOD_STILL = 2.0  # seconds by which such a look is late of a host that did not run meanwhile


class Away(Struct, frozen=True, kw_only=True):
    """Since when a line is out of reach, in seconds of the monotonic clock; `beat`: when this host last noted that;
    `asked`: when the outside was asked whether it still is."""

    since: float
    beat: float
    asked: float | None = None

    def at(self, now: Moment) -> "Away":
        """The same now. A host that stood still knows nothing of that time, and needs a moment to reach what was there
        all along: it counts from the beginning."""
        if now.mono - self.beat > BEAT + STOOD_STILL:
            return Away(since=now.mono, beat=now.mono)
        return replace(self, beat=now.mono)


class Call(Struct, frozen=True, kw_only=True):
    """One call as its events tell it. `attempt`: what is known from its beginning, as it is on record. Only this
    owner's memory are: `ref` before it rings; `placing`: an order to dial is under way, and `early` what the phone
    told meanwhile; `accepted`: when it was known that the order had left (seconds, monotonic); `doubt`: what became of
    it only a look can tell; `heard`: when the phone last told of it, `resumed`: when this owner took it over (seconds,
    monotonic); `away`; `since`; `missed`: when the look was asked for that did not find it first; `hangups`,
    `hung_up_for`: how often and for whom it was hung up; `counted`."""

    attempt: CallDialing
    phase: Phase
    started: Moment
    rung: Moment | None = None
    answered: Moment | None = None
    ref: str | None = None
    ending_by: str | None = None
    joined: CallJoined | None = None
    ended: CallEnded | None = None
    after_ref: str | None = None
    suspect: bool = False
    enriched: bool = False
    placing: bool = False
    accepted: float | None = None
    doubt: bool = False
    early: tuple[Early, ...] = ()
    heard: float = 0.0
    resumed: float | None = None
    away: Away | None = None
    since: Since | None = None
    missed: float | None = None
    hangups: int = 0
    hung_up_for: str | None = None
    counted: CdrSeen | None = None  # what the PBX counted, until the end is on record

    @property
    def call_id(self) -> str:
        return self.attempt.call_id

    @property
    def line(self) -> str:
        """The line as the call's subjects name it."""
        return self.attempt.line

    @property
    def slot(self) -> int | None:
        return self.attempt.slot

    @property
    def trunk(self) -> str | None:
        return self.attempt.trunk

    @property
    def app(self) -> str | None:
        """The app in which it is; None: it is the phone's own, or a trunk's."""
        return self.attempt.app

    @property
    def user(self) -> str:
        return self.attempt.user

    @property
    def operator(self) -> str | None:
        """Who has it: for whom it was dialled, or to whom it was joined."""
        return self.joined.operator if self.joined is not None else self.attempt.operator

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose it is."""
        return owners_of(self.user, self.operator)

    @property
    def outside(self) -> str:
        """What the call is on, for people."""
        return "phone" if self.trunk is None else "PBX"


# --- evolve -------------------------------------------------------------------------------------------------------


def evolve(call: Call | None, event: CallEvent) -> Call | None:
    """The call after an event. Its attempt is its first: an order to dial is under way from then on, until the line
    says what became of it, or a new owner finds out."""
    if isinstance(event, CallDialing):
        return Call(
            attempt=event, phase=Phase.DIALING, started=Moment.of(event), after_ref=event.after_ref, placing=True
        )
    if call is None or isinstance(event, CallAdopted):
        return call
    return moved(call, event)


def rings_on(call: Call, now: Moment) -> float:
    """Seconds for which it has to ring yet. One that does not ring by now need not."""
    return call.attempt.ring_at_least - elapsed(call.rung, now)[0] if call.rung is not None else 0.0


def moved(call: Call, event: CallEvent) -> Call:
    """A call that has begun after a later event."""
    match event:
        case CallAlerting():
            return replace(call, phase=Phase.ALERTING, rung=Moment.of(event), ref=event.ref)
        case CallConnected():
            ending_by = None if call.ending_by == RING_TIMEOUT else call.ending_by  # the answer wins
            return replace(
                call, phase=Phase.CONNECTED, answered=Moment.of(event), ref=event.ref, ending_by=ending_by,
                suspect=call.suspect or event.clock_suspect,
            )  # fmt: skip
        case CallJoined():
            return replace(call, joined=event)
        case CallEnding():
            return replace(call, ending_by=event.by)
        case CallEnded():
            return replace(call, phase=Phase.ENDED, ended=event)
        case CallEnriched():
            return replace(call, enriched=True, counted=None)
        case CallDialing() | CallAdopted():
            return call


# --- events -------------------------------------------------------------------------------------------------------


def not_before(moment: Moment, floor: Moment) -> tuple[Moment, bool]:
    """A moment that the phone told, not before one that it cannot be before, and whether a clock must be wrong."""
    if moment.boot == floor.boot:
        behind = floor.mono - moment.mono
    else:
        behind = (parse_utc(floor.at) - parse_utc(moment.at)).total_seconds()
    return (moment, False) if behind <= 0 else (replace(floor), behind > CLOCK_SLACK)


def _earlier(heard: Moment, told: Moment) -> Moment:
    """The earlier of the two: what was heard has been before that, not after what followed it."""
    return told if not_before(told, heard)[0] is not told else heard


def alerting(call: Call, now: Moment) -> CallAlerting:
    """It rings at the far end."""
    now, _ = not_before(now, call.started)
    return CallAlerting(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, mono=now.mono, boot=now.boot,
        ref=call.ref or "",
    )  # fmt: skip


def connected(call: Call, now: Moment, *, suspect: bool) -> CallConnected:
    """The far end answered."""
    now, wrong = not_before(now, call.started)  # that it rang may have been heard late, so is no floor
    return CallConnected(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, mono=now.mono, boot=now.boot,
        ref=call.ref or "", clock_suspect=suspect or wrong, campaign=call.attempt.campaign,
    )  # fmt: skip


def enriched(call: Call, cdr: CdrSeen, now: Moment) -> CallEnriched:
    """What the PBX counted by itself."""
    return CallEnriched(
        line=call.line,
        call_id=call.call_id,
        slot=call.slot,
        user=call.user,
        at=now.at,
        disposition=cdr.disposition,
        billable_seconds=cdr.billable_seconds,
    )


class Lasted(Struct, frozen=True):
    """How long a call rang and talked by the phone's own clock, in seconds."""

    rang: float
    talked: float


def over(call: Call, now: Moment, *, reason: EndReason, cause: str, lasted: Lasted | None = None) -> CallEnded:
    """The one terminal event. `lasted`: where the phone's own clock has measured it."""
    reason, ended_by = _settle(call, reason)
    lasted = lasted or _by_this_boot(call, now)
    boots = {moment.boot for moment in (call.started, call.answered, now) if moment is not None}
    answered, wrong_answer = (None, False) if call.answered is None else not_before(call.answered, call.started)
    now, wrong_end = not_before(now, answered or call.started)
    talked = elapsed(answered, now)[0] if answered else 0.0
    waited = elapsed(call.started, answered or now)[0]
    suspect = wrong_answer or wrong_end or (lasted is None and len(boots) > 1)
    if lasted is not None:
        waited, talked = max(lasted.rang, 0.0), max(lasted.talked, 0.0)
    return CallEnded(
        line=call.line,
        call_id=call.call_id,
        slot=call.slot,
        user=call.user,
        number=call.attempt.number,
        at=now.at,
        state=state_of(Phase.ENDED, answered=answered is not None, reason=reason),
        reason=reason,
        cause=cause[:WORDS],
        duration=round(talked),
        ring_seconds=round(waited),
        start_time=call.started.at,
        ring_time=_earlier(call.rung, answered or now).at if call.rung else None,
        answer_time=answered.at if answered else None,
        ended_by=ended_by,
        clock_suspect=suspect or call.suspect,
        trace_id=call.attempt.trace_id,
        trunk=call.trunk,
        recording=call.attempt.recording if answered else None,
        ref=call.ref,
        campaign=call.attempt.campaign,
        operator=call.operator,
        app=call.app,
    )


def _by_this_boot(call: Call, now: Moment) -> Lasted | None:
    """How long a call of an earlier boot of the host rang and talked, where the phone has told its age since."""
    if call.since is None:
        return None
    up = call.since.answered
    if up is None and call.answered is not None and call.answered.boot == now.boot:
        up = call.answered.mono
    if up is None and call.answered is not None:
        return None
    return Lasted((now.mono if up is None else up) - call.since.began, 0.0 if up is None else now.mono - up)


def _settle(call: Call, reason: EndReason) -> tuple[EndReason, str | None]:
    """The reason and who ended it: a local end that we asked for is ours. What nobody saw stays unknown, whatever was
    asked for."""
    by = call.ending_by or call.hung_up_for
    if reason is EndReason.HANGUP_LOCAL and by == EndReason.EXTENSION_FAILED:
        return EndReason.EXTENSION_FAILED, None
    if reason is EndReason.HANGUP_LOCAL and by is not None:
        unanswered = by == RING_TIMEOUT and call.answered is None
        return EndReason.NO_ANSWER if unanswered else EndReason.HANGUP_LOCAL, by
    if reason is EndReason.HANGUP_LOCAL:
        return reason, "phone" if call.trunk is None else "extension"  # somebody at the phone itself, at the extension
    if reason in (EndReason.HANGUP_REMOTE, EndReason.REJECTED, EndReason.BUSY):
        return reason, "remote"
    return reason, None


# --- view ---------------------------------------------------------------------------------------------------------


def view(call: Call) -> CallView:
    """The call in the documented shape."""
    ended = call.ended
    state = ended.state if ended else state_of(call.phase)
    answered_at = ended.answer_time if ended else (call.answered.at if call.answered else None)
    return CallView(
        call_id=call.call_id,
        slot=call.slot,
        number=call.attempt.number,
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
        trace_id=call.attempt.trace_id,
        trunk=call.trunk,
        operator=call.operator,
        extension=call.joined.extension if call.joined else None,
        app=call.app,
    )
