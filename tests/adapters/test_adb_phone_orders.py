"""Dialling and hanging up on a phone that has calls of its own: over the real adb server, in every layout."""

import asyncio
from collections.abc import Callable

import pytest

from actors.adapters.adb_phone import AdbPhone
from actors.slot.phone import PhoneBusy, PhoneRefused, PhoneUncertain, PhoneUnfit, PhoneUnreachable, Report
from actors.telephony.reports import CallPhase, CallSeen, LinkChanged
from bus_schemas.call import EndReason
from simulators.phone.android import AmFault
from simulators.phone.telephony import State
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear, dial
from tests.support.site import PATIENCE, until

OURS, SLOW, THEIRS = "+380991230007", "+380991231009", "+380441112233"  # answered at once; after 9 s


def keys(handset: VirtualPhone) -> list[str]:
    """The calls that the END key ended."""
    return [line.call for line in handset.log if line.what == "hangup"]


def states(handset: VirtualPhone) -> list[State]:
    return [call.state for call in handset.telephony.live]


async def our_call(phone: AdbPhone, ear: Ear) -> str:
    await dial(phone, OURS)
    return (await ear.phase(CallPhase.ACTIVE)).ref


# --- dialling ---------------------------------------------------------------------------------------------------


async def test_a_phone_that_somebody_dials_on_is_busy(phone: AdbPhone, handset: VirtualPhone) -> None:
    handset.dial_by_hand(THEIRS)
    with pytest.raises(PhoneBusy, match=f"{handset.serial}.*TC@1"):
        await dial(phone, OURS)
    assert not handset.dials


@pytest.mark.parametrize("taken", [False, True])
async def test_a_phone_that_is_called_is_busy(phone: AdbPhone, handset: VirtualPhone, taken: bool) -> None:
    handset.incoming(THEIRS)
    if taken:
        handset.answer()
    with pytest.raises(PhoneBusy):
        await dial(phone, OURS)
    assert not handset.dials


async def test_of_two_orders_at_once_one_is_busy(phone: AdbPhone, handset: VirtualPhone) -> None:
    done = await asyncio.gather(dial(phone, OURS), dial(phone, SLOW), return_exceptions=True)
    assert [type(one) for one in done] == [type(None), PhoneBusy] and handset.dials == {OURS: 1}


