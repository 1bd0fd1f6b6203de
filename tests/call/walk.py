"""How the states of calls are walked through, for docs/states.md."""

from typing import Any

from actors.call import machine as calls
from actors.call.machine import CallTimeouts
from actors.runtime.decision import Decision, TimerFired
from actors.telephony.reports import (
    CallPhase,
    CallSeen,
    DialAccepted,
    DialFailed,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    Looked,
    PastCall,
)
from bus_schemas.call import CallDialing, EndReason
from tests.support.states import Input, Stand, Walk, at, verb

TIMEOUTS = CallTimeouts(created=15, hangup=5, lost=30)
ATTEMPT = CallDialing(
    line="slot-1", call_id="c_1", slot=1, user="op", number="+380991234567", at=at(0).at, mono=0.0, boot="b",
    command_id="k", ring_timeout=60, max_duration=3600, after_ref="p/TC@0",
)  # fmt: skip
REF = "p/TC@1"
LOOKS = (
    None,
    Look(live=(), past=()),
    Look(live=(LiveCall(ref=REF, phase=CallPhase.ACTIVE, created_age=9, answered_age=1),), past=()),
    Look(live=(), past=(PastCall(ref=REF, created_age=9, answered_age=None, ended_age=2, reason=EndReason.BUSY),)),
)
CALL_REPORTS: tuple[Any, ...] = (
    DialAccepted(after_ref="p/TC@0"),
    DialFailed(cause="", reason=EndReason.NOT_DIALED),
    *(CallSeen(ref=REF, phase=phase, reason=EndReason.HANGUP_REMOTE) for phase in CallPhase),
    *(LinkChanged(link=link) for link in Link),
    *(TimerFired(name=name) for name in ("created", "ring", "duration", "hangup", "lost", "gone")),
)


def _call_hears(report: Any) -> Input:
    return lambda stand, now: calls.observe(stand[0], report, now, TIMEOUTS)


def _call_finds(look: Look | None, why: str) -> Input:
    return lambda stand, now: calls.observe(
        stand[0], Looked(look=look, why=why, asked=now.mono, call_id="c_1"), now, TIMEOUTS
    )


CALL_INPUTS: tuple[Input, ...] = (
    *(_call_hears(report) for report in CALL_REPORTS),
    *(_call_finds(look, why) for look in LOOKS for why in ("ask", "hangup", "lost")),
    lambda stand, now: calls.end(stand[0], "op", "k2", now, TIMEOUTS),
)


def _after_call(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    call = decision.memory or stand[0]
    for event in decision.events:
        call = calls.evolve(call, event)
    return call, None


WALK = Walk(
    title="A call",
    text="`phase` of a call. Each way into `ended` is one terminal event; its `reason` says why.",
    start=lambda now: calls.begin(ATTEMPT, (), TIMEOUTS),
    inputs=CALL_INPUTS,
    after=_after_call,
    name=lambda stand: str(stand[0].phase),
    key=lambda stand: (stand[0].phase, stand[0].ending_by, stand[0].placing, stand[0].ref, stand[0].missed is None),
    why=verb,
)
