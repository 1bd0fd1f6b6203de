"""A call in an app of a phone: what follows from what the run that placed it sees on the screen. Pure.

Nothing is dialled here and no phone is asked: whoever runs the script taps once, and says what becomes of it. Where
that one is gone, nobody can tell how the call ended, and its record says so.
"""

from actors.call.record import Call, connected, over
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, SetTimer, Tell, TimerFired
from actors.telephony.orders import EndInApp, StillThere
from actors.telephony.reports import DialFailed, InApp
from bus_schemas.call import CallDialing, CallEnding, CallEvent, EndReason, Phase

ASK, LOST = "ask", "lost"  # timers
ASK_EVERY = 5.0  # seconds between two questions whether its run still goes on
LOST_AFTER = 20.0  # without an answer

AppDecision = Decision[CallEvent, Call]

AGAIN = SetTimer(name=ASK, seconds=ASK_EVERY)
GIVE_UP = SetTimer(name=LOST, seconds=LOST_AFTER)


def begin(attempt: CallDialing) -> AppDecision:
    """The attempt is put on record; its run then taps."""
    return Decision(events=(attempt,), effects=(AGAIN, GIVE_UP))


def resume(call: Call) -> AppDecision:
    """A new owner asks the run, which it takes over as well."""
    if call.phase is Phase.ENDED:
        return NOTHING
    return Decision(effects=(_ask(call), AGAIN, GIVE_UP))


def end(call: Call, by: str, command_id: str, now: Moment) -> AppDecision:
    """Hang up: its run ends it."""
    if call.phase is Phase.ENDED or call.ending_by is not None:
        return NOTHING
    event = CallEnding(
        line=call.line, call_id=call.call_id, slot=call.slot, user=call.user, at=now.at, by=by, command_id=command_id
    )
    return Decision(events=(event,), effects=(_to_run(call, EndInApp(call_id=call.call_id)),))


def observe(call: Call, report: object, now: Moment) -> AppDecision:
    """What its run says of it. What a phone says of its own calls is not about this one."""
    if call.phase is Phase.ENDED:
        return NOTHING
    match report:
        case InApp(state="up"):
            return Decision(effects=(GIVE_UP,))
        case InApp(state="answered"):
            if call.phase is Phase.CONNECTED:
                return NOTHING
            return Decision(events=(connected(call, now, suspect=False),), effects=(AGAIN, GIVE_UP))
        case InApp(state="over"):
            return _over(call, now.earlier(report.age), report.reason or _reason(call), report.cause)
        case DialFailed():
            return _over(call, now, report.reason, report.cause)
        case TimerFired(name="ask"):
            return Decision(effects=(_ask(call), AGAIN))
        case TimerFired(name="lost"):
            return _over(call, now, EndReason.UNKNOWN, "the run that placed it is gone")
    return NOTHING


def _reason(call: Call) -> EndReason:
    """A screen that is gone says no more than that."""
    if call.ending_by is not None:
        return EndReason.HANGUP_LOCAL
    return EndReason.HANGUP_REMOTE if call.phase is Phase.CONNECTED else EndReason.NO_ANSWER


def _over(call: Call, now: Moment, reason: EndReason, cause: str) -> AppDecision:
    return Decision(events=(over(call, now, reason=reason, cause=cause),))


def _ask(call: Call) -> Tell:
    return _to_run(call, StillThere(call_id=call.call_id))


def _to_run(call: Call, report: object) -> Tell:
    return Tell(kind="script", id=call.attempt.run or "", report=report)
