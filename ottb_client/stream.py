"""What a site tells as it comes, by Server-Sent Events."""

import asyncio
import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from ottb_client.errors import ApiError, SnapshotNeeded

Item = TypeVar("Item")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds before it is asked for again
PATIENCE = 300.0  # seconds without any answer, after which it ends

Open = Callable[[str | None], AbstractAsyncContextManager[aiohttp.ClientResponse]]  # behind the event of this id


class Event(Struct):
    """One of them, as it travels."""

    name: str = "message"
    data: str = ""
    id: str | None = None


class Events(Generic[Item]):
    """All that comes, also after the connection was lost or the site has ended it. What it may not have any more, or
    cannot have at the very beginning, raises ApiError."""

    def __init__(self, opened: Open, item: type[Item]) -> None:
        self._opened = opened
        self._item = item
        self._last: str | None = None

    async def all(self) -> AsyncIterator[Item]:
        """Raises SnapshotNeeded where more was missed than is told again."""
        pause, begun, lost = FIRST_PAUSE, False, math.inf  # when it was lost, on the monotonic clock
        while True:
            try:
                async with self._opened(self._last) as answer:
                    pause, begun, lost = FIRST_PAUSE, True, math.inf
                    async for event in events_in(answer.content):
                        if event.name == "gap":
                            raise SnapshotNeeded("The log has more than is sent again.")
                        if event.name == "log":
                            self._last = event.id or self._last
                            yield msgspec.json.decode(event.data, type=self._item)
            except ApiError as error:
                lost = min(lost, time.monotonic())
                if not (begun and error.passing) or time.monotonic() - lost > PATIENCE:
                    raise
                pause = max(pause, error.retry_after or 0.0)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def events_in(lines: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """The events of a stream; comments, and one that breaks off, are none."""
    event = Event()
    async for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                event.name = value
            case "data":
                event.data += value
            case "id":
                event.id = value
            case "" if not line.strip() and event.data:
                yield event
                event = Event()
