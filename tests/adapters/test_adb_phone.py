"""A phone over the real adb server: every Android layout, and every way to lose it in the middle of a call."""

import asyncio
import re

import pytest
from msgspec.structs import replace

from actors.adapters import android_health
from actors.adapters.adb_phone import AdbPhone
from actors.slot.phone import HealthRead, PhoneError, Report
from actors.telephony.reports import CallPhase, Link, LinkChanged
from bus_schemas.call import EndReason
from simulators.phone.dumps import Quirk
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear, dial


async def test_an_answered_call_is_seen_step_by_step(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    await dial(phone, "+380991231005")
    await ear.phase(CallPhase.ALERTING)
    await ear.phase(CallPhase.ACTIVE)
    await phone.hang_up(None)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.reason is EndReason.HANGUP_LOCAL
    assert ear.phases() == [CallPhase.DIALING, CallPhase.ALERTING, CallPhase.ACTIVE, CallPhase.DISCONNECTED]
    assert handset.dials == {"+380991231005": 1}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("+380991230001", EndReason.BUSY),
        ("+380991230003", EndReason.REJECTED),
        ("+380991230004", EndReason.INVALID_NUMBER),
        ("+380991230005", EndReason.NETWORK),
        ("+380991230006", EndReason.HANGUP_REMOTE),
        ("+380991230002", EndReason.NO_ANSWER),
    ],
)
async def test_the_reason_is_the_phones(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear, number: str, reason: EndReason
) -> None:
    handset.telephony.scale = 0.05  # nobody answers for 30 s
    await dial(phone, number)
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.reason is reason and ended.cause


async def test_a_look_tells_live_and_past_calls_with_their_ages(phone: AdbPhone, ear: Ear) -> None:
    await dial(phone, "+380991230001")
    await ear.phase(CallPhase.DISCONNECTED)
    ear.heard.clear()
    await dial(phone, "+380991230007")
    await ear.phase(CallPhase.ACTIVE)
    look = await phone.look()
    assert look.live and look.live[0].phase is CallPhase.ACTIVE
    assert 0 <= look.live[0].created_age < 5 and look.live[0].answered_age is not None
    assert [past.reason for past in look.past] == [EndReason.BUSY]
    await phone.hang_up(None)


