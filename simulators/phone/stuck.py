"""What of a virtual phone answers no more, as adbd and the shells under it do: each is mended by something else."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal
from weakref import WeakSet

from simulators.phone.adb_device import Connection
from simulators.phone.shell_run import Command

Hanging = Literal["shells", "connections", "phone"]
Run = Callable[[Command], Awaitable[int]]


class Stuck:
    """Of one boot of the phone."""

    def __init__(self) -> None:
        self._opened = 0  # services until now
        self._stuck_until = 0  # the services that were open when the shells hung
        self._connections: WeakSet[Connection] = WeakSet()  # that hang
        self._whole = False

    def hang(self, what: Hanging, connections: Iterable[Connection]) -> None:
        """From now on."""
        match what:
            case "shells":
                self._stuck_until = self._opened
            case "connections":
                self._connections.update(connections)
            case "phone":
                self._whole = True

    def unless_stuck(self, run: Run, connection: Connection) -> Run:
        """How a service that is opened now by this connection runs its commands: for ever, where it hangs."""
        self._opened += 1
        opened = self._opened

        async def run_or_hang(command: Command) -> int:
            if self._whole or opened <= self._stuck_until or connection in self._connections:
                await asyncio.Event().wait()
            return await run(command)

        return run_or_hang
