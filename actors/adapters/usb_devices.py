"""The USB of this machine: its tree as sysfs shows it, news from udev, and the switches of its hubs' ports.

What is read: `maxchild`, `bDeviceClass`, `serial`, `product`, `speed`, `bMaxPower` of a device, and in the folder of a
hub's interface, `<hub>:1.0/<hub>-port<N>` (of a root `<bus>-0:1.0/usb<bus>-port<N>`), for each port `peer`, a link to
the port of the same socket on another bus, and `disable` (since Linux 6.0), which is written to switch it
(Documentation/ABI/testing/sysfs-bus-usb). udev tells of each device by itself, may be slow, and may not be running in a
container: the whole tree is read anew now and then.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyudev
import structlog

from actors.usb.port import UsbError
from actors.usb.topology import Tree, UsbDevice, at

log = structlog.get_logger()

SYSFS = Path("/sys/bus/usb/devices")
HUB_CLASS = "09"
ADB = ":ff4201:"  # among the interfaces of a device, as udev writes them: class, subclass and protocol of adb
ALL_AGAIN = 10.0  # seconds between two looks at the whole tree


class UsbDevices:
    """Follows what comes and goes. `tree` is None where this machine has no USB, or no libudev."""

    def __init__(self) -> None:
        self.tree: Tree | None = None
        self._monitor: Any = None  # pyudev has no types
        self._news = asyncio.Event()
        self._told = 0  # how often udev has told of something
        self._again: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the tree and follow it, if there is one."""
        if not await asyncio.to_thread(SYSFS.is_dir):
            return
        try:
            self._monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        except (ImportError, OSError) as error:
            log.warning("USB is not followed: hubs are shown by what the slots say", error=str(error))
            return
        self._monitor.filter_by("usb", device_type="usb_device")
        self._monitor.start()
        self.tree = await asyncio.to_thread(_whole)
        asyncio.get_running_loop().add_reader(self._monitor.fileno(), self._hear)
        self._again = asyncio.get_running_loop().create_task(self._read_again())

    async def stop(self) -> None:
        if self._again is not None:
            asyncio.get_running_loop().remove_reader(self._monitor.fileno())
            self._again.cancel()
            await asyncio.gather(self._again, return_exceptions=True)

    async def changed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    def is_off(self, chip: str, port: int) -> bool | None:
        switch = _port_folder(chip, port) / "disable"
        try:
            return switch.read_text().strip() == "1" if os.access(switch, os.W_OK) else None
        except OSError:
            return None

    def switch(self, chip: str, port: int, *, off: bool) -> None:
        switch = _port_folder(chip, port) / "disable"
        try:
            switch.write_text("1" if off else "0")
            if self.is_off(chip, port) is not off:
                raise UsbError(f"{switch} does not keep what is written to it")
        except OSError as error:
            raise UsbError(f"{switch}: {error.strerror}") from None

    # --- inside

    def _hear(self) -> None:
        """Take in all that udev has told."""
        tree = dict(self.tree or {})
        try:
            while (device := self._monitor.poll(0)) is not None:
                self._told += 1
                tree.pop(device.sys_name, None)
                if device.action != "remove" and (read := _read(device)) is not None:
                    tree[read.path] = read
        except OSError as error:  # more than fitted into its queue: what was lost is seen at the next look
            log.warning("news of USB were lost", error=str(error))
        self._take(tree)

    async def _read_again(self) -> None:
        while True:
            await asyncio.sleep(ALL_AGAIN)
            try:
                told, tree = self._told, await asyncio.to_thread(_whole)
                if told == self._told:  # else it may be older than what is known
                    self._take(tree)
            except Exception:
                log.exception("the USB tree was not read")

    def _take(self, tree: Tree) -> None:
        if tree != self.tree:
            self.tree = tree
            self._news.set()


def _whole() -> Tree:
    """The tree as it is. In a thread of its own, and so with a context of its own: libudev's are not shared."""
    listed = pyudev.Context().list_devices(subsystem="usb", DEVTYPE="usb_device")
    found = (read for device in listed if (read := _read(device)) is not None)
    return {device.path: device for device in found}


def _read(device: Any) -> UsbDevice | None:
    """A device of the tree; None: it has gone meanwhile."""
    path = device.sys_name
    device_class = _text(device, "bDeviceClass")
    if device_class is None:
        return None
    hub = device_class == HUB_CLASS
    ports = _number(device, "maxchild") if hub else 0
    interfaces = device.properties.get("ID_USB_INTERFACES")
    return UsbDevice(
        path=path, hub=hub, ports=int(ports or 0), peers=dict(_peers(path, int(ports or 0))),
        serial=_text(device, "serial"), product=_text(device, "product"), speed=_number(device, "speed"),
        power=int(power) if (power := _number(device, "bMaxPower", "mA")) is not None else None,
        adb=ADB in interfaces if interfaces is not None and not hub else None,
    )  # fmt: skip


def _text(device: Any, name: str) -> str | None:
    value = device.attributes.get(name)
    return value.decode(errors="replace").strip() or None if value is not None else None


def _number(device: Any, name: str, unit: str = "") -> float | None:
    try:
        return float((_text(device, name) or "").removesuffix(unit))
    except ValueError:
        return None


def _peers(chip: str, ports: int) -> Iterator[tuple[int, str]]:
    """Of each port, the place of the same socket on another bus."""
    for port in range(1, ports + 1):
        with contextlib.suppress(OSError, ValueError):
            link = (_port_folder(chip, port) / "peer").readlink().name
            other, _, number = link.rpartition("-port")
            yield port, at(other, int(number))


def _port_folder(chip: str, port: int) -> Path:
    """Where the kernel keeps what is of one port."""
    interface = f"{chip.removeprefix('usb')}-0:1.0" if chip.startswith("usb") else f"{chip}:1.0"
    return SYSFS / interface / f"{chip}-port{port}"
