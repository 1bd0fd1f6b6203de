"""The call's machine as a table: every report in every phase, and what must never happen."""

import itertools

import pytest
from msgspec.structs import replace

from actors.call import machine
from actors.call.machine import Call, CallTimeouts
from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, SetTimer, Tell, TimerFired
from actors.telephony.orders import Dial, HangUp, LookAt, Named, Release
from actors.telephony.reports import (
    CallPhase,
    CallSeen,
    CdrSeen,
    DialAccepted,
    DialFailed,
    DialUncertain,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    Looked,
    Noted,
    PastCall,
)
from bus_schemas.call import CallConnected, CallDialing, CallEnded, CallEnding, CallEvent, CallState, EndReason, Phase

TIMEOUTS = CallTimeouts(created=15, hangup=5, lost=30)
ATTEMPT = CallDialing(
    line="slot-44", call_id="c_1", slot=44, user="op12", number="+380991234567", at="2026-01-01T00:00:00.000Z",
    mono=0.0, boot="boot", command_id="k", ring_timeout=60, max_duration=3600, after_ref="b/TC@3",
)  # fmt: skip
REF = "b/TC@4"
TOOK = DialAccepted(after_ref="b/TC@3")


def _now(seconds: float) -> Moment:
    return Moment(at=f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:06.3f}Z", mono=seconds, boot="boot")


def _after(*reports: tuple[float, object], accepted: bool = True) -> Call:
    """A call that was attempted at 0 and heard these reports; the phone took the order at once."""
    decision = machine.begin(ATTEMPT, (), TIMEOUTS)
    call = machine.evolve(None, decision.events[0])
    for at, report in ((0.05, TOOK), *reports) if accepted else reports:
        call, _ = _then(call, report, at)
    assert call is not None
    return call


def _then(call: Call | None, report: object, at: float) -> tuple[Call | None, Decision[CallEvent, Call]]:
    """The call after one report, and what was decided."""
    decision = machine.observe(call, report, _now(at), TIMEOUTS)
    return _moved(call, decision), decision


def _moved(call: Call | None, decision: Decision[CallEvent, Call]) -> Call | None:
    call = decision.memory or call
    for event in decision.events:
        call = machine.evolve(call, event)
    return call


def _orders(decision: Decision[CallEvent, Call]) -> list[object]:
    return [effect.report for effect in decision.effects if isinstance(effect, Tell)]


def _looked(look: Look | None, why: str, asked: float) -> Looked:
    return Looked(look=look, why=why, asked=asked, call_id="c_1")


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
    *(TimerFired(name=name) for name in ("created", "ring", "duration", "hangup", "lost", "gone", "nonsense")),
    DialFailed(cause="x", reason=EndReason.PHONE_LOST),
    DialUncertain(cause="x"),
    TOOK,
    *(
        _looked(look, why, 99.0)
        for look in (None, Look(live=(), past=()), Look(live=(LIVE,), past=()), Look(live=(), past=(PAST,)))
        for why in ("ask", "link", "created", "hangup", "gone", "ring")
    ),
]


def test_the_attempt_is_recorded_before_the_order_to_dial() -> None:
    decision = machine.begin(ATTEMPT, (("s", 7),), TIMEOUTS)
    assert [type(event).__name__ for event in decision.events] == ["CallDialing"]
    assert _orders(decision) == [Dial(attempt=ATTEMPT, fences=(("s", 7),))]


@pytest.mark.parametrize(("phase", "report"), list(itertools.product(PHASES, REPORTS)), ids=str)
def test_no_report_breaks_a_call_or_dials_or_ends_it_twice(phase: Phase, report: object) -> None:
    call = PHASES[phase]
    decision = machine.observe(call, report, _now(100), TIMEOUTS)
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


def _out_of_reach(call: Call | None, *, frozen: float = 0.0, back: float = 1e9) -> tuple[Call, list[float]]:
    """The call after its phone went away at 60 s and the host then stood still for `frozen` seconds; and when the phone
    was asked about it, which is there again from `back` on. Timers fire a second apart."""
    call, _ = _then(call, LinkChanged(link=Link.ABSENT), 60.0)
    asked: list[float] = []
    for at in (61.0 + frozen + beats for beats in range(2 * round(TIMEOUTS.lost))):
        if at > back:
            call, _ = _then(call, LinkChanged(link=Link.ONLINE), at)
            break
        call, decision = _then(call, TimerFired(name="lost"), at)
        if _orders(decision):
            assert _orders(decision) == [LookAt(call_id="c_1", why="lost")] and decision.events == ()
            asked.append(at)
            call, _ = _then(call, _looked(None, "lost", at), at + 0.1)
    assert call is not None
    return call, asked


@pytest.mark.parametrize("phase", [Phase.DIALING, Phase.ALERTING, Phase.CONNECTED])
def test_a_call_whose_phone_stays_out_of_reach_ends_all_the_same(phase: Phase) -> None:
    call, asked = _out_of_reach(PHASES[phase])
    assert call.ended is not None and call.ended.reason is EndReason.PHONE_LOST
    assert asked == [90.0]  # it may be back, and its news on the way


