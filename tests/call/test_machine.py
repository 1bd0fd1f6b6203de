"""The call's machine as a table: every report in every phase, and what must never happen."""

import itertools

import pytest
from msgspec.structs import replace

from actors.call import machine
from actors.call.line import Dial, HangUp, LookAt, Looked, Release
from actors.call.machine import Attempt, Call, DialFailed, DialUncertain, Patience
from actors.runtime.clock import Moment
from actors.runtime.decision import Elapsed, SetTimer, Tell
from actors.slot.phone import CallPhase, CallSeen, Link, LinkChanged, LiveCall, Look, PastCall
from bus_schemas.call import CallConnected, CallEnded, CallState, EndReason, Phase
from bus_schemas.errors import Refusal

PATIENCE = Patience(created=10, hangup=5, lost=30)
ORDER = Attempt(
    call_id="c_1", slot=44, user="op12", number="+380991234567", command_id="k", ring_timeout=60, max_duration=3600,
    trace_id=None, after_ref="b/TC@3",
)  # fmt: skip
REF = "b/TC@4"


def _now(seconds: float) -> Moment:
    return Moment(at=f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:06.3f}Z", mono=seconds, boot="boot")


def _after(*reports: tuple[float, object]) -> Call:
    """A call that was attempted at 0 and heard these reports."""
    decision = machine.attempt(None, ORDER, _now(0), PATIENCE)
    call = machine.evolve(None, decision.events[0])
    for at, report in reports:
        decision = machine.observe(call, report, _now(at), PATIENCE)
        call = decision.state or call
        for event in decision.events:
            call = machine.evolve(call, event)
    assert call is not None
    return call


def _seen(phase: CallPhase, reason: EndReason | None = None, ref: str = REF) -> CallSeen:
    return CallSeen(ref=ref, phase=phase, reason=reason)


PHASES = {
    Phase.DIALING: _after((0.1, _seen(CallPhase.DIALING))),
    Phase.ALERTING: _after((0.5, _seen(CallPhase.ALERTING))),
    Phase.CONNECTED: _after((0.5, _seen(CallPhase.ALERTING)), (2.0, _seen(CallPhase.ACTIVE))),
    Phase.ENDED: _after((1.0, _seen(CallPhase.DISCONNECTED, EndReason.BUSY))),
}
LIVE = LiveCall(ref=REF, phase=CallPhase.ACTIVE, created_age=3, answered_age=1)
PAST = PastCall(ref=REF, created_age=9, answered_age=7, ended_age=2, reason=EndReason.HANGUP_REMOTE)
REPORTS = [
    *(_seen(phase) for phase in CallPhase),
    *(_seen(CallPhase.DISCONNECTED, reason) for reason in EndReason),
    _seen(CallPhase.ACTIVE, ref="b/TC@9"),
    *(LinkChanged(link=link) for link in Link),
    *(Elapsed(name=name) for name in ("created", "ring", "duration", "hangup", "lost", "gone", "nonsense")),
    DialFailed(cause="x", reason=EndReason.PHONE_LOST),
    DialUncertain(cause="x"),
    *(
        Looked(look=look, why=why)
        for look in (None, Look(live=(), past=()), Look(live=(LIVE,), past=()), Look(live=(), past=(PAST,)))
        for why in ("resume", "link", "created", "hangup", "gone")
    ),
]


def test_the_attempt_is_recorded_before_the_order_to_dial() -> None:
    decision = machine.attempt(None, ORDER, _now(0), PATIENCE)
    assert [type(event).__name__ for event in decision.events] == ["CallDialing"]
    orders = [effect.report for effect in decision.effects if isinstance(effect, Tell)]
    assert orders == [Dial(call_id="c_1", number="+380991234567")]
    with pytest.raises(Refusal):
        machine.attempt(PHASES[Phase.DIALING], ORDER, _now(1), PATIENCE)


