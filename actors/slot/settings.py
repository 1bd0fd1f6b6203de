"""The settings of the way to the phones."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from actors.runtime.settings import Port
from bus_schemas.fields import plainly, shaped
from bus_schemas.slot import SlotConfig
from bus_schemas.usb import Switching

_NUMBER = r"[1-9][0-9]*"
_WAY = rf"{_NUMBER}(?:\.{_NUMBER})*"
UsbPath = Annotated[str, shaped(rf"^{_NUMBER}-{_WAY}$(?!\n)", "a place in the USB tree, as `1-2` or `1-2.4`")]
UsbWay = Annotated[str, shaped(rf"^{_WAY}$(?!\n)", "ports of chips, one behind the other, as `4.2`")]
SocketName = Annotated[str, shaped(r"^[a-z]+\.sock$(?!\n)", "the name of a socket file, as `server.sock`")]
ADDRESS = re.compile(r"[0-9A-Za-z.-]+:[0-9]{1,5}\Z")  # the serial of a phone on the network
UsbBus = Annotated[int, Meta(ge=1, le=999)]
PrintedPort = Annotated[int, Meta(ge=1, le=99)]


class Adb(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The adb server. Empty `host`: our own, on a socket file in the state folder that nobody else can open; never the
    one on 5037, which any tool may kill. Else one of yours over TCP, whose phones are open to all who reach it.
    `socket`: the file's name (a sandbox asks by way of another one). With more phones than `phones_per_server` there
    are several of our own (`adb_servers.py`), for phones on the network; `servers`: so many at least. `usb`: the USB
    buses of each server for phones on USB (`[[1, 2], [3, 4]]`); without, one server has all of them."""

    host: str = ""
    port: Port = 5037
    socket: SocketName = "server.sock"
    phones_per_server: Annotated[int, Meta(ge=1, le=300)] = 200
    servers: Annotated[int, Meta(ge=1, le=50)] = 1
    usb: tuple[tuple[UsbBus, ...], ...] = ()


class Hub(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hub: its `path` in the USB tree, as adb and sysfs write it. `also`: its paths on other buses, as a hub that
    takes SuperSpeed has (`2-2`); the same phone may hang on either. `ports`: of a printed port the way to it through
    the hub's chips (`14 = "4.2"`); without an entry it is the port of that number on the first chip. `chip`, `behind`:
    how many ports that has, and which carry another chip; the tree shows both where the hub is plugged in here.
    `switching`: what switching a port off was seen to cut (docs/hubs.md); nothing is switched on a hub that nobody has
    tried."""

    path: UsbPath
    also: tuple[UsbPath, ...] = ()
    ports: dict[PrintedPort, UsbWay] = {}
    chip: Annotated[int, Meta(ge=1)] = 7
    behind: tuple[int, ...] = ()
    switching: Switching = Switching.NONE

    def place(self, name: str, port: int) -> str:
        """Where a printed port is in the tree. Raises Misplaced, for people who know the hub by its `name`."""
        if port in self.ports:
            return f"{self.path}.{self.ports[port]}"
        ways = [way.split(".") for way in self.ports.values()]
        if port in self.behind or any(len(way) > 1 and way[0] == str(port) for way in ways):
            raise Misplaced(f"at port {port} of {name}'s first chip is another chip, no phone. {_how(name, port)}")
        if port > self.chip or [str(port)] in ways:
            raise Misplaced(f"which chip of {name} its port {port} is on is not known. {_how(name, port)}")
        return f"{self.path}.{port}"


class Misplaced(ValueError):
    """A port that cannot be found in the USB tree."""


def _how(name: str, port: int) -> str:
    return (
        f"Plug a phone into it, see where `ottb adb devices -l` shows it (usb:1-2.4.2 is the way 4.2 of a hub at 1-2),"
        f" and write that under [hubs.{name}]: ports = {{ {port} = \"4.2\" }}"
    )


def not_hubs(hubs: Mapping[str, Any]) -> Iterator[str]:
    """What is no hub, or no way to a port, in hubs as they are written, each with its place in the settings: msgspec
    names neither hub nor port."""
    for name, hub in hubs.items():
        if not isinstance(hub, str | dict):
            yield f'hubs.{name}: expected its place in the USB tree, as "1-2", or a table with its `path`'
            continue
        ports = hub.get("ports") if isinstance(hub, dict) else None
        for port, way in ports.items() if isinstance(ports, dict) else ():
            if isinstance(way, int | float):
                yield f'hubs.{name}.ports.{port}: a way stands in quotes, as "4.2": {way} is a number, as 4.20 is 4.2'
                continue
            yield from _not_a(dict[PrintedPort, UsbWay], {port: way}, f"hubs.{name}.ports.{port}")
        yield from _not_a(UsbPath if isinstance(hub, str) else Hub, hub, f"hubs.{name}")


def _not_a(wanted: Any, value: Any, place: str) -> Iterator[str]:
    try:
        msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        said, _, inside = plainly(error).partition(" - at `")
        within = inside.rstrip("`").removeprefix("$") if inside.startswith("$.") else ""
        yield f"{place}{within}: {said[0].lower()}{said[1:]}"


def overlapping(hubs: Mapping[str, Hub]) -> Iterator[str]:
    """Hubs, and ports of hubs, that are at one place in the USB tree, each with its place in the settings."""
    taken: dict[str, str] = {}
    for name, hub in hubs.items():
        for path in (hub.path, *hub.also):
            if taken.setdefault(path, name) != name:
                yield f"hubs.{name}: {path} is where hub {taken[path]} is"
    for name, hub in hubs.items():
        ways: dict[str, int] = {}
        for port, way in hub.ports.items():
            if ways.setdefault(way, port) != port:
                yield f"hubs.{name}.ports.{port}: {way} is the way to port {ways[way]}"
            for root in (hub.path, *hub.also):
                yield from _of_another_hub(name, port, root, f"{root}.{way}", taken)


def _of_another_hub(name: str, port: int, root: str, place: str, taken: Mapping[str, str]) -> Iterator[str]:
    for path, other in taken.items():
        if other != name and path.startswith(f"{root}.") and f"{place}.".startswith(f"{path}."):
            yield f"hubs.{name}.ports.{port}: {place} is on hub {other}, which is at {path}"


def misplaced(slots: Iterable[SlotConfig], hubs: Mapping[str, Hub], host: str) -> Iterator[str]:
    """The slots of a host whose phones nobody could find, each with its place in the settings."""
    for at, slot in enumerate(slots):
        if slot.host != host or slot.serial is not None or slot.hub is None or slot.port is None:
            continue
        hub = hubs.get(slot.hub)
        if hub is None:
            yield f"slots[{at}].hub: no such hub: {slot.hub}; [hubs] has {', '.join(hubs) or 'none'}"
            continue
        try:
            hub.place(slot.hub, slot.port)
        except Misplaced as error:
            yield f"slots[{at}].port: {error}"
