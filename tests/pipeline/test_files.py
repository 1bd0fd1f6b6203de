"""Definitions in files: which have changed, and which are gone for certain."""

from pathlib import Path

import pytest

from actors.pipeline.files import DefinitionFiles
from tests.pipeline.texts import text


def taken(files: DefinitionFiles) -> list[str]:
    """Take what has changed: its names."""
    found = files.changed()
    for name, path, stamp in found:
        files.read(name, path)
        files.take(name, stamp)
    return [name for name, _, _ in found]


def test_a_file_that_was_away_is_taken_again(tmp_path: Path) -> None:
    files, file = DefinitionFiles((tmp_path,)), tmp_path / "a.toml"
    file.write_text(text())
    assert taken(files) == ["a.toml"] and taken(files) == []
    away = file.rename(tmp_path / "a.off")
    assert taken(files) == [] and files.is_gone("a.toml", 1)
    away.rename(file)
    assert not files.is_gone("a.toml", 1) and taken(files) == ["a.toml"]


def test_a_file_with_another_number_is_another_pipelines(tmp_path: Path) -> None:
    files, file = DefinitionFiles((tmp_path,)), tmp_path / "a.toml"
    file.write_text(text())
    assert not files.is_gone("a.toml", 7)  # nobody has read it yet
    taken(files)
    assert not files.is_gone("a.toml", 1) and files.is_gone("a.toml", 7)
    file.write_text("id = ")
    taken(files)
    assert not files.is_gone("a.toml", 1)


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_of_a_folder_that_cannot_be_read_nothing_is_gone(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "folder"
    if what == "a file":
        folder.write_text("x")
    files = DefinitionFiles((tmp_path, folder))
    assert taken(files) == [] and not files.is_gone("a.toml", 1)
