"""Simulated time: an asyncio loop whose clock jumps to the next timer and whose tasks run in seeded random order.

A run with the same seed is the same run. Uses private parts of CPython's event loop (`_ready`, `_run_once`,
`_PyTask`); `tests/simulators/test_clock_loop.py` fails on a Python where they have changed.
"""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

PLAIN_TASK: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]  # the C task hides what it will run
CANCEL_ROUNDS = 50
STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Deadlock(RuntimeError):
    """Everything waits and no timer is set: nothing can ever happen again."""


class _NoSelector(selectors.BaseSelector):
    """Waits by moving the loop's clock. There are no files in simulated time, but the loop's own."""

    def __init__(self) -> None:
        self.loop: SimLoop | None = None
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, descriptor, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert self.loop is not None
        if timeout is None:
            raise Deadlock("everything waits and nothing is due")
        self.loop.pass_time(max(timeout, 0.0))
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time."""

    def __init__(self, seed: int) -> None:
        self._now = 0.0
        self.random = random.Random(seed)
        selector = _NoSelector()
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-9
        self.set_task_factory(lambda loop, coro, **more: PLAIN_TASK(coro, loop=loop, **more))

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        self._now += seconds

    def _run_once(self) -> None:
        """Shuffle the steps of different tasks that are due at once; callbacks keep their places."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        places = [
            place for place, handle in enumerate(ready)
            if isinstance(getattr(handle._callback, "__self__", None), PLAIN_TASK)
        ]  # fmt: skip
        handles = [ready[place] for place in places]
        self.random.shuffle(handles)
        for place, handle in zip(places, handles, strict=True):
            ready[place] = handle
        super()._run_once()  # type: ignore[misc]


def run(main: Callable[[], Coroutine[Any, Any, Result]], seed: int) -> Result:
    """Run a coroutine function to its end in simulated time."""
    loop = SimLoop(seed)
    asyncio.set_event_loop(loop)
    try:
        result = loop.run_until_complete(main())
        for _ in range(CANCEL_ROUNDS):  # what is cancelled may wait once more for something that never comes
            if not (left := asyncio.all_tasks(loop)):
                break
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        return result
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class SimClock:
    """The `Clock` port in simulated time. All hosts of a simulation stand on one machine: one boot."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.boot = "simulated"

    def now(self) -> datetime:
        return STARTED_AT + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(delay, callback)


class CountedIds:
    """The `Ids` port: one after another."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count:06d}"
