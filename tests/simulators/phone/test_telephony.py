"""Several calls on one phone, as a real phone has them, and how its dumps show them."""

from datetime import UTC, datetime, timedelta

import pytest

from simulators.carrier.rules import MISSED, REMOTE, Planned, Step
from simulators.phone import dumps
from simulators.phone.telephony import State, Telephony

OURS, OTHERS = "+380991230007", "+380441112233"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def talking(telephony: Telephony) -> None:
    telephony.dial(OURS, 0.0)
    telephony.advance(1.0)


def states(telephony: Telephony) -> list[State]:
    return [call.state for call in telephony.live]


def registry(telephony: Telephony, release: int = 14) -> list[str]:
    text = dumps.registry(telephony, release, sims=2, in_service=True, operator="T")
    wanted = ("mCallState", "mRingingCallState", "mForegroundCallState", "mBackgroundCallState")
    return [line.strip() for line in text.splitlines() if line.strip().startswith(wanted)][:4]


def telecom(telephony: Telephony, release: int) -> str:
    return dumps.telecom(telephony, release, lambda at: NOON + timedelta(seconds=at))


def test_an_incoming_call_waits_and_puts_ours_on_hold_when_taken() -> None:
    telephony = Telephony()
    talking(telephony)
    telephony.ring(OTHERS, 2.0)
    assert states(telephony) == [State.ACTIVE, State.RINGING]
    telephony.answer(3.0)
    assert states(telephony) == [State.ON_HOLD, State.ACTIVE]
    telephony.swap(4.0)
    assert states(telephony) == [State.ACTIVE, State.ON_HOLD]
    assert [call.foreign for call in telephony.live] == [False, True]


def test_a_call_dialled_by_hand_is_told_apart_and_puts_ours_on_hold() -> None:
    telephony = Telephony()
    talking(telephony)
    telephony.dial(OTHERS, 2.0, by_hand=True)
    assert states(telephony) == [State.ON_HOLD, State.DIALING]
    assert [call.by_hand for call in telephony.live] == [False, True]


def test_what_is_still_dialled_ends_when_somebody_takes_another_call() -> None:
    telephony = Telephony()
    telephony.dial(OURS, 0.0)
    telephony.ring(OTHERS, 0.0)
    telephony.answer(0.05)
    assert [(call.number, call.state) for call in telephony.live] == [(OTHERS, State.ACTIVE)]


@pytest.mark.parametrize(("ringing_first", "ended"), [(True, OTHERS), (False, OURS)])
def test_the_end_key_with_a_call_that_waits_does_what_the_kind_of_phone_does(ringing_first: bool, ended: str) -> None:
    telephony = Telephony(ringing_first=ringing_first)
    talking(telephony)
    telephony.ring(OTHERS, 2.0)
    telephony.hang_up(3.0)
    assert [call.number for call in telephony.history if call.by_key] == [ended]
    assert ended not in [call.number for call in telephony.live]


def test_the_end_key_ends_the_foreground_call_and_the_held_one_returns() -> None:
    telephony = Telephony()
    talking(telephony)
    telephony.ring(OTHERS, 2.0)
    telephony.answer(3.0)
    telephony.hang_up(4.0)
    assert [(call.number, call.state) for call in telephony.live] == [(OURS, State.ACTIVE)]


def test_the_other_side_ends_its_own_call_only() -> None:
    telephony = Telephony()
    talking(telephony)
    telephony.ring(OTHERS, 2.0, plan=(Planned(after=20.0, step=Step.END, cause=MISSED),))
    telephony.answer(3.0)
    telephony.end(telephony.live[1], REMOTE, 4.0)
    assert states(telephony) == [State.ON_HOLD]


def test_a_caller_gives_up() -> None:
    telephony = Telephony()
    telephony.ring(OTHERS, 0.0, plan=(Planned(after=20.0, step=Step.END, cause=MISSED),))
    telephony.advance(21.0)
    assert not telephony.live and telephony.history[0].cause == MISSED


@pytest.mark.parametrize("release", [9, 10, 11, 12, 13, 14])
def test_the_dumps_show_every_call(release: int) -> None:
    telephony = Telephony()
    talking(telephony)
    assert registry(telephony, release) == [
        "mCallState=2", *(["mCallState=0"] if release < 11 else []),
        "mRingingCallState=0", "mForegroundCallState=1", "mBackgroundCallState=0",
    ][:4]  # fmt: skip
    telephony.ring(OTHERS, 2.0)
    telephony.answer(3.0)
    telephony.ring("+380441112244", 4.0)
    text = telecom(telephony, release)
    for call, state in (("TC@1", "ON_HOLD"), ("TC@2", "ACTIVE"), ("TC@3", "RINGING")):
        shown = f"[{call}, {state}," if release < 11 else f"[Call id={call}, state={state},"
        assert shown in text.partition("mCallAudioManager")[0]
    assert text.count("TC@2, " if release < 11 else "id=TC@2, ") == 2  # in the list, and in the foreground


def test_the_registry_has_a_state_for_what_rings_talks_and_waits() -> None:
    telephony = Telephony()
    telephony.ring(OTHERS, 0.0)
    assert registry(telephony)[:3] == ["mCallState=1", "mRingingCallState=5", "mForegroundCallState=0"]
    telephony.answer(1.0)
    telephony.dial(OURS, 2.0)
    assert registry(telephony) == [
        "mCallState=2", "mRingingCallState=0", "mForegroundCallState=3", "mBackgroundCallState=2",
    ]  # fmt: skip
    telephony.ring("+380441112244", 3.0)
    assert registry(telephony)[:2] == ["mCallState=1", "mRingingCallState=6"]


def test_events_keep_the_stamps_of_the_clock_as_it_was() -> None:
    telephony = Telephony()
    talking(telephony)

    def wall_at(at: float) -> datetime:
        return NOON + timedelta(seconds=at - (3600 if at > 10 else 0))

    assert "12:00:01.000 - SET_ACTIVE" in dumps.telecom(telephony, 14, wall_at)
