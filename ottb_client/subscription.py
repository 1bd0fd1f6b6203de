"""What is heard of one room."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

import msgspec
from msgspec import Struct

from bus_schemas.errors import ErrorCode
from ottb_client.errors import ApiError, SnapshotNeeded

Update = TypeVar("Update")

MOST = 10_000  # events that wait for who does not take them

BEHIND = "More was missed than is told again. Read the list anew, and go on."
SLOW = "Events were not taken as fast as they came. Read the list anew, and go on."


class Heard(Struct, Generic[Update], frozen=True):
    """An event. `seq`: its place in the journal, or in the log."""

    event: str
    data: Update
    seq: int


class Subscription(Generic[Update]):
    """A room, with `async for`, in order, nothing twice and nothing left out, also over lost connections: where that
    cannot be, SnapshotNeeded is raised, and `async for` may go on from now. `narrowed`: what is wanted of it alone.
    `seq`: of what was taken last: what a later one begins behind (`since`)."""

    def __init__(self, room: str, event: str, update: type[Update], narrowed: Mapping[str, Any]) -> None:
        self.room = room
        self.event = event
        self.seq = 0
        self.told: int | None = None  # the last one that came
        self.narrowed = narrowed
        self._type: Any = Heard[update]  # type: ignore[valid-type]  # a type that is known at run time
        self._waiting: deque[Heard[Update] | Exception] = deque()
        self._there = asyncio.Event()
        self._end: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Heard[Update]:
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._there.clear()
            await self._there.wait()
        heard = self._waiting.popleft()
        if isinstance(heard, Exception):
            raise heard
        self.seq = heard.seq
        return heard

    # --- for who is connected

    def take(self, payload: Any) -> None:
        """An event has come."""
        try:
            heard = msgspec.convert(payload, self._type)
        except msgspec.ValidationError as error:
            said = f"{self.event} is not what this version of the client knows: {error}"
            self._put(ApiError(ErrorCode.INTERNAL, said))
            return
        self.told = heard.seq
        self._put(heard)

    def acknowledged(self, seq: int, *, behind: bool) -> None:
        """It is heard from here on. `behind`: what came before is not told."""
        if behind:
            self._put(SnapshotNeeded(BEHIND))
        self.told = max(seq, self.told or 0)  # what came right behind the answer was taken before it
        if not self._waiting:
            self.seq = seq

    def end(self, error: Exception) -> None:
        """Nothing comes any more."""
        self._end = self._end or error
        self._there.set()

    def _put(self, heard: Heard[Update] | Exception) -> None:
        if len(self._waiting) >= MOST:
            self._waiting.clear()
            self._waiting.append(SnapshotNeeded(SLOW))
        self._waiting.append(heard)
        self._there.set()
