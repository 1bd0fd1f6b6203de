"""A process of a simulation: tasks and callbacks that are frozen and thawed (SIGSTOP, SIGCONT), or killed, together.

Several live in one loop (`loop.py`, which asks each of its steps whether the step's process takes it). Uses a private
part of CPython's event loop, `_ready`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")

Step = Callable[[str], Awaitable[None]]  # awaited between any two steps of a process, with the name of the next
PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)


async def no_step(name: str) -> None:
    """Nothing happens between two steps."""


class Process:
    """A process of the simulation: everything that runs in tasks and callbacks begun by `run`, and by these again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.killed = False
        self._held: list[asyncio.Handle] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

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
        return process_of(handle) is self

    def takes(self, handle: asyncio.Handle) -> bool:
        """Whether the process takes a step now; if not, the step is kept."""
        if self.runs:
            return True
        self._held.append(handle)
        return False

    def _go_on(self) -> None:
        held, self._held = self._held, []
        loop: Any = asyncio.get_event_loop()  # any: its class imports this one
        loop._ready.extend(held)


def process_of(handle: asyncio.Handle) -> Process | None:
    """The process of something that the loop will call; None: the world itself."""
    context: Context = handle._context  # type: ignore[attr-defined]  # get_context() is Python 3.12's
    return context.get(PROCESS)


def here() -> Process | None:
    """The process whose step this is; None: the world itself."""
    return PROCESS.get()
