"""Any tree, in whatever order it came: each phone is on one port of one hub, and the counts are right."""

import random
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from actors.slot.settings import Hub
from actors.usb.port_map import HubNow, Sight, hubs_now
from actors.usb.topology import Layout, Tree, UsbDevice, above, at, in_order, port_of
from bus_schemas.usb import PortState
from tests.usb.trees import MAP, SIZES, WAYS, chips, hub, listed, phone, root, tree

ONE: Mapping[str, Hub] = {"HUB1": hub("1-2", "2-2")}


def look(devices: Tree, hubs: Mapping[str, Hub] = {}) -> dict[str, HubNow]:
    phones = [device for device in devices.values() if not device.hub]
    return {found.name: found for found in hubs_now(Sight(hubs=hubs, tree=devices, listed=listed(*phones)))}


def test_a_place_names_its_chip_and_its_port() -> None:
    assert [above(path) for path in ("1-2.4.2", "1-2.4", "1-2", "12-3")] == ["1-2.4", "1-2", "usb1", "usb12"]
    assert [port_of(path) for path in ("1-2.4.12", "1-2", "12-3")] == [12, 2, 3]
    assert [at("usb1", 2), at("1-2", 4), at("1-2.4", 12)] == ["1-2", "1-2.4", "1-2.4.12"]
    assert sorted(["1-2.10", "1-2.9", "1-10", "1-2"], key=in_order) == ["1-2", "1-2.9", "1-2.10", "1-10"]


def test_chained_chips_without_a_map_are_one_hub() -> None:
    found = look(tree([root(1), *chips("1-2"), phone("1-2.5.6"), phone("1-2.3", "B")]))
    assert list(found) == ["usb-1-2"]
    assert (found["usb-1-2"].online, len(found["usb-1-2"].ports)) == (2, sum(SIZES.values()) - 3)
    numbers = {port.way: port.port for port in found["usb-1-2"].ports}
    assert numbers["3"] == 3 and numbers["5.6"] is None and "5" not in numbers


def test_a_map_names_the_ports_of_chained_chips() -> None:
    [one] = look(tree([root(1), *chips("1-2"), phone("1-2.5.6")]), ONE).values()
    assert {port.port: port.way for port in one.ports} == WAYS and one.online == 1
    assert [port.port for port in one.ports if port.state is PortState.ONLINE] == [10]


def test_both_sides_are_one_port_by_the_kernels_word_or_the_settings() -> None:
    fast = phone("2-2.5.6", speed=5000.0)
    for peered in (True, False):
        both = [root(1, peer=2 if peered else None), root(2, peer=1 if peered else None)]
        sides = [*chips("1-2", "2-2" if peered else None), *chips("2-2", "1-2" if peered else None)]
        hubs = {} if peered else ONE
        [one] = look(tree([*both, *sides, fast]), hubs).values()
        [port] = [port for port in one.ports if port.state is not PortState.EMPTY]
        assert (one.path, one.paths, len(one.ports), port.way) == ("1-2", ("1-2", "2-2"), 20, "5.6")
        assert port.device == fast and port.switches == (("1-2.5", 6), ("2-2.5", 6))


def test_ports_that_are_wired_otherwise_at_the_other_speed_are_the_same() -> None:
    slow = UsbDevice(path="1-2", hub=True, ports=2, peers={1: "2-2.2", 2: "2-2.1"})
    fast = UsbDevice(path="2-2", hub=True, ports=2, peers={1: "1-2.2", 2: "1-2.1"})
    [one] = look(tree([root(1, peer=2), root(2, peer=1), slow, fast, phone("2-2.1")])).values()
    assert [port.way for port in one.ports if port.state is PortState.ONLINE] == ["2"]


def test_a_hub_that_the_settings_name_is_none_of_the_one_it_hangs_on() -> None:
    outer = UsbDevice(path="1-2", hub=True, ports=4)
    devices = tree([root(1), outer, *chips("1-2.4"), phone("1-2.1"), phone("1-2.4.7.4", "B")])
    found = look(devices, {"HUB1": hub("1-2.4")})
    assert {name: (one.online, len(one.ports)) for name, one in found.items()} == {"HUB1": (1, 20), "usb-1-2": (1, 3)}


def test_a_hub_that_is_not_plugged_in_keeps_its_ports() -> None:
    [one] = look(tree([root(1)]), ONE).values()
    assert (one.plugged, one.online, len(one.ports)) == (False, 0, 20)


# --- any tree -------------------------------------------------------------------------------------------------


@st.composite
def trees(draw: st.DrawFn) -> list[UsbDevice]:
    """Roots of two buses, chips on each other, and phones on what ports are left, some of them with one serial."""
    found = [root(1, draw(st.integers(1, 4))), root(2, draw(st.integers(1, 4)))]
    free = [at(one.path, port) for one in found for port in range(1, one.ports + 1)]
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.sampled_from(free))
        free.remove(place)
        chip = UsbDevice(path=place, hub=True, ports=draw(st.integers(1, 7)))
        found.append(chip)
        free += [at(place, port) for port in range(1, chip.ports + 1)]
        if not free:
            return found
    places = draw(st.lists(st.sampled_from(free), unique=True, max_size=12))
    serials = st.sampled_from(["A", "B", "????????????", "a b", None])
    return [*found, *(phone(place, draw(serials)) for place in places)]


@given(devices=trees(), seed=st.integers(0, 2**16))
def test_any_tree_in_any_order_has_each_phone_on_one_port(devices: list[UsbDevice], seed: int) -> None:
    shuffled = list(devices)
    random.Random(seed).shuffle(shuffled)
    found = look(tree(devices))
    assert look(tree(shuffled)) == found
    phones = [one.path for one in devices if not one.hub and not above(one.path).startswith("usb")]
    shown = [hub.place(port.way) for hub in found.values() for port in hub.ports if port.state is not PortState.EMPTY]
    assert sorted(shown) == sorted(phones)
    chips_there = [one for one in devices if one.hub and not one.path.startswith("usb")]
    cascaded = [one for one in chips_there if not above(one.path).startswith("usb")]
    total = sum(one.ports for one in chips_there) - len(cascaded)
    assert sum(len(hub.ports) for hub in found.values()) == total
    assert sum(hub.online for hub in found.values()) == len(phones)


@given(devices=trees())
def test_no_place_is_switched_with_another(devices: list[UsbDevice]) -> None:
    switches = Layout(tree(devices), {}).switches()
    given_out = [switch for each in switches.values() for switch in each]
    assert len(given_out) == len(set(given_out))


@given(st.permutations([root(1, peer=2), root(2, peer=1), *chips("1-2", "2-2"), *chips("2-2", "1-2")]), st.data())
def test_a_hub_on_two_buses_counts_once_however_it_arrives(arriving: list[UsbDevice], data: st.DataObject) -> None:
    on = data.draw(st.lists(st.sampled_from(sorted(WAYS.values())), unique=True))
    phones = [phone(f"{data.draw(st.sampled_from(['1-2', '2-2']))}.{way}", "same") for way in on]
    for hubs in ({}, {"HUB1": hub("1-2", ports=MAP)}):
        [one] = look(tree([*arriving, *phones]), hubs).values()
        assert (one.online, len(one.ports)) == (len(on), 20)
        assert {port.way for port in one.ports if port.state is PortState.ONLINE} == set(on)
