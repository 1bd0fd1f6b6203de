"""The port to the USB of this machine."""

from typing import Protocol

from actors.usb.topology import Tree


class UsbError(Exception):
    """A port was not switched. The message says why, for people."""


class Usb(Protocol):
    """What hangs on this machine, and its hubs' switches."""

    @property
    def tree(self) -> Tree | None:
        """The tree as it is known now; another object when it has changed. None: there is none here."""

    async def changed(self, seconds: float) -> None:
        """Wait until the tree is another one, at most so long."""

    def is_off(self, chip: str, port: int) -> bool | None:
        """Whether a chip's port is switched off. None: it cannot be switched from here."""

    def switch(self, chip: str, port: int, *, off: bool) -> None:
        """Switch a chip's port off or on. Raises UsbError."""
