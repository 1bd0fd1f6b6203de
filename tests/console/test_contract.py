"""The TypeScript types are those of the contract as it is, and refuse what it does not say."""

import subprocess
from pathlib import Path

import msgspec

from gateway.openapi import types
from gateway.surface import LIVE
from tests.support.depth import deep

PACKAGE = Path(__file__).resolve().parents[2] / "console" / "contract"
TOOLS = PACKAGE / "node_modules" / ".bin"


def test_the_types_are_those_of_the_contract(tmp_path: Path) -> None:
    document, generated = tmp_path / "types.json", tmp_path / "generated.d.ts"
    document.write_bytes(msgspec.json.encode(types()))
    subprocess.run([TOOLS / "openapi-typescript", document, "--output", generated], check=True, capture_output=True)
    assert generated.read_text() == (PACKAGE / "generated.d.ts").read_text(), "the contract has changed: make types"


@deep
def test_a_client_that_uses_the_types_rightly_compiles_and_no_other() -> None:
    compiled = subprocess.run([TOOLS / "tsc", "-p", PACKAGE], capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout


def test_the_event_of_a_room_has_its_name() -> None:
    """As the client in TypeScript has it: `calls` has `call.update`."""
    assert all(row.event == f"{row.kind.room.removesuffix('s')}.update" for row in LIVE)
