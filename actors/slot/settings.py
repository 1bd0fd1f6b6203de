"""The settings of the way to the phones."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from actors.runtime.settings import Port
from bus_schemas.fields import shaped
from bus_schemas.slot import SlotConfig

UsbPath = Annotated[str, shaped(r"^[0-9]+-[0-9]+(?:\.[0-9]+)*$(?!\n)", "a place in the USB tree, as `1-2` or `1-2.4`")]
UsbWay = Annotated[str, shaped(r"^[0-9]+(?:\.[0-9]+)*$(?!\n)", "ports of chips, one behind the other, as `4.2`")]


class Adb(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The adb server. Empty `host`: our own, on a socket file in the state folder that nobody else can open; never the
    one on 5037, which any tool may kill. Else one of yours over TCP, whose phones are open to all who reach it."""

    host: str = ""
    port: Port = 5037


class Hub(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hub: its `path` in the USB tree, as adb and sysfs write it. `also`: its paths on other buses, as a hub that
    takes SuperSpeed has (`2-2`); the same phone may hang on either. `ports`: of a printed port the way to it through
    the hub's chips (`14 = "4.2"`); without an entry it is the port of that number on the first chip. `chip`, `behind`:
    how many ports that has, and which carry another chip; the tree shows both where the hub is plugged in here."""

    path: UsbPath
    also: tuple[UsbPath, ...] = ()
    ports: dict[int, UsbWay] = {}
    chip: Annotated[int, Meta(ge=1)] = 7
    behind: tuple[int, ...] = ()

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
