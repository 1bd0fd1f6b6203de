"""Simulated time: an asyncio loop whose clock jumps to the next timer and whose tasks run in seeded random order.

A run with the same seed is the same run. Several processes can live in one loop (`process.py`). There are no files,
sockets or threads in simulated time. Uses private parts of CPython's event loop (`_ready`, `_stopping`, `_run_once`,
`_write_to_self`, `Handle._run`); `tests/simulators/time/test_loop.py` fails on a Python where they have changed.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from simulators.time.process import PROCESS, Process, process_of

Result = TypeVar("Result")
Given = TypeVarTuple("Given")

AT_ONCE = 1e-9  # seconds: timers that are no further apart are due together
CANCEL_ROUNDS = 50


class Deadlock(RuntimeError):
    """Everything waits and no timer is set: nothing can ever happen again."""


class _Task(asyncio.Task[Result]):
    """A task that tells whose it is."""

    __slots__ = ("process",)

    process: Process | None


class SimLoop(asyncio.BaseEventLoop):
    """An event loop in simulated time."""

    _ready: deque[asyncio.Handle]  # the superclass's
    _stopping: bool

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, asyncio.TimerHandle]] = []  # a heap
        self.random = random.Random(seed)
        self.processes: list[Process] = []
        self.set_task_factory(_begin_task)

    def time(self) -> float:
        return self._now

    def process(self, name: str) -> Process:
        """A new process."""
        process = Process(name)
        self.processes.append(process)
        return process

    def timers_of(self, process: Process) -> list[asyncio.TimerHandle]:
        """The timers of a process that are set."""
        return [timer for _, timer in self._timers if not timer.cancelled() and process.owns(timer)]

    def tasks_of(self, process: Process) -> list["asyncio.Task[Any]"]:
        """The tasks of a process that are not done."""
        return [task for task in asyncio.all_tasks(self) if isinstance(task, _Task) and task.process is process]

    def call_at(
        self, when: float, callback: Callable[[*Given], object], *args: *Given,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*Given], object], *args: *Given,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[[*Given], object], *args: *Given, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def run_in_executor(
        self, executor: Any, func: Callable[[*Given], Result], *args: *Given
    ) -> "asyncio.Future[Result]":  # any: a pool of threads, or None
        """What is given to any thread is done at once, here: no run would be the same twice if it waited for one."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)

        async def at_once() -> Result:
            return func(*args)

        return self.create_task(at_once())

    def _write_to_self(self) -> None:
        """Nobody waits who has to be woken: there are no other threads."""

    def _run_once(self) -> None:
        """Go on to what is due next, and do all that is due by now."""
        ready, timers = self._ready, self._timers
        if len(ready) > 1:
            self._shuffle(ready)
        elif not ready and not self._stopping:
            self._pass_time()
        while timers and timers[0][0] < self._now + AT_ONCE:
            ready.append(heapq.heappop(timers)[1])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                process = process_of(handle)
                if process is None or process.takes(handle):
                    handle._run()

    def _shuffle(self, ready: Any) -> None:
        """The steps of different tasks that are due at once; callbacks keep their places."""
        places = [
            place for place, handle in enumerate(tuple(ready))  # to which a thread of a dry run may add
            if isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)
        ]  # fmt: skip
        if len(places) > 1:
            handles = [ready[place] for place in places]
            self.random.shuffle(handles)
            for place, handle in zip(places, handles, strict=True):
                ready[place] = handle

    def _pass_time(self) -> None:
        """Until the next timer."""
        timers = self._timers
        while timers and timers[0][1].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Deadlock("everything waits and nothing is due")
        self._now += max(timers[0][0] - self._now, 0.0)


def _begin_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Result] | Generator[Any, None, Result], **more: Any
) -> _Task[Result]:
    task = _Task(work, loop=loop, **more)
    context = more.get("context")
    task.process = context.get(PROCESS) if context is not None else PROCESS.get()
    return task


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
