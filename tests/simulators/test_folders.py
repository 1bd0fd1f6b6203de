"""The folders of the simulators build on one another in one order."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS: dict[str, set[str]] = {
    "carrier": set(),
    "time": set(),
    "device": set(),
    "hub": set(),
    "runner": set(),
    "bus": {"time"},
    "phone": {"carrier", "device", "time"},
    "pbx": {"carrier", "device", "time"},
    "world": {"carrier", "time", "device", "bus", "phone", "pbx", "runner"},
}


def test_every_folder_has_its_place() -> None:
    assert {path.parent.name for path in (ROOT / "simulators").glob("*/*.py")} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_those_below_it(folder: str) -> None:
    for path in (ROOT / "simulators" / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("simulators."):
                _, used, *_ = str(node.module).split(".")
                assert used in FOLDERS[folder] | {folder, "orders", "serving"}, f"{path.name} imports {node.module}"
