"""Artefacts and caches: what a workspace holds is taken, and nothing else can be had through it."""

import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.adapters.runner import kept
from actors.adapters.runner.executor import LocalExecutor, LocalWorkspace
from actors.runner.masking import Masking
from actors.runner.port import BOUNDS, Bounds, RunnerError
from tests.runner.steps import SECRET, ran

NO_ROOM = "it would leave too little room on the disk"
PRIVATE = b"what nobody in a workspace may have"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "private").write_bytes(PRIVATE)
    return folder


async def bytes_of(workspace: LocalWorkspace, name: str) -> bytes:
    collected = await workspace.collect([name])
    return b"".join([piece async for piece in workspace.read(collected.artefacts[0])])


async def test_files_are_taken_as_they_are(workspace: LocalWorkspace) -> None:
    await ran(workspace, "mkdir -p dist/a; printf one > dist/1.txt; printf two > dist/a/2.txt; printf x > other")
    collected = await workspace.collect(["dist/**/*.txt", "dist/1.txt"])
    assert [(each.name, each.size, each.sha256) for each in collected.artefacts] == [
        ("dist/1.txt", 3, hashlib.sha256(b"one").hexdigest()),
        ("dist/a/2.txt", 3, hashlib.sha256(b"two").hexdigest()),
    ]
    assert collected.refused == ()
    await ran(workspace, "printf changed > dist/1.txt; rm -r dist/a")
    told = [b"".join([piece async for piece in workspace.read(each)]) for each in collected.artefacts]
    assert told == [b"one", b"two"]


async def test_a_file_is_taken_again_as_it_is_then(workspace: LocalWorkspace) -> None:
    await ran(workspace, "printf one > app.apk")
    first = (await workspace.collect(["app.apk"])).artefacts[0]
    reading = workspace.read(first)
    assert await anext(reading) == b"one"
    again = await workspace.collect(["app.apk"])
    assert again.artefacts == (first,) and again.refused == ()
    await ran(workspace, "printf other > app.apk")
    assert await bytes_of(workspace, "app.apk") == b"other"
    assert b"".join([piece async for piece in workspace.read(first)]) == b"one"


async def test_patterns_without_a_match_are_told(workspace: LocalWorkspace) -> None:
    collected = await workspace.collect(["none/*"])
    assert [(each.name, each.reason) for each in collected.refused] == [("none/*", "nothing matches it")]
    for pattern in ("../x", "/etc/passwd"):
        with pytest.raises(RunnerError):
            await workspace.collect([pattern])
    with pytest.raises(RunnerError, match="at most 50"):
        await workspace.collect(["x"] * 51)


def _socket(place: Path, _: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(place / "x", Path.cwd()))


TRICKS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a link to a file": (lambda place, outside: (place / "x").symlink_to(outside / "private"), "a link"),
    "a link within": (lambda place, _: (place / "x").symlink_to("y"), "a link"),
    "another name of a file": (lambda place, outside: (place / "x").hardlink_to(outside / "private"), "hard link"),
    "a pipe": (lambda place, _: os.mkfifo(place / "x"), "a pipe"),
    "a socket": (_socket, "a socket"),
    "a secret as its name": (lambda place, _: (place / f"x-{SECRET}").write_text(""), "secret"),
    "a secret in hex": (lambda place, _: (place / f"x{SECRET.encode().hex()}").write_text(""), "secret"),
    "a line end": (lambda place, _: (place / "x\ny").write_text(""), "control character"),
    "an escape": (lambda place, _: (place / "x\x1b[2J").write_text(""), "control character"),
    "a secret over two lines": (lambda place, _: (place / "xhunter2-\nhunter2").write_text(""), "control character"),
    "a backslash": (lambda place, _: (place / "x..\\y").write_text(""), "backslash"),
    "bytes": (lambda place, _: Path(os.fsdecode(bytes(place) + b"/x\xff")).write_text(""), "UTF-8"),
    "a long path": (lambda place, _: _made(_deep(place) / "x"), "more than 300 bytes"),
    "a large one": (lambda place, _: os.truncate(_made(place / "x"), 2_000_000), "larger"),
}


