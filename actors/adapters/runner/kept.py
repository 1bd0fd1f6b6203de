"""What is taken out of workspaces: artefacts, and the caches of folders. All of it blocks, so it is run in a thread."""

import fcntl
import hashlib
import os
import posixpath
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from actors.adapters.runner.files import (
    OURS,
    Found,
    NoRoom,
    Owner,
    Refused,
    Taken,
    TooLarge,
    copy,
    opened_folder,
    walk,
)
from actors.adapters.runner.keeper import lacks_room
from actors.runner.globs import MOST, BadGlob, Glob
from actors.runner.masking import Masking
from actors.runner.port import Artefact, Bounds, Collected, RunnerError

LONGEST_KEY = 200
MOST_CACHES = 1000
BLOCK = 4096  # bytes that a file counts as at least: a disk has room for so many files, and has them for each
LONGEST_NAME = 300  # bytes of an artefact's path: it goes on record
_ALL = 1 << 31  # files
_OWN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def collect(workspace: Path, kept: Path, globs: Sequence[str], bounds: Bounds, masking: Masking) -> Collected:
    """Copy what matches to `kept`, each under its SHA-256: a file may be collected as often as one likes, and nobody
    who reads a copy sees it change. Raises RunnerError, OSError."""
    wanted = _globs(globs)
    taken = Taken(artefacts=[], refused=[])
    matched = set[Glob]()
    target = os.open(kept, _OWN)
    try:
        with opened_folder(workspace) as top:
            for found in walk(top, lambda path: any(glob.leads_to(path) for glob in wanted)):
                fits = [glob for glob in wanted if glob.matches(found.path)]
                matched.update(fits)
                if fits:
                    _take(found, target, bounds, masking, taken)
    finally:
        os.close(target)
    for glob in wanted:
        if glob not in matched:
            taken.refuse(masking.text(glob.pattern), "nothing matches it")
    return Collected(artefacts=tuple(taken.artefacts), refused=tuple(taken.refused))


def _globs(patterns: Sequence[str]) -> list[Glob]:
    if len(patterns) > MOST:
        raise RunnerError(f"there are at most {MOST} patterns")
    try:
        return [Glob(pattern) for pattern in patterns]
    except BadGlob as error:
        raise RunnerError(str(error)) from None


def _take(found: Found, target: int, bounds: Bounds, masking: Masking, taken: Taken) -> None:
    name = "/".join(found.path)
    try:
        _check_name(name, masking)
        if any(name == other.name for other in taken.artefacts):
            return
        if len(taken.artefacts) >= bounds.count:
            raise Refused(f"there are more than {bounds.count} files")
        partial = f"{secrets.token_hex(8)}.partial"
        most = min(bounds.each, bounds.total - taken.size)
        size, digest = copy(found, target, partial, most, disk_free=bounds.disk_free)
        os.rename(partial, digest, src_dir_fd=target, dst_dir_fd=target)
    except (Refused, OSError) as error:
        taken.refuse(_shown(name, masking), str(error) if isinstance(error, Refused) else error.strerror or "")
    else:
        taken.artefacts.append(Artefact(name=name, size=size, sha256=digest))
        taken.size += size


def _check_name(name: str, masking: Masking) -> None:
    try:
        long = len(name.encode()) > LONGEST_NAME
    except UnicodeEncodeError:
        raise Refused("its name is not UTF-8") from None
    if long:
        raise Refused(f"its path has more than {LONGEST_NAME} bytes")
    if not name.isprintable() or "\\" in name:
        raise Refused("its name has a control character or a backslash in it")
    if masking.text(name) != name:
        raise Refused("its name has a secret in it")


def _shown(name: str, masking: Masking) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in masking.text(name))[:500]


