"""Phones that do not hang up: they are not dialled with, and a call that goes on is ended in another way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from actors.adapters import adb_phone, phone_fitness
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.adapters.phone_fitness import PROBE_AGAIN, Fitness
from actors.slot.phone import PhoneError, PhoneUnfit, PhoneUnreachable, Report, Trouble, TroubleSeen
from actors.telephony.reports import CallPhase, Link
from simulators.phone.android import InputFault
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear, dial
from tests.support.site import PATIENCE

OURS = "+380991230007"
ORDERS = 5  # to end one call, until nothing gentle is left


@pytest.fixture
async def fresh(tracker: DeviceTracker, handset: VirtualPhone, ear: Ear) -> AsyncIterator[AdbPhone]:
    """A phone that was not asked anything before the test has made it what it is."""
    phone = AdbPhone(serial=handset.serial, tracker=tracker, health_every=0.5)
    yield phone
    await phone.close()


def troubled(report: Report) -> bool:
    return isinstance(report, TroubleSeen) and bool(report.words)


async def test_a_phone_that_cannot_hang_up_is_not_dialled_with(
    fresh: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    handset.android.input_fault = InputFault.REFUSED
    fresh.start(ear)
    await ear.link(Link.ONLINE)
    with pytest.raises(PhoneUnfit, match="Security settings"):
        await dial(fresh, OURS)
    told = await ear.until(troubled)
    assert isinstance(told, TroubleSeen) and told.trouble is Trouble.HANG_UP and "INJECT_EVENTS" in told.words
    assert not handset.dials


async def test_a_phone_that_may_press_keys_again_is_dialled_with(
    fresh: AdbPhone, handset: VirtualPhone, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_fitness, "PROBE_AGAIN", 0.1)
    handset.android.input_fault = InputFault.REFUSED
    fresh.start(ear)
    await ear.until(troubled)
    handset.android.input_fault = None
    await ear.until(lambda report: report == TroubleSeen(trouble=Trouble.HANG_UP, words=""))
    await dial(fresh, OURS)
    assert handset.dials == {OURS: 1}


async def test_after_each_word_of_the_link_troubles_are_told_anew(
    fresh: AdbPhone, handset: VirtualPhone, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hears of the link begins without them."""
    monkeypatch.setattr(adb_phone, "LIVENESS_EVERY", 0.1)
    monkeypatch.setattr(adb_phone, "LIVENESS_TIMEOUT", 0.3)
    handset.android.input_fault = InputFault.REFUSED
    fresh.start(ear)
    await ear.until(troubled)
    handset.freeze()
    await ear.link(Link.OFFLINE)
    ear.heard.clear()
    handset.thaw()
    await ear.link(Link.ONLINE)
    await ear.until(troubled, PROBE_AGAIN / 2)


def another_connection(phone: AdbPhone) -> None:
    """Let adb have the phone on another connection: it may be another phone."""
    assert phone._watch is not None and phone._watch.told is not None and phone._watch.told.seen is not None
    told = phone._watch.told
    phone._on_sight(replace(told, seen=replace(told.seen, transport_id="1000")))


async def test_an_order_for_a_phone_that_was_probed_reaches_no_other_one(
    phone: AdbPhone, handset: VirtualPhone
) -> None:
    async with phone._shell._turn:
        dialling = asyncio.ensure_future(dial(phone, OURS))
        while not phone._calls.ordered:
            await asyncio.sleep(0.02)
        another_connection(phone)
    with pytest.raises(PhoneUnreachable, match="withdrawn"):
        await dialling
    assert not handset.dials


async def test_what_was_found_out_on_an_earlier_connection_is_not_told(phone: AdbPhone, ear: Ear) -> None:
    earlier: Fitness = phone._fitness
    another_connection(phone)
    earlier.does_not_hang_up("a key was pressed, and the call went on", in_vain=True)
    assert not any(map(troubled, ear.heard))
    with pytest.raises(PhoneUnfit):
        await earlier.check()


async def test_a_phone_that_cannot_be_probed_is_not_dialled_with(
    fresh: AdbPhone, handset: VirtualPhone, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_fitness, "PROBE_TIMEOUT", 0.3)
    handset.android.fork_delay = 1.0
    fresh.start(ear)
    await ear.link(Link.ONLINE)
    with pytest.raises(PhoneError, match="no end"):
        await dial(fresh, OURS)
    assert not handset.dials


@pytest.mark.parametrize("fault", list(InputFault))
async def test_a_call_that_goes_on_is_ended_in_another_way(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear, fault: InputFault
) -> None:
    """Where nothing gentle helps the phone is restarted: a call that goes on costs money."""
    await dial(phone, OURS)
    ref = (await ear.phase(CallPhase.ACTIVE)).ref
    handset.android.input_fault = fault
    for _ in range(ORDERS):
        try:
            await phone.hang_up(ref)
        except PhoneError as error:
            assert "not hung up" in str(error) or handset.android.boots == 2, error
    assert not handset.telephony.live
    told = await ear.until(troubled)
    assert isinstance(told, TroubleSeen) and "does not hang up" in told.words
    by_the_service = handset.identity.release == 11
    assert handset.android.boots == (1 if by_the_service else 2)


async def test_keys_that_are_forbidden_meanwhile_are_told_with_what_to_do(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    """At once, in the words of the probe, which only comes later."""
    await dial(phone, OURS)
    ref = (await ear.phase(CallPhase.ACTIVE)).ref
    handset.android.input_fault = InputFault.REFUSED
    with contextlib.suppress(PhoneError):
        await phone.hang_up(ref)
    told = await ear.until(troubled, PROBE_AGAIN / 2)
    assert isinstance(told, TroubleSeen) and "Security settings" in told.words and "INJECT_EVENTS" in told.words


async def test_a_phone_that_is_closed_when_it_gets_into_trouble_is_closed(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    await dial(phone, OURS)  # it was probed, and waits for trouble
    await asyncio.sleep(0.2)
    phone._fitness.does_not_hang_up("no")
    async with asyncio.timeout(PATIENCE):
        await phone.close()


async def test_a_phone_is_not_restarted_while_it_is_in_a_call_of_its_own(
    phone: AdbPhone, handset: VirtualPhone, ear: Ear
) -> None:
    await dial(phone, OURS)
    ref = (await ear.phase(CallPhase.ACTIVE)).ref
    handset.incoming("+380441112233")
    handset.android.input_fault = InputFault.REFUSED
    for _ in range(ORDERS + 1):
        with pytest.raises(PhoneError):
            await phone.hang_up(ref)
    assert handset.android.boots == 1 and len(handset.telephony.live) == 2