@pytest.mark.parametrize("frozen", [3.5, 20.0, 29.0, 300.0])
def test_time_in_which_the_host_stood_still_does_not_count(frozen: float) -> None:
    """Its link broke for a moment, and its host stood still just then: the phone is back, and must be given the time to
    be reached again."""
    call, asked = _out_of_reach(PHASES[Phase.CONNECTED], frozen=frozen, back=62.0 + frozen)
    assert call.phase is Phase.CONNECTED and asked == [] and call.away is None
    call, asked = _out_of_reach(PHASES[Phase.CONNECTED], frozen=frozen)
    assert call.phase is Phase.ENDED and asked == [61.0 + frozen + TIMEOUTS.lost]


def _lost_at_90() -> tuple[Call | None, Decision[CallEvent, Call]]:
    """A call whose phone is out of reach since 60 s, just as it is asked for the last time."""
    call, decision = _then(PHASES[Phase.CONNECTED], LinkChanged(link=Link.ABSENT), 60.0)
    for at in range(61, 91):
        call, decision = _then(call, TimerFired(name="lost"), at)
    assert _orders(decision) == [LookAt(call_id="c_1", why="lost")]
    return call, decision


def test_a_host_that_stood_still_while_it_asked_asks_again() -> None:
    call, _ = _lost_at_90()
    call, decision = _then(call, _looked(None, "lost", 90.0), 110.0)
    assert decision.events == () and call is not None and call.away is not None and call.away.since == 110.0


def test_talk_time_counts_from_the_answer_on_the_monotonic_clock() -> None:
    decision = machine.observe(
        PHASES[Phase.CONNECTED], _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), _now(62.4), TIMEOUTS
    )
    (ended,) = decision.events
    assert isinstance(ended, CallEnded)
    assert (ended.duration, ended.ring_seconds, ended.state, ended.clock_suspect) == (60, 2, CallState.ENDED, False)


def test_after_a_reboot_the_wall_clock_serves_and_is_called_suspect() -> None:
    later = replace(_now(122.0), mono=5.0, boot="another")
    decision = machine.observe(
        PHASES[Phase.CONNECTED], _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), later, TIMEOUTS
    )
    (ended,) = decision.events
    assert isinstance(ended, CallEnded) and (ended.duration, ended.clock_suspect) == (120, True)


@pytest.mark.parametrize("suspect", [False, True])
def test_an_end_that_is_told_with_a_doubtful_age_is_a_suspect_one(suspect: bool) -> None:
    seen = replace(_seen(CallPhase.DISCONNECTED, EndReason.HANGUP_LOCAL), suspect=suspect)
    (ended,) = machine.observe(PHASES[Phase.ALERTING], seen, _now(9.0), TIMEOUTS).events
    assert isinstance(ended, CallEnded) and ended.clock_suspect is suspect


def test_what_the_pbx_counted_last_before_the_end_is_on_record() -> None:
    call: Call | None = PHASES[Phase.CONNECTED]
    for at, seconds in ((61.0, 1), (61.5, 3)):
        counted = CdrSeen(call_id=ATTEMPT.call_id, disposition="ANSWERED", billable_seconds=seconds)
        call, decision = _then(call, counted, at)
        assert decision.events == ()
    call, decision = _then(call, _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), 62.0)
    assert [getattr(event, "billable_seconds", None) for event in decision.events] == [None, 3]
    call, decision = _then(call, counted, 63.0)
    assert decision.events == ()


def test_a_call_that_ended_unseen_has_the_phones_own_times() -> None:
    look = _looked(Look(live=(), past=(PAST,)), "link", 9.0)
    (ended,) = machine.observe(PHASES[Phase.DIALING], look, _now(9), TIMEOUTS).events
    assert isinstance(ended, CallEnded)
    assert (ended.duration, ended.ring_seconds, ended.reason) == (5, 2, EndReason.HANGUP_REMOTE)


def test_an_older_call_of_the_phone_is_not_taken_for_ours() -> None:
    old = PastCall(ref="b/TC@3", created_age=1, answered_age=None, ended_age=0.5, reason=EndReason.BUSY)
    fresh = _after()
    assert machine.observe(fresh, _looked(Look(live=(), past=(old,)), "link", 0.4), _now(0.5), TIMEOUTS).events == ()
    assert machine.observe(fresh, _seen(CallPhase.DISCONNECTED, ref="b/TC@3"), _now(1), TIMEOUTS).events == ()


def test_the_ring_timeout_looks_first_and_an_answer_wins() -> None:
    decision = machine.observe(PHASES[Phase.ALERTING], TimerFired(name="ring"), _now(60), TIMEOUTS)
    assert decision.events == () and _orders(decision) == [LookAt(call_id="c_1", why="ring")]
    look = _looked(Look(live=(replace(LIVE, answered_age=4),), past=()), "ring", 60.0)
    answered = machine.observe(PHASES[Phase.ALERTING], look, _now(61), TIMEOUTS)
    assert [type(event) for event in answered.events] == [CallConnected]
    assert not any(isinstance(order, HangUp) for order in _orders(answered))


RINGS = Look(live=(replace(LIVE, phase=CallPhase.ALERTING, answered_age=None),), past=())
NOTHING_THERE = Look(live=(), past=())