@pytest.mark.parametrize(("phase", "report"), list(itertools.product(PHASES, REPORTS)), ids=str)
def test_no_report_breaks_a_call_or_dials_or_ends_it_twice(phase: Phase, report: object) -> None:
    call = PHASES[phase]
    decision = machine.observe(call, report, _now(100), PATIENCE)
    ends = [event for event in decision.events if isinstance(event, CallEnded)]
    assert len(ends) <= (0 if phase is Phase.ENDED else 1)
    orders = [effect.report for effect in decision.effects if isinstance(effect, Tell)]
    assert not any(isinstance(order, Dial) for order in orders)
    assert bool(ends) == any(isinstance(order, Release) for order in orders)
    for event in decision.events:
        following = machine.evolve(call, event)
        assert following is not None
    for effect in decision.effects:
        if isinstance(effect, SetTimer) and not ends:
            reached = machine.evolve(call, decision.events[-1]) if decision.events else call
            assert reached is not None and effect.name in machine.TIMERS[reached.phase]


def test_every_call_that_hears_nothing_more_ends_all_the_same() -> None:
    for phase in (Phase.DIALING, Phase.ALERTING, Phase.CONNECTED):
        decision = machine.observe(PHASES[phase], Elapsed(name="lost"), _now(60), PATIENCE)
        (ended,) = decision.events
        assert isinstance(ended, CallEnded) and ended.reason is EndReason.PHONE_LOST


def test_talk_time_counts_from_the_answer_on_the_monotonic_clock() -> None:
    decision = machine.observe(
        PHASES[Phase.CONNECTED], _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), _now(62.4), PATIENCE
    )
    (ended,) = decision.events
    assert isinstance(ended, CallEnded)
    assert (ended.duration, ended.ring_seconds, ended.state, ended.clock_suspect) == (60, 2, CallState.ENDED, False)


def test_after_a_reboot_of_the_host_the_wall_clock_serves_and_is_called_suspect() -> None:
    later = replace(_now(122.0), mono=5.0, boot="another")
    decision = machine.observe(
        PHASES[Phase.CONNECTED], _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), later, PATIENCE
    )
    (ended,) = decision.events
    assert isinstance(ended, CallEnded) and (ended.duration, ended.clock_suspect) == (120, True)


def test_a_call_that_ended_unseen_has_the_phones_own_times() -> None:
    look = Looked(look=Look(live=(), past=(PAST,)), why="link")
    (ended,) = machine.observe(PHASES[Phase.DIALING], look, _now(9), PATIENCE).events
    assert isinstance(ended, CallEnded)
    assert (ended.duration, ended.ring_seconds, ended.reason) == (5, 2, EndReason.HANGUP_REMOTE)


def test_an_older_call_of_the_phone_is_not_taken_for_ours() -> None:
    old = PastCall(ref="b/TC@3", created_age=1, answered_age=None, ended_age=0.5, reason=EndReason.BUSY)
    fresh = _after()
    look = Looked(look=Look(live=(), past=(old,)), why="link")
    assert machine.observe(fresh, look, _now(0.5), PATIENCE).events == ()
    assert machine.observe(fresh, _seen(CallPhase.DISCONNECTED, ref="b/TC@3"), _now(1), PATIENCE).events == ()


def test_the_ring_timeout_hangs_up_and_is_no_answer() -> None:
    decision = machine.observe(PHASES[Phase.ALERTING], Elapsed(name="ring"), _now(60), PATIENCE)
    assert any(isinstance(effect, Tell) and isinstance(effect.report, HangUp) for effect in decision.effects)
    ending = machine.evolve(PHASES[Phase.ALERTING], decision.events[0])
    over = _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_LOCAL)
    (ended,) = machine.observe(ending, over, _now(61), PATIENCE).events
    assert isinstance(ended, CallEnded) and (ended.reason, ended.state) == (EndReason.NO_ANSWER, CallState.FAILED)


def test_a_new_owner_looks_and_never_dials() -> None:
    for phase, call in PHASES.items():
        decision = machine.resume(call, _now(30), PATIENCE)
        orders = [effect.report for effect in decision.effects if isinstance(effect, Tell)]
        assert not any(isinstance(order, Dial) for order in orders)
        wanted = Release if phase is Phase.ENDED else LookAt
        assert any(isinstance(order, wanted) for order in orders)


def test_a_call_found_live_keeps_the_time_of_its_answer() -> None:
    look = Looked(look=Look(live=(LIVE,), past=()), why="resume")
    (connected,) = machine.observe(PHASES[Phase.ALERTING], look, _now(30), PATIENCE).events
    assert isinstance(connected, CallConnected) and connected.mono == 29
