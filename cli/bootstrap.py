"""Set-up of a checkout, with nothing but Python's standard library: a virtual environment from the lock files.

`python3 cli/bootstrap.py [run|test]`. Quick when nothing has changed: a stamp holds what the environment was made of.
"""

from __future__ import annotations  # an older Python must come as far as check_python

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".ottb-stamp"
LOCKS = {"run": ROOT / "requirements.lock", "test": ROOT / "requirements-dev.lock"}
JAVASCRIPT = (ROOT / "tests" / "js", ROOT / "console" / "contract")
NODE_OLDEST = 18
# A shell line first: a `#!` line could not name a Python in a folder with a space.
SHIM = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys
from cli.main import main
sys.exit(main())
"""


class SetupError(Exception):
    """What stands in the way, and what to do. Printed alone."""


def say(line: str) -> None:
    print(f"set-up: {line}", flush=True)


def stamp_of(kind: str) -> str:
    """What the environment would be made of: the locks, this file, the Python, the place."""
    digest = hashlib.sha256()
    for part in (LOCKS["run"], LOCKS["test"] if kind == "test" else LOCKS["run"], Path(__file__)):
        digest.update(part.read_bytes())
    digest.update(f"{sys.version_info[:2]} {ROOT}".encode())
    return f"{kind} {digest.hexdigest()}"


def is_done(kind: str) -> bool:
    """Whether the environment is as it should be. One made for tests serves for running too."""
    if not PYTHON.exists() or not STAMP.exists():
        return False
    done = STAMP.read_text().splitlines()
    return stamp_of(kind) in done or (kind == "run" and stamp_of("test") in done)


def check_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  this file is what an older Python runs
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python 3.11 or newer is needed, this is {found}. Try: make PYTHON=python3.12 run")


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise SetupError(
            f"`{' '.join(str(part) for part in command[:4])} ...` failed. If the package index cannot be reached, set"
            " PIP_INDEX_URL to a mirror; for certificates install ca-certificates."
        )


def make_environment(kind: str) -> None:
    uv = shutil.which("uv")
    if not PYTHON.exists():
        say("making the virtual environment .venv")
        if uv is not None:
            run(uv, "venv", "--quiet", "--python", sys.executable, VENV)
        elif importlib.util.find_spec("ensurepip") is None:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise SetupError(f"Python's venv is incomplete here. Add it with: apt install python{version}-venv")
        else:
            run(sys.executable, "-m", "venv", VENV)
    say(f"installing the locked packages for {kind}")
    if uv is not None:
        run(uv, "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", "-r", LOCKS[kind])
    else:
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
        run(PYTHON, "-m", "pip", "install", *quiet, "--require-hashes", "--only-binary=:all:", "-r", LOCKS[kind])


def install_project() -> None:
    """Make the checkout importable and the `ottb` command available, without building anything."""
    packages = next(VENV.glob("lib/python*/site-packages"))
    (packages / "ottb.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "ottb"
    command.write_text(SHIM.format(python=PYTHON))
    command.chmod(0o755)


def node() -> str:
    """A Node.js that is new enough: the machine's, or the one of the test packages."""
    found = shutil.which("node")
    if found is not None:
        shown = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if int(shown.lstrip("v").split(".")[0] or 0) >= NODE_OLDEST:
            return found
    raise SetupError(f"Node.js {NODE_OLDEST} or newer is needed for the Socket.IO tests: apt install nodejs npm")


def has_its_packages(folder: Path) -> bool:
    """Whether a folder has the packages of its lock: npm keeps beside them what they were made of."""
    made = folder / "node_modules" / ".package-lock.json"
    if not made.exists():
        return False
    wanted, found = (json.loads(path.read_text())["packages"] for path in (folder / "package-lock.json", made))
    names = {name for name, package in wanted.items() if name and not package.get("optional")}
    return all(name in found and found[name]["version"] == wanted[name]["version"] for name in names)


def install_javascript() -> None:
    for folder in JAVASCRIPT:
        if has_its_packages(folder):
            continue
        node()
        npm = shutil.which("npm")
        if npm is None:
            raise SetupError("npm is needed for the tests of JavaScript clients: apt install npm")
        say(f"installing the packages of {folder.relative_to(ROOT)}")
        run(npm, "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--silent")


def set_up(kind: str) -> None:
    check_python()
    if not is_done(kind):
        started = time.monotonic()
        if not os.access(ROOT, os.W_OK):
            raise SetupError(f"{ROOT} cannot be written. Clone it where you may write.")
        make_environment(kind)
        install_project()
        STAMP.write_text(f"{stamp_of(kind)}\n")
        say(f"done in {time.monotonic() - started:.0f} s")
    if kind == "test":
        install_javascript()


def main() -> None:
    try:
        kind = sys.argv[1] if len(sys.argv) > 1 else "run"
        if kind not in LOCKS:
            raise SetupError(f"there is no {kind}, only {' and '.join(LOCKS)}")
        set_up(kind)
    except SetupError as error:
        sys.exit(f"set-up: {error}")
    except OSError as error:
        sys.exit(f"set-up: {error.filename or ''}: {error.strerror}")


if __name__ == "__main__":
    main()