async def test_the_next_call_is_dialled_at_once_when_the_last_is_over(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    for _ in range(3):
        ref = await our_call(phone, ear)
        await phone.hang_up(ref)
        ear.heard.clear()
    assert handset.dials == {OURS: 3} and not handset.telephony.live


@pytest.mark.parametrize(
    ("fault", "error", "dials"),
    [
        (AmFault.REFUSED, PhoneRefused, 0),
        (AmFault.KILLED_BEFORE, PhoneUncertain, 0),
        (AmFault.KILLED_AFTER, PhoneUncertain, 1),
        (AmFault.SILENT, PhoneUncertain, 1),
        (AmFault.WARNED, PhoneUnfit, 0),
    ],
)
async def test_an_am_that_was_killed_may_have_dialled_and_one_that_refused_has_not(
    phone: AdbPhone, handset: VirtualPhone, fault: AmFault, error: type[Exception], dials: int
) -> None:
    handset.android.am_fault = fault
    with pytest.raises(error) as raised:
        await dial(phone, OURS)
    assert type(raised.value) is error and sum(handset.dials.values()) == dials


async def test_an_order_that_waited_for_the_shell_is_not_sent_late(
    phone: AdbPhone, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.adb_phone.DIAL_WITHIN", 0.3)
    async with phone._shell._turn:
        with pytest.raises(PhoneUnreachable):
            await dial(phone, OURS)
    await phone.look()
    assert not handset.dials


async def test_the_call_of_an_order_may_appear_late_and_is_not_dialled_on_top_of(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    late: list[Callable[[], None]] = []
    handset.android.later = lambda _, appear: late.append(appear)  # `am` waits for nothing
    await dial(phone, OURS)
    assert not handset.telephony.live
    with pytest.raises(PhoneBusy, match="not appeared yet"):
        await dial(phone, SLOW)
    handset.android.later = lambda _, appear: appear()
    late.pop()()
    seen = await ear.phase(CallPhase.ACTIVE)
    await phone.hang_up(seen.ref)
    await ear.phase(CallPhase.DISCONNECTED)
    await dial(phone, OURS)
    assert handset.dials == {OURS: 2}


async def test_an_order_that_nothing_came_of_is_no_obstacle_for_long(
    phone: AdbPhone, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    handset.android.am_fault = AmFault.KILLED_BEFORE
    for _ in range(2):
        with pytest.raises(PhoneUncertain):
            await dial(phone, OURS)
        monkeypatch.setattr("actors.adapters.adb_phone.CREATED_WITHIN", PATIENCE)
        with pytest.raises(PhoneBusy):
            await dial(phone, OURS)
        monkeypatch.setattr("actors.adapters.adb_phone.CREATED_WITHIN", 0.0)


async def test_a_refused_order_is_no_obstacle(phone: AdbPhone, handset: VirtualPhone) -> None:
    handset.android.am_fault = AmFault.REFUSED
    with pytest.raises(PhoneRefused):
        await dial(phone, OURS)
    handset.dial_by_hand(THEIRS)
    with pytest.raises(PhoneBusy, match="is in a call"):
        await dial(phone, OURS)
    handset.hang_up()
    handset.android.am_fault = None
    await dial(phone, OURS)
    assert handset.dials == {OURS: 1}


async def test_an_order_that_was_withdrawn_while_it_waited_is_not_sent(phone: AdbPhone, handset: VirtualPhone) -> None:
    wanted = True
    async with phone._shell._turn:
        order = asyncio.ensure_future(phone.dial(OURS, "c_1", lambda: wanted))
        await until(lambda: asyncio.sleep(0, phone._calls.ordered), bool)
        wanted = False
    with pytest.raises(PhoneUnreachable, match="withdrawn"):
        await order
    assert not handset.dials and (await phone.look()).order is None


async def test_a_machine_that_slept_sends_no_old_order(
    phone: AdbPhone, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([100.0, 100.0, 107.0])  # when it was ordered, asked for, and about to leave
    monkeypatch.setattr("actors.adapters.adb_phone.boot_time", lambda: next(moments))
    monkeypatch.setattr("actors.adapters.adb.boot_time", lambda: next(moments))
    with pytest.raises(PhoneUnreachable, match="late"):
        await dial(phone, OURS)
    assert not handset.dials


async def test_the_phone_tells_for_which_call_it_dialled(phone: AdbPhone, handset: VirtualPhone) -> None:
    await phone.dial(OURS, "c_01JD7ZX", lambda: True)
    order = (await phone.look()).order
    assert order is not None and order.call_id == "c_01JD7ZX" and order.age < 5
    with pytest.raises(PhoneBusy):
        await phone.dial(OURS, "c_other", lambda: True)
    order = (await phone.look()).order
    assert order is not None and order.call_id == "c_01JD7ZX"


@pytest.mark.parametrize("call_id", ["", "c_1; reboot", "c_1\n", "$(reboot)", "c" * 65, "c 1", "*"])
async def test_only_a_token_reaches_the_shell_as_a_calls_id(
    phone: AdbPhone, handset: VirtualPhone, call_id: str
) -> None:
    with pytest.raises(ValueError, match="token"):
        await phone.dial(OURS, call_id, lambda: True)
    assert not handset.dials


# --- hanging up -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ringing_first", [True, False])
async def test_with_a_call_that_waits_no_key_is_pressed(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear, ringing_first: bool
) -> None:
    handset.telephony.ringing_first = ringing_first
    ref = await our_call(phone, ear)
    handset.incoming(THEIRS)
    for wanted in (ref, None):
        with pytest.raises(PhoneRefused, match=r"TC@1 is not hung up: .*TC@2"):
            await phone.hang_up(wanted)
    assert states(handset) == [State.ACTIVE, State.RINGING] and not keys(handset)
    handset.hang_up("TC@2")
    await phone.hang_up(ref)
    assert keys(handset) == ["TC@1"]


async def test_our_call_on_hold_is_not_hung_up_in_place_of_the_one_that_talks(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    ref = await our_call(phone, ear)
    handset.incoming(THEIRS)
    handset.answer()
    with pytest.raises(PhoneRefused, match="foreground"):
        await phone.hang_up(ref)
    assert states(handset) == [State.ON_HOLD, State.ACTIVE] and not keys(handset)
    handset.swap()
    await phone.hang_up(ref)
    assert keys(handset) == ["TC@1"]
    assert [call.number for call in handset.telephony.live] == [THEIRS]


async def test_a_call_that_is_over_is_not_hung_up_though_another_is_up(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    ref = await our_call(phone, ear)
    handset.hang_up("TC@1")
    handset.incoming(THEIRS)
    await phone.hang_up(ref)
    await phone.hang_up(None)
    handset.answer()
    await phone.hang_up(ref)
    await phone.hang_up(None)
    assert states(handset) == [State.ACTIVE] and not keys(handset)


async def test_which_of_two_calls_is_meant_must_be_said(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    ref = await our_call(phone, ear)
    handset.dial_by_hand(THEIRS)
    with pytest.raises(PhoneRefused, match="not said"):
        await phone.hang_up(None)
    with pytest.raises(PhoneRefused):
        await phone.hang_up(ref)
    assert len(handset.telephony.live) == 2 and not keys(handset)


async def test_a_call_of_an_earlier_boot_is_not_hung_up(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    ref = await our_call(phone, ear)
    handset.android.restart()
    handset.dial_by_hand(THEIRS)  # it has the same number in its boot
    await phone.hang_up(ref)
    assert len(handset.telephony.live) == 1 and not keys(handset)


# --- what is told -----------------------------------------------------------------------------------------------


def told(ear: Ear, ref: str) -> list[CallPhase]:
    return [seen.phase for seen in ear.calls() if seen.ref == ref]


async def test_two_calls_are_told_each_by_itself(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    ref = await our_call(phone, ear)
    handset.incoming(THEIRS)

    def theirs(report: Report) -> bool:
        return isinstance(report, CallSeen) and report.ref != ref

    seen = await ear.until(theirs)
    assert isinstance(seen, CallSeen) and seen.incoming and seen.phase is CallPhase.ALERTING
    handset.answer()
    handset.hang_up("TC@1")
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert (ended.ref, ended.reason) == (ref, EndReason.HANGUP_LOCAL)
    assert told(ear, ref)[-2:] == [CallPhase.ACTIVE, CallPhase.DISCONNECTED]
    assert CallPhase.DISCONNECTED not in told(ear, seen.ref)
    look = await phone.look()
    assert [live.ref for live in look.live] == [seen.ref] and [past.ref for past in look.past] == [ref]


async def test_somebody_elses_answer_is_not_told_of_ours(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    await dial(phone, SLOW)
    ref = (await ear.phase(CallPhase.DIALING)).ref
    handset.dial_by_hand(OURS)  # answered at once, while ours goes on being dialled
    await ear.phase(CallPhase.ACTIVE)
    await asyncio.sleep(1.0)
    assert CallPhase.ACTIVE not in told(ear, ref)
    assert {live.ref: live.phase for live in (await phone.look()).live}[ref] in (CallPhase.DIALING, CallPhase.ALERTING)


async def test_a_call_that_came_and_went_unheard_is_told_though_a_newer_one_is_up(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    await our_call(phone, ear)
    ear.heard.clear()
    await handset.unplug()
    await ear.until(lambda report: isinstance(report, LinkChanged))
    handset.incoming(THEIRS)
    handset.hang_up("TC@2")
    handset.incoming(THEIRS)
    handset.answer()
    # The log told of the third before anybody could look.
    phone._calls.move(f"{phone._calls.boot}/TC@3", CallPhase.ALERTING)
    await handset.plug()
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.ref.endswith("/TC@2") and ended.incoming


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
async def test_a_clock_that_is_set_during_a_call_makes_it_no_longer(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear, seconds: float
) -> None:
    ref = await our_call(phone, ear)
    await phone.look()
    handset.step_clock(seconds)
    (live,) = (await phone.look()).live
    assert live.answered_age is not None and live.answered_age < 10 and live.created_age < 10
    await phone.hang_up(ref)
    (past,) = (await phone.look()).past
    assert past.answered_age is not None and 0 <= past.ended_age <= past.answered_age <= past.created_age < 10


async def test_an_answer_in_two_pieces_does_not_wait_for_an_acknowledgement(phone: AdbPhone) -> None:
    """The server holds the second piece back until the first is acknowledged; the kernel takes 40 ms for that."""
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(30):
        began = loop.time()
        await phone._shell.run("echo one; echo two", timeout=5)
        took.append(loop.time() - began)
    assert sorted(took)[len(took) // 5] < 0.03  # others of the machine may hold up the rest