def test_the_ring_timeout_hangs_up_and_is_no_answer() -> None:
    ending, decision = _then(PHASES[Phase.ALERTING], _looked(RINGS, "ring", 60.0), 60.1)
    assert HangUp(call_id="c_1", ref=REF) in _orders(decision)
    over = _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_LOCAL)
    (ended,) = machine.observe(ending, over, _now(61), TIMEOUTS).events
    assert isinstance(ended, CallEnded) and (ended.reason, ended.state) == (EndReason.NO_ANSWER, CallState.FAILED)
    assert ended.ended_by == "ring_timeout"


def test_a_call_that_has_to_ring_is_not_given_up_before() -> None:
    rings = PHASES[Phase.ALERTING]
    assert rings is not None and rings.rung is not None
    rings = replace(rings, attempt=replace(rings.attempt, ring_at_least=15.0), rung=_now(50))
    rings, decision = _then(rings, _looked(RINGS, "ring", 60.0), 60.0)
    assert decision.events == () and SetTimer(name="ring", seconds=5.0) in decision.effects
    rings, decision = _then(rings, _looked(RINGS, "ring", 65.0), 65.0)
    assert HangUp(call_id="c_1", ref=REF) in _orders(decision)


def test_a_call_that_does_not_ring_in_time_is_given_up_all_the_same() -> None:
    quiet = Look(live=(replace(LIVE, phase=CallPhase.DIALING, answered_age=None),), past=())
    waits = PHASES[Phase.DIALING]
    assert waits is not None
    waits = replace(waits, attempt=replace(waits.attempt, ring_at_least=15.0))
    _, decision = _then(waits, _looked(quiet, "ring", 60.0), 60.0)
    assert HangUp(call_id="c_1", ref=REF) in _orders(decision)
    rung, decision = _then(waits, _looked(RINGS, "ring", 60.0), 60.0)
    assert rung is not None and rung.phase is Phase.ALERTING and rung.ending_by is None
    assert SetTimer(name="ring", seconds=15.0) in decision.effects


def test_an_answer_that_crosses_the_ring_timeout_wins() -> None:
    ending, _ = _then(PHASES[Phase.ALERTING], _looked(RINGS, "ring", 60.0), 60.1)
    up, _ = _then(ending, _seen(CallPhase.ACTIVE), 60.2)
    assert up is not None and up.phase is Phase.CONNECTED and up.ending_by is None
    (ended,) = machine.observe(up, _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_LOCAL), _now(62.2), TIMEOUTS).events
    assert isinstance(ended, CallEnded)
    assert (ended.reason, ended.ended_by, ended.duration) == (EndReason.HANGUP_LOCAL, "ring_timeout", 2)


def test_an_end_asked_for_during_a_ring_timeout_outlives_an_answer() -> None:
    ending, _ = _then(PHASES[Phase.ALERTING], _looked(RINGS, "ring", 60.0), 60.1)
    assert ending is not None
    decision = machine.end(ending, "op12", "k2", _now(60.15), TIMEOUTS)
    assert [event.by for event in decision.events if isinstance(event, CallEnding)] == ["op12"]
    up, _ = _then(_moved(ending, decision), _seen(CallPhase.ACTIVE), 60.2)
    assert up is not None and up.phase is Phase.CONNECTED and up.ending_by == "op12"
    again, decision = _then(up, TimerFired(name="hangup"), 65.2)
    _, decision = _then(again, _looked(Look(live=(LIVE,), past=()), "hangup", 65.2), 65.3)
    assert HangUp(call_id="c_1", ref=REF) in _orders(decision)
    assert again is not None and machine.end(again, "op13", "k3", _now(66), TIMEOUTS).events == ()


def test_a_call_is_over_only_when_two_looks_some_time_apart_do_not_find_it() -> None:
    up = _after((1.0, _seen(CallPhase.ALERTING)))
    once, _ = _then(up, _looked(NOTHING_THERE, "ask", 40.0), 40.3)
    for asked in (40.0, 40.1, 41.9):
        once, decision = _then(once, _looked(NOTHING_THERE, "link", asked), 42.5)
        assert decision.events == (), asked
    _, decision = _then(once, _looked(NOTHING_THERE, "gone", 42.1), 42.6)
    assert [type(event) for event in decision.events] == [CallEnded]


def test_an_age_in_doubt_marks_the_record_whatever_is_heard_later() -> None:
    look = _looked(Look(live=(replace(LIVE, suspect=True),), past=()), "ask", 30.0)
    doubted, _ = _then(PHASES[Phase.CONNECTED], look, 30.0)
    over = _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE)
    (ended,) = machine.observe(doubted, over, _now(40), TIMEOUTS).events
    assert isinstance(ended, CallEnded) and ended.clock_suspect


def test_a_line_is_looked_at_before_it_is_free_where_no_end_was_told() -> None:
    _, lost = _then(_lost_at_90()[0], _looked(None, "lost", 90.0), 90.1)
    assert Release(call_id="c_1", look=True) in _orders(lost)
    told = machine.observe(
        PHASES[Phase.CONNECTED], _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), _now(60), TIMEOUTS
    )
    assert Release(call_id="c_1", look=False) in _orders(told)


