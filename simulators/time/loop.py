"""Simulated time: an asyncio loop whose clock jumps to the next timer and whose tasks run in seeded random order.

A run with the same seed is the same run. Several processes can live in one loop (`process.py`).
Uses private parts of CPython's event loop (`_ready`, `_scheduled`, `_run_once`, `_call_soon`, `Handle._run`,
`_PyTask`); `tests/simulators/time/test_loop.py` fails on a Python where they have changed.
"""

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from simulators.time.process import PROCESS, Process

Result = TypeVar("Result")

PLAIN_TASK: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]  # the C task hides what it will run
CANCEL_ROUNDS = 50


class Deadlock(RuntimeError):
    """Everything waits and no timer is set: nothing can ever happen again."""


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is None or process.takes(self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is None or process.takes(self):
            super()._run()


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
        self.processes: list[Process] = []
        selector = _NoSelector()
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-9
        self.set_task_factory(lambda loop, coro, **more: PLAIN_TASK(coro, loop=loop, **more))

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        self._now += seconds

    def process(self, name: str) -> Process:
        """A new process."""
        process = Process(name)
        self.processes.append(process)
        return process

    def timers_of(self, process: Process) -> list[asyncio.TimerHandle]:
        """The timers of a process that are set."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return [timer for timer in scheduled if not timer.cancelled() and process.owns(timer)]

    def tasks_of(self, process: Process) -> list["asyncio.Task[Any]"]:
        """The tasks of a process that are not done."""
        tasks: list[Any] = [task for task in asyncio.all_tasks(self) if not task.done()]
        return [task for task in tasks if task._context.get(PROCESS) is process]

    def call_at(  # type: ignore[override]  # as its superclass has it, with less of a type
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def _call_soon(self, callback: Callable[..., Any], args: Any, context: Any) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def _run_once(self) -> None:
        """Shuffle the steps of different tasks that are due at once; callbacks keep their places."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1:
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
            for process in loop.processes:
                process.bury()
            loop.run_until_complete(asyncio.sleep(0))
        return result
    finally:
        asyncio.set_event_loop(None)
        loop.close()
