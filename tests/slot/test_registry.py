from collections.abc import Mapping

import pytest

from actors.adapters.adb_listing import Listing
from actors.slot import registry
from actors.slot.registry import Device, Sighting, adb_name, adb_place
from actors.slot.settings import Hub
from bus_schemas.errors import Refusal
from bus_schemas.slot import SlotConfig

LIST = (
    "R58N30ABCDE            device usb:1-2.3 product:a52 model:A52 device:a52 transport_id:4\n"
    "0123456789ABCDEF       no permissions (missing udev rules?); see [http://x] usb:1-2.4 transport_id:5\n"
)


def test_a_phone_is_named_by_its_serial_or_by_its_place() -> None:
    hubs = {"HUB1": Hub(path="1-2")}
    assert adb_name(SlotConfig(id=1, serial="R58N30ABCDE", hub="HUB1", port=9), hubs) == "R58N30ABCDE"
    assert adb_name(SlotConfig(id=1, hub="HUB1", port=3), hubs) == "usb:1-2.3"
    for config in (SlotConfig(id=1), SlotConfig(id=1, hub="HUB1"), SlotConfig(id=1, hub="HUB7", port=1)):
        with pytest.raises(Refusal):
            adb_name(config, hubs)


def test_where_the_phone_of_a_serial_has_to_hang() -> None:
    hubs = {"HUB1": Hub(path="1-2", ports={14: "4.2"})}

    def place(serial: str | None, hub: str | None = "HUB1", port: int | None = 14) -> str | None:
        return adb_place(SlotConfig(id=1, serial=serial, hub=hub, port=port), hubs)

    assert place("0123456789ABCDEF") == "usb:1-2.4.2"
    for serial in ("127.0.0.1:17044", "adb-R58M123ABC (2)._adb-tls-connect._tcp", None):
        assert place(serial) is None, "it hangs on no hub, or has no serial"
    assert place("P1", hub="HUB9") is place("P1", port=15) is place("P1", port=None) is None, "nobody can tell"


def test_adbs_list_is_searched_by_either_name() -> None:
    listing = Listing()
    listing.put(0, LIST)
    (by_serial,) = listing.of_serial("R58N30ABCDE")
    assert listing.at("usb:1-2.3") == by_serial
    denied = listing.at("usb:1-2.4")
    assert denied is not None and denied.state.startswith("no permissions")
    assert listing.at("usb:1-2.9") is None and not listing.of_serial("nobody")


def test_of_a_thousand_slots_each_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slot is compared with each other one at the start: what is looked up for that would take minutes."""
    looked_up: list[int] = []

    def counted(config: SlotConfig, hubs: Mapping[str, Hub]) -> str | None:
        looked_up.append(config.id)
        return adb_place(config, hubs)

    monkeypatch.setattr(registry, "adb_place", counted)
    configs = [SlotConfig(id=at, serial=f"10.0.0.1:{at}") for at in range(1, 101)]
    devices = [Device(name=f"10.0.0.1:{at}", serial=f"10.0.0.1:{at}", state="device") for at in range(1, 101)]
    sighting = Sighting(devices, {})
    assert not any(sighting.may_be_same(one, other) for one in configs for other in configs if one is not other)
    assert len(looked_up) <= 2 * len(configs)
