"""The executor: the workspaces of this host's runs.

Each run has a folder, `<folder>/<run>`: `work` (the workspace), `home` and `tmp` of its commands, `kept` (its
artefacts), `pids` (a note for each command that runs, see `leftovers.py`), `broken` (why a keeper broke).
"""

import asyncio
import contextlib
import fcntl
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

import structlog
from msgspec.structs import asdict, replace

from actors.adapters.runner import cgroup, kept, leftovers
from actors.adapters.runner.checkout import CHECKOUT, Checkout, CheckoutBounds
from actors.adapters.runner.execution import KeptExecution, begin
from actors.adapters.runner.files import OURS, Owner, opened_folder
from actors.adapters.runner.keeper import FILES_FREE, Order
from actors.adapters.runner.processes import MARK, boot
from actors.adapters.runner.removal import remove
from actors.adapters.runner.sandbox import Bubblewrap, NoBubblewrap
from actors.runner.environment import environment
from actors.runner.masking import Masking
from actors.runner.port import (
    BOUNDS,
    MIB,
    MOST_STOP_SECONDS,
    Artefact,
    Bounds,
    Collected,
    Command,
    Ending,
    Isolation,
    Leftover,
    Limits,
    RunnerError,
    Source,
)
from actors.runtime.secret_files import check_owner

log = structlog.get_logger()
T = TypeVar("T")

_RUN = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_CACHES = ".caches"  # no run's name
_LONGEST_COMMAND = 100 * 1024  # bytes; the kernel takes 128 KiB of one word
# Workspaces whose files are looked through, each for minutes perhaps, and that are removed: no host has many threads.
_FILES_AT_ONCE, _REMOVED_AT_ONCE = 4, 2
_SWEPT_AT_ONCE = 16  # notes; for each one waits for its processes
_PIECE = 256 * 1024  # bytes of an artefact that are read at once