class Caches:
    """Folders that runs leave for later ones, each under its key; those not used for longest go first. `owner`: of
    what is put back; `dropped`: how often all of them were, by this process."""

    def __init__(self, folder: Path, most: int, owner: Owner = OURS) -> None:
        self._folder = folder
        self._most = most
        self._owner = owner
        self._note = folder.with_suffix(".since")
        self._sizes = dict[Path, int]()  # of those that were looked through: none changes once it is kept
        self.dropped = 0

    def since(self) -> int:
        """Which place in the journal they were last dropped for; 0: never. Raises OSError."""
        try:
            return int(self._note.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def drop(self, since: int) -> None:
        """Delete all, for what is at this place in the journal. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._folder):
            self.dropped += 1  # what is being saved just now is not kept, and removed by whoever saves it
            for place in self._kept():
                shutil.rmtree(place)
        self._note.write_text(f"{since}\n")

    def tidy(self) -> None:
        """Remove what was not finished."""
        for unfinished in self._folder.glob("*.partial"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def clear(self) -> None:
        """Delete all, as the disk has no room for runs. Raises OSError."""
        if self._folder.is_dir():
            with _alone(self._folder):
                for place in self._kept():
                    shutil.rmtree(place)

    def restore(self, key: str, workspace: Path, folder: str, *, disk_free: int = 0) -> bool:
        """Fill a folder that is not there, or is empty. False: nothing is kept, or there is something in it.
        `disk_free`: bytes that are left on the disk. Raises RunnerError, OSError."""
        place = self._place(key)
        if not place.is_dir():
            return False
        with (
            _alone(self._folder, fcntl.LOCK_SH),
            opened_folder(workspace, folder, owner=self._owner) as target,
            opened_folder(place) as source,
        ):
            os.utime(source)
            with os.scandir(target) as entries:
                if any(entries):
                    return False
            bounds = Bounds(each=self._most, total=self._most, count=_ALL, disk_free=disk_free)
            _copy_tree(source, target, bounds, self._owner)
        return True

    def save(
        self, key: str, workspace: Path, folder: str, bounds: Bounds, masking: Masking, *, dropped: int = 0
    ) -> Collected:
        """Keep a folder as it is now. `dropped`: how often they were when its run began. Raises RunnerError,
        OSError."""
        place = self._place(key)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._folder / f"{secrets.token_hex(8)}.partial"
        partial.mkdir(mode=0o700)
        try:
            with opened_folder(workspace, folder) as source, opened_folder(partial) as target:
                taken = _copy_tree(source, target, bounds, OURS)
            with _alone(self._folder):
                if dropped != self.dropped:
                    raise RunnerError("a person was erased since the run began, and it may tell of them")
                shutil.rmtree(place, ignore_errors=True)
                partial.rename(place)
                self._make_room(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return Collected(
            artefacts=tuple(replace(each, name=_shown(each.name, masking)) for each in taken.artefacts),
            refused=tuple(replace(each, name=_shown(each.name, masking)) for each in taken.refused),
        )

    def _place(self, key: str) -> Path:
        if not key or len(key) > LONGEST_KEY:
            raise RunnerError(f"a cache's key has 1 to {LONGEST_KEY} characters")
        return self._folder / hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()

    def _kept(self) -> list[Path]:
        return [place for place in self._folder.iterdir() if place.suffix != ".partial"]

    def _make_room(self, newest: Path) -> None:
        known, self._sizes = self._sizes, {}
        for place in sorted(self._kept(), key=lambda place: place.stat().st_mtime):
            self._sizes[place] = _size(place) if place == newest or place not in known else known[place]
        whole = sum(self._sizes.values())
        for place in list(self._sizes):
            if (whole > self._most or len(self._sizes) > MOST_CACHES) and place != newest:
                whole -= self._sizes.pop(place)
                shutil.rmtree(place, ignore_errors=True)


def _copy_tree(source: int, target: int, bounds: Bounds, owner: Owner) -> Taken:
    """Copy all plain files and the links that stay within. Raises RunnerError where they are too many or too large."""
    taken, links = Taken(artefacts=[], refused=[]), 0
    for found in walk(source, _any):
        name = "/".join(found.path)
        if len(taken.artefacts) + links >= bounds.count:
            raise RunnerError(f"the folder has more than {bounds.count} files")
        if lacks_room(os.fstatvfs(target), bounds.disk_free):  # folders and links take some, too
            raise RunnerError("it would leave too little room on the disk")
        try:
            with opened_folder(target, PurePosixPath(*found.path[:-1]), owner=owner) as into:
                if stat.S_ISLNK(found.mode):
                    _copy_link(found, into, owner)
                    links += 1
                    continue
                most = min(bounds.each, bounds.total - taken.size)
                size, digest = copy(found, into, found.name, most, owner, disk_free=bounds.disk_free)
        except NoRoom as error:
            raise RunnerError(str(error)) from None
        except TooLarge:
            raise RunnerError(f"the folder has more than {bounds.total} bytes, or a file of it too many") from None
        except Refused as error:
            taken.refuse(name, str(error))
        else:
            taken.artefacts.append(Artefact(name=name, size=size, sha256=digest))
            taken.size += size
    return taken


def _copy_link(found: Found, into: int, owner: Owner) -> None:
    leads = os.readlink(found.name, dir_fd=found.folder)
    place = posixpath.normpath(posixpath.join(*found.path[:-1], leads))
    if leads.startswith("/") or place.startswith(".."):
        raise Refused("it is a link that leads out of the folder")
    os.symlink(leads, found.name, dir_fd=into)
    os.chown(found.name, *owner, dir_fd=into, follow_symlinks=False)


@contextmanager
def _alone(folder: Path, lock: int = fcntl.LOCK_EX) -> Iterator[None]:
    """One at a time, or several that only read."""
    descriptor = os.open(folder, _OWN)
    try:
        fcntl.flock(descriptor, lock)
        yield
    finally:
        os.close(descriptor)


def _size(place: Path) -> int:
    """What it takes on the disk. Each folder of a cache has something in it."""
    size, folders = 0, set[tuple[str, ...]]()
    with opened_folder(place) as top:
        for found in walk(top, _any):
            size += max(os.stat(found.name, dir_fd=found.folder, follow_symlinks=False).st_size, BLOCK)
            folders.update(found.path[:end] for end in range(1, len(found.path)))
    return size + len(folders) * BLOCK


def _any(_: tuple[str, ...]) -> bool:
    return True
