"""The site's processes under one supervisor: started in order, restarted one for one, stopped in reverse."""

import asyncio
import errno
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from actors.environment import PREFIX
from actors.runtime.secret_files import open_own
from actors.runtime.supervisor import RestartBudget

INTENSITY, PERIOD = 15, 30.0
PAUSE_FIRST, PAUSE_LAST = 0.05, 2.0
QUICK_DEATH = 5.0  # a process that lived shorter waits longer for its next start
LOOKS, LOOK_PAUSE = 10, 0.5  # at a folder that cannot be looked at now
STOP_SECONDS = 12.0
READY_POLL = 0.05
NOT_YET = 10.0  # seconds between two lines that say so
LOG_LIMIT = 20 * 1024 * 1024
LOG_CHECK = 5.0

Ready = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    """For a process that others wait for by themselves."""
    return True


@dataclass(frozen=True)
class Child:
    """One process. `ready` is asked until it says yes, or `ready_timeout` seconds are over. It gets `stop_seconds`
    to stop, None: as long as most; 0: it is killed. `awaited`: those after it are started once it is ready, else
    meanwhile: they wait for it by themselves. `ours`: it reads our settings, which a program of others need not
    know: there are passwords among them."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Ready = at_once
    ready_timeout: float = 30.0
    awaited: bool = True
    stop_seconds: float | None = None
    ours: bool = False


def python(name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Child:
    """A Python module as a child: `arguments` are its name and what it is given."""
    return Child(name=name, argv=[sys.executable, "-m", "actors.runtime.begin", *arguments], env=env, ours=True)


class GaveUp(Exception):
    """A process does not come up, or ends too often. The message says which, and where its log is."""


class Supervisor:
    """Keeps children running. `say` gets one line for each change; logs go to `folder`/NAME.log. Where
    `in_place` says that another folder has come to the place of what they work in, no child is started any more, and
    no log is touched; where it raises OSError, it is asked again."""

    def __init__(
        self, *, folder: Path, say: Callable[[str], None], in_place: Callable[[], bool] = lambda: True
    ) -> None:
        self._folder = folder
        self._say = say
        self._in_place = in_place
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._started: dict[str, Child] = {}  # in their order
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._rotation: asyncio.Task[None] | None = None
        self._too_long: set[Path] = set()  # logs of which it was said

    async def start_all(self, children: Iterable[Child]) -> None:
        """Start children in their order and wait until all are ready. Raises GaveUp."""
        starts = list[asyncio.Task[None]]()
        try:
            for child in children:
                self._say(f"starting {child.name}")
                starts.append(asyncio.get_running_loop().create_task(self.start(child)))
                await (starts[-1] if child.awaited else asyncio.sleep(0))
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)

    async def start(self, child: Child) -> None:
        """Start a child and wait until it is ready. Raises GaveUp."""
        if self._rotation is None:
            self._rotation = asyncio.get_running_loop().create_task(self._rotate())
        self._started[child.name] = child
        process = await self._launch(child)
        await self._until_ready(child, process)
        self._keepers[child.name] = asyncio.get_running_loop().create_task(self._keep(child, process))

    async def wait(self) -> None:
        """Until a child is given up. Raises GaveUp."""
        await asyncio.gather(*map(asyncio.shield, self._keepers.values()))  # cancelling ends no keeper

    async def stop(self) -> None:
        """End every child, the last started first: asked first, then made to."""
        for child in reversed(self._started.values()):
            if (keeper := self._keepers.get(child.name)) is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            await self._end(child.name, child.stop_seconds)
        if self._rotation is not None:
            self._rotation.cancel()

    def pid(self, name: str) -> int | None:
        """A child's process id, if it runs."""
        process = self._running.get(name)
        return process.pid if process is not None and process.returncode is None else None

    # --- one child

    async def _launch(self, child: Child) -> asyncio.subprocess.Process:
        await self._look(child.name)
        with self._opened_log(child.name) as output:
            process = await asyncio.create_subprocess_exec(
                *_dying_with_parent(child.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**_environment(child), **child.env},
                cwd=child.cwd,
                start_new_session=True,  # a Ctrl-C at the console is for the supervisor alone
            )
        self._running[child.name] = process
        return process

    async def _look(self, name: str) -> None:
        """Raise GaveUp where another folder has come to the place, or where nobody could look for a while."""
        folder, why = self._folder.parent, ""
        for _ in range(LOOKS):
            try:
                if self._in_place():
                    return
                why = f"another folder is in the place of {folder}"
                break
            except OSError as error:
                why = f"{folder} cannot be looked at: {error.strerror}"
                await asyncio.sleep(LOOK_PAUSE)
        raise GaveUp(f"{name} is not started: {why}")

    async def _until_ready(self, child: Child, process: asyncio.subprocess.Process) -> None:
        began = said = asyncio.get_running_loop().time()
        give_up = began + child.ready_timeout
        while not await child.ready():
            now = asyncio.get_running_loop().time()
            if now - said >= NOT_YET:
                said = now
                self._say(f"{child.name} is not ready after {now - began:.0f} s, see {self.log_of(child.name)}")
            if process.returncode is not None:
                raise GaveUp(f"{child.name} ended with code {process.returncode}. {self._tail(child.name)}")
            if now >= give_up:
                raise GaveUp(f"{child.name} is not ready after {child.ready_timeout:g} s. {self._tail(child.name)}")
            await asyncio.sleep(READY_POLL)

    async def _keep(self, child: Child, process: asyncio.subprocess.Process) -> None:
        loop, first = asyncio.get_running_loop(), process
        budget, pause = RestartBudget(intensity=INTENSITY, period=PERIOD), PAUSE_FIRST
        while True:
            started = loop.time()
            code = await process.wait()
            if code == os.EX_CONFIG and process is first:  # later, what ran goes on, and a person may be at the file
                raise GaveUp(f"{child.name}: a setting is wrong. {self._tail(child.name)}")
            if not budget.spend(loop.time()):
                raise GaveUp(f"{child.name} ended too often (code {code}). {self._tail(child.name)}")
            pause = min(2 * pause, PAUSE_LAST) if loop.time() - started < QUICK_DEATH else PAUSE_FIRST
            self._say(f"{child.name} ended ({_how(code)}), starting it again")
            await asyncio.sleep(pause)
            process = await self._launch(child)

    async def _end(self, name: str, seconds: float | None = None) -> None:
        seconds = STOP_SECONDS if seconds is None else seconds
        process = self._running.pop(name, None)
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM if seconds else signal.SIGKILL)
        try:
            async with asyncio.timeout(seconds or STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            self._say(f"{name} did not stop in {seconds:g} s and is killed")
            process.kill()
            await process.wait()

    # --- logs

    def log_of(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _opened_log(self, name: str) -> BinaryIO:
        path = self.log_of(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND), "ab")
        except OSError as error:
            raise GaveUp(f"the log {path} cannot be written: {error.strerror}") from None

    def _tail(self, name: str) -> str:
        try:
            lines = self.log_of(name).read_text(errors="replace").splitlines()[-3:]
        except OSError as error:
            return f"Its log {self.log_of(name)} cannot be read: {error.strerror}"
        return f"Its log {self.log_of(name)} ends with:\n  " + "\n  ".join(line[:400] for line in lines)

    async def _rotate(self) -> None:
        while True:
            with suppress(OSError):  # nobody can look now: later
                if self._in_place():
                    self.rotate()
            await asyncio.sleep(LOG_CHECK)

    def rotate(self) -> None:
        """Bound the logs. Links are left alone. One that cannot be put aside is said once, and tried again."""
        for path in self._folder.glob("*.log"):
            try:
                if path.lstat().st_size > LOG_LIMIT and not path.is_symlink():
                    _put_aside(path)
            except OSError as error:
                if path not in self._too_long:
                    self._say(f"{path} grows too long and cannot be put aside: {error.strerror}")
                    self._too_long.add(path)
            else:
                self._too_long.discard(path)


def _put_aside(path: Path) -> None:
    """Copy a log, and empty it: the child appends, so that can be done under it. Raises OSError, also where there is no
    space for the copy: what is left of it is not taken from the others."""
    earlier = path.with_suffix(".log.1")
    earlier.unlink(missing_ok=True)
    if shutil.disk_usage(path.parent).free < path.stat().st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        os.fdopen(open_own(path, os.O_RDWR), "r+b") as log,
        os.fdopen(open_own(earlier, os.O_WRONLY | os.O_EXCL), "wb") as copy,
    ):
        shutil.copyfileobj(log, copy)
        copy.flush()
        log.truncate(0)


def _environment(child: Child) -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if child.ours or not name.startswith(PREFIX)}


def _dying_with_parent(argv: Sequence[str]) -> list[str]:
    """The command so that the kernel ends it when the supervisor dies, however that happens (prctl(2),
    PR_SET_PDEATHSIG). `setpriv` is part of util-linux."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *argv] if setpriv else list(argv)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