class LocalExecutor:
    """The executor of this machine. Raises RunnerError where another process has its folder, or the user is not there.
    Blocks for a moment: it tries out what there is.

    `places`: folders and beginnings of URLs that repositories may be got from; none: no repository. `user`: whose
    processes steps are, where we are root. `visible`: further folders that steps in bubblewrap may read; `private`: one
    of which they see nothing, whatever it lies in; `environment`: variables that all steps get. `cache_bytes`: of all
    caches together; `disk_free`: bytes without which no run is begun; commands that leave less than half of it are
    ended.
    """

    def __init__(
        self, *, folder: Path, places: Sequence[str] = (), user: str | None = None, bubblewrap: bool = True,
        program: str | None = None, visible: Sequence[Path] = (), private: Path | None = None,
        environment: Mapping[str, str] = {}, bounds: CheckoutBounds = CHECKOUT, cache_bytes: int = 4096 * MIB,
        disk_free: int = 1024 * MIB,
    ) -> None:  # fmt: skip
        self.folder = folder.resolve()
        self.user = user
        self.places = places
        self.environment = environment
        self.checkout_bounds = bounds
        self.disk_free = disk_free
        self._workspaces = dict[str, LocalWorkspace]()
        self._files = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="workspaces")
        self._removing = ThreadPoolExecutor(_REMOVED_AT_ONCE, thread_name_prefix="workspaces-removed")
        self.owner = _owner(user)
        self._lock: int | None = _claimed(self.folder, 0o700 if user is None else 0o711)
        if user is not None and (why := _no_way(self.folder, self.owner)) is not None:
            os.close(self._lock)
            raise RunnerError(f"{user} {why}: say another [runner] folder, like /var/lib/ottb-runner")
        self.caches = kept.Caches(self.folder / _CACHES, cache_bytes, self.owner)
        hidden = _hidden(self.folder, private.resolve() if private is not None and user is None else None)
        tried = _bubblewrap(program, visible, hidden) if bubblewrap else (None, "switched off")
        self.bubblewrap, self._no_bubblewrap = tried
        self.groups, self._no_groups = _groups()
        self._git = _version_of("git", "git version ")
        bwrap = self.bubblewrap.program if self.bubblewrap is not None else None
        self._bubblewrap_version = _version_of(bwrap, "bubblewrap ") if bwrap is not None else None

    def isolation(self) -> Isolation:
        uid = os.geteuid() if self.user is None else self.owner[0]
        tree = self.groups is not None
        return Isolation(
            bubblewrap=self.bubblewrap is not None, bubblewrap_reason=self._no_bubblewrap,
            bubblewrap_version=self._bubblewrap_version,
            cgroup=tree, cgroup_reason=self._no_groups,
            user=self.user or _user_name(uid), own_user=self.user is not None,
            memory="tree" if tree else "process", processes="tree" if tree else "watched" if uid == 0 else "user",
            git=self._git, disk_free=shutil.disk_usage(self.folder).free,
        )  # fmt: skip

    async def end_leftovers(self) -> Sequence[Leftover]:
        return await asyncio.to_thread(self._end_leftovers)

    def _end_leftovers(self) -> list[Leftover]:
        found = list[Leftover]()
        self.caches.tidy()
        for place in sorted(self.folder.iterdir()):
            if place.is_symlink() or not _RUN.fullmatch(place.name) or place.name in self._workspaces:
                continue
            notes = [note for note in (place / "pids").glob("*") if note.suffix != ".partial"]
            with ThreadPoolExecutor(_SWEPT_AT_ONCE) as threads:
                swept = list(threads.map(leftovers.sweep, notes))
            survivors = tuple(pid for each in swept for pid in each.survivors)
            found.append(Leftover(run=place.name, ended=sum(each.ended for each in swept), survivors=survivors))
            if not survivors:
                remove(place)
        return found

    async def prepare(self, run: str, source: Source | None, secrets: Mapping[str, str]) -> "LocalWorkspace":
        if not _RUN.fullmatch(run):
            raise RunnerError(f"{run[:80]!r} is no name of a run")
        try:
            masking = await asyncio.to_thread(Masking, list(secrets.values()))
        except ValueError as error:
            raise RunnerError(str(error)) from None
        if (why := await self.no_room()) is not None:
            raise RunnerError(why)
        workspace = LocalWorkspace(self, self.folder / run, masking, dict(secrets))
        try:
            await workspace.make(source)
        except FileExistsError:
            raise RunnerError(f"there is a workspace of {run!r} already") from None
        except BaseException:
            await asyncio.shield(workspace.remove())
            raise
        self._workspaces[run] = workspace
        return workspace

    async def no_room(self) -> str | None:
        if self._no_room() is not None:
            await self.in_thread(self.caches.clear)
        return self._no_room()

    def _no_room(self) -> str | None:
        free = shutil.disk_usage(self.folder).free
        if free < self.disk_free:
            return f"the disk has {free // MIB} MiB left, and a run is begun with {self.disk_free // MIB}"
        if (look := os.statvfs(self.folder)).f_favail < look.f_files // (FILES_FREE // 2):
            return f"the disk has room for {look.f_favail} files, and a run is begun with a tenth of all"
        return None

    async def caches_since(self) -> int:
        return await asyncio.to_thread(self.caches.since)

    async def drop_caches(self, since: int) -> None:
        await asyncio.to_thread(self.caches.drop, since)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something with the files of a workspace."""
        return await asyncio.get_running_loop().run_in_executor(self._files, work)

    async def remove(self, place: Path) -> None:
        """Delete a workspace."""
        await asyncio.get_running_loop().run_in_executor(self._removing, remove, place)

    def forget(self, workspace: "LocalWorkspace") -> None:
        """It is gone."""
        self._workspaces = {run: each for run, each in self._workspaces.items() if each is not workspace}

    async def close(self) -> None:
        await asyncio.gather(*(workspace.stop() for workspace in self._workspaces.values()))
        for threads in (self._files, self._removing):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class LocalWorkspace:
    """The folder of one run."""

    def __init__(self, executor: LocalExecutor, place: Path, masking: Masking, secrets: dict[str, str]) -> None:
        self._executor = executor
        self._place = place
        self._masking = masking
        self._secrets = secrets
        self._running = set[KeptExecution]()
        self._turn = asyncio.Lock()  # its jobs' files are looked through one after the other
        self._commit: str | None = None
        self._made = False
        self._dropped = executor.caches.dropped

    @property
    def folder(self) -> Path:
        return self._place / "work"

    @property
    def commit(self) -> str | None:
        return self._commit

    async def make(self, source: Source | None) -> None:
        """Make the folders, and check out. Raises RunnerError, FileExistsError."""
        self._place.mkdir(mode=0o700)
        self._made = True
        for name in ("work", "home", "tmp", "kept", "pids"):
            (self._place / name).mkdir(mode=0o700)
        if self._executor.user is not None:
            self._place.chmod(0o711)
            for name in ("work", "home", "tmp"):
                os.chown(self._place / name, *self._executor.owner)
        if source is not None:
            checkout = Checkout(
                folder=self.folder, configuration=self._place / "gitconfig", home=self._place / "home", run=self._git,
                places=self._executor.places, bounds=self._executor.checkout_bounds,
            )  # fmt: skip
            with self._told():
                self._commit = await checkout.make(source)

    async def start(self, command: Command) -> KeptExecution:
        words = _words(command)
        limits = _checked(command.limits)
        with self._told(), opened_folder(self.folder, command.folder):
            at = str(self.folder / PurePosixPath(command.folder))
        home, temporary = self._place / "home", self._place / "tmp"
        given = environment(
            command, self._secrets, folder=at, home=str(home), temporary=str(temporary), host=self._executor.environment
        )  # fmt: skip
        bubblewrap = self._executor.bubblewrap
        if bubblewrap is not None:
            places = [self.folder, home, temporary]
            words = bubblewrap.wrap(words, writable=places, temporary=temporary, network=command.network, at=at)
        elif not command.network:
            raise RunnerError("without bubblewrap this host cannot keep a command from the network")
        return await self._begin(words, given, limits, at=at if bubblewrap is None else "/")

    async def _begin(self, words: Sequence[str], given: Mapping[str, str], limits: Limits, *, at: str) -> KeptExecution:
        mark = f"{self._place.name}-{secrets.token_hex(8)}"
        groups = self._executor.groups
        order = Order(
            words=list(words), environment={**given, MARK: mark}, folder=at, output=-1, mark=mark, boot=boot(),
            pids=str(self._place / "pids" / mark), user=self._executor.user, limits=asdict(limits),
            group=None if groups is None else str(groups / mark), disk_free=self._executor.disk_free // 2,
        )  # fmt: skip
        with self._told():
            running = await begin(order, limits, self._masking.stream(), self._place / "broken")
        self._running = {each for each in self._running if not each.over} | {running}
        return running

    async def _git(self, words: Sequence[str], given: Mapping[str, str], limits: Limits) -> tuple[Ending, bytes]:
        running = await self._begin(words, given, limits, at="/")
        try:
            output = list[bytes]()
            async for piece in running.output():
                output.append(piece)
                if running.cut:  # a tree of a few kB has as many files as anybody likes
                    running.stop()
            return await running.ended(), b"".join(output)
        finally:
            await running.close()

    async def collect(self, globs: Sequence[str], bounds: Bounds = BOUNDS) -> Collected:
        return await self._in_thread(
            lambda: kept.collect(self.folder, self._place / "kept", globs, self._leaving(bounds), self._masking)
        )  # fmt: skip

    async def read(self, artefact: Artefact) -> AsyncIterator[bytes]:
        with (self._place / "kept" / artefact.sha256).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    async def restore_cache(self, key: str, folder: str) -> bool:
        free = self._leaving(BOUNDS).disk_free
        return await self._in_thread(lambda: self._executor.caches.restore(key, self.folder, folder, disk_free=free))

    async def save_cache(self, key: str, folder: str, bounds: Bounds = BOUNDS) -> Collected:
        return await self._in_thread(
            lambda: self._executor.caches.save(
                key, self.folder, folder, self._leaving(bounds), self._masking, dropped=self._dropped
            )
        )  # fmt: skip

    def _leaving(self, bounds: Bounds) -> Bounds:
        """As much on the disk as commands have to leave."""
        return replace(bounds, disk_free=self._executor.disk_free // 2)

    def mask(self, text: str) -> str:
        return self._masking.text(text)

    async def masked(self, text: str) -> str:
        async with self._turn:  # a hundred phones may print a lot at once
            return await self._executor.in_thread(lambda: self._masking.text(text))

    async def stop(self) -> None:
        """End everything that runs in it."""
        await asyncio.gather(*(each.close() for each in self._running))

    async def remove(self) -> None:
        await self.stop()
        if self._made:
            await self._executor.remove(self._place)
        self._executor.forget(self)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        with self._told():
            async with self._turn:
                return await self._executor.in_thread(work)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What went wrong, said without secrets, and as the port has it."""
        try:
            yield
        except OSError as error:
            named = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
            raise RunnerError(self.mask(named)) from None
        except RunnerError as error:
            raise RunnerError(self.mask(str(error))) from None


