"""Simulated time: an asyncio loop whose clock jumps to the next timer and whose tasks run in seeded random order.

A run with the same seed is the same run. Several processes can live in one loop (`Process`): one can be frozen and
thawed (SIGSTOP, SIGCONT) or killed between any two steps, as far as it is concerned.
Uses private parts of CPython's event loop (`_ready`, `_scheduled`, `_run_once`, `_call_soon`, `Handle._run`,
`_PyTask`); `tests/simulators/test_clock_loop.py` fails on a Python where they have changed.
"""

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

PLAIN_TASK: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]  # the C task hides what it will run
CANCEL_ROUNDS = 50
STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Deadlock(RuntimeError):
    """Everything waits and no timer is set: nothing can ever happen again."""


_PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)


class Process:
    """A process of the simulation: everything that runs in tasks and callbacks begun by `run`, and by these again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.killed = False
        self._held: list[asyncio.Handle] = []
        self._context = copy_context()
        self._context.run(_PROCESS.set, self)

    @property
    def runs(self) -> bool:
        return not (self.frozen or self.killed)

    def run(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Begin a task of this process."""
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())

    def call(self, callback: Callable[..., None], *args: Any) -> None:
        """Have this process call back, as soon as it runs."""
        asyncio.get_running_loop().call_soon(callback, *args, context=self._context.copy())

    def freeze(self) -> None:
        """It takes no step more until it is thawed; what it waits for piles up."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        if not self.killed:
            self._go_on()

    def kill(self) -> None:
        """It never takes a step again."""
        self.killed = True

    def bury(self) -> None:
        """The simulation is over: let what is left of the process run into its end."""
        self.frozen = self.killed = False
        self._go_on()

    def owns(self, handle: asyncio.Handle) -> bool:
        """Whether something that the loop will call is of this process."""
        return handle._context.get(_PROCESS) is self  # type: ignore[attr-defined]

    def takes(self, handle: asyncio.Handle) -> bool:
        """Whether the process takes a step now; if not, the step is kept."""
        if self.runs:
            return True
        self._held.append(handle)
        return False

    def _go_on(self) -> None:
        held, self._held = self._held, []
        ready: Any = asyncio.get_event_loop()._ready  # type: ignore[attr-defined]
        ready.extend(held)


def here() -> Process | None:
    """The process whose step this is; None: the world itself."""
    return _PROCESS.get()


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or process.takes(self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
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
        return [task for task in tasks if task._context.get(_PROCESS) is process]

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


class SimClock:
    """The `Clock` port in simulated time, of one machine. `boot`: its boot. `step` sets its wall clock."""

    def __init__(self, loop: SimLoop, *, boot: str = "simulated") -> None:
        self._loop = loop
        self._wrong = 0.0  # seconds by which the wall clock is ahead of the world's
        self.boot = boot

    def now(self) -> datetime:
        return STARTED_AT + timedelta(seconds=self._loop.time() + self._wrong)

    def monotonic(self) -> float:
        return self._loop.time()

    def rebooted(self, boot: str) -> "SimClock":
        """The clock after the machine was started again: its wall clock is as wrong as before."""
        clock = SimClock(self._loop, boot=boot)
        clock.step(self._wrong)
        return clock

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._wrong += seconds

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
