"""Files that a step leaves: a workspace may have 200,000 of them, 60 folders deep, and patterns as hard as they may be.
Whoever looks through them is done in a minute, and nobody waits for a thread meanwhile."""

import asyncio
import errno
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.adapters.runner import checkout, files, kept, removal
from actors.adapters.runner.executor import LocalExecutor
from actors.adapters.runner.removal import remove
from actors.runner.globs import Glob
from actors.runner.masking import Masking
from actors.runner.port import BOUNDS, Collected, RunnerError

DEEP, NAMES, AT_ONCE = 60, 600, 40
WITHIN = 1100  # folders within each other
FILES = 5_000


def test_a_folder_deep_down_is_compared_once_with_a_pattern() -> None:
    """Each name was, from the top on: an hour for all that a workspace may have."""
    hard, folder = Glob("**/a/" * 39 + "x"), ("a",) * DEEP
    began = time.thread_time()
    fits = [hard.leads_to(folder) and hard.matches((*folder, f"x{number}")) for number in range(NAMES)]
    took = time.thread_time() - began
    print(f"{NAMES} names, {DEEP} folders deep: {took:.3f} s of a core")
    assert not any(fits) and hard.matches((*folder, "x")) and took < 0.2


def test_nobody_looks_through_files_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("work/a", "kept"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "work/a/x").touch()

    def collected() -> Collected:
        return kept.collect(tmp_path / "work", tmp_path / "kept", ["**/x"], BOUNDS, Masking([]))

    assert [each.name for each in collected().artefacts] == ["a/x"]
    monkeypatch.setattr(files, "_LONGEST", 0.0)
    with pytest.raises(RunnerError, match="takes more than"):
        collected()


def test_no_names_are_in_memory_beyond_those_that_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of folders within each other each had 200,000 at once: thirteen million files were gigabytes of the host's."""
    monkeypatch.setattr(files, "_MOST_LOOKED_AT", 3 * AT_ONCE)
    for folder in ("a", "a/a", "a/a/a"):
        (tmp_path / folder).mkdir()
        for number in range(AT_ONCE):
            (tmp_path / folder / f"x{number}").touch()
    found = list[str]()
    top = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(RunnerError, match=f"more than {3 * AT_ONCE} files"):
        for each in files.walk(top, lambda path: True):
            found.append(each.name)
    assert found == []
    monkeypatch.setattr(files, "_MOST_LOOKED_AT", 3 * AT_ONCE + 3)
    assert len(list(files.walk(top, lambda path: True))) == 3 * AT_ONCE
    os.close(top)
    print(f"3 folders within each other, with {AT_ONCE} files each: of {3 * AT_ONCE} none is looked at")


async def test_files_are_looked_through_in_nobodys_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions are read, pictures made and screens understood in those that all of a host have; and those of other
    runs have their turn."""
    ends, executor = threading.Event(), LocalExecutor(folder=tmp_path, bubblewrap=False, disk_free=0)
    workspace, other = [await executor.prepare(name, None, {}) for name in ("1-1-1", "2-1-1")]

    names = set[str]()

    def held(of: Path, *about: Any) -> Collected:
        names.add(threading.current_thread().name.partition("_")[0])
        if of == workspace.folder:
            ends.wait(10)
        return Collected(artefacts=(), refused=())

    monkeypatch.setattr(kept, "collect", held)
    looking = [asyncio.create_task(workspace.collect(["x"])) for _ in range(AT_ONCE)]
    try:
        await asyncio.sleep(0.01)
        async with asyncio.timeout(0.5):
            await asyncio.to_thread(len, names)
            await other.collect(["x"])
            await other.remove()
    finally:
        ends.set()
        await asyncio.gather(*looking)
        await workspace.remove()
        await executor.close()
    assert names == {"workspaces"}
    print(f"{AT_ONCE} steps of one run whose files are looked through, and a thread for others")


async def test_what_phones_print_takes_one_thread_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred phones may print 64 kB each that take a second to be masked: minutes of all threads of all runs."""
    ends, executor = threading.Event(), LocalExecutor(folder=tmp_path, bubblewrap=False, disk_free=0)
    workspace, other = [await executor.prepare(name, None, {}) for name in ("1-1-1", "2-1-1")]
    monkeypatch.setattr(workspace._masking, "text", lambda text: str(ends.wait(10)))
    masked = [asyncio.create_task(workspace.masked("x")) for _ in range(AT_ONCE)]
    try:
        await asyncio.sleep(0.01)
        async with asyncio.timeout(0.5):
            assert await other.masked("x") == "x"
    finally:
        ends.set()
        await asyncio.gather(*masked)
        await executor.close()
    print(f"{AT_ONCE} phones of one run that print, and a thread for others")


