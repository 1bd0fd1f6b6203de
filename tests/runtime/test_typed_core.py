"""What mypy must refuse, and that how a state changes reaches nothing outside."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy import api

from actors.call.actor import CallActor
from actors.runtime.actor import AnyActor
from actors.slot.actor import SlotActor
from actors.trunk.actor import TrunkActor
from tests.test_architecture import IMPURE, imports

ROOT = Path(__file__).resolve().parents[2]
USES = ROOT / "tests/runtime/typed_uses.py"


def _wanted() -> Iterator[tuple[int, str]]:
    for number, line in enumerate(USES.read_text().splitlines(), 1):
        _, marked, codes = line.partition("  # wrong: ")
        if marked:
            yield from ((number, code) for code in codes.split(", "))


def test_mypy_refuses_every_wrong_use_and_nothing_else() -> None:
    out, err, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(USES)])
    found = {(int(number), code) for number, code in re.findall(r":([0-9]+): error: .*\[([a-z-]+)\]$", out, re.M)}
    assert found == set(_wanted()), out + err
    assert len(found) >= 12


@pytest.mark.parametrize("kind", [CallActor, SlotActor, TrunkActor])
def test_an_actors_state_changes_without_the_actor(kind: type[AnyActor]) -> None:
    """`evolve` has no `self`, and its file is pure as a machine: no clock, bus, timer or log is within reach."""
    evolve = inspect.getattr_static(kind, "evolve")
    assert isinstance(evolve, staticmethod)
    assert not {name.split(".")[0] for name in imports(Path(inspect.getfile(evolve.__func__)))} & IMPURE
