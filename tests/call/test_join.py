"""A call that waits is joined to one operator, once, and its line is told once."""

import pytest
from msgspec.structs import replace

from actors.call import machine
from actors.runtime.decision import Tell
from actors.telephony.orders import HangUp, Redirect
from actors.telephony.reports import CallPhase, CallSeen, DialAccepted, JoinFailed
from bus_schemas.call import CallDialing, CallEnded, CallJoined, EndReason, JoinCall
from bus_schemas.errors import ErrorCode, Refusal
from tests.call.test_machine import ATTEMPT, TIMEOUTS, _moved, _now, _then

WAITS = replace(ATTEMPT, slot=None, trunk="trunk-1", line="trunk-trunk-1", after_ref=None)
ANN = JoinCall(call_id="c_1", operator="ann", extension="601")
BOB = JoinCall(call_id="c_1", operator="bob", extension="602")


def seen(phase: CallPhase, reason: EndReason | None = None) -> CallSeen:
    return CallSeen(ref="c_1", phase=phase, reason=reason)


def call_after(*phases: CallPhase, attempt: CallDialing = WAITS) -> machine.Call:
    call = machine.evolve(None, machine.begin(attempt, (), TIMEOUTS).events[0])
    for second, report in enumerate((DialAccepted(), *map(seen, phases))):
        call, _ = _then(call, report, second + 0.1)
    assert call is not None
    return call


def joined(call: machine.Call, request: JoinCall = ANN) -> tuple[machine.Call, tuple[object, ...]]:
    decision = machine.join(call, request, "op", "k", _now(5))
    after = _moved(call, decision)
    assert after is not None
    return after, (*decision.events, *decision.effects)


def test_who_waits_is_joined_and_the_line_is_told() -> None:
    call, (event, order) = joined(call_after(CallPhase.ACTIVE))
    assert isinstance(event, CallJoined) and (event.operator, event.extension, event.by) == ("ann", "601", "op")
    assert isinstance(order, Tell) and order.report == Redirect(call_id="c_1", extension="601")
    assert (machine.view(call).operator, machine.view(call).extension, machine.view(call).slot) == ("ann", "601", None)


def test_a_repeat_tells_the_line_nothing_and_nobody_else_gets_it() -> None:
    call, _ = joined(call_after(CallPhase.ACTIVE))
    assert joined(call)[1] == ()
    with pytest.raises(Refusal) as refused:
        joined(call, BOB)
    assert refused.value.code is ErrorCode.CONFLICT


def test_a_call_that_does_not_wait_is_not_joined() -> None:
    ending = _moved(call := call_after(CallPhase.ACTIVE), machine.end(call, "op", "k", _now(4), TIMEOUTS))
    on_a_slot = call_after(CallPhase.ACTIVE, attempt=replace(WAITS, slot=44))
    for one in (call_after(CallPhase.ALERTING), ending, on_a_slot):
        assert one is not None
        with pytest.raises(Refusal) as refused:
            joined(one)
        assert refused.value.code is ErrorCode.CONFLICT


def test_where_the_pbx_did_not_take_it_there_the_call_is_ended_for_that() -> None:
    call, _ = joined(call_after(CallPhase.ACTIVE))
    after, decision = _then(call, JoinFailed(cause="no such channel"), 6)
    assert any(isinstance(each, Tell) and isinstance(each.report, HangUp) for each in decision.effects)
    _, decision = _then(after, seen(CallPhase.DISCONNECTED, EndReason.HANGUP_LOCAL), 6.1)
    [end] = decision.events
    assert isinstance(end, CallEnded) and (end.reason, end.ended_by) == (EndReason.EXTENSION_FAILED, None)


def test_a_new_owner_does_not_tell_the_line_again() -> None:
    """It may have been told: a second time would take the call away from whoever talks."""
    call, _ = joined(call_after(CallPhase.ACTIVE))
    effects = machine.resume(call, _now(8), TIMEOUTS).effects
    assert not any(isinstance(each, Tell) and isinstance(each.report, Redirect) for each in effects)
