"""Looks on record for answers that memory no longer has. Each reads all that an actor has ever answered so, and whoever
repeats a command changes nothing, so nothing else counts it: a host makes one look at a time."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from actors.runtime.bus import Bus
from actors.runtime.journalled import COMMAND_HEADER, REPLY_HEADER
from actors.runtime.patience import turn
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share

if TYPE_CHECKING:
    from actors.runtime.host import Host

EACH, ALL = 2, 16  # that wait or look: of one user, of all
PATIENCE = 4.0  # seconds until a look is begun; whoever asks waits for 5 or more

YOURS = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "What became of other commands of yours is looked for. Wait.", rule="repeats", retry_after=2
)
BUSY = RefusalTemplate(ErrorCode.UNAVAILABLE, "What became of other commands is looked for. Try again.")

Key = tuple[Share, str, str]


class Recall:
    """Whose turn it is on one host, with its shards."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._turn = asyncio.Lock()
        self._under_way: dict[Key, asyncio.Task[bytes | None]] = {}

    async def answer(self, host: "Host", share: Share, scope: str, command: str) -> bytes | None:
        """The answer that stands beside an event of `scope`; None: there is none. Two of one command look once. Raises
        Refusal(RATE_LIMITED, UNAVAILABLE), BusError."""
        key = (share, scope, command)
        if key not in self._under_way:
            if sum(each[0] == share for each in self._under_way) >= EACH:
                raise YOURS()
            if len(self._under_way) >= ALL:
                raise BUSY()
        return await host.share(self._under_way, key, partial(self._wait_and_look, scope, command))

    async def _wait_and_look(self, scope: str, command: str) -> bytes | None:
        async with turn(self._turn, PATIENCE, BUSY):
            return await self._look(scope, command)

    async def _look(self, scope: str, command: str) -> bytes | None:
        async for recorded in self._bus.replay(scope):
            if recorded.headers.get(COMMAND_HEADER) == command and REPLY_HEADER in recorded.headers:
                return recorded.headers[REPLY_HEADER].encode()
        return None
