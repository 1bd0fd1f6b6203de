"""Hubs as trees: the chips of one, and phones on its ports."""

from collections.abc import Iterable, Mapping

from actors.slot.registry import Device
from actors.slot.settings import Hub
from actors.usb.topology import Tree, UsbDevice, at

# A hub of twenty printed ports: four on its first chip, and the others on three chips behind its ports 5, 6 and 7.
WAYS = {
    **{number: str(number) for number in range(1, 5)},
    **{4 + port: f"5.{port}" for port in range(1, 7)},
    **{10 + port: f"6.{port}" for port in range(1, 7)},
    **{16 + port: f"7.{port}" for port in range(1, 5)},
}
SIZES = {"": 7, ".5": 6, ".6": 6, ".7": 4}  # ports of its chips
MAP = {number: way for number, way in WAYS.items() if "." in way}


def root(bus: int, ports: int = 4, peer: int | None = None) -> UsbDevice:
    """The root of a bus; `peer`: the bus of the same sockets."""
    peers = {port: at(f"usb{peer}", port) for port in range(1, ports + 1)} if peer is not None else {}
    return UsbDevice(path=f"usb{bus}", hub=True, ports=ports, peers=peers)


def chips(path: str, peer: str | None = None) -> list[UsbDevice]:
    """The chips of the hub of twenty; `peer`: where it is on another bus."""
    return [
        UsbDevice(
            path=f"{path}{chip}", hub=True, ports=ports,
            peers={port: f"{peer}{chip}.{port}" for port in range(1, ports + 1)} if peer is not None else {},
        )
        for chip, ports in SIZES.items()
    ]  # fmt: skip


def phone(path: str, serial: str | None = "R58N30ABCDE", speed: float = 480.0) -> UsbDevice:
    return UsbDevice(path=path, serial=serial, speed=speed, power=500, adb=True, product="Phone")


def tree(devices: Iterable[UsbDevice]) -> Tree:
    return {device.path: device for device in devices}


def listed(*phones: UsbDevice, state: str = "device") -> list[Device]:
    """As adb lists phones, those with one serial by their places."""
    serials = [one.serial for one in phones]
    return [
        Device(
            name=str(one.serial) if serials.count(one.serial) == 1 else f"usb:{one.path}", serial=one.serial or "",
            state=state, usb=one.path,
        )
        for one in phones
    ]  # fmt: skip


def hub(path: str = "1-2", *also: str, ports: Mapping[int, str] = MAP) -> Hub:
    return Hub(path=path, also=also, ports=dict(ports))
