"""The USB tree as the kernel shows it, and which chips of it are one hub. Pure.

A hub of many ports is several chips, one behind the other, and at SuperSpeed all of them once more on another bus. By
the tree alone, chips that hang on each other are one hub, and the kernel's `peer` links say which ports of two buses
are one socket. Where that is wrong or missing the settings say it: `path`, `also`, and the ways to printed ports.

Names are those of sysfs (Documentation/ABI/testing/sysfs-bus-usb): `usb1` is the root of bus 1, `1-2` what hangs on its
port 2, `1-2.4` on port 4 of that.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from actors.slot.settings import Hub

_NUMBERS = re.compile(r"[0-9]+")


class UsbDevice(Struct, frozen=True, kw_only=True):
    """What hangs at one place. `ports`: of a hub chip; `peers`: of each of them, the place of the same socket on
    another bus, as far as the kernel tells. `speed`: Mbit/s; `power`: mA that it may draw; `adb`: whether it offers
    that, None where nobody has looked."""

    path: str
    hub: bool = False
    ports: int = 0
    peers: Mapping[int, str] = {}
    serial: str | None = None
    product: str | None = None
    speed: float | None = None
    power: int | None = None
    adb: bool | None = None


Tree = Mapping[str, UsbDevice]  # by path
Switch = tuple[str, int]  # a chip, and a port of it


def is_root(path: str) -> bool:
    return path.startswith("usb")


def above(path: str) -> str:
    """The hub chip that a place is on: of `1-2.4` `1-2`, of `1-2` the root `usb1`."""
    chip, dot, _ = path.rpartition(".")
    return chip if dot else f"usb{path.partition('-')[0]}"


def port_of(path: str) -> int:
    """The port of that chip."""
    return int(_NUMBERS.findall(path)[-1])


def at(chip: str, port: int) -> str:
    """The place at a chip's port."""
    return f"{chip.removeprefix('usb')}-{port}" if is_root(chip) else f"{chip}.{port}"


def in_order(path: str) -> tuple[int, ...]:
    """Places and ways sort by their numbers: `1-2.10` after `1-2.9`."""
    return tuple(int(number) for number in _NUMBERS.findall(path))


def is_within(path: str, chip: str) -> bool:
    """Whether a place is a chip's, or behind it."""
    return path == chip or path.startswith(f"{chip}.")


class Layout:
    """Which hub each place of a tree is on. `hubs`: of the settings; what hangs on the roots beside those is a hub of
    its own, named by its place (`usb-1-2`)."""

    def __init__(self, tree: Tree, hubs: Mapping[str, Hub]) -> None:
        self._tree = tree
        self._main: dict[str, str] = {}  # the place by which a hub is known, by each place where it is
        self.names: dict[str, str] = {}  # of hubs, by that place
        for name, hub in hubs.items():
            self._add(name, hub.path, hub.also)
        for device in sorted(self._hubs(), key=lambda one: in_order(one.path)):
            if is_root(above(device.path)):
                self._find(device.path)
        self._chips: dict[str, dict[str, int]] = {main: {} for main in self.names}
        for device in self._hubs():
            self._add_chip(device)

    def _add(self, name: str, path: str, also: Iterable[str]) -> None:
        self.names[path] = name
        for side in (path, *also):
            self._main[side] = path
        for side in (path, *also):
            if (twin := self._twin(side)) is not None:
                self._main.setdefault(twin, path)

    def _find(self, path: str) -> None:
        """A hub that the settings do not name. It is called by the lower of its buses, whichever side came first."""
        if path not in self._main:
            twin = self._twin(path)
            main = min((side for side in (path, twin) if side is not None), key=in_order)
            self._add(f"usb-{main}", main, (path,))

    def _twin(self, path: str) -> str | None:
        """The place of the same socket on another bus."""
        chip = self._tree.get(above(path))
        return chip.peers.get(port_of(path)) if chip is not None else None

    def paths(self, main: str) -> tuple[str, ...]:
        """Every place where a hub is, or would be: first the one by which it is known."""
        sides = (side for side, known in self._main.items() if known == main)
        return tuple(sorted(sides, key=lambda side: (side != main, in_order(side))))

    def hub_of(self, path: str) -> str | None:
        """The hub that a place is on, by the place by which it is known: the innermost one."""
        side = self._side(path)
        return self._main[side] if side is not None else None

    def canonical(self, path: str) -> str:
        """A place by the name that it has on the bus by which its hub is known."""
        side = self._side(path)
        if side is None or side == (main := self._main[side]):
            return path
        if path == side:
            return main
        twin = self._twin(path)
        if twin is not None and is_within(twin, main):
            return twin
        return at(self.canonical(above(path)), port_of(path))

    def _side(self, path: str) -> str | None:
        while not is_root(path):
            if path in self._main:
                return path
            path = above(path)
        return None

    def _add_chip(self, device: UsbDevice) -> None:
        """Of a chip that both sides have, the bus by which its hub is known says how many ports it has."""
        chips, path = self._chips[self.hub_of(device.path) or ""], self.canonical(device.path)
        if path == device.path or path not in chips:
            chips[path] = device.ports

    def chips(self, main: str) -> Mapping[str, int]:
        """The chips of a hub that are plugged in, each with how many ports it has."""
        return self._chips[main]

    def sockets(self, main: str) -> Iterator[str]:
        """The places of a hub that phones can be at: all ports of its chips but those that carry another chip."""
        chips = self.chips(main)
        for chip, ports in chips.items():
            for port in range(1, ports + 1):
                place = at(chip, port)
                if place not in chips and place not in self._main:
                    yield place

    def devices(self) -> dict[str, UsbDevice]:
        """What hangs on hubs and is none, by its place. Of two in one socket (phones show a second device at the other
        speed for a while) the one that can be a phone."""
        found: dict[str, UsbDevice] = {}
        leaves = (device for device in self._tree.values() if not device.hub and not is_root(device.path))
        for device in sorted(leaves, key=lambda one: (not one.adb, one.serial is None, in_order(one.path))):
            found.setdefault(self.canonical(device.path), device)
        return found

    def switches(self) -> dict[str, tuple[Switch, ...]]:
        """By place, the chips and ports that give it its power, one on each bus."""
        found: dict[str, list[Switch]] = {}
        for device in sorted(self._hubs(), key=lambda one: in_order(one.path)):
            for port in range(1, device.ports + 1):
                found.setdefault(self.canonical(at(device.path, port)), []).append((device.path, port))
        return {place: tuple(switches) for place, switches in found.items()}

    def _hubs(self) -> Iterable[UsbDevice]:
        return (device for device in self._tree.values() if device.hub and not is_root(device.path))
