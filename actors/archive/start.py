"""How the archive starts: every host reads it, and whoever has its shard seals days and has what is over leave."""

import structlog

from actors.archive.archive import Archive, NotAnArchive
from actors.archive.leaving import Leaving
from actors.archive.record import Segment
from actors.archive.segment import Damaged
from actors.archive.settings import Archive as Settings
from actors.archive.store import NotKept
from actors.runtime.bus import BusError, Fenced
from actors.runtime.context import Context
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.runtime.shards import owned
from actors.runtime.wire import ask
from bus_schemas.archive import CHECK_DAY, CheckDay, DayChecked
from bus_schemas.call import PAST_CALL, GetCall, Phase
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action

log = structlog.get_logger()

LOOK = 60.0  # seconds between two looks whether a day is over
ID = "archive"  # on whose shard it is
SEES = frozenset({Action.CALL_VIEW, Action.CALL_VIEW_ANY})


class Duty:
    """Seals days, one after the other, where this host has the shard; and then has leave what may. `leaving`: None:
    nothing may."""

    def __init__(self, parts: HostParts, archive: Archive, leaving: Leaving | None = None) -> None:
        self._host = parts.host
        self._archive = archive
        self._leaving = leaving
        self._wrong = ""

    async def run(self) -> None:
        while True:
            await self.turn()
            await self._host.pause(LOOK)

    async def turn(self) -> None:
        """Do what can be done now."""
        try:
            while owned(self._host, ID) is not None and await self._seal():
                pass
            if self._leaving is not None and owned(self._host, ID) is not None:
                await self._leave(self._leaving)
            self._wrong = ""
        except Fenced:
            log.info("another host has changed the archive")
        except (NotKept, Damaged, NotAnArchive) as error:
            if (wrong := str(error)) != self._wrong:
                log.error("no day can be sealed", why=wrong)
            self._wrong = wrong
        except (BusError, Refusal) as error:
            log.warning("the archive does not get on", error=repr(error))
        except Exception:
            log.exception("the archive does not get on")

    async def _seal(self) -> bool:
        sealed = await self._archive.seal(self._host.name)
        if sealed is None:
            return False
        log.info("a day of the journal is sealed", day=sealed.day, entries=sealed.entries, bytes=sealed.size)
        for name in await self._archive.tidy():
            log.info("a file of the archive that nobody had named is gone", name=name)
        return True

    async def _leave(self, leaving: Leaving) -> None:
        if (gone := await leaving.turn(self._host.name)) > 0:
            log.info("what is over has left the journal", entries=gone)


class Hosts:
    """Who else has to be able to do without what leaves."""

    def __init__(self, parts: HostParts, archive: Archive) -> None:
        self._parts = parts
        self._archive = archive

    async def check(self, request: CheckDay, context: Context) -> DayChecked:
        """Whether this host reads a day's file. Raises Refusal(UNAVAILABLE)."""
        try:
            days = (await self._archive.book()).days
            await self._archive.check(next(one for one in days if one.digest == request.digest))
        except StopIteration:
            return DayChecked(wrong="no such day is sealed")
        except (NotKept, Damaged, NotAnArchive) as error:
            return DayChecked(wrong=str(error))
        except BusError as error:
            return DayChecked(wrong=repr(error))
        return DayChecked()

    async def everywhere(self, day: Segment) -> bool:
        """Whether all that are there read it."""
        for host in [self._parts.host.name, *self._parts.peers.others()]:
            request = CheckDay(host=host, day=day.day, digest=day.digest)
            try:
                said = await self._parts.hosts.ask(CHECK_DAY, request, self._asking(0))
            except Refusal as refusal:
                said = DayChecked(wrong=refusal.message)
            if said.wrong:
                log.error("nothing of a day leaves the journal", day=day.day, host=host, why=said.wrong)
                return False
        return True

    async def known(self, call_id: str, up_to: int) -> bool:
        """Whether the records, read up to there, say how a call ended. Raises Refusal."""
        try:
            found = await ask(self._parts.bus, PAST_CALL, GetCall(call_id=call_id), self._asking(up_to))
        except Refusal as refusal:
            if refusal.code is ErrorCode.NOT_FOUND:
                return False
            raise
        return found.phase is Phase.ENDED

    def _asking(self, after: int) -> Context:
        return Context(command_id=self._parts.ids.new(), actions=SEES, after=after)


def start(parts: HostParts, *, settings: Settings, archive: Archive) -> None:
    """What goes on on this host."""
    hosts, leaving = Hosts(parts, archive), None
    parts.this_host.append((serve(CHECK_DAY, hosts.check),))
    if settings.journal_days:
        leaving = Leaving(
            bus=parts.bus, clock=parts.clock, archive=archive, days=settings.journal_days,
            everywhere=hosts.everywhere, known=hosts.known, may=lambda: owned(parts.host, ID) is not None,
        )  # fmt: skip
    if settings.enabled:
        parts.background.append(Duty(parts, archive, leaving).run)
