"""What phones, apps and devices say of themselves reaches the terminal of whoever asks `ottb` as text, and as nothing
else: no escape sequence, no line of somebody else's."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from actors.settings import Settings
from bus_schemas.alert import AlertSeverity, AlertState, AlertView, Matcher, SilenceView
from bus_schemas.fields import UNSEEN
from bus_schemas.script import RunState, RunView
from bus_schemas.usb import HubDetails, PhoneOnPort, PortDetails, PortPowered, PortState, Switching
from cli.main import main
from cli.top import drawn
from cli.top_board import Line
from tests.cli.test_gateway import ANSWERS, answering

OBEYED = f"(?!\n)[{UNSEEN}]"
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
AT = "2026-01-01T00:00:00Z"
ALERT = AlertView(
    alert="al_1", rule="trunk_down", severity=AlertSeverity.CRITICAL, state=AlertState.FIRING, kind="trunk", id="main",
    host="local", words=EVIL, since=AT, fired=AT,
)  # fmt: skip
SILENCE = SilenceView(silence="si_1", matcher=Matcher(rule="trunk_down"), until=AT, by="op12", at=AT, why=EVIL)
SILENCING = ("alerts", "silence", "--rule", "trunk_down", "--for", "1h", "--why", "x")
ASKED: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "a value": (("script", "status", "gacs_1"), {"/api/gacs/status/gacs_1": RUN}),
    "a reason": (("script", "status", "gacs_1"), {"/api/gacs/status/gacs_1": FAILED}),
    "what was stopped": (("script", "stop", "gacs_1"), {"/api/gacs/stop/gacs_1": FAILED}),
    "a serial": (("hub", "show", "HUB1"), {"/api/monitor/usb/HUB1": HUB}),
    "who goes with a port": (("hub", "power", "HUB1", "1", "--yes"), {"/api/monitor/usb/HUB1/ports/1/power": POWERED}),
    "an alert": (("alerts", "list"), {"/api/monitor/alerts?state=firing&limit=100": [ALERT]}),
    "who looks after it": (("alerts", "ack", "al_1"), {"/api/monitor/alerts/al_1/acknowledge": ALERT}),
    "why it is silent": (("alerts", "silences"), {"/api/monitor/silences": [SILENCE]}),
    "why it shall be": (SILENCING, {"/api/monitor/silences": SILENCE}),
    "what programs read": (("alerts", "silences", "--json"), {"/api/monitor/silences": [SILENCE]}),
    "a hub for programs": (("hub", "show", "HUB1", "--json"), {"/api/monitor/usb/HUB1": HUB}),
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


def test_what_a_database_calls_its_things_is_shown_and_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(settings: Settings, noted: object, heads: object, key: object, say: Callable[[str], None]) -> int:
        say(f"audit has columns other than ours: {EVIL}\x1b[8m")
        return 1

    monkeypatch.setattr("cli.audit.verify", found)
    done = CliRunner().invoke(main, ["audit", "verify"], color=True)
    print(f"1 line said, {len(re.findall(OBEYED, done.output))} letters of it obeyed")
    assert done.exit_code == 1 and "owned" in done.output
    assert not re.findall(OBEYED, done.output) and len(done.output.splitlines()) == 1


def test_the_board_shows_what_others_say_and_does_not_obey_it() -> None:
    shown = drawn([Line(f"slot 44  {EVIL}"), Line("slot 45")])
    assert "owned" in shown.plain and not re.findall(OBEYED, shown.plain)
    assert len(shown.plain.split("\n")) == 2
