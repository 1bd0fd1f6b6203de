"""Which phone is on which printed port: of the tree, of what adb lists, and of what the slots say. Pure.

A port is known by its *way* through the hub's chips. Phones are told apart by their place alone: two may have one
serial, one that adb cannot read, or none.
"""

from collections.abc import Container, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.slot.registry import Device
from actors.slot.settings import Hub, Misplaced
from actors.usb.topology import Layout, Switch, Tree, UsbDevice, at, in_order
from bus_schemas.slot import SlotConfig
from bus_schemas.usb import PortState, Switching

STATES: Mapping[str, PortState] = {
    "device": PortState.ONLINE,
    "unauthorized": PortState.UNAUTHORIZED,
    "authorizing": PortState.UNAUTHORIZED,
}  # as adb says it; whatever else it says, the phone cannot be used


class PortNow(Struct, frozen=True, kw_only=True):
    """A port as it is now. `device`: what the tree shows there; `serial`: as adb has it, or the tree; `slot`: whose
    phone it is, and `may_be`: those that may have it, since they name a serial that several phones have. `switches`:
    what gives it its power."""

    port: int | None
    way: str
    state: PortState = PortState.EMPTY
    device: UsbDevice | None = None
    serial: str | None = None
    slot: SlotConfig | None = None
    may_be: tuple[SlotConfig, ...] = ()
    switches: tuple[Switch, ...] = ()


class HubNow(Struct, frozen=True, kw_only=True):
    """A hub as it is now. `path`: the place by which it is known. `plugged` None: there is no tree to look at."""

    name: str
    path: str
    paths: tuple[str, ...]
    plugged: bool | None
    mapped: bool
    switching: Switching
    ports: tuple[PortNow, ...]
    chips: tuple[str, ...] = ()

    @property
    def online(self) -> int:
        """Phones on its ports that adb can be used with."""
        return sum(port.state is PortState.ONLINE for port in self.ports)

    def place(self, way: str) -> str:
        return f"{self.path}.{way}"


class Sight(Struct, frozen=True, kw_only=True):
    """What is seen of a host. `tree` None: there is none, or phones hang elsewhere. `listed` None: adb is away, so
    nobody knows which phones it would list. `slots`: of this host."""

    hubs: Mapping[str, Hub]
    tree: Tree | None = None
    listed: Sequence[Device] | None = None
    slots: Sequence[SlotConfig] = ()


def hubs_now(sight: Sight) -> list[HubNow]:
    """The hubs of the settings and those that the tree shows beside them, by name."""
    layout = Layout(sight.tree or {}, sight.hubs)
    found = _Found(sight, layout)
    return sorted((found.hub(path) for path in layout.names), key=lambda hub: (len(hub.name), hub.name))


