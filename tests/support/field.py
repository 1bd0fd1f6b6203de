"""The log of cases from the field, `tests/field/*.toml`: one table a kind, one line a case."""

import tomllib
from pathlib import Path
from typing import Any

FIELD = Path(__file__).resolve().parents[1] / "field"


def cases(table: str) -> list[dict[str, Any]]:
    """The lines of one table. `where` says where each comes from."""
    found: list[dict[str, Any]] = tomllib.loads((FIELD / f"{table}.toml").read_text())["case"]
    assert found and all(case["where"] for case in found)
    return found
