"""The USB of a machine in memory, with switches that can stick."""

import asyncio
import contextlib
from collections.abc import Iterable

from actors.usb.port import UsbError
from actors.usb.topology import Switch, Tree, UsbDevice


class SimulatedUsb:
    """`off`: the ports that are switched off; `stuck`: those whose switch cannot be moved; `written`: what was, in
    order, and to what. `switches`: whether there are any."""

    def __init__(self, devices: Iterable[UsbDevice] = (), *, switches: bool = True) -> None:
        self.tree: Tree | None = {device.path: device for device in devices}
        self.off = set[Switch]()
        self.stuck = set[Switch]()
        self.written: list[tuple[Switch, bool]] = []
        self._switches = switches
        self._news = asyncio.Event()

    def plug(self, *devices: UsbDevice) -> None:
        self.tree = {**(self.tree or {}), **{device.path: device for device in devices}}
        self._news.set()

    def unplug(self, path: str) -> None:
        """It and what is behind it is gone."""
        tree = self.tree or {}
        self.tree = {one: device for one, device in tree.items() if one != path and not one.startswith(f"{path}.")}
        self._news.set()

    async def changed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    def is_off(self, chip: str, port: int) -> bool | None:
        return (chip, port) in self.off if self._switches else None

    def switch(self, chip: str, port: int, *, off: bool) -> None:
        if (chip, port) in self.stuck:
            raise UsbError(f"the switch of {chip} port {port} is stuck")
        self.written.append(((chip, port), off))
        (self.off.add if off else self.off.discard)((chip, port))