class _Found:
    """What each place has on it."""

    def __init__(self, sight: Sight, layout: Layout) -> None:
        self._sight = sight
        self._layout = layout
        self._devices = layout.devices()
        self._switches = layout.switches()
        self._listed = {layout.canonical(one.usb): one for one in sight.listed or () if one.usb}
        self._by_serial = _unique(sight.listed or ())
        self._by_place = {(slot.hub, slot.port): slot for slot in reversed(sight.slots)}
        self._by_name: dict[str | None, list[SlotConfig]] = {}
        for slot in sight.slots:
            if slot.serial is not None and (slot.hub not in sight.hubs or slot.port is None):
                self._by_name.setdefault(slot.serial, []).append(slot)

    def hub(self, path: str) -> HubNow:
        name, chips = self._layout.names[path], self._layout.chips(path)
        sockets = set(self._layout.sockets(path))
        hub = as_shown(self._sight.hubs.get(name) or Hub(path=path), chips.get(path), sockets)
        numbers = numbered(name, hub)
        ways = {way for way in self._free(path, sockets) if way not in numbers.values()}
        if hub.ports:  # the settings say what its ports are; what else is in use is shown all the same
            ways = {way for way in ways if self._in_use(f"{path}.{way}")}
        ports = [(number, way) for number, way in sorted(numbers.items())]
        return HubNow(
            name=name,
            path=path,
            paths=self._layout.paths(path),
            plugged=self._plugged(path),
            mapped=bool(hub.ports),
            switching=hub.switching,
            chips=tuple(sorted(chips, key=in_order)),
            ports=tuple(
                self._port(name, path, number, way)
                for number, way in [*ports, *((None, way) for way in sorted(ways, key=in_order))]
            ),
        )

    def _plugged(self, path: str) -> bool | None:
        tree = self._sight.tree
        return None if tree is None else any(side in tree for side in self._layout.paths(path))

    def _free(self, path: str, sockets: set[str]) -> set[str]:
        """The ways to where phones can be, and, without a tree, to where adb lists some."""
        if self._sight.tree is None:
            sockets = {place for place in self._listed if self._layout.hub_of(place) == path and place != path}
        return {place.removeprefix(f"{path}.") for place in sockets}

    def _in_use(self, place: str) -> bool:
        return place in self._devices or place in self._listed

    def _port(self, name: str, path: str, number: int | None, way: str) -> PortNow:
        place = f"{path}.{way}"
        device, phone = self._devices.get(place), self._listed.get(place)
        slot = self._slot(name, number, phone)
        if phone is None and device is None and slot is not None and slot.serial is not None:
            phone = self._elsewhere(slot.serial)
        elif self._sight.tree is not None and device is None:
            phone = None  # adb lists it for a moment after it has gone
        serial = _serial(device, phone)
        return PortNow(
            port=number, way=way, state=_state(device, phone), device=device, serial=serial, slot=slot,
            may_be=tuple(one for one in self._by_name.get(serial, ()) if one is not slot),
            switches=self._switches.get(place, ()),
        )  # fmt: skip

    def _elsewhere(self, serial: str) -> Device | None:
        """The phone of a slot that stands at a port and is reached over the network."""
        phone = self._by_serial.get(serial)
        return phone if phone is not None and not phone.usb else None

    def _slot(self, name: str, number: int | None, phone: Device | None) -> SlotConfig | None:
        """The slot whose place it is; else the one that names its phone, if no other phone has that serial."""
        if number is not None and (slot := self._by_place.get((name, number))) is not None:
            return slot
        if phone is None or self._by_serial.get(phone.serial) is not phone:
            return None
        return next(iter(self._by_name.get(phone.serial, ())), None)


def as_shown(hub: Hub, ports: int | None, sockets: Container[str]) -> Hub:
    """A hub with what the tree shows of its first chip; as it was, where that is not plugged in."""
    if ports is None:
        return hub
    behind = tuple(port for port in range(1, ports + 1) if at(hub.path, port) not in sockets)
    return replace(hub, chip=ports, behind=behind)


def numbered(name: str, hub: Hub) -> dict[int, str]:
    """The way to each printed port that is known."""
    found = {}
    for number in {*hub.ports, *range(1, hub.chip + 1)}:
        try:
            found[number] = hub.place(name, number).removeprefix(f"{hub.path}.")
        except Misplaced:
            continue
    return found


def _unique(listed: Iterable[Device]) -> dict[str, Device]:
    """The phones whose serial no other one has."""
    found: dict[str, list[Device]] = {}
    for device in listed:
        if device.serial:
            found.setdefault(device.serial, []).append(device)
    return {serial: those[0] for serial, those in found.items() if len(those) == 1}


def _state(device: UsbDevice | None, phone: Device | None) -> PortState:
    if phone is not None:
        return STATES.get(phone.state, PortState.OFFLINE)
    return PortState.OCCUPIED if device is not None else PortState.EMPTY


def _serial(device: UsbDevice | None, phone: Device | None) -> str | None:
    return (phone.serial if phone is not None else None) or (device.serial if device is not None else None) or None
