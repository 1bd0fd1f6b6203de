"""What else a process does while it reads."""

import asyncio
import gc
import time


class Others:
    """`turns`: how often it was theirs. `longest`: seconds of work until it was, from the beginning to the end."""

    def __init__(self) -> None:
        gc.disable()  # a look through all that other tests have left takes longer than what is measured
        self.turns, self.longest, self._since = 0, 0.0, time.thread_time()
        self._task = asyncio.create_task(self._take_turns())

    async def _take_turns(self) -> None:
        while True:
            self.turns += 1
            self._look()
            await asyncio.sleep(0)

    def _look(self) -> None:
        now = time.thread_time()
        self.longest, self._since = max(self.longest, now - self._since), now

    def end(self) -> int:
        self._look()
        gc.enable()
        self._task.cancel()
        return self.turns

    def __str__(self) -> str:
        return f"others had {self.turns} turns, at the latest after {self.longest:.3f} s of work"
