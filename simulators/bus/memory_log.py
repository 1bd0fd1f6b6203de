"""The streams beside the journal, in memory. They forget nothing: what is simulated is short."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from actors.runtime.bus import ID, BusUnavailable, Fenced, Headers, Recorded, Size, Unsubscribe
from bus_schemas.contract import matches
from simulators.bus.memory_broker import Client, Journal, MemoryBroker


class MemoryLog:
    """As one client sees it."""

    def __init__(self, broker: MemoryBroker, client: Client, entries: Journal) -> None:
        self._broker = broker
        self._client = client
        self._entries = entries

    async def _reach(self) -> None:
        await self._client.awake()
        if not self._client.connected:
            raise BusUnavailable("not connected")

    async def write(self, subject: str, data: bytes, headers: Headers, *, ttl: float | None = None) -> Recorded:
        await self._reach()
        if self._broker.full or self._broker.stuck:
            raise BusUnavailable("nothing is stored")
        if self._entries.seen(headers.get(ID)) is not None:
            raise Fenced(f"{subject}: the id was used before")
        entry = self._entries.store(subject, data, headers)
        for wake in self._broker.log_readers:
            wake.set()
        return entry

    async def erase_entry(self, seq: int) -> None:
        await self._reach()
        self._entries.erased.add(seq)
        self._entries.redact(self._entries.entries[seq - 1], b"", {})

    async def replay(
        self, scope: str, *, after: int = 0, since: float = 0.0, gently: bool = False
    ) -> AsyncIterator[Recorded]:
        await self._reach()
        for entry in self._entries.under(scope):
            if entry.seq > after and entry.at >= since and entry.seq not in self._entries.erased:
                yield entry

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        await self._reach()
        wake = asyncio.Event()
        self._broker.log_readers.append(wake)
        task = asyncio.get_running_loop().create_task(self._feed(scope, handler, after, wake))

        async def stop() -> None:
            task.cancel()
            self._broker.log_readers.remove(wake)

        return stop

    async def _feed(
        self, scope: str, handler: Callable[[Recorded], Awaitable[None]], at: int, wake: asyncio.Event
    ) -> None:
        while True:
            wake.clear()
            for entry in self._entries.entries[at:]:
                await self._client.awake()
                if matches(scope, entry.subject) and entry.seq not in self._entries.erased:
                    await handler(entry)
                at = entry.seq
            await wake.wait()

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        await self._reach()
        there = (entry for entry in self._entries.under(scope) if entry.seq not in self._entries.erased)
        return max(there, key=lambda entry: entry.seq, default=None)

    async def last_seq(self) -> int:
        return (await self.size()).last_seq

    async def size(self) -> Size:
        await self._reach()
        entries = self._entries.entries
        return Size(entries=len(entries) - len(self._entries.erased), last_seq=len(entries))
