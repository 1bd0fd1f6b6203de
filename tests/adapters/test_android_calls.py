"""A phone with several calls: what is said of each, whatever the others do. The texts are the virtual phone's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from actors.adapters import android
from actors.telephony.reports import CallPhase, Look, Noted
from simulators.carrier.rules import MISSED, REMOTE
from simulators.phone import dumps
from simulators.phone.telephony import Telephony

RELEASES = [9, 10, 11, 12, 13, 14]
OURS, OTHERS = "+380991231005", "+380441112233"  # ours rings after 0.5 s and answers after 5
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
Disturb = Callable[[Telephony, float], None]
BOOT = "0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33"


def look(telephony: Telephony, now: float, release: int = 14, *, note: str = "") -> Look:
    """What a look at this moment reads."""

    def wall_at(at: float) -> datetime:
        return START + timedelta(seconds=at)

    registry = dumps.registry(telephony, release, sims=2, in_service=True, operator="T")
    wanted = [line for line in registry.splitlines() if "Phone Id" in line or "CallState" in line]
    clock = f"{wall_at(now):%H:%M:%S.%f}000 {wall_at(now):%d} {int(wall_at(now).timestamp())}\n{now + 5000:.2f} 1.00\n"
    parts = (clock, f"{BOOT}\n{note}\n", "\n".join(wanted) + "\n", dumps.telecom(telephony, release, wall_at))
    read = android.parse_look(f"{android.SECTION}\n".join(parts))
    assert read is not None
    return read.look


def ours(seen: Look) -> tuple[CallPhase, float, float | None, bool, bool] | None:
    """What is said of the first call, with ages in tenths of seconds."""
    for live in seen.live:
        if live.ref.endswith("/TC@1"):
            answered = None if live.answered_age is None else round(live.answered_age, 1)
            return live.phase, round(live.created_age, 1), answered, live.incoming, live.suspect
    return None


def nothing(telephony: Telephony, now: float) -> None:
    pass


def waits(telephony: Telephony, now: float) -> None:
    telephony.ring(OTHERS, now)


def gave_up(telephony: Telephony, now: float) -> None:
    telephony.ring(OTHERS, now)
    telephony.end(telephony.live[-1], MISSED, now)


def by_hand(telephony: Telephony, now: float) -> None:
    telephony.dial("+380991231007", now, by_hand=True)  # is not answered here


def by_hand_and_over(telephony: Telephony, now: float) -> None:
    by_hand(telephony, now)
    telephony.end(telephony.live[-1], REMOTE, now)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("moment", "other"),
    [
        (moment, other)
        for moment, other in product([0.1, 1.0, 8.0], [waits, gave_up, by_hand, by_hand_and_over])
        if (moment, other) != (1.0, by_hand)  # two calls are dialled: which of them rings is not told, see below
    ],
)
def test_a_second_call_never_changes_what_is_said_of_the_first(release: int, moment: float, other: Disturb) -> None:
    said = []
    for disturb in (nothing, other):
        telephony = Telephony()
        telephony.dial(OURS, 0.0)
        telephony.advance(moment)
        disturb(telephony, moment)
        said.append(ours(look(telephony, moment + 0.2, release)))
    assert said[0] is not None and said[0] == said[1]


@pytest.mark.parametrize("release", RELEASES)
def test_every_live_call_is_told_newest_first(release: int) -> None:
    telephony = Telephony()
    telephony.dial(OURS, 0.0)
    telephony.advance(8.0)
    telephony.ring(OTHERS, 10.0)
    telephony.answer(12.0)
    telephony.ring("+380441112244", 14.0)
    seen = look(telephony, 15.0, release)
    assert [(live.ref[-4:], live.phase, live.incoming, live.held) for live in seen.live] == [
        ("TC@3", CallPhase.ALERTING, True, False),
        ("TC@2", CallPhase.ACTIVE, True, False),
        ("TC@1", CallPhase.ACTIVE, False, True),
    ]
    assert [round(live.created_age) for live in seen.live] == [1, 5, 15]
    assert [live.answered_age and round(live.answered_age) for live in seen.live] == [None, 3, 7]


@pytest.mark.parametrize("release", RELEASES)
def test_that_the_far_end_rings_is_said_of_the_call_that_is_dialled(release: int) -> None:
    telephony = Telephony()
    telephony.dial("+380991230007", 0.0)
    telephony.advance(1.0)
    telephony.dial(OURS, 2.0, by_hand=True)
    telephony.advance(3.0)
    assert [live.phase for live in look(telephony, 3.0, release).live] == [CallPhase.ALERTING, CallPhase.ACTIVE]


def test_of_two_calls_being_dialled_neither_is_said_to_ring() -> None:
    telephony = Telephony()
    telephony.dial(OURS, 0.0)
    telephony.advance(1.0)
    telephony.dial("+380991231007", 1.0, by_hand=True)
    assert {live.phase for live in look(telephony, 1.2).live} == {CallPhase.DIALING}


@pytest.mark.parametrize("release", RELEASES)
def test_somebody_elses_answer_is_not_ours(release: int) -> None:
    """The registry has one foreground for all: where another call talks, ours that is dialled is not answered."""
    telephony = Telephony()
    telephony.ring(OTHERS, 0.0)
    telephony.answer(0.0)
    telephony.dial(OURS, 1.0)
    telephony.swap(1.2)  # their call talks again, ours goes on being dialled
    phases = {live.ref[-4:]: live.phase for live in look(telephony, 1.3, release).live}
    assert phases == {"TC@2": CallPhase.DIALING, "TC@1": CallPhase.ACTIVE}


def test_a_call_that_only_the_history_knows_yet_is_neither_up_nor_over() -> None:
    telephony = Telephony()
    telephony.dial(OURS, 0.0)
    telephony.live.clear()  # the list of calls was printed before it began
    assert look(telephony, 0.1) == Look(live=(), past=(), boot=BOOT.replace("-", "")[:16], up=5000.1)


def test_a_call_back_from_hold_was_answered_when_it_was_answered() -> None:
    telephony = Telephony()
    telephony.dial("+380991230007", 0.0)
    telephony.advance(1.0)
    telephony.ring(OTHERS, 10.0)
    telephony.answer(11.0)
    telephony.hang_up(20.0)
    (live,) = look(telephony, 21.0).live
    assert live.ref.endswith("/TC@1") and live.answered_age == pytest.approx(20.0) and not live.held


def test_a_quoted_call_in_the_history_is_not_up() -> None:
    telephony = Telephony()
    telephony.dial(OURS, 0.0)
    call = telephony.live[0]
    telephony.end(call, REMOTE, 1.0)
    call.events.insert(2, (0.5, "CONFERENCE_WITH", "[Call id=TC@9, state=ACTIVE, tpac=x"))
    seen = look(telephony, 2.0)
    assert seen.live == () and len(seen.past) == 1


def test_the_phones_own_note_of_an_order_is_of_this_boot_only() -> None:
    def noted(note: str) -> Noted | None:
        return look(Telephony(), 100.0, note=note).order

    found = noted(f"c_1 {5100 - 7:.2f} 12.00 {BOOT}")
    assert found is not None and found.call_id == "c_1" and abs(found.age - 7) < 0.1
    for note in ("", "c_1", f"c_1 5.0 12.00 {BOOT[::-1]}", f"c 1 5.0 12.00 {BOOT}", f"c_1 x 12.00 {BOOT}"):
        assert noted(note) is None