def test_a_call_long_after_the_note_of_an_order_is_not_taken_for_ours() -> None:
    doubtful, _ = _then(_after(accepted=False), DialUncertain(cause="no answer"), 1.0)
    by_hand = replace(LIVE, created_age=2.0, answered_age=1.0)
    look = _looked(Look(live=(by_hand,), past=(), boot="b", order=Noted("c_1", 40.0)), "ask", 41.0)
    taken, decision = _then(doubtful, look, 41.0)
    assert taken is not None and taken.ref is None and decision.events == ()


def test_a_call_that_is_up_is_ours_though_a_set_clock_makes_it_too_old() -> None:
    doubtful, _ = _then(_after(accepted=False), DialUncertain(cause="no answer"), 1.0)
    older = replace(LIVE, created_age=3640.0, answered_age=3635.0)
    look = _looked(Look(live=(older,), past=(), boot="b", order=Noted("c_1", 40.0)), "ask", 41.0)
    taken, decision = _then(doubtful, look, 41.0)
    assert taken is not None and taken.ref == REF
    (connected,) = decision.events
    assert isinstance(connected, CallConnected) and connected.clock_suspect


def test_of_two_calls_none_is_taken_where_a_set_clock_hides_whose_they_are() -> None:
    """Ours was refused at once; then the phone's clock was set forward, and somebody dialled by hand."""
    doubtful, _ = _then(_after(accepted=False), DialUncertain(cause="no answer"), 1.0)
    first = replace(PAST, created_age=14.0, answered_age=None, reason=EndReason.NETWORK, suspect=True)
    by_hand = replace(PAST, ref="b/TC@5", created_age=4.5, answered_age=2.5)
    look = Look(live=(), past=(by_hand, first), boot="b", order=Noted("c_1", 11.0))
    for known in ("b/TC@3", None):
        taken, decision = _then(replace(doubtful, after_ref=known), _looked(look, "ask", 11.0), 11.0)
        assert taken is not None and taken.ref is None and decision.events == ()
    certain = replace(look, past=(by_hand, replace(first, created_age=10.9, suspect=False)))
    _, decision = _then(doubtful, _looked(certain, "ask", 11.0), 11.0)
    (ended,) = decision.events
    assert isinstance(ended, CallEnded) and (ended.ref, ended.reason) == (REF, EndReason.NETWORK)


def test_a_call_that_came_up_before_its_order_was_answered_is_taken_over() -> None:
    """The host stood still between the order and the answer: the phone's note says that the call is ours."""
    call, _ = _then(_after(accepted=False), TOOK, 7.0)
    call, decision = _then(call, CallSeen(ref=REF, phase=CallPhase.ACTIVE, age=5.0), 7.1)
    assert call is not None and call.ref is None and _orders(decision) == [LookAt(call_id="c_1", why="ask")]
    up = replace(LIVE, created_age=6.5, answered_age=5.2)
    look = Look(live=(up,), past=(), boot="b", order=Noted("c_1", 6.9))
    call, decision = _then(call, _looked(look, "ask", 7.2), 7.3)
    assert call is not None and (call.ref, call.phase) == (REF, Phase.CONNECTED)


def test_a_call_is_found_by_its_orders_note_whatever_was_known_before() -> None:
    """What the host knew last was of the boot before: what goes out after an order of this boot is of that order."""
    call, _ = _then(_after(accepted=False), DialAccepted(after_ref="a/TC@9"), 0.1)
    look = Look(live=(LIVE,), past=(), boot="b", order=Noted("c_1", 3.1))
    call, _ = _then(call, _looked(look, "created", 3.2), 3.3)
    assert call is not None and (call.ref, call.phase) == (REF, Phase.CONNECTED)


@pytest.mark.parametrize(("noted", "reason"), [(30.0, EndReason.NOT_DIALED), (5.0, EndReason.UNKNOWN)])
def test_only_an_older_note_says_that_an_order_never_came(noted: float, reason: EndReason) -> None:
    call, _ = _then(_after(accepted=False), DialUncertain(cause="no answer"), 10.0)
    for at in (24.0, 27.0):
        look = Look(live=(), past=(), boot="b", order=Noted("c_another", noted))
        call, decision = _then(call, _looked(look, "ask", at), at)
    (ended,) = decision.events
    assert isinstance(ended, CallEnded) and ended.reason is reason


def test_a_later_call_is_not_ours_where_the_first_seems_older_than_its_order() -> None:
    """The phone's clock was set by so little that nobody notices, and a call by hand soon followed ours."""
    call, _ = _then(_after(accepted=False), DialUncertain(cause="no answer"), 10.0)
    first = replace(PAST, created_age=17.0, answered_age=None, ended_age=16.0, reason=EndReason.BUSY)
    by_hand = replace(LIVE, ref="b/TC@5", created_age=1.0, answered_age=None, phase=CallPhase.ALERTING)
    look = Look(live=(by_hand,), past=(first,), boot="b", order=Noted("c_1", 13.8))
    call, decision = _then(call, _looked(look, "ask", 14.0), 14.0)
    assert call is not None and call.ref is None and not decision.events