def _deep(place: Path) -> Path:
    folder = place / ("x" * 200) / ("y" * 100)
    folder.mkdir(parents=True)
    return folder


def _made(path: Path) -> Path:
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize("name", TRICKS)
async def test_what_is_no_file_of_its_own_is_refused(workspace: LocalWorkspace, outside: Path, name: str) -> None:
    trick, reason = TRICKS[name]
    trick(workspace.folder, outside)
    (workspace.folder / "good").write_text("good")
    collected = await workspace.collect(["**"], Bounds(each=1_000_000))
    assert [each.name for each in collected.artefacts] == ["good"]
    (refused,) = collected.refused
    assert reason in refused.reason, refused
    assert refused.name.isprintable() and SECRET not in refused.name and SECRET.encode().hex() not in refused.name
    assert "hunter2-?hunter2" not in refused.name


@pytest.mark.parametrize("name", ["a link to a file", "another name of a file", "a pipe", "a socket"])
async def test_caches_leave_out_what_leads_elsewhere(workspace: LocalWorkspace, outside: Path, name: str) -> None:
    (workspace.folder / "cache").mkdir()
    TRICKS[name][0](workspace.folder / "cache", outside)
    (workspace.folder / "cache" / "good").write_text("good")
    saved = await workspace.save_cache("key", "cache")
    assert [each.name for each in saved.artefacts] == ["good"] and [each.name for each in saved.refused] == ["x"]
    assert await workspace.restore_cache("key", "again")
    assert [path.name for path in (workspace.folder / "again").iterdir()] == ["good"]


async def test_a_folder_that_is_a_link_is_not_looked_into(workspace: LocalWorkspace, outside: Path) -> None:
    (workspace.folder / "dist").symlink_to(outside)
    collected = await workspace.collect(["dist/*", "**/private"])
    assert collected.artefacts == ()
    with pytest.raises(RunnerError):
        await workspace.save_cache("key", "dist")
    (workspace.folder / "cache").mkdir()
    (workspace.folder / "cache/x").write_text("x")
    await workspace.save_cache("key", "cache")
    for folder in ("dist", "dist/x"):
        with pytest.raises(RunnerError):
            await workspace.restore_cache("key", folder)
    with os.scandir(outside) as entries:
        assert [entry.name for entry in entries] == ["private"]


@pytest.mark.parametrize("folder", ["..", "/tmp", "a/../..", "a\0b", "../run-1/kept"])
async def test_caches_of_folders_outside_are_refused(workspace: LocalWorkspace, folder: str) -> None:
    (workspace.folder / "cache").mkdir()
    (workspace.folder / "cache" / "x").write_text("x")
    await workspace.save_cache("key", "cache")
    with pytest.raises(RunnerError):
        await workspace.save_cache("key", folder)
    with pytest.raises(RunnerError):
        await workspace.restore_cache("key", folder)


@pytest.mark.parametrize("key", ["../../x", "/etc", "a\nb", "a\0b", ".", "ü" * 200])
async def test_keys_are_names_of_any_kind(executor: LocalExecutor, workspace: LocalWorkspace, key: str) -> None:
    await ran(workspace, "mkdir cache; printf '#!/bin/sh' > cache/tool; chmod +x cache/tool; ln -s tool cache/link")
    await workspace.save_cache(key, "cache")
    other = await executor.prepare("run-2", None, {})
    assert await other.restore_cache(key, "a/b")
    assert os.access(other.folder / "a/b/tool", os.X_OK)
    assert (other.folder / "a/b/link").readlink() == Path("tool")
    assert not await other.restore_cache(key, "a/b"), "there is something in it"
    assert not await other.restore_cache("another", "c")
    for bad in ("", "x" * 201):
        with pytest.raises(RunnerError):
            await other.restore_cache(bad, "d")
    await other.remove()


