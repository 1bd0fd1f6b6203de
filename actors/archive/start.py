"""How the archive starts: every host can read it, and whoever has its shard seals."""

import structlog

from actors.archive.archive import Archive, NotAnArchive
from actors.archive.segment import Damaged
from actors.archive.settings import Archive as Settings
from actors.archive.store import NotKept
from actors.runtime.bus import BusError, Fenced
from actors.runtime.parts import HostParts
from actors.runtime.shards import owned

log = structlog.get_logger()

LOOK = 60.0  # seconds between two looks whether a day is over
ID = "archive"  # on whose shard it is


class Duty:
    """Seals days, one after the other, where this host has the shard."""

    def __init__(self, parts: HostParts, archive: Archive) -> None:
        self._host = parts.host
        self._archive = archive
        self._wrong = ""

    async def run(self) -> None:
        while True:
            await self.turn()
            await self._host.pause(LOOK)

    async def turn(self) -> None:
        """Seal what is over, as far as that can be done now."""
        try:
            while owned(self._host, ID) is not None and await self._seal():
                pass
            self._wrong = ""
        except Fenced:
            log.info("another host has sealed a day")
        except (NotKept, Damaged, NotAnArchive) as error:
            if (wrong := str(error)) != self._wrong:
                log.error("no day can be sealed", why=wrong)
            self._wrong = wrong
        except BusError as error:
            log.warning("no day is sealed now", error=repr(error))

    async def _seal(self) -> bool:
        sealed = await self._archive.seal(self._host.name)
        if sealed is None:
            return False
        log.info("a day of the journal is sealed", day=sealed.day, entries=sealed.entries, bytes=sealed.size)
        for name in await self._archive.tidy():
            log.info("a file of the archive that nobody had named is gone", name=name)
        return True


def start(parts: HostParts, *, settings: Settings, archive: Archive) -> Duty:
    """What goes on on this host."""
    duty = Duty(parts, archive)
    if settings.enabled:
        parts.background.append(duty.run)
    return duty
