"""When the site was down, for times that count only while it was up.

Each host says again and again that the site is up, under one key, which outlives them all. Whoever finds that nobody
has said so for long notes when that was, in the same write: so all hosts know the same times, whichever was the first.
"""

import asyncio
import contextlib

import msgspec
import structlog
from msgspec import Struct

from actors.runtime.bus import Bus, BusError, Fenced
from actors.runtime.clock import parse_utc, utc
from actors.runtime.host import Host
from actors.runtime.journalled import SNAPSHOTS
from bus_schemas.contract import UNDECODABLE
from bus_schemas.operator import Down

log = structlog.get_logger()

KEY = "site.up"
EVERY = 5.0  # seconds between two such words
LONG = 15.0  # seconds without one after which the site counts as down: a take-over takes less
KEPT = 100  # times that are known, the last ones
TRIES = 10


class Up(Struct, frozen=True):
    """What is under the key: when the site was last up, and when it was not, oldest first."""

    at: str
    down: tuple[Down, ...] = ()


class Uptime:
    """One host's part. `down`: the last times in which there was no site."""

    def __init__(self, *, bus: Bus, host: Host) -> None:
        self._bus = bus
        self._host = host
        self._saying: asyncio.Task[None] | None = None
        self.down: tuple[Down, ...] = ()

    async def start(self) -> None:
        """Find out when it was down, before anybody counts. Raises BusError."""
        for _ in range(TRIES):
            with contextlib.suppress(Fenced):  # another host was faster
                await self._say()
                break
        self._saying = self._host.spawn(self._go_on())

    async def bring_up_to_date(self) -> None:
        """There are no settings."""

    async def stop(self) -> None:
        """It was up until now."""
        if self._saying is not None:
            self._saying.cancel()
            with contextlib.suppress(BusError):
                await self._say()

    async def _go_on(self) -> None:
        while True:
            await self._host.pause(EVERY)
            try:
                await self._say()
            except BusError as error:  # another host has said it, or the next time
                log.debug("not said that the site is up", error=repr(error))

    async def _say(self) -> None:
        """Raises BusError, Fenced among them."""
        found = await self._bus.get(SNAPSHOTS, KEY, certain=True)
        was, now = _read(found.data) if found is not None and found.data is not None else None, self._host.clock.now()
        up = Up(utc(now), was.down if was is not None else ())
        if was is not None and (now - parse_utc(was.at)).total_seconds() > LONG:
            up = Up(up.at, (*up.down, Down(begun=was.at, over=up.at))[-KEPT:])
        self.down = up.down
        revision = found.revision if found is not None else 0
        await self._bus.put(SNAPSHOTS, KEY, msgspec.json.encode(up), expect=revision)


def _read(data: bytes) -> Up | None:
    """None: nobody can read it, so nobody knows."""
    try:
        return msgspec.json.decode(data, type=Up)
    except UNDECODABLE as error:
        log.warning("when the site was up cannot be read", error=str(error))
        return None
