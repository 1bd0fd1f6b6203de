"""The journal with the days that are sealed: read from their files, and from where they end, from the journal."""

from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from actors.archive.archive import Archive
from actors.archive.segment import Damaged
from actors.archive.store import NotKept
from actors.runtime.bus import Bus, BusUnavailable, Recorded, Size, Unsubscribe
from actors.runtime.problems import Problem, Problems, of_entry
from bus_schemas.contract import ROOT, matches

log = structlog.get_logger()

ALL = f"{ROOT}.evt.>"


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
        book, bad = await self._archive.known()
        for seq, why in bad.items():
            if self._problems.fault(of_entry(seq), f"{why}: sealed days behind it are not read"):
                log.error("a bad entry of the archive", seq=seq, why=why)
        if bad and book.leaving > book.last:
            raise BusUnavailable(f"what has left the journal cannot be found: {next(iter(bad.values()))}")
        for segment in book.days:
            if segment.last <= after:
                continue
            try:
                async for piece in self._archive.entries(segment):
                    for entry in _wanted(piece, scope, after, since):
                        yield entry
            except (Damaged, NotKept) as error:  # before anything of it was handed on
                if segment.first <= book.leaving:
                    raise BusUnavailable(f"a sealed day that has left the journal: {error}") from None
                log.warning("a sealed day is read from the journal", day=segment.day, error=str(error))
                break
            after = segment.last
        async for entry in self._bus.replay(scope, after=after, since=since):
            yield entry

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
