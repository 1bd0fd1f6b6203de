"""The set-up script: what it can decide without installing anything."""

import ast
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from cli import bootstrap
from tests.support.site import ROOT
from tests.support.source import parsed

LOCKS = ("requirements.lock", "requirements-dev.lock")


def test_an_old_python_can_read_the_script_and_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "cli" / "bootstrap.py").read_text()
    assert isinstance(parsed(text, feature_version=(3, 7)).body[1], ast.ImportFrom)  # annotations stay text
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(bootstrap.SetupError, match=r"3\.11 or newer is needed, this is 3\.9\.18"):
        bootstrap.check_python()


def test_an_environment_made_for_tests_serves_for_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    assert not bootstrap.is_done("run")
    bootstrap.STAMP.write_text(bootstrap.stamp_of("test"))
    assert bootstrap.is_done("run")
    assert bootstrap.is_done("test")
    bootstrap.STAMP.write_text(bootstrap.stamp_of("run"))
    assert bootstrap.is_done("run")
    assert not bootstrap.is_done("test")


@pytest.mark.parametrize("what", ["lock", "place"])
def test_a_changed_lock_or_a_moved_checkout_is_set_up_again(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bootstrap.stamp_of("run")
    if what == "lock":
        changed = tmp_path / "requirements.lock"
        changed.write_text("another==1\n")
        monkeypatch.setitem(bootstrap.LOCKS, "run", changed)
    else:
        monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    assert bootstrap.stamp_of("run") != before


def test_the_command_runs_in_a_folder_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = tmp_path / "with a space" / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={quote(str(ROOT))} exec {quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "PYTHON", python)
    bootstrap.install_project()
    command = venv / "bin" / "ottb"
    assert command.stat().st_mode & stat.S_IXUSR
    done = subprocess.run([command, "--help"], capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path)
    assert "Usage: ottb" in done.stdout


def test_an_unknown_kind_is_refused_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "cli" / "bootstrap.py", "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["set-up: there is no nonsense, only run and test"]


def test_a_failed_install_is_one_line_without_a_traceback() -> None:
    with pytest.raises(bootstrap.SetupError, match="PIP_INDEX_URL"):
        bootstrap.run(sys.executable, "-c", "raise SystemExit(1)")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_version_and_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(index|extra-index|find-links)", text, re.MULTILINE)
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n" + text) if re.match(r"[A-Za-z0-9]", entry)]
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==[0-9]", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_the_locks_agree() -> None:
    def pinned(lock: str) -> set[str]:
        return set(re.findall(r"^[A-Za-z0-9._-]+==[^ ;\\]+", (ROOT / lock).read_text(), re.MULTILINE))

    assert pinned("requirements.lock") <= pinned("requirements-dev.lock")


def test_javascript_packages_are_those_of_the_lock(tmp_path: Path) -> None:
    def write(path: Path, version: str, **more: object) -> None:
        path.parent.mkdir(exist_ok=True)
        packages = {"": {}, "node_modules/one": {"version": version}, **more}
        path.write_text(json.dumps({"packages": packages}))

    write(tmp_path / "package-lock.json", "1.0.0", **{"node_modules/for-others": {"version": "1", "optional": True}})
    assert not bootstrap.has_its_packages(tmp_path)
    write(tmp_path / "node_modules" / ".package-lock.json", "1.0.0")
    assert bootstrap.has_its_packages(tmp_path)
    write(tmp_path / "package-lock.json", "1.0.1")
    assert not bootstrap.has_its_packages(tmp_path)


def test_the_javascript_lock_names_no_host() -> None:
    assert "://" not in (ROOT / "tests" / "js" / "package-lock.json").read_text()
