"""The versions of what a host works with, looked at now and then, so that nobody who asks waits for it."""

import asyncio
import contextlib
import platform
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from actors.adapters.adb import AdbClient
from actors.adapters.ami import AmiError
from actors.runtime.version import version
from actors.slot.phone import PhoneUnreachable
from bus_schemas.host import PartVersions

FIRST, EVERY = 2.0, 60.0  # seconds between looks, until all that is there has answered and from then on
LONGEST = 64  # characters of one
PATIENCE = 5.0  # seconds for one answer


class Versioned(Protocol):
    """A PBX that says which version it is."""

    async def version(self) -> str:
        """Raises AmiError."""


class Versions:
    """Those of one host. `nats`: what the server that it is connected to says of itself."""

    def __init__(
        self, *, nats: Callable[[], str | None], adb: AdbClient, pbxs: Mapping[str, Versioned],
        git: str | None = None, bubblewrap: str | None = None,
    ) -> None:  # fmt: skip
        self._nats = nats
        self._adb = adb
        self._pbxs = pbxs
        self._fixed = PartVersions(ottb=version(), python=platform.python_version(), git=git, bubblewrap=bubblewrap)
        self._servers: dict[int, str] = {}
        self._asterisk: dict[str, str] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look_now_and_then())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def now(self) -> PartVersions:
        """As they were seen last."""
        adb = ", ".join(sorted(set(self._servers.values()))) or None
        server = (self._nats() or "")[:LONGEST] or None
        return replace(self._fixed, nats_server=server, adb=adb, asterisk=dict(self._asterisk))

    async def _look_now_and_then(self) -> None:
        while True:
            await self.look()
            whole = len(self._servers) == len(self._adb.places) and self._asterisk.keys() == self._pbxs.keys()
            await asyncio.sleep(EVERY if whole else FIRST)

    async def look(self) -> None:
        """Ask each part once. One that does not answer keeps what it said before."""
        for number in range(len(self._adb.places)):
            with contextlib.suppress(PhoneUnreachable, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    self._servers[number] = f"1.0.{await self._adb.version(number)}"  # as `adb version` writes it
        for name, pbx in self._pbxs.items():
            with contextlib.suppress(AmiError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    self._asterisk[name] = (await pbx.version())[:LONGEST]
