"""Phones that ask somebody before they dial: for a SIM, or for an app. Nothing is dialled, and that is said."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from actors.adapters import phone_fitness
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import PhoneUnfit, Report, Trouble, TroubleSeen
from actors.telephony.reports import CallPhase, CallSeen, Link
from bus_schemas.call import EndReason
from simulators.phone.android import AmFault
from simulators.phone.dumps import Quirk
from simulators.phone.telephony import State
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear, dial
from tests.support.site import PATIENCE

OURS = "+380991230007"
SIM = "8938003991234567890F"


@pytest.fixture
async def with_a_sim(tracker: DeviceTracker, handset: VirtualPhone) -> AsyncIterator[AdbPhone]:
    """A phone of a slot that names its SIM."""
    phone = AdbPhone(serial=handset.serial, tracker=tracker, sim=SIM, health_every=0.5)
    yield phone
    await phone.close()


def asking(report: Report) -> bool:
    return isinstance(report, CallSeen) and report.asks


async def test_a_phone_that_asks_for_a_sim_is_told_within_3_s_and_closed(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.telephony.asks_for_sim = True
    await dial(phone, OURS)
    seen = await ear.until(asking, 3.0)
    assert isinstance(seen, CallSeen) and seen.phase is CallPhase.DIALING
    (live,) = (await phone.look()).live
    assert live.asks and live.ref == seen.ref
    await phone.hang_up(seen.ref)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert (ended.ref, ended.reason) == (seen.ref, EndReason.PHONE_ASKS_FOR_SIM)
    (past,) = (await phone.look()).past
    assert past.reason is EndReason.PHONE_ASKS_FOR_SIM and "nothing was dialled" in past.cause
    with pytest.raises(PhoneUnfit, match="which SIM"):
        await dial(phone, OURS)


async def test_a_sim_that_somebody_chooses_on_the_screen_makes_it_a_call(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.telephony.asks_for_sim = True
    await dial(phone, OURS)
    await ear.until(asking)
    (call,) = handset.telephony.live
    now = handset._time()
    chosen = [handset.telephony._move(call, State.CONNECTING, "SET_CONNECTING", "", now)]
    handset._happened([*chosen, handset.telephony._move(call, State.ACTIVE, "SET_ACTIVE", "", now)])
    seen = await ear.phase(CallPhase.ACTIVE)
    assert not seen.asks
    handset.hang_up()
    assert (await ear.phase(CallPhase.DISCONNECTED)).reason is EndReason.HANGUP_LOCAL


async def test_the_sim_of_a_slot_is_set_when_its_phone_comes(
    with_a_sim: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.telephony.asks_for_sim = True
    with_a_sim.start(ear)
    await ear.link(Link.ONLINE)
    await dial(with_a_sim, OURS)
    await ear.phase(CallPhase.ACTIVE)
    assert handset.android.outgoing_sim == SIM and handset.dials == {OURS: 1}


async def test_a_phone_that_does_not_take_the_sim_is_not_dialled_with(
    with_a_sim: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.android.takes_no_sim = True
    with_a_sim.start(ear)
    await ear.link(Link.ONLINE)
    with pytest.raises(PhoneUnfit, match=f"SIM {SIM} was not set"):
        await dial(with_a_sim, OURS)
    assert not handset.dials


async def test_a_phone_with_two_apps_that_can_call_is_not_dialled_with(
    with_a_sim: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.android.asks_for_app = True
    with_a_sim.start(ear)
    await ear.link(Link.ONLINE)
    with pytest.raises(PhoneUnfit, match="which app"):
        await dial(with_a_sim, OURS)
    await ear.until(lambda report: isinstance(report, TroubleSeen) and report.trouble is Trouble.APP)
    assert not handset.dials


def words_of(trouble: Trouble) -> Callable[[Report], bool]:
    return lambda report: isinstance(report, TroubleSeen) and report.trouble is trouble and bool(report.words)


async def test_a_phone_that_has_two_apps_since_it_was_probed_is_not_told_to_dial(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    """Nothing is shown that somebody would have to close."""
    await dial(phone, OURS)
    await phone.hang_up((await ear.phase(CallPhase.ACTIVE)).ref)
    await ear.phase(CallPhase.DISCONNECTED)
    handset.android.asks_for_app = True
    with pytest.raises(PhoneUnfit, match=r"which app to call with: .*ResolverActivity"):
        await dial(phone, OURS)
    await ear.until(words_of(Trouble.APP), 0.5)
    assert handset.dials == {OURS: 1} and not handset.android.shows


async def test_what_a_phone_shows_instead_of_a_call_is_closed_and_told(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_fitness, "PROBE_AGAIN", 0.5)
    handset.android.am_fault = AmFault.WARNED
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(PhoneUnfit, match="something else: Warning: Activity not started"):
            await dial(phone, OURS)
    assert not handset.android.shows and not handset.dials
    await ear.until(words_of(Trouble.SCREEN), 0.5)
    with pytest.raises(PhoneUnfit, match="something else instead of a call: Warning"):
        await dial(phone, OURS)
    handset.android.am_fault = None
    await ear.until(lambda report: report == TroubleSeen(trouble=Trouble.SCREEN, words=""))
    await dial(phone, OURS)


async def test_a_call_that_comes_although_something_else_was_shown_is_a_call(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.android.am_fault = AmFault.WARNED
    dialling = asyncio.ensure_future(dial(phone, OURS))
    while not handset.android.shows:
        await asyncio.sleep(0.02)
    handset.dial_by_hand(OURS)  # what was in front has dialled
    await dialling
    await ear.phase(CallPhase.ACTIVE)


async def test_a_warning_before_the_answer_does_not_hide_that_the_sim_is_set(
    with_a_sim: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.android.quirks = frozenset({Quirk.LINKER})
    with_a_sim.start(ear)
    await ear.link(Link.ONLINE)
    await dial(with_a_sim, OURS)
    assert handset.android.outgoing_sim == SIM
