"""What a host sees of its own slots, hubs and trunks gets to the board, and is over when it is over."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.alert.rules import BUILT_IN
from actors.alert.settings import Alerts
from actors.runtime.context import Context
from actors.runtime.settings import SettingsError
from actors.settings import load
from actors.slot.actor import SlotActor
from actors.slot.healing import GiveUpOn, UseAgain
from actors.trunk.actor import TrunkActor
from actors.trunk.pbx import PbxLink
from bus_schemas.slot import SlotConfig
from bus_schemas.slot_health import Symptom
from simulators.hub.simulated_usb import SimulatedUsb
from tests.monitor.test_desk import SMALL
from tests.support.site import until
from tests.support.whole import SETTINGS, Whole
from tests.usb.trees import WAYS, chips, hub, listed, phone, root

PLACES = {number: f"1-2.{way}" for number, way in WAYS.items()}


def at_once(folder: Path) -> Alerts:
    """The rules that come with it, without their waits."""
    lines = [line for line in BUILT_IN.read_text().splitlines() if not line.startswith(("seconds", "resolve_after"))]
    file = folder / "alerts.toml"
    file.write_text("\n".join(line + "\nresolve_after = 0" if line.startswith("severity") else line for line in lines))
    return Alerts(rules=str(file))


async def firing(site: Whole) -> dict[str, Any]:
    """The alerts that fire, by rule and thing."""
    status, found = await site.ask("GET", "/api/monitor/alerts")
    assert status == 200, found
    return {f"{one['rule']} {one['id']}": one for one in found}


async def test_a_host_without_its_runner_is_seen_until_it_has_one(tmp_path: Path) -> None:
    settings = replace(SETTINGS, alerts=at_once(tmp_path))
    site = Whole(tmp_path, settings, no_executor="another process has the workspaces")
    await site.start()
    try:
        await site.login()
        gone = f"runner_gone {site.host.name}"
        found = await until(lambda: firing(site), lambda found: gone in found, 15)
        assert "another process has the workspaces" in found[gone]["words"]
        site.no_executor = None
        await site.again()
        await site.login()
        await until(lambda: firing(site), lambda found: gone not in found, 30)
    finally:
        await site.stop()


async def test_states_of_slots_hubs_and_trunks_are_seen_and_end(tmp_path: Path) -> None:
    phones = [phone(place, f"s{number}") for number, place in PLACES.items()]
    usb = SimulatedUsb([root(1), *chips("1-2"), *phones])
    slots = tuple(SlotConfig(id=number, hub="HUB1", port=number) for number in WAYS)
    settings = replace(SETTINGS, hubs={"HUB1": hub("1-2")}, slots=slots, alerts=at_once(tmp_path))
    site = Whole(tmp_path, settings, usb=usb, listed=lambda: listed(*phones))
    await site.start()
    try:
        await site.login()
        order = Context(command_id="q")
        left = GiveUpOn(symptom=Symptom.SILENT, reason="it does not answer", to_do="Look.", dry_run=False)
        await site.host.order(SlotActor, "3", left, order)
        site.host.quarantine("script", "x", "it cannot be read")
        site.host.tell(TrunkActor, "trunk-1", PbxLink(up=False, detail="the PBX is away"))
        wanted = {"slot_quarantined 3", "left_alone script x", "trunk_down trunk-1"}
        found = await until(lambda: firing(site), lambda found: wanted <= found.keys(), 15)
        assert found["slot_quarantined 3"]["words"] == "Slot 3 is in quarantine: it does not answer. Look."
        assert found["slot_quarantined 3"]["hub"] == "HUB1"
        assert "the PBX is away" in found["trunk_down trunk-1"]["words"]
        for one in [*phones, *reversed(chips("1-2"))]:
            usb.unplug(one.path)
        gone = (await until(lambda: firing(site), lambda found: "hub_gone HUB1" in found, 15))["hub_gone HUB1"]
        assert "unplugged, with 20 phones" in gone["words"] and gone["severity"] == "critical"
        usb.plug(*chips("1-2"), *phones)
        await site.host.order(SlotActor, "3", UseAgain(), replace(order, command_id="r"))
        del site.host.quarantined["script", "x"]
        site.host.tell(TrunkActor, "trunk-1", PbxLink(up=True))
        await until(lambda: firing(site), lambda found: not wanted & found.keys() and "hub_gone HUB1" not in found, 15)
    finally:
        await site.stop()


async def test_a_figure_of_a_hub_has_its_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.monitor.watcher.LOOK_EVERY", 0.1)
    file = tmp_path / "alerts.toml"
    file.write_text(
        '[rules.few]\nkind = "hub"\nmetric = "online"\nbelow = 3\nids = ["HUB*"]\nseverity = "warning"\n'
        'words = "{value:g} phones on {hub} of {host}"\n'
    )
    phones = [phone(place, f"s{number}") for number, place in PLACES.items() if number <= 2]
    settings = replace(SETTINGS, hubs={"HUB1": hub("1-2")}, alerts=Alerts(rules=str(file)))
    usb = SimulatedUsb([root(1), *chips("1-2"), *phones])
    site = Whole(tmp_path, settings, usb=usb, listed=lambda: listed(*phones), machine=SMALL)
    await site.start()
    try:
        await site.login()
        found = await until(lambda: firing(site), bool, 15)
        assert found["few HUB1"]["words"] == f"2 phones on HUB1 of {site.host.name}"
        assert (found["few HUB1"]["kind"], found["few HUB1"]["hub"]) == ("hub", "HUB1")
    finally:
        await site.stop()


async def test_a_life_later_it_is_the_same_alert(tmp_path: Path) -> None:
    site = Whole(tmp_path, replace(SETTINGS, alerts=at_once(tmp_path)))
    await site.start()
    try:
        await site.login()
        left = GiveUpOn(symptom=Symptom.SILENT, reason="r", to_do="t", dry_run=False)
        await site.host.order(SlotActor, "44", left, Context(command_id="q"))
        before = await until(lambda: firing(site), lambda found: "slot_quarantined 44" in found, 15)
        await site.stop()
        await site.start()
        await site.login()
        await asyncio.sleep(3)
        after = await until(lambda: firing(site), lambda found: "slot_quarantined 44" in found, 15)
        assert after["slot_quarantined 44"] == before["slot_quarantined 44"]
        fired = [entry for entry in site.broker.journal if entry.subject.endswith("alert.site.fired")]
        assert sum(b'"slot_quarantined"' in entry.data for entry in fired) == 1
    finally:
        await site.stop()


@pytest.mark.parametrize(("given", "why"), [
    ({"OTTB_ALERTS__SMTP__HOST": "mail"}, "who sends"),
    ({"OTTB_ALERTS__SMTP__HOST": "mail", "OTTB_ALERTS__SMTP__SENDER": "a@b.com", "OTTB_ALERTS__SMTP__USER": "u"},
     "no password"),
    ({"OTTB_ALERTS__SMTP__HOST": "mail", "OTTB_ALERTS__SMTP__SENDER": "a@b.com", "OTTB_ALERTS__SMTP__PASSWORD": "p",
      "OTTB_ALERTS__SMTP__TLS": "none"}, "in the clear"),
])  # fmt: skip
def test_a_mail_server_that_cannot_be_used_stops_the_start(given: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        load(config=None, environment=given)


def test_the_password_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "smtp-password").write_text("s3cret\n")
    env = {"OTTB_ALERTS__SMTP__PASSWORD__FILE": str(tmp_path / "smtp-password")}
    assert load(config=None, environment=env).alerts.smtp.password == "s3cret"
