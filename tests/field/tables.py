"""The log of what people and programs send: tables of cases beside this file, one a kind, so that the next case is
one line. Of each: `input`, where it comes `from`, and what is `right`."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def cases(file: str, kind: str) -> Any:
    """A table as what pytest takes: each case with its input, or where it comes from, as its name."""
    found = tomllib.loads((HERE / file).read_text(encoding="utf-8"))[kind]
    return [pytest.param(case["input"], case["right"], id=f"{kind}: {case['from']}") for case in found]
