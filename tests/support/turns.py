"""What else a process does while it reads."""

import asyncio


class Others:
    """`turns`: how often it was theirs."""

    def __init__(self) -> None:
        self.turns = 0
        self._task = asyncio.create_task(self._take_turns())

    async def _take_turns(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    def end(self) -> int:
        self._task.cancel()
        return self.turns
