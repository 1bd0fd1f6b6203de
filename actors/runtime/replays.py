"""Reading several parts of the journal as one."""

from collections.abc import AsyncGenerator, Iterable

from actors.runtime.bus import Bus, Recorded


async def replay_all(bus: Bus, scopes: Iterable[str], *, after: int, until: int) -> AsyncGenerator[Recorded, None]:
    """The entries from behind `after` up to `until` under any of the filters, which must not overlap. Raises
    BusError."""
    sources = [bus.replay(scope, after=after) for scope in sorted(scopes)]
    waiting = [(await anext(source, None), source) for source in sources]
    while ready := [(entry, source) for entry, source in waiting if entry is not None and entry.seq <= until]:
        entry, source = min(ready, key=lambda one: one[0].seq)
        yield entry
        waiting = [*(one for one in ready if one[1] is not source), (await anext(source, None), source)]