@pytest.mark.parametrize("at", [0.2, 5.0])
def test_what_could_not_be_asked_is_asked_again(at: float) -> None:
    call = _after((0.1, _seen(CallPhase.DIALING)), (0.15, _seen(CallPhase.ACTIVE)))
    for why in ("link", "duration", "ask"):
        _, decision = _then(call, Looked(look=None, why=why, asked=at, call_id="c_1"), at)
        assert [effect for effect in decision.effects if isinstance(effect, SetTimer)]


def test_an_answer_may_be_older_than_a_ringing_that_was_heard_late() -> None:
    call = _after((0.1, _seen(CallPhase.DIALING)), (5.0, _seen(CallPhase.ALERTING)))
    _, decision = _then(call, CallSeen(ref=REF, phase=CallPhase.ACTIVE, age=3.0), 5.1)
    (connected,) = decision.events
    assert isinstance(connected, CallConnected) and not connected.clock_suspect
    assert connected.mono == pytest.approx(2.1)


def test_a_new_owner_looks_and_never_dials() -> None:
    for phase, call in PHASES.items():
        orders = _orders(machine.resume(call, _now(30), TIMEOUTS))
        assert not any(isinstance(order, Dial) for order in orders)
        wanted = Release if phase is Phase.ENDED else LookAt
        assert any(isinstance(order, wanted) for order in orders)


def test_a_call_found_live_keeps_the_time_of_its_answer() -> None:
    look = _looked(Look(live=(LIVE,), past=()), "ask", 30.0)
    (connected,) = machine.observe(PHASES[Phase.ALERTING], look, _now(30), TIMEOUTS).events
    assert isinstance(connected, CallConnected) and connected.mono == 29


# --- while an order is under way, and after a cancel --------------------------------------------------------------


def test_nothing_is_concluded_while_an_order_to_dial_is_under_way() -> None:
    call: Call | None = _after(accepted=False)
    for report in (
        TimerFired(name="created"), _looked(NOTHING_THERE, "created", 20.0), _looked(NOTHING_THERE, "gone", 22.0),
        TimerFired(name="lost"),
    ):  # fmt: skip
        call, decision = _then(call, report, 25.0)
        assert decision.events == () and not any(isinstance(order, Release) for order in _orders(decision)), report


def test_a_wall_clock_that_was_set_ends_no_wait_for_an_order() -> None:
    """The former owner was of another boot, and the clock of this one is a day ahead: its order can be a second old."""
    now = replace(_now(1.0), at="2026-01-02T00:00:01.000Z", mono=50.0, boot="another")
    begun = _after(accepted=False)
    call = _moved(begun, machine.resume(begun, now, TIMEOUTS))
    for report in (_looked(NOTHING_THERE, "ask", 50.5), _looked(NOTHING_THERE, "gone", 53.0)):
        decision = machine.observe(call, report, replace(now, mono=53.5), TIMEOUTS)
        call = _moved(call, decision)
        assert decision.events == (), report


def test_the_order_of_a_former_owner_may_be_younger_than_its_attempt() -> None:
    """It was paused between the attempt and the order, for longer than an order takes, and lost the call only then."""
    begun = _after(accepted=False)
    call = _moved(begun, machine.resume(begun, _now(60.0), TIMEOUTS))
    for asked, at in ((60.5, 60.6), (63.0, 63.1), (74.0, 74.1)):
        call, decision = _then(call, _looked(NOTHING_THERE, "gone", asked), at)
        assert decision.events == (), at
    for asked, at in ((75.5, 75.6), (78.0, 78.1)):  # an order cannot last longer than this
        call, decision = _then(call, _looked(NOTHING_THERE, "gone", asked), at)
    assert call is not None and call.phase is Phase.ENDED


def test_news_that_came_before_the_order_had_left_keep_their_moment() -> None:
    early = ((0.2, _seen(CallPhase.DIALING)), (0.6, _seen(CallPhase.ALERTING)), (4.0, _seen(CallPhase.ACTIVE)))
    call, decision = _then(_after(*early, accepted=False), TOOK, 9.0)
    alerting, connected = decision.events
    assert (alerting.at, connected.at) == (_now(0.6).at, _now(4.0).at)
    assert call is not None and call.phase is Phase.CONNECTED


def test_whose_call_came_up_meanwhile_is_known_when_the_order_has_left() -> None:
    call = _after((0.2, _seen(CallPhase.DIALING, ref="b/TC@4")), accepted=False)
    assert call.ref is None
    by_hand, _ = _then(call, DialAccepted(after_ref="b/TC@4"), 0.5)  # TC@4 was there before the order left
    assert by_hand is not None and by_hand.ref is None
    ours, decision = _then(call, TOOK, 0.5)
    assert ours is not None and ours.ref == REF
    assert Named(call_id="c_1", ref=REF) in _orders(decision)
    refused, decision = _then(call, DialFailed(cause="the phone is in a call", reason=EndReason.NOT_DIALED), 0.5)
    assert refused is not None and refused.phase is Phase.ENDED


