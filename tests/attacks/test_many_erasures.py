"""Hundreds of people may be erased at once, and for each all that there is is read ten times: one after the other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from actors.erasure.desk import Desk
from actors.erasure.person import Person, Traces
from actors.runtime.bus import Recorded
from actors.runtime.marks import Marks
from bus_schemas.erasure import ErasureBegun

MANY, ENTRIES = 50, 5
MARKS = Marks(b"key")
TRACES = Traces(Person(numbers=frozenset({"+380441234567"})), MARKS)


class Bus:
    """A journal. `most`: by how many it was read at the same time."""

    def __init__(self) -> None:
        self.most = self._reading = 0

    async def replay(self, scope: str, after: int = 0) -> AsyncIterator[Recorded]:
        self._reading += 1
        self.most = max(self.most, self._reading)
        try:
            for seq in range(ENTRIES):
                await asyncio.sleep(0)
                yield Recorded(subject="ottb.v1.evt.x.y.z", data=b"{}", headers={}, seq=seq, at=0.0)
        finally:
            self._reading -= 1


class Known:
    """Of nobody, anything yet."""

    async def person(self, erasure: str) -> None:
        return None

    async def asked(self, erasure: str) -> Person:
        return TRACES.person

    async def keep(self, erasure: str, person: Person) -> None:
        return None


async def test_what_there_is_is_read_for_one_erasure_at_a_time() -> None:
    bus: Any = Bus()
    desk: Any = Desk(bus=bus, marks=MARKS, hosts=None, names=list)  # type: ignore[arg-type]
    desk._known = Known()
    begun = ErasureBegun(erasure="e1", at="2026-01-01T00:00:00.000Z", by="ann", reason="", marks=())
    for work in (lambda: desk._in_use(TRACES), lambda: desk._person(begun)):
        bus.most = 0
        await asyncio.gather(*(work() for _ in range(MANY)))
        print(f"{MANY} erasures at once: the journal is read by {bus.most}")
        assert bus.most == 1
