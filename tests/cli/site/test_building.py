"""What a build leaves that was killed: `/proc` of the running system, mounted in the folder that is built anew."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.site.building import StillMounted, clear


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder of others, mounted deep in one that is being built."""
    place = tmp_path / "a b.building" / "proc"
    for folder in (place, tmp_path / "others"):
        folder.mkdir(parents=True)
    (tmp_path / "others" / "file").write_text("theirs")
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", str(tmp_path / "others"), str(place)]).returncode:
        pytest.skip("only root can mount, and not everywhere")
    yield place
    subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_what_is_mounted_is_not_removed_with_the_folder(mounted: Path, tmp_path: Path) -> None:
    clear(mounted.parent)
    assert not mounted.parent.exists()
    assert (tmp_path / "others" / "file").read_text() == "theirs"


def test_what_stays_mounted_is_named_and_nothing_is_removed(mounted: Path, tmp_path: Path) -> None:
    (mounted.parent / "etc").mkdir()
    with (mounted / "file").open(), pytest.raises(StillMounted, match="umount"):
        clear(mounted.parent)
    assert (mounted.parent / "etc").exists()
    assert (tmp_path / "others" / "file").read_text() == "theirs"


def test_a_folder_beside_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.building").mkdir()
    (tmp_path / "x.building-2").mkdir()
    clear(tmp_path / "x.building")
    clear(tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["x.building-2"]
