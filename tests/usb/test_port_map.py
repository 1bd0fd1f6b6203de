"""Phones are told apart by their places, whatever their serials say; what has no tree is what the slots say."""

from actors.sandbox import with_phones
from actors.settings import load
from actors.slot.registry import Device
from actors.usb.port_map import HubNow, PortNow, Sight, hubs_now
from actors.usb.views import details
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from bus_schemas.usb import HubDetails, PortState
from tests.usb.trees import chips, hub, listed, phone, root, tree

HUBS = {"HUB1": hub("1-2", "2-2")}
CHIPS = (root(1), root(2), *chips("1-2"), *chips("2-2"))


def seen(sight: Sight) -> HubNow:
    return {found.name: found for found in hubs_now(sight)}["HUB1"]


def used(found: HubNow) -> dict[int | None, PortNow]:
    return {port.port: port for port in found.ports if port.state is not PortState.EMPTY}


def test_phones_with_one_serial_with_none_and_with_odd_ones_are_kept_apart() -> None:
    there = [
        phone("1-2.1", "0123456789ABCDEF"), phone("1-2.5.1", "0123456789ABCDEF"), phone("1-2.2", None),
        phone("2-2.5.2", None, speed=5000.0), phone("1-2.3", "????????"), phone("1-2.4", "A b C"),
    ]  # fmt: skip
    found = used(seen(Sight(hubs=HUBS, tree=tree([*CHIPS, *there]), listed=listed(*there))))
    assert {number: port.serial for number, port in found.items()} == {
        1: "0123456789ABCDEF", 2: None, 3: "????????", 4: "A b C", 5: "0123456789ABCDEF", 6: None
    }  # fmt: skip
    assert {port.state for port in found.values()} == {PortState.ONLINE}


def test_a_serial_that_two_phones_have_leads_to_no_slot_but_a_place_does() -> None:
    twins = [phone("1-2.1", "same"), phone("1-2.2", "same")]
    slots = [SlotConfig(id=1, serial="same"), SlotConfig(id=2, serial="same", hub="HUB1", port=2)]
    found = used(seen(Sight(hubs=HUBS, tree=tree([*CHIPS, *twins]), listed=listed(*twins), slots=slots)))
    assert {number: port.slot and port.slot.id for number, port in found.items()} == {1: None, 2: 2}
    alone = Sight(hubs=HUBS, tree=tree([*CHIPS, twins[0]]), listed=listed(twins[0]), slots=slots)
    assert used(seen(alone))[1].slot == slots[0]


def test_a_phone_that_adb_cannot_use_says_why_and_one_it_lacks_is_there() -> None:
    states = {"1-2.1": "unauthorized", "1-2.2": "offline", "1-2.3": "recovery", "1-2.4": "authorizing"}
    there = [phone(path, path) for path in (*states, "1-2.5.1")]
    adb = [one for each in there[:4] for one in listed(each, state=states[each.path])]
    found = used(seen(Sight(hubs=HUBS, tree=tree([*CHIPS, *there]), listed=adb)))
    assert [found[number].state for number in (1, 2, 3, 4, 5)] == [
        PortState.UNAUTHORIZED, PortState.OFFLINE, PortState.OFFLINE, PortState.UNAUTHORIZED, PortState.OCCUPIED
    ]  # fmt: skip
    away = used(seen(Sight(hubs=HUBS, tree=tree([*CHIPS, *there]), listed=None)))
    assert {port.state for port in away.values()} == {PortState.OCCUPIED}


def test_what_adb_lists_still_of_a_phone_that_has_gone_is_no_phone() -> None:
    gone = phone("1-2.1")
    assert used(seen(Sight(hubs=HUBS, tree=tree(CHIPS), listed=listed(gone)))) == {}


def test_without_a_tree_the_slots_say_what_is_on_a_hub() -> None:
    slots = [SlotConfig(id=id, serial=f"127.0.0.1:170{id}", hub="HUB1", port=id - 10) for id in (11, 12, 13)]
    adb = [
        Device(name="127.0.0.1:17011", serial="127.0.0.1:17011", state="device"),
        Device(name="127.0.0.1:17012", serial="127.0.0.1:17012", state="offline"),
    ]
    found = seen(Sight(hubs=HUBS, listed=adb, slots=slots))
    assert (found.plugged, found.online, len(found.ports)) == (None, 1, 20)
    assert {number: port.state for number, port in used(found).items()} == {1: PortState.ONLINE, 2: PortState.OFFLINE}


def test_the_sandbox_has_two_hubs_of_twenty() -> None:
    from pathlib import Path

    settings = load(config=Path(__file__).parents[2] / "config/sandbox.toml", environment={})
    slots = with_phones((), settings.sandbox.phones, control_port=17000, host="local")
    adb = [Device(name=str(slot.serial), serial=str(slot.serial), state="device") for slot in slots]
    found = hubs_now(Sight(hubs=settings.hub_map, listed=adb, slots=slots))
    assert [(one.name, one.online, len(one.ports)) for one in found] == [("HUB1", 20, 20), ("HUB2", 20, 20)]


def test_who_may_not_see_a_slot_sees_that_its_port_is_used_and_no_more() -> None:
    mine, others, nobodys = phone("1-2.1", "mine"), phone("1-2.2", "others"), phone("1-2.3", "nobodys")
    slots = [
        SlotConfig(id=1, hub="HUB1", port=1, user="op12"), SlotConfig(id=2, hub="HUB1", port=2, user="op34")
    ]  # fmt: skip
    there = [mine, others, nobodys]
    found = seen(Sight(hubs=HUBS, tree=tree([*CHIPS, *there]), listed=listed(*there), slots=slots))

    def shown(*actions: Action) -> HubDetails:
        return details(found, "local", lambda port: None, "op12", frozenset(actions))

    said = {port.port: (port.serial, port.slot, port.product) for port in shown(Action.SLOT_VIEW).ports[:3]}
    assert said == {1: ("mine", 1, "Phone"), 2: (None, None, None), 3: (None, None, None)}
    all_of_it = shown(Action.SLOT_VIEW, Action.SLOT_VIEW_ANY).ports[:3]
    assert [(port.serial, port.slot) for port in all_of_it] == [("mine", 1), ("others", 2), ("nobodys", None)]
    assert {port.serial for port in shown().ports} == {None} and shown().online == 3
