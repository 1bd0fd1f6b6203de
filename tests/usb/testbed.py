"""USB devices that udev and sysfs tell of and that are not there: umockdev's test bed, in a process that
`umockdev-wrapper` has started.

The library is called directly (its Python binding is of the system's Python alone). What is added is told of by udev at
once; what is removed only if that is said.
"""

import asyncio
import ctypes
from collections.abc import Iterable, Mapping

from actors.usb.topology import UsbDevice, above, is_root, port_of

ROOT = "/devices/pci0000:00/0000:00:14.0"
LIBRARY = "libumockdev.so.0"
PAUSE = 0.002  # seconds
_POINTER, _TEXT = ctypes.c_void_p, ctypes.c_char_p
_CALLS = {
    "umockdev_testbed_new": (_POINTER, []),
    "umockdev_testbed_add_from_string": (ctypes.c_int, [_POINTER, _TEXT, _POINTER]),
    "umockdev_testbed_uevent": (None, [_POINTER, _TEXT, _TEXT]),
    "umockdev_testbed_remove_device": (None, [_POINTER, _TEXT]),
}


class Testbed:
    """One machine's USB. There is nothing on it at first."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        for name, (result, arguments) in _CALLS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._bed = self._library.umockdev_testbed_new()
        self._numbers: dict[str, int] = {}
        self.there: dict[str, UsbDevice] = {}

    async def plug(self, *devices: UsbDevice) -> None:
        """They are there, one after the other. Whoever listens reads in between: the bed's sockets hold ten news."""
        for device in devices:
            await asyncio.sleep(PAUSE)
            self._numbers[device.path] = len(self._numbers) + 1
            self.there[device.path] = device
            text = described(device, self._numbers[device.path])
            assert self._library.umockdev_testbed_add_from_string(self._bed, text.encode(), None), device

    async def unplug(self, *paths: str) -> None:
        """They are gone, and what is behind them before them, as the kernel does it."""
        for path in paths:
            behind = [one for one in self.there if one == path or one.startswith(f"{path}.")]
            for one in sorted(behind, key=len, reverse=True):
                self._gone(one)
                await asyncio.sleep(PAUSE)

    def _gone(self, path: str) -> None:
        device = self.there.pop(path)
        place = sysfs(path)
        self._library.umockdev_testbed_uevent(self._bed, f"/sys{place}".encode(), b"remove")
        if device.hub:
            self._library.umockdev_testbed_remove_device(self._bed, f"/sys{place}/{interface(path)}".encode())
        self._library.umockdev_testbed_remove_device(self._bed, f"/sys{place}".encode())


def sysfs(path: str) -> str:
    """Where the kernel has a device."""
    return f"{ROOT}/{path}" if is_root(path) else f"{sysfs(above(path))}/{path}"


def interface(chip: str) -> str:
    """The first interface of a chip, under which its ports are."""
    return f"{chip.removeprefix('usb')}-0:1.0" if is_root(chip) else f"{chip}:1.0"


def described(device: UsbDevice, number: int) -> str:
    """As umockdev reads it (docs/script-format of umockdev)."""
    bus = int(device.path.removeprefix("usb").partition("-")[0])
    attributes: Mapping[str, object] = {
        "busnum": bus, "devnum": number, "bDeviceClass": "09" if device.hub else "00", "maxchild": device.ports,
        "speed": f"{device.speed or 480:g}", "bMaxPower": f"{device.power or 0}mA", "product": device.product or "",
        **({"serial": device.serial} if device.serial is not None else {}),
    }  # fmt: skip
    lines = [
        f"P: {sysfs(device.path)}", f"N: bus/usb/{bus:03d}/{number:03d}", "E: SUBSYSTEM=usb", "E: DEVTYPE=usb_device",
        f"E: BUSNUM={bus:03d}", f"E: DEVNUM={number:03d}", "E: MAJOR=189", f"E: MINOR={number - 1}",
        f"E: ID_USB_INTERFACES={':ff4201:' if device.adb else ':090000:' if device.hub else ':060101:'}",
        *(f"A: {name}={value}\\n" for name, value in attributes.items()),
    ]  # fmt: skip
    return "\n".join((*lines, "", *(_ports(device) if device.hub else ()), ""))


def _ports(chip: UsbDevice) -> Iterable[str]:
    yield f"P: {sysfs(chip.path)}/{interface(chip.path)}"
    yield from ("E: SUBSYSTEM=usb", "E: DEVTYPE=usb_interface", "A: bInterfaceClass=09\\n")
    for port in range(1, chip.ports + 1):
        yield f"A: {chip.path}-port{port}/disable=0\\n"
        if (peer := chip.peers.get(port)) is not None:
            other = above(peer)
            yield f"L: {chip.path}-port{port}/peer=../{interface(other)}/{other}-port{port_of(peer)}"
    yield ""


