"""The version is what `pyproject.toml` says, wherever the package runs from."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from actors.runtime.version import version
from tests.support.site import ROOT

SAID = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_command_says_the_version_of_the_checkout(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cli.main import main; main(['version'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{SAID}\n"


@pytest.mark.parametrize("text", [None, "", '[project]\nname = "another"\nversion = "9"\n'])
def test_an_installed_package_says_what_was_installed(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: f"installed {name}")
    project = tmp_path / "pyproject.toml"
    if text is not None:
        project.write_text(text)
    assert version(project) == "installed ottb"
