"""Reading several parts of the journal as one."""

from collections.abc import AsyncGenerator, Iterable

from actors.runtime.bus import Bus, Recorded
from bus_schemas.contract import ROOT

ALL = f"{ROOT}.evt.>"


async def read_on(bus: Bus, *, after: int, until: int) -> AsyncGenerator[Recorded, None]:
    """All entries from behind `after` up to `until`, for somebody who may read as much as they like. Raises BusError.
    For each one that is sought by a filter the server looks through all subjects of a block, twenty times as long."""
    async for entry in bus.replay(ALL, after=after, gently=True):
        if entry.seq > until:
            return
        yield entry


async def replay_all(bus: Bus, scopes: Iterable[str], *, after: int, until: int) -> AsyncGenerator[Recorded, None]:
    """The entries from behind `after` up to `until` under any of the filters, which must not overlap; for somebody who
    may read as much as they like. Raises BusError."""
    sources = [bus.replay(scope, after=after, gently=True) for scope in sorted(scopes)]
    waiting = [(await anext(source, None), source) for source in sources]
    while ready := [(entry, source) for entry, source in waiting if entry is not None and entry.seq <= until]:
        entry, source = min(ready, key=lambda one: one[0].seq)
        yield entry
        waiting = [*(one for one in ready if one[1] is not source), (await anext(source, None), source)]
