"""What is heard of one room."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Self, TypeVar

import msgspec
from msgspec import Struct

from bus_schemas.errors import ErrorCode
from ottb_client.errors import ApiError, SnapshotNeeded

Update = TypeVar("Update")
Thing = TypeVar("Thing")

MOST = 10_000  # events that wait for who does not take them

BEHIND = "More was missed than is told again. Read the list anew, and go on."
UNKNOWN = "{what} is not what this version of the client knows: {why}"
SLOW = "Events were not taken as fast as they came. Read the list anew, and go on."


class Heard(Struct, Generic[Update], frozen=True):
    """An event. `seq`: its place in the journal, or in the log."""

    event: str
    data: Update
    seq: int


class Shown(Struct, Generic[Thing], frozen=True):
    """How all things of a room are, at a place in the journal: what is heard behind it has happened since."""

    things: list[Thing]
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
        self.asking = asyncio.Lock()  # a second one would replace the first
        self._waiting: deque[Any] = deque()  # any: Heard, what is shown, or an exception
        self._there = asyncio.Event()
        self._end: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Heard[Update]:
        heard: Heard[Update] = await self._next()
        self.seq = heard.seq
        return heard

    async def _next(self) -> Any:
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._there.clear()
            await self._there.wait()
        heard = self._waiting.popleft()
        if isinstance(heard, Exception):
            raise heard
        return heard

    # --- for who is connected

    def take(self, payload: Any) -> None:
        """An event has come."""
        try:
            heard = msgspec.convert(payload, self._type)
        except msgspec.ValidationError as error:
            self._put(ApiError(ErrorCode.INTERNAL, UNKNOWN.format(what=self.event, why=error)))
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

    @property
    def wanted(self) -> Mapping[str, Any]:
        """What the room is asked for with."""
        return self.narrowed if self.told is None else {**self.narrowed, "since": self.told}

    def answered(self, said: Mapping[str, Any]) -> None:
        """The answer to that has come."""
        self.acknowledged(said["seq"], behind=said.get("snapshot_needed", False))

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


class ShownSubscription(Subscription[Update], Generic[Thing, Update]):
    """A room that is shown first, then heard: `Shown`, and a `Heard` for each change since. Where too much was missed,
    or not taken, it is shown anew, in the place of what was left out. `again`: asks for the room once more."""

    def __init__(
        self, room: str, event: str, thing: type[Thing], update: type[Update], narrowed: Mapping[str, Any],
        again: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        super().__init__(room, event, update, narrowed)
        self._things: Any = list[thing]  # type: ignore[valid-type]  # a type that is known at run time
        self._again = again
        self._anew = True

    async def __anext__(self) -> Shown[Thing] | Heard[Update]:  # type: ignore[override]  # it is shown, too
        while True:
            try:
                found: Shown[Thing] | Heard[Update] = await self._next()
            except SnapshotNeeded as needed:
                self._anew = True
                await self._shown_anew(needed)
            else:
                if not self._anew:  # else it is in what will be shown
                    self.seq = found.seq
                    return found

    async def _shown_anew(self, needed: SnapshotNeeded) -> None:
        try:
            await self._again()
        except ApiError as error:
            if error.status != 0:  # else the connection is lost, and asks when it is back
                self._waiting.appendleft(needed)
                raise

    @property
    def wanted(self) -> Mapping[str, Any]:
        return {**(self.narrowed if self._anew else super().wanted), "snapshot": True}

    def answered(self, said: Mapping[str, Any]) -> None:
        if "snapshot" not in said:
            super().answered(said)
            return
        seq = said["seq"]
        try:
            shown = Shown(msgspec.convert(said["snapshot"], self._things), seq)
        except msgspec.ValidationError as error:
            raise ApiError(ErrorCode.INTERNAL, UNKNOWN.format(what=self.room, why=error)) from None
        behind = [one for one in self._waiting if isinstance(one, Heard) and one.seq > seq]  # taken before the answer
        self._waiting = deque([shown, *behind])
        self.told, self._anew = behind[-1].seq if behind else seq, False
        self._there.set()