def test_a_call_over_before_the_order_had_left_is_looked_at_first() -> None:
    """Somebody may have dialled by hand, and given up, while the order waited for a slow phone."""
    call = _after(
        (0.2, _seen(CallPhase.DIALING)), (0.6, _seen(CallPhase.DISCONNECTED, EndReason.NETWORK)), accepted=False
    )
    doubted, decision = _then(call, TOOK, 3.0)
    assert doubted is not None and decision.events == () and doubted.ref is None
    assert _orders(decision) == [LookAt(call_id="c_1", why="ask")]
    noted = Noted("c_1", 0.1)
    by_hand = PastCall(ref=REF, created_age=2.9, answered_age=None, ended_age=2.5, reason=EndReason.NETWORK)
    ours = LiveCall(ref="b/TC@5", phase=CallPhase.ALERTING, created_age=0.1, answered_age=None)
    found, _ = _then(doubted, _looked(Look(live=(ours,), past=(by_hand,), order=noted, boot="b"), "ask", 3.1), 3.1)
    assert found is not None and found.ref == "b/TC@5" and found.phase is Phase.ALERTING


@pytest.mark.parametrize("heard", [(), (2.9,), (0.3,)], ids=["its end", "all of it", "some of it"])
def test_news_that_come_late_of_what_was_before_the_order_are_not_believed(heard: tuple[float, ...]) -> None:
    """Somebody dialled by hand, and gave up, while the phone was out of reach: then our order got through, and its
    answer comes before the news."""
    call: Call | None = _after(accepted=False)
    call, _ = _then(call, TOOK, 2.9)
    for age in heard:
        call, decision = _then(call, CallSeen(ref=REF, phase=CallPhase.DIALING, age=age), 3.0)
        assert decision.events == ()
    call, decision = _then(call, CallSeen(ref=REF, phase=CallPhase.DISCONNECTED, age=0.2, reason=EndReason.BUSY), 3.0)
    assert call is not None and call.ref is None and decision.events == ()
    assert _orders(decision) == [LookAt(call_id="c_1", why="ask")]
    by_hand = PastCall(ref=REF, created_age=2.9, answered_age=None, ended_age=0.3, reason=EndReason.BUSY)
    ours = LiveCall(ref="b/TC@5", phase=CallPhase.ALERTING, created_age=0.1, answered_age=None)
    look = Look(live=(ours,), past=(by_hand,), order=Noted("c_1", 0.1), boot="b")
    found, _ = _then(call, _looked(look, "ask", 3.1), 3.1)
    assert found is not None and found.ref == "b/TC@5" and found.phase is Phase.ALERTING


def test_a_cancel_follows_the_dial_at_first_sight() -> None:
    call = _after(accepted=False)
    ending = machine.end(call, "op12", "k2", _now(0.2), TIMEOUTS)
    assert [type(event) for event in ending.events] == [CallEnding]
    assert not any(isinstance(order, HangUp) for order in _orders(ending))  # there is nothing to hang up yet
    cancelled = _moved(call, ending)
    cancelled, _ = _then(cancelled, TOOK, 6.0)
    _, decision = _then(cancelled, _seen(CallPhase.DIALING), 6.1)
    assert HangUp(call_id="c_1", ref=REF) in _orders(decision)


def test_a_call_that_the_phone_shows_is_never_called_over() -> None:
    call = _moved(PHASES[Phase.CONNECTED], machine.end(PHASES[Phase.CONNECTED], "op12", "k2", _now(5), TIMEOUTS))
    for times in range(40):
        asked = 10.0 + 5 * times
        call, decision = _then(call, _looked(Look(live=(LIVE,), past=()), "hangup", asked), asked + 0.1)
        assert decision.events == () and HangUp(call_id="c_1", ref=REF) in _orders(decision)


# --- looks --------------------------------------------------------------------------------------------------------


def test_a_look_from_before_the_last_news_decides_nothing() -> None:
    call = _after((10.0, _seen(CallPhase.ALERTING)))
    for why in ("created", "gone", "hangup"):
        assert machine.observe(call, _looked(NOTHING_THERE, why, 9.0), _now(11), TIMEOUTS).events == ()


def test_only_two_looks_make_a_call_that_was_up_unknown() -> None:
    call, first = _then(PHASES[Phase.CONNECTED], _looked(NOTHING_THERE, "link", 20.0), 20.1)
    assert first.events == ()
    _, second = _then(call, _looked(NOTHING_THERE, "gone", 22.1), 22.2)
    (ended,) = second.events
    assert isinstance(ended, CallEnded) and ended.reason is EndReason.UNKNOWN


def test_ours_is_found_by_its_name_among_several() -> None:
    others = (
        LiveCall(ref="b/TC@6", phase=CallPhase.ACTIVE, created_age=1, answered_age=0.5),
        LiveCall(ref="b/TC@5", phase=CallPhase.ALERTING, created_age=2, incoming=True),
        *RINGS.live,
    )
    look = _looked(Look(live=others, past=()), "ask", 3)
    assert machine.observe(PHASES[Phase.ALERTING], look, _now(3), TIMEOUTS).events == ()  # ours still rings


def test_one_unanswered_look_ends_no_call() -> None:
    call = _moved(PHASES[Phase.CONNECTED], machine.resume(PHASES[Phase.CONNECTED], _now(10), TIMEOUTS))
    _, decision = _then(call, _looked(None, "ask", 10.0), 12.0)
    assert SetTimer(name="ask", seconds=2.0) in decision.effects
    assert not any(isinstance(effect, SetTimer) and effect.name == "lost" for effect in decision.effects)


