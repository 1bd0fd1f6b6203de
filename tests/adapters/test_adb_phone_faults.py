"""What a phone reports when the phone, its cable or the adb server fails in the middle of something."""

import asyncio

import pytest

from actors.adapters import adb_phone
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import PhoneError
from actors.telephony.reports import CallPhase, Link, LinkChanged
from bus_schemas.call import EndReason
from simulators.phone.adb_device import Auth
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear, Server, dial
from tests.support.site import until

QUIET = 0.8  # seconds to hear that nothing is said


async def connected_call(phone: AdbPhone, ear: Ear) -> str:
    """The name of a call that talks until somebody ends it."""
    await dial(phone, "+380991230007")
    return (await ear.phase(CallPhase.ACTIVE)).ref


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_call_given_up_while_it_rings_was_never_answered(phone: AdbPhone, ear: Ear) -> None:
    await dial(phone, "+380991230002")
    await ear.phase(CallPhase.ALERTING)
    await phone.hang_up(None)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert (ended.reason, ended.cause) == (EndReason.HANGUP_LOCAL, "OUTGOING_CANCELED")
    assert CallPhase.ACTIVE not in ear.phases()


async def test_an_incoming_call_is_told_as_one(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    handset.incoming("+380441112233")
    seen = await ear.phase(CallPhase.ALERTING)
    assert seen.incoming
    await phone.hang_up(None)  # it is not ours
    assert handset.telephony.live
    await phone.hang_up(seen.ref)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.incoming and ended.ref == seen.ref and ended.reason is EndReason.NO_ANSWER


async def test_a_server_that_dies_costs_no_phone_and_no_call(
    phone: AdbPhone, server: Server, handset: VirtualPhone, ear: Ear
) -> None:
    ref = await connected_call(phone, ear)
    before = len(ear.links())
    server.kill()
    await ear.link(Link.UNKNOWN)
    await until(lambda: asyncio.sleep(0, ear.links()[before:]), lambda told: told == [Link.UNKNOWN])
    handset._happened(handset.telephony.hang_up(now()))
    ear.heard.clear()
    await server.start()
    await ear.link(Link.ONLINE)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.ref == ref and ended.reason is EndReason.HANGUP_LOCAL
    assert ear.phases() == [CallPhase.DISCONNECTED]
    assert handset.dials == {"+380991230007": 1}


async def test_what_comes_late_is_told_with_the_age_that_the_phone_gives_it(
    phone: AdbPhone, server: Server, handset: VirtualPhone, ear: Ear
) -> None:
    handset.telephony.scale = 1.0
    await phone.dial("+380991232002", "c_1", lambda: True)  # answers after 1 s, hangs up 2 s later
    await ear.phase(CallPhase.ALERTING)
    await server.stand_still(4.5)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    answered = next(seen for seen in ear.calls() if seen.phase is CallPhase.ACTIVE)
    assert abs(answered.age - ended.age - 2.0) < 0.5 and 1.0 < ended.age < 3.5


async def test_a_dial_while_the_server_is_away_reaches_nobody(
    phone: AdbPhone, server: Server, handset: VirtualPhone, ear: Ear
) -> None:
    server.kill()
    with pytest.raises(PhoneError):
        await dial(phone, "+380991230007")
    await server.start()
    ear.heard.clear()
    await ear.link(Link.ONLINE)
    assert not handset.dials


async def test_a_frozen_phone_is_offline_until_it_answers(
    tracker: DeviceTracker, handset: VirtualPhone, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb_phone, "LIVENESS_EVERY", 0.1)
    monkeypatch.setattr(adb_phone, "LIVENESS_TIMEOUT", 0.3)
    phone = AdbPhone(serial=handset.serial, tracker=tracker)
    phone.start(ear)
    await ear.link(Link.ONLINE)
    ref = await connected_call(phone, ear)
    handset.freeze()
    await ear.link(Link.OFFLINE)
    (silent,) = [told.silent for told in ear.heard if isinstance(told, LinkChanged) and told.link is Link.OFFLINE]
    assert 1.5 <= silent <= 1.71, "two misses, and the pauses before them"
    ear.heard.clear()
    handset.thaw()
    await ear.link(Link.ONLINE)
    look = await phone.look()
    assert look.live and look.live[0].ref == ref
    assert CallPhase.DISCONNECTED not in ear.phases()
    await phone.close()


async def test_a_phone_that_asks_about_our_key_is_unauthorized_until_it_is_allowed(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.auth = Auth.PROMPT
    ear.heard.clear()
    await handset.drop()
    await ear.link(Link.UNAUTHORIZED)
    with pytest.raises(PhoneError):
        await dial(phone, "+380991230007")
    ear.heard.clear()
    await handset.allow()
    await ear.link(Link.ONLINE)
    assert not handset.dials


async def test_a_call_after_a_reboot_is_another_one(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    ref = await connected_call(phone, ear)
    ear.heard.clear()
    await handset.reboot()
    await ear.link(Link.ONLINE)
    await phone.look()
    await dial(phone, "+380991230001")
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.reason is EndReason.BUSY
    assert ended.ref != ref and ended.ref.endswith("/TC@1") and ref.endswith("/TC@1")


async def test_a_call_that_began_and_ended_unheard_is_told_once(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    await handset.unplug()
    handset._happened(handset.telephony.dial("+380991230001", now()))
    handset._happened(handset.telephony.advance(now() + 100))
    await handset.plug()
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.reason is EndReason.BUSY
    await phone.look()
    assert ear.phases() == [CallPhase.DISCONNECTED]


async def test_calls_that_were_over_before_anybody_watched_are_no_news(
    tracker: DeviceTracker, handset: VirtualPhone, ear: Ear
) -> None:
    handset._happened(handset.telephony.dial("+380991230001", now()))
    handset._happened(handset.telephony.advance(now() + 100))
    phone = AdbPhone(serial=handset.serial, tracker=tracker)
    phone.start(ear)
    await ear.link(Link.ONLINE)
    look = await phone.look()
    assert len(look.past) == 1
    await asyncio.sleep(QUIET)
    assert not ear.calls()
    await phone.close()


async def test_a_call_that_is_up_when_the_watch_begins_is_told(
    tracker: DeviceTracker, handset: VirtualPhone, ear: Ear
) -> None:
    handset._happened(handset.telephony.dial("+380991230007", now()))
    phone = AdbPhone(serial=handset.serial, tracker=tracker)
    phone.start(ear)
    await ear.phase(CallPhase.ACTIVE)
    await phone.hang_up(None)
    await ear.phase(CallPhase.DISCONNECTED)
    assert len({seen.ref for seen in ear.calls()}) == 1
    await phone.close()


async def test_hanging_up_ends_a_call_that_the_log_did_not_tell(phone: AdbPhone, handset: VirtualPhone) -> None:
    handset.telephony.dial("+380991230007", now())
    await phone.hang_up(None)
    assert handset.telephony.current is None


async def test_a_phone_that_cut_its_answers_short_for_a_while_is_watched_on(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.truncate = True
    await handset.drop()
    await ear.until(lambda report: isinstance(report, LinkChanged) and report.link is not Link.ONLINE)
    handset.truncate = False

    async def looked() -> bool:
        try:
            await phone.look()
        except PhoneError:
            return False
        return True

    await until(looked, bool)
    await dial(phone, "+380991230001")
    assert (await ear.phase(CallPhase.DISCONNECTED)).reason is EndReason.BUSY


async def test_every_listed_phone_is_shown_though_nobody_watches_it(
    tracker: DeviceTracker, phone: AdbPhone, handset: VirtualPhone
) -> None:
    shown = {device.serial: device for device in tracker.devices()}
    assert shown[handset.serial].state == "device"
    await phone.close()
    assert handset.serial in {device.serial for device in tracker.devices()}


async def test_a_closed_phone_reports_nothing_more(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    await phone.close()
    ear.heard.clear()
    handset.incoming("+380441112233")
    await handset.drop()
    await asyncio.sleep(QUIET)
    assert not ear.heard
