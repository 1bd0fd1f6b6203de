"""The executor of a machine in simulated time, and the book of what was really carried out.

A command is `work 2.5`, `fail 2.5` or `flaky 2.5` (it fails at its first attempt): it goes on for so many seconds,
whatever becomes of its runner meanwhile. One that stands still changes nothing for it; where it is killed, and where it
asks for a stop, all that runs ends within the seconds that real ones take.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path

from actors.runner.port import (
    BOUNDS,
    Artefact,
    Bounds,
    Collected,
    Command,
    Ending,
    How,
    Isolation,
    Leftover,
    RunnerError,
    Source,
)

ENDS_WITHIN = 6.5  # seconds in which all ends that is stopped, or whose runner is killed; asked for five


@dataclass(eq=False)
class Carried:
    """One command that was carried out. `run`: as the executor has it, with its attempt; `host`: whose runner began
    it; `ended` None: it goes on."""

    run: str
    step: str
    attempt: int
    host: str
    machine: str
    began: float
    ended: float | None = None
    how: How | None = None
    code: int | None = None


@dataclass(eq=False)
class Workshop:
    """All machines of one world. `book`: all that was carried out; `workspaces`: that are there, by machine."""

    random: random.Random
    book: list[Carried] = field(default_factory=list)
    workspaces: dict[str, set[str]] = field(default_factory=dict)
    _going: "dict[Carried, SimulatedExecution]" = field(default_factory=dict)

    def begins(self, carried: Carried, execution: "SimulatedExecution") -> None:
        self.book.append(carried)
        self._going[carried] = execution

    def over(self, carried: Carried) -> None:
        self._going.pop(carried, None)

    def runner_is_killed(self, machine: str, *, at_once: bool = False) -> None:
        """Nobody waits for what runs on a machine: its keepers end it. `at_once`: the machine itself has gone down."""
        for carried, execution in list(self._going.items()):
            if carried.machine == machine:
                execution.end_within(0.0 if at_once else ENDS_WITHIN, "lost")
        if at_once:
            self.workspaces.pop(machine, None)

    async def all_over(self, machine: str) -> int:
        """Wait until nothing runs there any more. How much did."""
        left = [execution for carried, execution in self._going.items() if carried.machine == machine]
        for execution in left:
            execution.end_within(ENDS_WITHIN, "lost")
            await execution.ended()
        return len(left)


class SimulatedExecution:
    """One command."""

    def __init__(self, workshop: Workshop, carried: Carried, seconds: float, code: int) -> None:
        self._workshop = workshop
        self._carried = carried
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._end, "exited", code, context=Context())
        self._ends_at = carried.began + seconds
        workshop.begins(carried, self)

    def _end(self, how: How, code: int | None) -> None:
        self._carried.ended, self._carried.how, self._carried.code = self._loop.time(), how, code
        self._workshop.over(self._carried)
        self._over.set()

    def end_within(self, seconds: float, how: How) -> None:
        """Something ends it, by then at the latest."""
        if self._over.is_set():
            return
        at = self._loop.time() + (self._workshop.random.uniform(0.0, seconds) if seconds else 0.0)
        if at < self._ends_at:
            self._timer.cancel()
            self._ends_at = at
            self._timer = self._loop.call_at(at, self._end, how, None, context=Context())

    async def output(self) -> AsyncIterator[bytes]:
        yield f"{self._carried.step} begins\n".encode()
        await self._over.wait()
        yield f"{self._carried.step} is over\n".encode()

    async def ended(self) -> Ending:
        await self._over.wait()
        carried = self._carried
        assert carried.how is not None and carried.ended is not None
        return Ending(how=carried.how, code=carried.code, seconds=carried.ended - carried.began, output=0)

    def stop(self) -> None:
        self.end_within(ENDS_WITHIN, "stopped")


class SimulatedWorkspace:
    """The folder of one run."""

    def __init__(self, executor: "SimulatedExecutor", run: str) -> None:
        self._executor = executor
        self._run = run
        self._running: list[SimulatedExecution] = []

    @property
    def folder(self) -> Path:
        return Path("/nowhere") / self._run

    @property
    def commit(self) -> str | None:
        return None

    async def start(self, command: Command) -> SimulatedExecution:
        workshop, loop = self._executor.workshop, asyncio.get_running_loop()
        if self._run not in self._executor.there:
            raise RunnerError("its workspace is gone")
        what, seconds = str(command.run).split()
        attempt = int(command.facts["ATTEMPT"])
        carried = Carried(
            self._run, command.facts["STEP"], attempt, self._executor.host, self._executor.machine, loop.time()
        )
        fails = what == "fail" or (what == "flaky" and attempt == 1)
        running = SimulatedExecution(workshop, carried, float(seconds), int(fails))
        self._running.append(running)
        return running

    async def collect(self, globs: Sequence[str], bounds: Bounds = BOUNDS) -> Collected:
        return Collected()

    async def read(self, artefact: Artefact) -> AsyncIterator[bytes]:
        raise RunnerError("there are no files here")
        yield b""

    async def restore_cache(self, key: str, folder: str) -> bool:
        return False

    async def save_cache(self, key: str, folder: str, bounds: Bounds = BOUNDS) -> Collected:
        return Collected()

    def mask(self, text: str) -> str:
        return text

    async def masked(self, text: str) -> str:
        return self.mask(text)

    async def remove(self) -> None:
        for running in self._running:
            running.stop()
            await running.ended()
        self._executor.there.discard(self._run)


class SimulatedExecutor:
    """The executor of one process of a host."""

    def __init__(self, workshop: Workshop, *, host: str, machine: str) -> None:
        self.workshop = workshop
        self.host = host
        self.machine = machine
        self._since = 0

    @property
    def there(self) -> set[str]:
        """The workspaces of its machine."""
        return self.workshop.workspaces.setdefault(self.machine, set())

    async def end_leftovers(self) -> Sequence[Leftover]:
        ended = await self.workshop.all_over(self.machine)
        found = [Leftover(run=run, ended=ended) for run in sorted(self.there)]
        self.there.clear()
        return found

    def isolation(self) -> Isolation:
        return Isolation(
            bubblewrap=False, cgroup=False, user="simulated", own_user=False, memory="process", processes="watched",
            git=None, disk_free=2**40,
        )  # fmt: skip

    async def no_room(self) -> str | None:
        return None

    async def prepare(self, run: str, source: Source | None, secrets: Mapping[str, str]) -> SimulatedWorkspace:
        if run in self.there:
            raise RunnerError(f"there is a workspace of {run!r} already")
        self.there.add(run)
        return SimulatedWorkspace(self, run)

    async def caches_since(self) -> int:
        return self._since

    async def drop_caches(self, since: int) -> None:
        self._since = since

    async def close(self) -> None:
        await self.workshop.all_over(self.machine)