async def test_a_cache_that_is_too_large_is_not_kept(workspace: LocalWorkspace) -> None:
    await ran(workspace, "mkdir cache; printf old > cache/x")
    await workspace.save_cache("key", "cache")
    await ran(workspace, "head -c 2000 /dev/zero > cache/x; touch cache/y cache/z")
    for bounds in (Bounds(each=1000), Bounds(total=1000), Bounds(count=2)):
        with pytest.raises(RunnerError):
            await workspace.save_cache("key", "cache", bounds)
    assert await workspace.restore_cache("key", "again")
    assert (workspace.folder / "again/x").read_text() == "old"


def test_caches_of_nothing_go_when_there_are_many(tmp_path: Path) -> None:
    """A disk has room for so many files, and links, however small they are."""
    caches, workspace, masking = kept.Caches(tmp_path / "caches", 10 * kept.BLOCK), tmp_path / "work", Masking([])
    (workspace / "cache").mkdir(parents=True)
    (workspace / "cache/x").symlink_to("y")
    for number in range(30):
        caches.save(str(number), workspace, "cache", BOUNDS, masking)
    assert len(list((tmp_path / "caches").iterdir())) == 10
    (workspace / "cache/y").symlink_to("x")
    with pytest.raises(RunnerError, match="more than 1 files"):
        caches.save("x", workspace, "cache", Bounds(count=1), masking)


def test_folders_of_caches_count_as_well(tmp_path: Path) -> None:
    """One file 63 folders deep is 64 that a disk can have no more."""
    caches, workspace, masking = kept.Caches(tmp_path / "caches", 10 * kept.BLOCK), tmp_path / "work", Masking([])
    (workspace / "cache/a/b/c/d").mkdir(parents=True)
    (workspace / "cache/a/b/c/d/x").touch()
    for number in range(4):
        caches.save(str(number), workspace, "cache", BOUNDS, masking)
    assert len(list((tmp_path / "caches").iterdir())) == 2