def _words(command: Command) -> list[str]:
    words = ["/bin/sh", "-eu", "-c", command.run] if isinstance(command.run, str) else list(command.run)
    if not words or not words[0]:
        raise RunnerError("there is no command")
    if any("\0" in word for word in words) or sum(map(len, words)) > _LONGEST_COMMAND:
        raise RunnerError(f"a command has at most {_LONGEST_COMMAND} characters, and no NUL")
    return words


def _checked(limits: Limits) -> Limits:
    for name, value in asdict(limits).items():
        if not 0 < value < 2**62:
            raise RunnerError(f"the limit {name} is {value}: it has to be more than 0")
    if limits.stop_seconds > MOST_STOP_SECONDS:
        raise RunnerError(f"stop_seconds is {limits.stop_seconds}: at most {MOST_STOP_SECONDS}, so that a stop is one")
    return limits


def _no_way(folder: Path, owner: Owner) -> str | None:
    """Why a user cannot get to a folder. None: they can."""
    uid, gid = owner
    for above in folder.parents:
        found = above.stat()
        needed = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid == gid else stat.S_IXOTH
        if uid != 0 and not found.st_mode & needed:
            return f"cannot get through {above}"
    return None


def _owner(user: str | None) -> Owner:
    if user is None:
        return OURS
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise RunnerError(f"there is no user {user!r} on this machine") from None
    if os.geteuid() not in (0, found.pw_uid):
        raise RunnerError(f"only root can run steps as {user!r}")
    return found.pw_uid, found.pw_gid