# --- clocks -------------------------------------------------------------------------------------------------------


def test_no_call_is_older_than_its_attempt_whatever_its_phone_has_noted() -> None:
    """A phone that lies about its own uptime would have a call of 20 seconds on record as one of a month."""
    month = 2_592_000.0
    for created, answered in ((month, month - 2.0), (month, 18.0), (23.2, 18.0)):
        past = replace(PAST, created_age=created, answered_age=answered, ended_age=0.0)
        look = Look(live=(), past=(past,), boot="b", up=month + 100.0, order=Noted("c_1", created + 1.0))
        _, decision = _then(PHASES[Phase.CONNECTED], _looked(look, "ask", 20.0), 20.1)
        (ended,) = decision.events
        assert isinstance(ended, CallEnded) and ended.clock_suspect
        assert (ended.ring_seconds, ended.duration) == (2, 18)


def test_a_phone_whose_clock_was_set_back_is_clamped_and_marked() -> None:
    past = PastCall(ref=REF, created_age=82_900, answered_age=82_830, ended_age=0.0, reason=EndReason.HANGUP_REMOTE)
    look = _looked(Look(live=(), past=(past,)), "link", 9)
    (ended,) = machine.observe(PHASES[Phase.ALERTING], look, _now(9), TIMEOUTS).events
    assert isinstance(ended, CallEnded)
    assert ended.clock_suspect and ended.duration <= 9 and (ended.answer_time or "") >= ended.start_time


def test_a_call_that_nobody_saw_lasted_as_long_as_the_phone_says() -> None:
    """Also where another host, whose clock is some seconds behind, finds it: too little to call a clock wrong."""
    past = PastCall(ref=REF, created_age=9.3, answered_age=8.3, ended_age=6.5, reason=EndReason.HANGUP_REMOTE)
    begun = _after(accepted=False)
    here = Moment(at=_now(5.3).at, mono=700.0, boot="another")
    call = _moved(begun, machine.resume(begun, here, TIMEOUTS))
    looked = _looked(Look(live=(), past=(past,), order=Noted("c_1", 9.3), boot="b"), "link", 700.0)
    (ended,) = machine.observe(call, looked, here, TIMEOUTS).events
    assert isinstance(ended, CallEnded)
    assert (ended.ring_seconds, ended.duration, ended.clock_suspect) == (1, 2, False)


@pytest.mark.parametrize(("ahead", "suspect"), [(0.0, False), (3600.0, True)], ids=["host", "host and phone"])
def test_the_phones_note_of_the_order_tells_whose_clock_was_set(ahead: float, suspect: bool) -> None:
    """The host was started anew and its clock set an hour ahead; the note stands on the phone's uptime, as nobody sets
    that."""
    past = PastCall(
        ref=REF, created_age=19.0 + ahead, answered_age=18.0 + ahead, ended_age=4.5, reason=EndReason.HANGUP_REMOTE
    )
    begun = _after(accepted=False)
    here = Moment(at="2026-01-01T01:00:19.000Z", mono=20.0, boot="another")
    call = _moved(begun, machine.resume(begun, here, TIMEOUTS))
    call = None if call is None else replace(call, ref=REF)
    looked = _looked(Look(live=(), past=(past,), order=Noted("c_1", 19.1), boot="b"), "link", 20.0)
    (ended,) = machine.observe(call, looked, here, TIMEOUTS).events
    assert isinstance(ended, CallEnded) and ended.clock_suspect is suspect
    assert suspect or (ended.ring_seconds, ended.duration) == (1, 14)


def test_seconds_counted_by_two_boots_are_marked_also_where_clamped() -> None:
    here = Moment(at=_now(1.5).at, mono=700.0, boot="another")  # a little before the answer at 2.0
    gone = _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE)
    (ended,) = machine.observe(PHASES[Phase.CONNECTED], gone, here, TIMEOUTS).events
    assert isinstance(ended, CallEnded) and (ended.duration, ended.clock_suspect) == (0, True)


def test_a_look_that_answers_late_makes_no_call_younger() -> None:
    def look(asked: float, age: float, at: float) -> None:
        nonlocal call
        live = replace(LIVE, created_age=age + 2.0, answered_age=age)
        here = Moment(at=_now(at).at, mono=at, boot="next boot")
        looked = Looked(look=Look(live=(live,), past=()), why="ask", asked=asked, call_id="c_1")
        call = _moved(call, machine.observe(call, looked, here, TIMEOUTS))

    call: Call | None = PHASES[Phase.CONNECTED]  # since 2.0
    look(asked=10.0, age=8.0, at=10.0)
    look(asked=10.1, age=8.1, at=16.1)
    ended = Moment(at=_now(20).at, mono=20.0, boot="next boot")
    (event,) = machine.observe(call, _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), ended, TIMEOUTS).events
    assert isinstance(event, CallEnded) and event.duration == 18


def test_a_ringing_that_was_heard_late_makes_no_answer_suspect() -> None:
    rings = _after((5.0, _seen(CallPhase.ALERTING)))  # since 1.0: the log came late
    answer = CallSeen(ref=REF, phase=CallPhase.ACTIVE, age=4.0)
    call, decision = _then(rings, answer, 5.5)
    (connected,) = decision.events
    assert isinstance(connected, CallConnected) and (connected.mono, connected.clock_suspect) == (1.5, False)
    _, decision = _then(call, _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), 9.5)
    (ended,) = decision.events
    assert isinstance(ended, CallEnded) and (ended.duration, ended.clock_suspect) == (8, False)
    assert ended.ring_time == ended.answer_time == connected.at