def test_caches_of_empty_folders_are_no_more_than_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take no room that counts, and each time that one was kept all of them were looked through."""
    caches, workspace, looked_through = kept.Caches(tmp_path / "caches", 10_000), tmp_path / "work", list[Path]()
    (workspace / "cache").mkdir(parents=True)
    former = kept._size

    def size(place: Path) -> int:
        looked_through.append(place)
        return former(place)

    monkeypatch.setattr(kept, "_size", size)
    monkeypatch.setattr(kept, "MOST_CACHES", 5)
    for number in range(8):
        caches.save(str(number), workspace, "cache", BOUNDS, Masking([]))
    assert len(list((tmp_path / "caches").iterdir())) == 5 and len(looked_through) == 8


async def test_what_is_copied_leaves_the_room_that_the_host_needs(
    executor: LocalExecutor, workspace: LocalWorkspace
) -> None:
    """Else artefacts and caches fill the disk, and a run that waits for an approval has it so for a week."""
    (workspace.folder / "cache").mkdir()
    (workspace.folder / "cache/x").write_text("x")
    await workspace.save_cache("key", "cache")
    executor.disk_free = 4 * executor.isolation().disk_free  # as if it were nearly full
    collected = await workspace.collect(["cache/x"])
    assert [each.reason for each in collected.refused if each.name == "cache/x"] == [NO_ROOM]
    assert not any((workspace.folder.parent / "kept").iterdir())
    with pytest.raises(RunnerError, match=NO_ROOM):
        await workspace.save_cache("key", "cache")
    with pytest.raises(RunnerError, match=NO_ROOM):
        await workspace.restore_cache("key", "again")
    assert not any((workspace.folder / "again").iterdir())


async def test_caches_keep_no_run_from_beginning(
    executor: LocalExecutor, workspace: LocalWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.folder / "cache").mkdir()
    (workspace.folder / "cache/x").write_text("x")
    await workspace.save_cache("key", "cache")

    def usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=0 if any((folder / ".caches").iterdir()) else executor.disk_free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    other = await executor.prepare("run-2", None, {})
    await other.remove()
    assert not await workspace.restore_cache("key", "again")


async def test_dropped_caches_are_gone_and_not_kept_again_by_runs_before(
    executor: LocalExecutor, workspace: LocalWorkspace
) -> None:
    assert await executor.caches_since() == 0
    await ran(workspace, "mkdir cache; printf olena > cache/x")
    await workspace.save_cache("key", "cache")
    await executor.drop_caches(17)
    assert await executor.caches_since() == 17
    assert not [path for path in executor.folder.rglob("x") if path.is_file() and "cache/x" not in str(path)]
    with pytest.raises(RunnerError, match="erased"):
        await workspace.save_cache("key", "cache")
    assert not await workspace.restore_cache("key", "again")
    later = await executor.prepare("run-2", None, {})
    await ran(later, "mkdir cache; printf new > cache/x")
    await later.save_cache("key", "cache")
    assert await workspace.restore_cache("key", "again")
    assert await executor.end_leftovers() == [], "what it remembers that by is no run"
    await later.remove()


def test_caches_have_a_bound_together(tmp_path: Path) -> None:
    caches = kept.Caches(tmp_path / "caches", 25_000)
    work = tmp_path / "work"
    (work / "cache").mkdir(parents=True)
    (work / "cache/x").write_bytes(b"x" * 10_000)
    for number, key in enumerate("abc"):
        caches.save(key, work, "cache", Bounds(), Masking([]))
        os.utime(caches._place(key), (number, number))
    caches.save("d", work, "cache", Bounds(), Masking([]))
    assert [caches.restore(key, work, f"to-{key}") for key in "abcd"] == [False, False, True, True]


async def test_artefacts_have_bounds(workspace: LocalWorkspace) -> None:
    await ran(workspace, "for n in 1 2 3 4; do printf 12345 > $n; done")
    collected = await workspace.collect(["*"], Bounds(count=2))
    assert len(collected.artefacts) == 2
    assert {each.reason for each in collected.refused} == {"there are more than 2 files"}


async def test_artefacts_have_a_bound_together(workspace: LocalWorkspace) -> None:
    await ran(workspace, "for n in 1 2 3 4; do printf 12345 > $n; done")
    collected = await workspace.collect(["*"], Bounds(total=12))
    assert len(collected.artefacts) == 2 and len(collected.refused) == 2


async def test_folders_without_an_end_are_not_followed(workspace: LocalWorkspace) -> None:
    deep = Path(*["d"] * 80)
    (workspace.folder / deep).mkdir(parents=True)
    with pytest.raises(RunnerError, match="deep"):
        await workspace.collect(["**/x"])


async def test_what_is_exchanged_meanwhile_leads_nowhere(workspace: LocalWorkspace, outside: Path) -> None:
    """A folder and a file that are links every other moment: what is taken is never what they lead to."""
    stop = threading.Event()
    work = workspace.folder
    (work / "d").mkdir()
    (work / "d/private").write_text("own")
    (work / "e").symlink_to(outside)
    (work / "f").write_text("own")
    (work / "g").symlink_to(outside / "private")

    def exchange() -> None:
        while not stop.is_set():
            for one, other in (("d", "e"), ("f", "g")):
                (work / one).rename(work / "z")
                (work / other).rename(work / one)
                (work / "z").rename(work / other)

    thread = threading.Thread(target=exchange)
    thread.start()
    taken = set()
    own = hashlib.sha256(b"own").hexdigest()
    try:
        for number in range(150):
            place = workspace.folder.parent / f"kept-{number}"
            place.mkdir()
            collected = kept.collect(work, place, ["d/*", "f"], Bounds(), Masking([]))
            taken |= {each.sha256 for each in collected.artefacts}
    finally:
        stop.set()
        thread.join()
    assert taken == {own}