def _claimed(folder: Path, mode: int) -> int:
    """Make a folder that is one executor's, and those above it, whatever the umask. Raises OSError, RunnerError."""
    for above in [each for each in (folder, *folder.parents) if not each.exists()][::-1]:
        above.mkdir(mode=0o700)
        above.chmod(mode)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        check_owner(descriptor)  # it need not be in the state folder
        os.fchmod(descriptor, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RunnerError(f"another process has the workspaces of {folder}") from None
    except PermissionError as error:
        os.close(descriptor)
        raise RunnerError(f"{folder} is not used: {error.strerror}") from None
    return descriptor


def _hidden(folder: Path, private: Path | None) -> list[Path]:
    """What steps see nothing of but their workspace. Another user cannot get into what is private anyway."""
    if private is None:
        return [folder]
    return [private] if private in folder.parents else [private, folder]


def _bubblewrap(
    program: str | None, visible: Sequence[Path], hidden: Sequence[Path]
) -> tuple[Bubblewrap | None, str | None]:
    try:
        return Bubblewrap(program, visible, hidden), None
    except NoBubblewrap as error:
        return None, str(error)


def _groups() -> tuple[Path | None, str | None]:
    try:
        return cgroup.delegated(), None
    except cgroup.NotDelegated as error:
        return None, str(error)


def _version_of(program: str, before: str) -> str | None:
    """What a program says of itself behind these words."""
    try:
        found = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True, env={})
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip().removeprefix(before)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