def test_a_look_from_before_the_news_is_not_one_of_the_two() -> None:
    call = _after((0.5, _seen(CallPhase.ALERTING)), (9.0, _seen(CallPhase.ACTIVE)))
    for asked in (8.0, 8.5):
        call, decision = _then(call, _looked(Look(live=(), past=()), "gone", asked), 20.0)
        assert not decision.events and call is not None and call.missed is None


def test_a_new_owner_goes_on_with_a_hang_up_but_looks_first() -> None:
    call = _after((0.5, _seen(CallPhase.ALERTING)))
    ending = machine.end(call, "op12", "k2", _now(2), TIMEOUTS)
    assert SetTimer(name="hangup", seconds=TIMEOUTS.hangup) in ending.effects  # it is looked whether that helped
    call = _moved(call, ending)
    decision = machine.resume(call, _now(6), TIMEOUTS)
    assert LookAt(call_id="c_1", why="hangup") in _orders(decision)
    assert not any(isinstance(order, HangUp) for order in _orders(decision))
    assert any(isinstance(effect, SetTimer) and effect.name == "hangup" for effect in decision.effects)
    answered = _looked(Look(live=(LIVE,), past=()), "hangup", 6.0)
    _, then = _then(_moved(call, decision), answered, 6.1)
    assert [type(event) for event in then.events] == [CallConnected]
    assert HangUp(call_id="c_1", ref=REF) in _orders(then)


def test_a_new_owner_that_has_not_seen_the_call_asks_since_when_it_talks() -> None:
    """It may have been answered while nobody watched, and the news of its end does not say so."""
    call = _after((0.5, _seen(CallPhase.ALERTING)))
    call_then = _moved(call, machine.resume(call, _now(6), TIMEOUTS))
    asked, decision = _then(call_then, _seen(CallPhase.DISCONNECTED, EndReason.HANGUP_REMOTE), 9.0)
    assert decision.events == () and LookAt(call_id="c_1", why="ask") in _orders(decision)
    _, decision = _then(asked, _looked(Look(live=(), past=(PAST,)), "ask", 9.0), 9.1)
    (ended,) = decision.events
    assert isinstance(ended, CallEnded) and (ended.ring_seconds, ended.duration) == (2, 5)
    seen, _ = _then(call_then, _looked(Look(live=(replace(LIVE, phase=CallPhase.ALERTING),), past=()), "ask", 6.5), 6.5)
    _, decision = _then(seen, _seen(CallPhase.DISCONNECTED, EndReason.BUSY), 9.0)
    assert [type(event) for event in decision.events] == [CallEnded]


# --- a phone that asks which SIM is to call -----------------------------------------------------------------------

ASKS = replace(_seen(CallPhase.DIALING), asks=True)
CLOSED = _seen(CallPhase.DISCONNECTED, EndReason.PHONE_ASKS_FOR_SIM)


def _ends(decision: Decision[CallEvent, Call]) -> list[str]:
    return [event.by for event in decision.events if isinstance(event, CallEnding)]


def test_a_call_that_waits_for_a_sim_is_given_up_at_once() -> None:
    call, decision = _then(_after((0.3, _seen(CallPhase.DIALING))), ASKS, 0.5)
    assert _ends(decision) == ["phone_asks_for_sim"] and HangUp(call_id="c_1", ref=REF) in _orders(decision)
    call, decision = _then(call, ASKS, 0.9)
    assert decision.events == (), "once"
    call, _ = _then(call, CLOSED, 1.5)
    assert call is not None and call.ended is not None
    assert (call.ended.reason, call.ended.state) == (EndReason.PHONE_ASKS_FOR_SIM, CallState.FAILED)
    assert call.ended.duration == 0 and call.ended.ended_by is None


def test_what_waited_for_a_sim_before_the_order_was_answered_is_given_up() -> None:
    call = _after((0.02, ASKS), accepted=False)
    _, decision = _then(call, TOOK, 0.05)
    assert _ends(decision) == ["phone_asks_for_sim"] and HangUp(call_id="c_1", ref=REF) in _orders(decision)


@pytest.mark.parametrize("why", ["ask", "ring", "hangup"])
def test_a_look_that_finds_a_call_waiting_for_a_sim_gives_it_up(why: str) -> None:
    up = LiveCall(ref=REF, phase=CallPhase.DIALING, created_age=3.0, asks=True)
    look = Look(live=(up,), past=(), boot="b", order=Noted("c_1", 3.05))
    _, decision = _then(_after(), _looked(look, why, 3.0), 3.1)
    assert _ends(decision) == ["phone_asks_for_sim"]


def test_somebody_elses_call_that_waits_for_a_sim_is_left_alone() -> None:
    _, decision = _then(_after((0.1, _seen(CallPhase.ACTIVE))), replace(ASKS, ref="b/TC@5"), 2.0)
    assert decision.events == () and decision.effects == ()
