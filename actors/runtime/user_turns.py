"""How much a host does at once for users, and who is next: of whom least is done now, and of those alike users take
turns. What one user waits for is done in order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class UserTurns:
    """Of one host."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._has: Counter[str] = Counter()  # by user, turns that go on
        self._waiting: dict[str, dict[Hashable, asyncio.Future[None]]] = {}  # by user, whose turn is next first; by id

    @asynccontextmanager
    async def turn(self, id: Hashable, user: str) -> AsyncIterator[None]:
        """Wait for it, and have it while the block lasts. `id`: of nothing else that the user waits for."""
        await self._enter(id, user)
        try:
            yield
        finally:
            self._give_back(user)

    async def _enter(self, id: Hashable, user: str) -> None:
        if self._free:  # then nobody waits
            self._free -= 1
            self._has[user] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, {})[id] = turn
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came, and is not wanted any more
                self._give_back(user)
            else:
                self._leave(id, user, turn)
            raise

    def _leave(self, id: Hashable, user: str, turn: asyncio.Future[None]) -> None:
        mine = self._waiting.get(user, {})
        if mine.get(id) is turn:  # else it was passed over already
            del mine[id]
            if not mine:
                del self._waiting[user]

    def _give_back(self, user: str) -> None:
        self._has[user] -= 1
        if not self._has[user]:
            del self._has[user]
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            user = min(self._waiting, key=self._has.__getitem__)  # of those alike who has waited for it longest
            mine = self._waiting.pop(user)
            turn = mine.pop(next(iter(mine)))
            if mine:
                self._waiting[user] = mine  # behind all others
            if not turn.done():  # it may have been cancelled just now, and not have left the line yet
                self._has[user] += 1
                turn.set_result(None)
                return
        self._free += 1

    def ahead(self, id: Hashable, user: str) -> int | None:
        """How many wait before it, as far as anybody knows now; None: it does not wait."""
        mine = self._waiting.get(user, {})
        if id not in mine:
            return None
        place, before = [*mine].index(id), [*self._waiting].index(user)
        others = ((at, len(its)) for at, (one, its) in enumerate(self._waiting.items()) if one != user)
        return place + sum(min(count, place + (at < before)) for at, count in others)
