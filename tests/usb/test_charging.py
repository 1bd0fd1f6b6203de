"""The ports of phones that have enough are off for a while, and no call is cut off by it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.healing import charger, charging
from actors.healing.charging import Charging
from actors.healing.policy import BUILT_IN, policy_in
from actors.healing.settings import Healing
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.slot.actor import SlotActor
from actors.slot.healing import HoldCharge
from bus_schemas.slot_health import Symptom
from bus_schemas.usb import Switching
from simulators.hub.simulated_usb import SimulatedUsb
from tests.support.site import until
from tests.usb.test_switching import BOTH, NUMBER, PHONES, SWITCHES, Stage, stage
from tests.usb.trees import phone

TWO = [phone("1-2.6.4", "p14"), phone("1-2.6.2", "p12")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charger, "LOOK", 0.1)
    monkeypatch.setattr(charger, "AGAIN", 0.3)
    monkeypatch.setattr(charging, "FIRST", 4.0)
    monkeypatch.setattr(charging, "LEAST", 1.0)


def held(monkeypatch: pytest.MonkeyPatch, **rule: Any) -> None:
    policy = replace(policy_in(BUILT_IN), charging=Charging(**{"idle": 0.0, "slots": (44,), **rule}))
    absent = replace(policy.symptoms[Symptom.ABSENT], after=0.5)
    policy = replace(policy, symptoms={**policy.symptoms, Symptom.ABSENT: absent})
    monkeypatch.setattr(Healing, "read", lambda settings: policy)


async def conditions(on: Stage, slot: int = 44) -> Sequence[Any]:
    return [one["name"] for one in (await on.site.ask("GET", f"/api/slots/{slot}"))[1]["conditions"]]


async def test_a_port_is_off_for_a_while_and_then_on_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch)
    async with stage(tmp_path) as on:
        await on.until_off()
        assert await conditions(on) == ["charge_held"]
        on.site.handsets["p14"].unplug()
        status, refused = await on.site.ask("POST", "/api/call/start", NUMBER)
        assert status == 409, refused

        async def is_on() -> bool:
            return on.usb.off == set()

        await until(is_on, bool, 10)
        woken = utc(on.site.host.clock.now())
        await until(lambda: conditions(on), lambda names: not names, 5)
        on.site.handsets["p14"].plug()
        actor = on.site.host.get(SlotActor, "44")
        assert actor is not None and actor.state is not None
        assert not [one for one in actor.state.healed if one.at < woken], "it was no ailment"
        await until(on.status, lambda status: status == "ONLINE", 10)


async def test_nothing_is_switched_off_in_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, idle=2.0)
    async with stage(tmp_path) as on:
        status, call = await on.site.ask("POST", "/api/call/start", {**NUMBER, "number": "+380501230007"})
        assert status == 201, call
        await asyncio.sleep(4.0)
        assert (await on.site.ask("GET", "/api/slots/44"))[1]["call_id"] == call["call_id"], "it goes on"
        assert on.usb.written == [] and not await conditions(on)
        await on.site.ask("POST", "/api/call/end", {"call_id": call["call_id"]})
        await on.until_off()


@pytest.mark.parametrize(
    "rule", [{"slots": (44,)}, {"hubs": ("HUB1",), "high": 83.0}, {"slots": (), "hubs": ("HUB9",)}]
)
async def test_who_is_not_named_or_has_not_enough_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]
) -> None:
    """Of ports that share their power one that does not agree is enough: slot 11 is not named."""
    held(monkeypatch, **rule)
    async with stage(tmp_path, Switching.GANGED, SimulatedUsb([*BOTH, *TWO]), there=TWO) as on:
        await asyncio.sleep(2.0)
        assert on.usb.written == [] and not await conditions(on)


async def test_all_phones_that_share_the_power_rest_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, slots=(11, 44))
    async with stage(tmp_path, Switching.GANGED, SimulatedUsb([*BOTH, *TWO]), there=TWO) as on:
        await until(lambda: conditions(on, 11), lambda names: names == ["charge_held"], 5)
        await until(lambda: conditions(on, 44), lambda names: names == ["charge_held"], 5)
        await until(lambda: _off(on), lambda off: off >= SWITCHES, 5)


async def _off(on: Stage) -> set[tuple[str, int]]:
    return set(on.usb.off)


async def test_a_phone_of_no_slot_that_shares_the_power_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(monkeypatch, slots=(11, 44))
    async with stage(tmp_path, Switching.GANGED, there=PHONES) as on:
        await asyncio.sleep(2.0)
        assert on.usb.written == []


async def test_what_an_earlier_host_left_off_is_switched_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, slots=())
    async with stage(tmp_path) as on:
        assert (await on.power(action="off"))[0] == 200
        on.site.handsets["p14"].unplug()
        words = HoldCharge(words="82 %: its port is off")
        await on.site.host.order(SlotActor, "44", words, Context(command_id="k_1"))
        await until(lambda: _off(on), lambda off: not off, 5)
        await until(lambda: conditions(on), lambda names: not names, 5)
