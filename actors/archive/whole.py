"""The journal with the days that are sealed: read from their files, and from where they end, from the journal."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import msgspec
import structlog

from actors.archive.archive import Archive
from actors.archive.segment import Damaged
from actors.archive.store import NotKept
from actors.runtime.bus import Bus, BusUnavailable, Recorded, Size, Unsubscribe
from actors.runtime.problems import Problem, Problems, of_entry
from bus_schemas.archive import DAYS_LEAVING, DaysLeaving
from bus_schemas.contract import ROOT, UNDECODABLE, matches

log = structlog.get_logger()

ALL = f"{ROOT}.evt.>"
GROUP, GROUP_BYTES = 1_000, 4 * 2**20  # entries of the journal, and what they come to, that are read before it is asked


class Whole:
    """A `Stream`. All but `replay` is the journal's."""

    def __init__(self, *, bus: Bus, archive: Archive) -> None:
        self._bus = bus
        self._archive = archive
        self._problems = Problems("archive")

    def problems(self) -> list[Problem]:
        """Events of the archive that cannot be read."""
        return self._problems.all()

    async def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        """As the journal's own. Raises BusError, also where a day of it cannot be read from its file, nor from the
        journal."""
        looked_for = -1
        while True:
            async with aclosing(self._sealed(after)) as pieces:
                async for piece in pieces:
                    for entry in _wanted(piece, scope, after, since):
                        yield entry
                    after = max(after, piece[-1].seq)
            async with aclosing(self._in_groups(scope, after, since)) as groups:
                async for group in groups:
                    # Asked behind each: it takes hours to read all, and days are sealed and leave meanwhile.
                    if (left := await self._left()) > after:
                        break
                    for entry in group:
                        yield entry
                    after = group[-1].seq if group else after
                else:
                    return
            if left == looked_for:
                raise BusUnavailable(f"what has left the journal, up to entry {left}, cannot be found")
            looked_for = left

    async def _sealed(self, after: int) -> AsyncGenerator[list[Recorded], None]:
        """What is sealed behind an entry, as far as it has to be read from files, and can. Raises BusError."""
        book, bad = await self._archive.known()
        for seq, why in bad.items():
            if self._problems.fault(of_entry(seq), f"{why}: sealed days behind it are not read"):
                log.error("a bad entry of the archive", seq=seq, why=why)
        for segment in book.days:
            if segment.last <= after:
                continue
            try:
                async for piece in self._archive.entries(segment):
                    if piece:
                        yield piece
            except (Damaged, NotKept) as error:
                if segment.first <= book.leaving:
                    raise BusUnavailable(f"a sealed day that has left the journal: {error}") from None
                log.warning("a sealed day is read from the journal", day=segment.day, error=str(error))
                break

    async def _in_groups(self, scope: str, after: int, since: float) -> AsyncGenerator[list[Recorded], None]:
        """What the journal has, some at a time; the last may be none. Raises BusError."""
        group, size = list[Recorded](), 0
        async for entry in self._bus.replay(scope, after=after, since=since):
            group.append(entry)
            size += len(entry.data)
            if len(group) >= GROUP or size >= GROUP_BYTES:
                yield group
                group, size = [], 0
        yield group

    async def _left(self) -> int:
        """Up to which entry some may have left the journal, by its leader's word: what was read there before is whole
        behind that. Raises BusError."""
        last = await self._bus.last(DAYS_LEAVING.subject, certain=True)
        try:
            return 0 if last is None else msgspec.json.decode(last.data, type=DaysLeaving).up_to
        except UNDECODABLE:  # whoever made it did not go on with it then
            return 0

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        return await self._bus.follow(scope, handler, after=after)

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        return await self._bus.last(scope, certain=certain)

    async def last_seq(self) -> int:
        return await self._bus.last_seq()

    async def size(self) -> Size:
        return await self._bus.size()


def _wanted(piece: list[Recorded], scope: str, after: int, since: float) -> list[Recorded]:
    """Those of some entries that were asked for."""
    if scope != ALL:
        piece = [entry for entry in piece if matches(scope, entry.subject)]
    if since or after >= (piece[0].seq if piece else 0):
        piece = [entry for entry in piece if entry.seq > after and entry.at >= since]
    return piece
