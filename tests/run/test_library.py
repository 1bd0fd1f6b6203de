"""Scripts in files: what is read again, and what goes on to be run while a new text is no good."""

from pathlib import Path

import pytest

from actors.run.library import Scripts
from bus_schemas.errors import Refusal

TEXT = 'name = "{name}"\nversion = {version}\nsummary = "x"\n[[steps]]\ndo = "key"\nkey = "home"\n'


def _write(folder: Path, version: int, name: str = "own", more: str = "") -> None:
    (folder / f"{name}.toml").write_text(TEXT.format(name=name, version=version) + more)


def test_a_changed_file_is_read_and_a_bad_one_leaves_the_last_good_version(tmp_path: Path) -> None:
    told: list[tuple[str, str | None]] = []
    scripts = Scripts((tmp_path,), lambda name, why: told.append((name, why)))
    _write(tmp_path, 1)
    assert scripts.look() and not scripts.look()
    _write(tmp_path, 22)
    assert scripts.look() and scripts.get("own").version == 22
    _write(tmp_path, 333, more="wrong = 1\n")
    assert scripts.look() and scripts.get("own").version == 22
    [(name, why)] = told
    assert name == "own" and why is not None and "own.toml:7:1" in why and "version 22 goes on" in why
    assert "own.toml:7:1" in (scripts.view(scripts.get("own")).problem or "")
    _write(tmp_path, 4444)
    assert scripts.look() and scripts.get("own").version == 4444 and told[-1] == ("own", None)


def test_one_that_was_never_good_is_no_script_and_says_why(tmp_path: Path) -> None:
    scripts = Scripts((tmp_path,), lambda name, why: None)
    _write(tmp_path, 1, more="wrong = 1\n")
    scripts.look()
    with pytest.raises(Refusal) as refused:
        scripts.get("own")
    assert "own.toml:7:1" in str((refused.value.details or {})["problem"])
    (tmp_path / "own.toml").unlink()
    assert scripts.look()


def test_a_sites_own_script_stands_for_the_shipped_one(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    shipped.mkdir()
    own.mkdir()
    _write(shipped, 1)
    _write(own, 22)
    scripts = Scripts((shipped, own), lambda name, why: None)
    scripts.look()
    assert scripts.get("own").version == 22
