"""Hubs of more than seven ports are chips behind chips: a printed port is not a place in the USB tree."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.runtime.settings import SettingsError
from actors.settings import load
from actors.slot.registry import adb_name
from actors.slot.settings import Hub
from actors.slot.usb_tree import as_in_tree
from bus_schemas.errors import Refusal
from bus_schemas.slot import SlotConfig
from tests.field.tables import cases


def name_of(hub: dict[str, Any], port: int) -> str:
    hubs = {"HUB1": msgspec.convert(hub, Hub, strict=False)}
    return adb_name(SlotConfig(id=1, hub="HUB1", port=port), hubs)


@pytest.mark.parametrize(("given", "right"), cases("hubs.toml", "place"))
def test_a_printed_port_is_found_in_the_tree(given: Any, right: str) -> None:
    assert name_of(*given) == f"usb:{right}"


@pytest.mark.parametrize(("given", "right"), cases("hubs.toml", "refused"))
def test_a_port_that_nobody_can_find_is_refused_with_what_to_do(given: Any, right: str) -> None:
    with pytest.raises(Refusal) as refused:
        name_of(*given)
    assert right in refused.value.message and "HUB1" in refused.value.message


def tree(root: Path, **ports: int) -> Path:
    """A USB tree as sysfs shows it: hubs by their path, with `-` for the first `_` and `.` for the others."""
    for name, count in ports.items():
        hub = root / name.removeprefix("at").replace("_", "-", 1).replace("_", ".")
        hub.mkdir()
        (hub / "bDeviceClass").write_text("09\n")
        (hub / "maxchild").write_text(f"{count}\n")
    phone = root / "1-2.1"
    phone.mkdir()
    (phone / "bDeviceClass").write_text("00\n")
    return root


def test_the_tree_says_how_many_ports_a_chip_has_and_where_the_next_one_is(tmp_path: Path) -> None:
    root = tree(tmp_path, at1_2=4, at1_2_4=4)
    assert as_in_tree(Hub(path="1-2"), root) == Hub(path="1-2", chip=4, behind=(4,))
    assert as_in_tree(Hub(path="3-1"), root) == Hub(path="3-1"), "not plugged in yet"


SLOTS = """
[hubs]
HUB1 = {hub}
[[slots]]
id = 44
hub = "{name}"
port = {port}
"""


def load_with(folder: Path, hub: str, *, port: int, name: str = "HUB1") -> None:
    file = folder / "ottb.toml"
    file.write_text(SLOTS.format(hub=hub, port=port, name=name))
    load(config=file, environment={"OTTB_SANDBOX__ENABLED": "0"})


def test_a_slot_that_cannot_be_found_stops_the_start(tmp_path: Path) -> None:
    for hub in ('"1-2"', '{ path = "1-2" }'):
        with pytest.raises(SettingsError, match=r"slots\[0\].*port 14 .*adb.* devices -l.*\[hubs.HUB1\]"):
            load_with(tmp_path, hub, port=14)
        load_with(tmp_path, hub, port=3)
    load_with(tmp_path, '{ path = "1-2", also = ["2-2"], ports = { 14 = "4.2" } }', port=14)
    with pytest.raises(SettingsError, match=r"slots\[0\].*no such hub.*HUB9"):
        load_with(tmp_path, '"1-2"', port=3, name="HUB9")


@pytest.mark.parametrize("hub", ['"usb:1-2"', '"1-2."', '{ path = "1-2", ports = { 14 = "4.2.x" } }', '{ ports = {} }'])
def test_a_hub_that_is_none_stops_the_start(tmp_path: Path, hub: str) -> None:
    with pytest.raises(SettingsError, match="hubs"):
        load_with(tmp_path, hub, port=3)


@pytest.mark.parametrize(("text", "said"), cases("hubs.toml", "mistakes"))
def test_a_mistake_is_told_with_its_hub_and_port(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "ottb.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load(config=file, environment={"OTTB_SANDBOX__ENABLED": "0"})
    assert str(refused.value).startswith(f"settings: {said}")


def test_a_hub_behind_another_one_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "ottb.toml"
    file.write_text('[hubs]\nHUB2 = "1-2.3"\nHUB3 = "1-21"\n[hubs.HUB1]\npath = "1-2"\nports = { 14 = "4.2" }\n')
    assert set(load(config=file, environment={"OTTB_SANDBOX__ENABLED": "0"}).hub_map) == {"HUB1", "HUB2", "HUB3"}
