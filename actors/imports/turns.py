"""How many lists a host reads at once, and who is next: users take turns, and of each their lists are in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns of one host."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[str, dict[str, asyncio.Future[None]]] = {}  # by user, whose turn is next first; by import

    @asynccontextmanager
    async def turn(self, id: str, user: str) -> AsyncIterator[None]:
        """Wait for it, and have it while the block lasts."""
        await self._enter(id, user)
        try:
            yield
        finally:
            self._pass_on()

    async def _enter(self, id: str, user: str) -> None:
        if self._free:  # then nobody waits
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, {})[id] = turn
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came, and is not wanted any more
                self._pass_on()
            else:
                self._leave(id, user, turn)
            raise

    def _leave(self, id: str, user: str, turn: asyncio.Future[None]) -> None:
        mine = self._waiting.get(user, {})
        if mine.get(id) is turn:  # else it was passed over already
            del mine[id]
            if not mine:
                del self._waiting[user]

    def _pass_on(self) -> None:
        while self._waiting:
            user = next(iter(self._waiting))
            mine = self._waiting.pop(user)
            turn = mine.pop(next(iter(mine)))
            if mine:
                self._waiting[user] = mine  # behind all others
            if not turn.done():  # it may have been cancelled just now, and not have left the line yet
                turn.set_result(None)
                return
        self._free += 1

    def ahead(self, id: str, user: str) -> int | None:
        """How many wait before it, as far as anybody knows now; None: it does not wait."""
        mine = self._waiting.get(user, {})
        if id not in mine:
            return None
        place, before = [*mine].index(id), [*self._waiting].index(user)
        others = ((at, len(its)) for at, (one, its) in enumerate(self._waiting.items()) if one != user)
        return place + sum(min(count, place + (at < before)) for at, count in others)
