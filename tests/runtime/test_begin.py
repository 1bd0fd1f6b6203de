"""How a process begins: all is imported before anything is looked through, and from then on as ever."""

import subprocess
import sys
from pathlib import Path

BEGUN = """
import gc, sys
at_import = gc.isenabled()
def main():
    print(at_import, gc.isenabled(), gc.get_freeze_count() > 1000, sys.argv)
"""


HUNG_UP = """
import os, signal
os.kill(os.getpid(), signal.SIGHUP)
def main():
    print("begun")
"""


def test_what_is_imported_is_not_looked_through_and_what_comes_then_is(tmp_path: Path) -> None:
    assert begun(tmp_path, BEGUN) == "False True True ['begun', '--config', 'a.toml']\n"


def test_who_is_told_to_read_certificates_again_while_it_begins_goes_on(tmp_path: Path) -> None:
    assert begun(tmp_path, HUNG_UP) == "begun\n"


def begun(folder: Path, module: str) -> str:
    """What it prints."""
    (folder / "begun.py").write_text(module)
    command = [sys.executable, "-m", "actors.runtime.begin", "begun", "--config", "a.toml"]
    root = Path(__file__).parents[2]
    env = {"PYTHONPATH": f"{folder}:{root}"}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=30, check=False).stdout
