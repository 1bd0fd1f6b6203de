"""What an actor has under way beside its inbox: effects, tasks and timers, which all end with it."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import structlog

from actors.runtime.bus import Fenced
from actors.runtime.clock import Moment, Timer
from actors.runtime.decision import CancelTimer, Effect, SetTimer, Tell

if TYPE_CHECKING:
    from actors.runtime.host import Host

log = structlog.get_logger()

Result = TypeVar("Result")
Work = Coroutine[Any, Any, Result]  # any: what a coroutine yields to the loop and is sent by it is between those two


class EffectRunner:
    """The part of an actor that carries out effects, and ends by an error."""

    kind: ClassVar[str]

    __slots__ = ("_host", "_live", "_tasks", "_timers", "id")

    def __init__(self, *, id: str, host: "Host") -> None:
        self.id = id
        self._host = host
        self._live = True
        self._tasks: set[asyncio.Task[None]] | None = None
        self._timers: dict[str, Timer] | None = None

    @property
    def alive(self) -> bool:
        """It has not ended, by an error or otherwise."""
        return self._live

    # --- what a subclass says

    def perform(self, effect: Effect) -> None:
        """Carry out one effect of the subclass's own. Must not block: slow work goes to `spawn`."""
        raise NotImplementedError

    def timer_fired(self, name: str) -> None:
        """A timer's time is over."""
        raise NotImplementedError

    # --- effects

    def _perform_all(self, effects: tuple[Effect, ...], received_at: Moment | None = None) -> None:
        """Carry out effects in their order. What a report makes this actor tell others was received when it was."""
        for effect in effects:
            match effect:
                case SetTimer():
                    self._set_timer(effect)
                case CancelTimer():
                    self._cancel_timer(effect.name)
                case Tell():
                    self._host.tell_by_name(effect.kind, effect.id, effect.report, received_at)
                case _:
                    self.perform(effect)

    def _set_timer(self, effect: SetTimer) -> None:
        self._timers = self._timers if self._timers is not None else {}
        if effect.name in self._timers:
            if effect.keep:
                return
            self._timers.pop(effect.name).cancel()

        def fire() -> None:
            if self._timers is not None:
                self._timers.pop(effect.name, None)
            self.timer_fired(effect.name)

        self._timers[effect.name] = self._host.clock.call_later(effect.seconds, fire)

    def _cancel_timer(self, name: str) -> None:
        timer = (self._timers or {}).pop(name, None)
        if timer is not None:
            timer.cancel()

    def _cancel_other_timers(self, kept: frozenset[str]) -> None:
        if self._timers:
            for name in self._timers.keys() - kept:
                self._timers.pop(name).cancel()

    # --- tasks

    def spawn(self, work: Work[None]) -> "asyncio.Task[None]":
        """Run slow work in a task that ends with this actor. A failure in it is a crash of the actor."""
        self._tasks = self._tasks if self._tasks is not None else set()
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._work_done)
        return task

    def _work_done(self, task: "asyncio.Task[None]") -> None:
        if self._tasks is not None:
            self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash(error)

    # --- the end

    def _crash(self, error: BaseException) -> None:
        """End by an error: the host starts this actor again, from its journal."""
        if not self._live:
            return
        self._live = False
        level = log.warning if isinstance(error, Fenced) else log.error
        level("actor crashed", actor=f"{self.kind} {self.id}", error=repr(error), exc_info=error)
        self._host.crashed(self, error)

    async def _end_all(self, *others: "asyncio.Task[None] | None") -> None:
        """End every timer and task, and those others, but for the task that asks for it."""
        self._live = False
        for timer in (self._timers or {}).values():
            timer.cancel()
        self._timers = None
        current = asyncio.current_task()
        tasks = [task for task in (*(self._tasks or ()), *others) if task is not None and task is not current]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
