"""What phones, apps and devices say of themselves reaches the terminal of whoever asks `ottb` as text, and as nothing
else: no escape sequence, no line of somebody else's."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from bus_schemas.fields import UNSEEN
from bus_schemas.script import RunState, RunView
from bus_schemas.usb import HubDetails, PhoneOnPort, PortDetails, PortPowered, PortState, Switching
from cli.main import main
from tests.cli.test_gateway import ANSWERS, answering

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\nok    ledger: well\x08\u202e\x7f\u2028"
RUN = RunView(
    script_id="gacs_1", slot=44, script="x", version=1, user="op12", state=RunState.SUCCEEDED,
    asked="2026-01-01T00:00:00.000Z", started=None, values={"imei": EVIL},
)  # fmt: skip
FAILED = msgspec.structs.replace(RUN, state=RunState.FAILED, step=1, place=EVIL, reason=EVIL)
PHONE = PhoneOnPort(port=1, way="1", state=PortState.ONLINE, serial=EVIL, slot=44)
HUB = HubDetails(
    hub="HUB1", host="local", online=1, total=1, plugged=True, paths=("1-1",), chips=1, mapped=True,
    switching=Switching.PORTS,
    ports=(PortDetails(port=1, way="1", state=PortState.ONLINE, serial=EVIL, product=EVIL, slot=44),),
)  # fmt: skip
POWERED = PortPowered(hub="HUB1", host="local", port=1, action="cycle", dry=False, ways=("1",), phones=(PHONE,))
ASKED: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "a value": (("script", "status", "gacs_1"), {"/api/gacs/status/gacs_1": RUN}),
    "a reason": (("script", "status", "gacs_1"), {"/api/gacs/status/gacs_1": FAILED}),
    "what was stopped": (("script", "stop", "gacs_1"), {"/api/gacs/stop/gacs_1": FAILED}),
    "a serial": (("hub", "show", "HUB1"), {"/api/monitor/usb/HUB1": HUB}),
    "who goes with a port": (("hub", "power", "HUB1", "1", "--yes"), {"/api/monitor/usb/HUB1/ports/1/power": POWERED}),
    "a refusal": (("hub", "show", "HUB1"), {}),
}


@pytest.mark.parametrize("asked", ASKED)
def test_what_others_say_of_themselves_is_shown_and_not_obeyed(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, answers = ASKED[asked]
    refused = {"error": True, "code": "SLOT_OFFLINE", "message": EVIL}
    known = {**ANSWERS, **{path: msgspec.to_builtins(answer) for path, answer in answers.items()}}
    monkeypatch.setattr("tests.cli.test_gateway.REFUSED", refused)
    monkeypatch.setenv("OTTB_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("OTTB_PASSWORD", "secret")
    tried = list[str]()
    with answering(known, tried) as port:
        monkeypatch.setenv("OTTB_HTTP__WORKSPACE_PORT", str(port))
        done = CliRunner().invoke(main, [*command], color=True)
    said = done.output
    obeyed = re.findall(f"[{UNSEEN}]", said.replace("\n", ""))
    forged = [line for line in said.splitlines() if line.startswith("ok  ")]
    print(f"{asked}: {len(said)} letters said, {len(obeyed)} of them obeyed, {len(forged)} lines forged")
    assert "owned" in said and set(tried) >= answers.keys(), (said, tried)
    assert not obeyed and not forged
