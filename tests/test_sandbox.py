"""The slots that a sandbox makes for its phones, and what its settings file says besides."""

from pathlib import Path

import pytest

from actors.settings import Settings, SettingsError, load
from bus_schemas.slot import SlotConfig

SANDBOX = Path(__file__).resolve().parents[1] / "config" / "sandbox.toml"


def read(folder: Path, text: str, **environment: str) -> Settings:
    config = folder / "sandbox.toml"
    config.write_text(text)
    return load(config=config, environment=environment)


def by_id(settings: Settings) -> dict[int, SlotConfig]:
    found = {slot.id: slot for slot in settings.slots}
    assert len(found) == len(settings.slots)
    return found


def test_the_sandbox_has_forty_phones_on_two_hubs() -> None:
    slots = by_id(load(config=SANDBOX, environment={}))
    assert list(slots) == list(range(11, 51))
    assert {id: slot.serial for id, slot in slots.items()} == {id: f"127.0.0.1:170{id}" for id in range(11, 51)}
    places = [("HUB1", port) for port in range(1, 21)] + [("HUB2", port) for port in range(1, 21)]
    assert [(slot.hub, slot.port) for slot in slots.values()] == places
    assert {(slot.region, slot.host) for slot in slots.values()} == {("UA", "local")}


def test_each_printed_port_of_its_hubs_has_a_place_of_its_own() -> None:
    """On four chips, whatever hangs on this machine's own USB."""
    hubs = load(config=SANDBOX, environment={}).hub_map
    places = [hub.place(name, port) for name, hub in hubs.items() for port in range(1, 21)]
    assert len(set(places)) == 40 and places[:5] == ["1-1.1", "1-1.2", "1-1.3", "1-1.4", "1-1.5.1"]
    assert hubs["HUB2"].place("HUB2", 14) == "1-2.6.4" and hubs["HUB2"].also == ("2-2",)


def test_two_of_its_slots_have_an_owner_and_the_others_are_the_shared_pool() -> None:
    slots = by_id(load(config=SANDBOX, environment={}))
    owned = {id: (slot.user, slot.trunk) for id, slot in slots.items() if slot.user or slot.trunk}
    assert owned == {44: ("op12", "trunk-1"), 45: ("op21", None)}


def test_the_number_and_the_ports_can_be_set(tmp_path: Path) -> None:
    text = "[sandbox]\nphones = 40\n"
    settings = read(tmp_path, text, OTTB_SANDBOX__PHONES="2", OTTB_SANDBOX__CONTROL_PORT="18000")
    assert [(slot.id, slot.serial) for slot in settings.slots] == [(11, "127.0.0.1:18011"), (12, "127.0.0.1:18012")]
    assert len(read(tmp_path, text, OTTB_SANDBOX__PHONES="500").slots) == 500


@pytest.mark.parametrize("phones", ["1", "20", "33", "34"])
def test_what_is_said_of_a_slot_waits_for_its_phone(phones: str) -> None:
    slots = by_id(load(config=SANDBOX, environment={"OTTB_SANDBOX__PHONES": phones}))
    assert len(slots) == int(phones) and [slot.user for slot in slots.values() if slot.id == 44] in ([], ["op12"])


def test_a_slot_that_says_no_phone_is_none_of_the_sandbox(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"slots\[0\]\.serial: name the phone"):
        read(tmp_path, '[sandbox]\nphones = 2\n[[slots]]\nid = 3\nuser = "op12"\n')


def test_what_a_table_says_of_a_slot_wins(tmp_path: Path) -> None:
    table = '[[slots]]\nid = 12\nserial = "R58N30ABCDE"\nregion = "PL"\nhost = "b"\n[[slots]]\nid = 99\nserial = "A"\n'
    slots = by_id(read(tmp_path, f"[sandbox]\nphones = 2\n{table}"))
    assert list(slots) == [11, 12, 99]
    assert slots[12] == SlotConfig(id=12, serial="R58N30ABCDE", hub="HUB1", port=2, region="PL", host="b")
    assert slots[99] == SlotConfig(id=99, serial="A")


def test_phones_of_a_file_that_names_its_host_are_that_hosts(tmp_path: Path) -> None:
    text = 'host = "b"\n[sandbox]\nphones = 2\n[[slots]]\nid = 12\nuser = "op12"\n'
    for environment in ({}, {"OTTB_HOST": "d"}):
        assert read(tmp_path, text, **environment).whose() == {"b": ["slot 11", "slot 12"]}
    assert read(tmp_path, "[sandbox]\nphones = 1\n", OTTB_HOST="d").whose() == {"local": ["slot 11"]}


@pytest.mark.parametrize("text", ["enabled = false\nphones = 2", "enabled = true", "phones = 0"])
def test_no_slots_are_made_without_need(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"[sandbox]\n{text}\n").slots == ()


@pytest.mark.parametrize("text", ["phones = 1001", "phones = -1", 'phones = "many"', "control_port = 65001"])
def test_a_wrong_figure_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"settings: .*\$\.sandbox\.{text.partition(' ')[0]}"):
        read(tmp_path, f"[sandbox]\n{text}\n")


@pytest.mark.parametrize("more", ["", 'hub = "HUB1"\nport = 30\n'])
def test_two_slots_on_one_virtual_phone_are_refused_by_name(tmp_path: Path, more: str) -> None:
    """Each phone listens on an address of its own, whatever is said of its place."""
    for serial, mistake in (
        ("127.0.0.1:17044", r"slots\[0\]\.serial: slot 44 of the sandbox has this phone"),
        ("127.0.0.1:19000", r"slots\[1\]\.serial: slots\[0\] has this phone"),
    ):
        slots = "".join(f'[[slots]]\nid = {id}\nserial = "{serial}"\n{more}' for id in (60, 61))
        with pytest.raises(SettingsError, match=mistake):
            read(tmp_path, f"[sandbox]\nenabled = true\nphones = 40\n{slots}")


def test_two_slots_may_have_phones_of_one_serial(tmp_path: Path) -> None:
    slots = "".join(f'[[slots]]\nid = {id}\nserial = "CHEAP"\nhub = "H"\nport = {id - 10}\n' for id in (13, 14))
    read(tmp_path, f'[sandbox]\nenabled = true\nphones = 40\n[hubs]\nH = "1-1"\n{slots}')