async def test_a_call_goes_on_while_the_cable_is_out(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    await dial(phone, "+380991230007")
    await ear.phase(CallPhase.ACTIVE)
    await handset.unplug()
    await ear.until(lambda report: isinstance(report, LinkChanged) and report.link is not Link.ONLINE)
    ear.heard.clear()
    await handset.plug()
    await ear.link(Link.ONLINE)
    look = await phone.look()
    assert look.live and look.live[0].phase is CallPhase.ACTIVE
    await phone.hang_up(None)
    await ear.phase(CallPhase.DISCONNECTED)


async def test_a_call_that_ended_while_the_cable_was_out_is_told(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    await dial(phone, "+380991232005")
    await ear.phase(CallPhase.ACTIVE)
    await handset.unplug()
    await ear.until(lambda report: isinstance(report, LinkChanged) and report.link is not Link.ONLINE)
    while handset.telephony.live:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    await handset.plug()
    ended = await ear.phase(CallPhase.DISCONNECTED)
    assert ended.reason is EndReason.HANGUP_REMOTE and 0.3 <= ended.age < 5


async def test_a_lost_log_stream_loses_no_end(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    await dial(phone, "+380991230007")
    await ear.phase(CallPhase.ACTIVE)
    handset.drop_logcat()
    handset._happened(handset.telephony.hang_up(asyncio.get_running_loop().time()))
    handset.drop_logcat()
    assert (await ear.phase(CallPhase.DISCONNECTED)).reason is EndReason.HANGUP_LOCAL


async def test_half_an_answer_is_no_answer(phone: AdbPhone, handset: VirtualPhone) -> None:
    handset.truncate = True
    with pytest.raises(PhoneError):
        await phone.look()
    handset.truncate = False


async def test_only_a_checked_number_reaches_the_shell(phone: AdbPhone, handset: VirtualPhone) -> None:
    for number in ("+38099123; reboot", "112", "+380 991234567", "+380991234567\n", "*100#", ""):
        with pytest.raises(ValueError, match=r"E\.164"):
            await dial(phone, number)
    assert not handset.dials


async def test_health_is_read_from_the_phone(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    handset.android.level, handset.android.tenths = 55, 412

    def fresh(report: Report) -> bool:
        return isinstance(report, HealthRead) and report.health.battery == 55

    read = await ear.until(fresh)
    assert isinstance(read, HealthRead)
    assert read.health.temperature == 41.2 and read.health.in_service is True and "READY" in (read.health.sim or "")
    assert read.health.android == str(handset.identity.release)
    busy = await ear.until(lambda report: isinstance(report, HealthRead) and report.health.cpu is not None)
    assert isinstance(busy, HealthRead) and busy.health.cpu is not None and 0 <= busy.health.cpu <= 100


async def test_a_simulated_phone_tells_what_this_one_does(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    read = await ear.until(lambda report: isinstance(report, HealthRead) and report.health.cpu is not None)
    assert isinstance(read, HealthRead)
    health = read.health
    assert health.cpu is not None and abs(health.cpu - handset.android.vitals.cpu) < 5
    simulated = handset.android.vitals.health(health.uptime_s or 0.0)
    of_its_own = {"model": health.model, "android": health.android, "operator": health.operator, "cpu": health.cpu}
    if handset.identity.release < 10:
        of_its_own["signal_level"] = None
    if handset.identity.sims > 1:
        of_its_own["sim"] = "READY,ABSENT"
    assert health == replace(simulated, latency_ms=health.latency_ms, **of_its_own)


async def test_what_a_phone_is_set_to_is_what_is_read(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    vitals, quirks = handset.android.vitals, frozenset({Quirk.UPDATES_STOPPED})
    vitals.storage, vitals.ram, vitals.mobile_bytes, vitals.battery_health = 93.4, 71.0, 250_000_000, 3
    vitals.roaming, vitals.network, vitals.signal, handset.android.quirks = True, "NR", 1, quirks
    vitals.work(80.0, handset.android.uptime)

    def is_it(report: Report) -> bool:
        health = report.health if isinstance(report, HealthRead) else None
        return health is not None and health.roaming is True and abs((health.cpu or 0) - 80) < 5

    read = await ear.until(is_it)
    assert isinstance(read, HealthRead)
    health = read.health
    assert (health.storage, health.ram, health.data_mb, health.battery_health) == (93.4, 71.0, 250.0, "overheat")
    assert (health.network_type, health.battery_frozen) == ("NR", True)
    assert health.storage_free_mb == round(112_000_000 * 0.066) // 1024
    assert health.signal_level == (1 if handset.identity.release >= 10 else None)
    assert abs((health.uptime_s or 0) - handset.android.uptime) < 30


async def test_a_reboot_in_a_call_leaves_the_phone_usable(phone: AdbPhone, handset: VirtualPhone, ear: Ear) -> None:
    await dial(phone, "+380991230007")
    await ear.phase(CallPhase.ACTIVE)
    ear.heard.clear()
    await phone.reboot()
    await ear.until(lambda report: isinstance(report, LinkChanged) and report.link is not Link.ONLINE)
    await ear.link(Link.ONLINE)
    look = await phone.look()  # whoever waits for the call of the old boot must not hold the loop
    assert look.live == () and look.past == ()
    ear.heard.clear()
    await dial(phone, "+380991230001")
    assert (await ear.phase(CallPhase.DISCONNECTED)).reason is EndReason.BUSY


@pytest.mark.parametrize("handset", [11], indirect=True)
async def test_a_phone_that_prints_things_its_own_way_is_read_all_the_same(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    quirks = (Quirk.UPDATES_STOPPED, Quirk.WHOLE_DEGREES, Quirk.SIGNAL_5G, Quirk.ARABIC, Quirk.ONE_INDENT)
    handset.android.quirks = frozenset(quirks)
    await dial(phone, "+380991230002")
    await ear.phase(CallPhase.ALERTING)
    (live,) = (await phone.look()).live
    assert 0 < live.created_age < 20
    ear.heard.clear()
    read = await ear.until(lambda report: isinstance(report, HealthRead))
    assert isinstance(read, HealthRead)
    assert (read.health.battery, read.health.temperature, read.health.signal_level) == (82, 38.0, 3)


async def test_a_phone_without_a_sim_in_its_first_place_is_in_service(handset: VirtualPhone) -> None:
    """In the layout of its own release, which has one alone."""
    handset.android.quirks = frozenset({Quirk.EMPTY_FIRST})
    text = handset.android.run(["dumpsys", "telephony.registry"], b"").out.decode()
    states = re.findall("mServiceState=(.)", text)
    assert len(states) == 1 + handset.identity.sims and len({state == "{" for state in states}) == 1
    assert android_health.parse_in_service(text) is True
    handset.telephony.in_service = False
    text = handset.android.run(["dumpsys", "telephony.registry"], b"").out.decode()
    assert android_health.parse_in_service(text) is False


async def test_a_call_on_hold_is_seen_as_held(phone: AdbPhone, handset: VirtualPhone) -> None:
    handset.incoming("+380441112233")
    handset.answer()
    handset.hold()
    (live,) = (await phone.look()).live
    assert live.held and live.incoming