def test_a_commit_is_weighed_without_another_list_of_its_files() -> None:
    """Of forty megabytes there were lists of lists, four hundred at once."""
    of_one = b"100644 blob " + b"a" * 40 + b"       7\tfolder/file%d\0"
    listed = b"".join(of_one % number for number in range(FILES))
    tracemalloc.start()
    try:
        weighed, (_, most) = checkout._weighed(listed), tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"a list of {len(listed)} bytes: {most} more")
    assert weighed == (FILES, 7 * FILES) and most < len(listed) / 10


async def test_a_workspace_goes_however_deep_it_is(tmp_path: Path) -> None:
    """To recurse into a thousand folders was too much: it stayed for good, and the next runner never began."""
    executor = LocalExecutor(folder=tmp_path, bubblewrap=False, disk_free=0)
    workspace = await executor.prepare("1-1-1", None, {})
    (workspace.folder / "shut/in").mkdir(parents=True)
    (workspace.folder / "shut").chmod(0)
    (workspace.folder / "link").symlink_to("/")
    _dig(workspace.folder, WITHIN)
    await executor.close()
    later = LocalExecutor(folder=tmp_path, bubblewrap=False, disk_free=0)
    try:
        assert [left.run for left in await later.end_leftovers()] == ["1-1-1"]
        assert not workspace.folder.parent.exists()
    finally:
        await later.close()
        await (await asyncio.create_subprocess_exec("rm", "-rf", tmp_path)).wait()  # pytest could not
    print(f"{WITHIN} folders within each other: gone")


def test_a_workspace_goes_without_as_many_looks_at_its_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at all that is at the top for each folder within another one: beside as many names, a chain of 100,000
    took more than an hour, after which it stayed for good, with whatever lay at its end."""
    place, entries, looks = tmp_path / "run", removal._entries, list[int]()
    place.mkdir()
    _dig(place, WITHIN // 5)
    top = place.stat().st_ino

    def counted(folder: int) -> "Iterator[os.DirEntry[str]]":
        looks.append(os.fstat(folder).st_ino)
        return entries(folder)

    monkeypatch.setattr(removal, "_entries", counted)
    remove(place)
    print(f"{WITHIN // 5} folders within each other: {looks.count(top)} looks at the top, {len(looks)} altogether")
    assert not place.exists() and looks.count(top) <= 3 and len(looks) >= WITHIN // 5


def test_a_workspace_goes_with_what_cannot_leave_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subvolumes of btrfs, which anybody makes: what was in folders there stayed for good, with all room it took."""
    place, rename = tmp_path / "run", os.rename
    outer = place / "work/sub"
    inner = outer / "a/b/nested"
    for folder in (place / "home", outer / "a/b/c/d", inner / "x/y/z"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    parts = {path.stat().st_ino: name for name in ("", "sub", "nested")  # the last that it is in
             for path in (tmp_path, *tmp_path.rglob("*")) if not name or name in path.parts}  # fmt: skip
    roots = {outer.stat().st_ino, inner.stat().st_ino}

    def renamed(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        leaves = parts[os.fstat(src_dir_fd).st_ino] != parts[os.fstat(dst_dir_fd).st_ino]
        if leaves and os.stat(source, dir_fd=src_dir_fd).st_ino not in roots:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", renamed)
    remove(place)
    assert not place.exists()


def _dig(folder: Path, deep: int) -> None:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(deep):
        os.mkdir("d", dir_fd=at)
        further = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = further
    os.close(at)
