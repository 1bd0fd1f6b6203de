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


def test_what_is_imported_is_not_looked_through_and_what_comes_then_is(tmp_path: Path) -> None:
    (tmp_path / "begun.py").write_text(BEGUN)
    command = [sys.executable, "-m", "actors.runtime.begin", "begun", "--config", "a.toml"]
    root = Path(__file__).parents[2]
    env = {"PYTHONPATH": f"{tmp_path}:{root}"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "False True True ['begun', '--config', 'a.toml']\n"
