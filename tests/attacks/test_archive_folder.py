"""What has left the journal is in the archive's folder alone, which the site names and which need not be in the state
folder: no day is sealed in one from which others could take files away, and none is read there as one that is safe."""

import os
from pathlib import Path

import pytest

from actors.archive.store import NotKept
from tests.archive.days import Days
from tests.support.stranger import NOBODY, as_root


@pytest.mark.parametrize(("mode", "used"), [(0o755, True), (0o777, False), (0o1777, True), (0o773, False)])
@pytest.mark.parametrize("below", ["", "archive"])
async def test_no_day_is_kept_where_others_may_delete_it(tmp_path: Path, mode: int, used: bool, below: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    days = Days(shared / below)
    await days.passes()
    await days.passes()
    first = await days.archive().seal("h1")
    assert first is not None
    shared.chmod(mode)
    if used:
        await days.archive().check(first)
        assert await days.archive().seal("h1") is not None
        return
    with pytest.raises(NotKept, match=f"others may write to {shared}"):
        await days.archive().seal("h1")
    with pytest.raises(NotKept, match=f"others may write to {shared}"):
        await days.archive().check(first)
    assert [piece async for piece in days.archive().entries(first)]  # its checksum says what it is


@as_root
async def test_no_day_is_kept_in_a_folder_of_somebody_else(tmp_path: Path) -> None:
    days = Days(tmp_path / "archive")
    days.folder.mkdir(mode=0o700)
    os.chown(days.folder, NOBODY, 0)
    await days.passes()
    await days.passes()
    with pytest.raises(NotKept, match=f"user {NOBODY}'s"):
        await days.archive().seal("h1")
    assert days.files() == []


async def test_what_else_is_in_the_folder_stays_and_stops_no_erasure(tmp_path: Path) -> None:
    days = Days(tmp_path / "archive")
    await days.passes()
    await days.passes()
    first = await days.archive().seal("h1")
    assert first is not None
    (days.folder / "lost+found").mkdir()  # of a file system of its own
    others = ["2019-photos.tar", "0readme", ".nfs000000001", "2020-01-01-old.jsonl.gz"]
    for name in others:
        (days.folder / name).write_bytes(b"somebody's")
        os.utime(days.folder / name, (0, 0))
    assert await days.archive().tidy() == []
    changed = await days.archive().rewrite("er_1", lambda entry: (entry.data.replace(b"thing", b"gone!"), {}))
    left = {path.name for path in days.files()}
    print(f"{changed} entries changed, and {len(left) - 1} that are none of the archive's are there")
    assert changed == first.entries and first.name not in left
    assert left == {"lost+found", *others, (await days.archive().book()).days[0].name}
