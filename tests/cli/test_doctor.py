"""What `ottb doctor` and `ottb up` find and name."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.campaign.settings import Campaigns
from actors.dialing.settings import Dial
from actors.ledger.settings import LedgerStore
from actors.run.settings import Scripts
from actors.runtime.settings import Nats, SettingsError
from actors.settings import Http, Sandbox, Settings, load
from cli.doctor import Finding, examine
from cli.site.certificates import Reload
from cli.site.children import children
from cli.site.ports import CannotStart, check_ports, holder_of, ports
from cli.site.private import close
from cli.site.up import run
from tests.support.certificates import Authority
from tests.support.site import ROOT, free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    point, dci, ottb, workspace, nats, websocket, control = free_ports(7)
    return Settings(
        state_dir=str(tmp_path),
        nats=Nats(port=nats, websocket_port=websocket),
        http=Http(point_port=point, dci_port=dci, ottb_port=ottb, workspace_port=workspace),
        sandbox=Sandbox(control_port=control),
    )


@pytest.fixture
def taken(settings: Settings) -> Iterator[int]:
    """The OTTB port, held by this very process."""
    with socket.create_server(("127.0.0.1", settings.http.ottb_port)):
        yield settings.http.ottb_port


def named(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def test_a_machine_in_order_has_nothing_to_mend(settings: Settings) -> None:
    assert [finding for finding in examine(settings) if not finding.ok or finding.todo] == []


@pytest.mark.parametrize(
    ("dial", "said"),
    [
        (Dial(do_not_call_file="/none/dnc.csv"), "dial.do_not_call_file: /none/dnc.csv cannot be read"),
        (Dial(do_not_call=("0991230099", "Ann")), "dial.do_not_call[1]: not a phone number: character U+0041 at 1"),
        (Dial(premium_allowed=("0843*",)), "dial.premium_allowed[0]: a beginning is written `+44843*`"),
    ],
)
def test_dial_rules_that_stop_a_host_are_named_and_stop_the_site(settings: Settings, dial: Dial, said: str) -> None:
    settings = replace(settings, dial=dial)
    found = named(examine(settings), "dial rules")
    assert not found.ok and said in found.said and "docs/operations.md" in found.todo
    lines: list[str] = []
    with pytest.raises(SettingsError, match=re.escape(said)):
        asyncio.run(run(settings, None, lines.append))
    assert lines == []


def test_presets_that_stop_a_host_are_named_and_stop_the_site(settings: Settings) -> None:
    settings = replace(settings, campaigns=Campaigns(presets=("default", "atlantis")))
    found = named(examine(settings), "campaign rules")
    assert not found.ok and "campaigns.presets[1]" in found.said and "docs/campaigns.md" in found.todo
    with pytest.raises(SettingsError, match="atlantis"):
        asyncio.run(run(settings, None, print))


def test_a_line_of_a_file_is_named_by_its_number(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "dnc.csv").write_text("0991230099\nAnn\n")
    settings = replace(settings, dial=Dial(do_not_call_file=str(tmp_path / "dnc.csv")))
    assert f"{tmp_path}/dnc.csv, line 2: not a phone number" in named(examine(settings), "dial rules").said


def test_a_port_taken_by_somebody_else_is_named_with_the_way_out(settings: Settings, taken: int) -> None:
    found = named(examine(settings), "port http.ottb_port")
    assert not found.ok
    assert f"{taken} is held by" in found.said
    assert f"(pid {os.getpid()})" in found.said
    assert "OTTB_HTTP__OTTB_PORT" in found.todo


def test_nothing_is_started_on_a_taken_port(settings: Settings, taken: int) -> None:
    with pytest.raises(CannotStart, match=rf"port {taken} is taken by .*\(pid {os.getpid()}\).*OTTB_HTTP__OTTB_PORT"):
        check_ports(settings)


def test_our_own_processes_are_known_by_what_they_run(settings: Settings) -> None:
    listen = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True); input()"
    port = settings.http.ottb_port
    argv = [sys.executable, "-c", listen, str(port), "gateway.main"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert holder_of(port) == f"ottb gateway.main (pid {process.pid})"
        assert named(examine(settings), "port http.ottb_port").ok
        process.kill()


def test_another_server_on_the_bus_port_is_not_taken_for_ours(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.nats.port)):
        found = named(examine(settings), "nats")
    assert not found.ok
    assert "nats-server.log" in found.todo


def test_the_command_ends_with_1_and_names_the_port(taken: int, settings: Settings) -> None:
    environment = os.environ | {"OTTB_HTTP__OTTB_PORT": str(taken), "OTTB_STATE_DIR": settings.state_dir}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "doctor", "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "OTTB_HTTP__OTTB_PORT" in done.stdout


def test_no_two_parts_of_the_sandbox_want_the_same_port() -> None:
    settings = load(config=ROOT / "config" / "sandbox.toml", environment={})
    sandbox = settings.sandbox
    phones = [int(slot.serial.rpartition(":")[2]) for slot in settings.slots if slot.serial]
    named = {**ports(settings), "pbx": sandbox.pbx_port, "control": sandbox.pbx_control_port}
    wanted = [*set(named.values()), sandbox.sip_port, sandbox.sip_port + 1, *phones]
    assert sandbox.pbx_port != sandbox.pbx_control_port and len(wanted) == len(set(wanted))


def test_what_others_may_read_is_named_and_closed_by_the_next_start(settings: Settings) -> None:
    state = settings.state
    state.chmod(0o755)
    (state / "log").mkdir(mode=0o755)
    (state / "ledger.sqlite3").touch(mode=0o644)
    found = named(examine(settings), "rights")
    assert not found.ok and "log" in found.said and "ledger.sqlite3" in found.said and "chmod 700" in found.todo
    close(state)
    assert named(examine(settings), "rights").ok
    assert {path.stat().st_mode & 0o077 for path in (state, *state.iterdir())} == {0}


def test_a_folder_with_other_things_in_it_is_not_closed_as_a_whole(settings: Settings) -> None:
    """`OTTB_STATE_DIR` may name a folder that others need."""
    state = settings.state
    state.chmod(0o755)
    (state / "holiday.jpg").touch(mode=0o644)
    (state / "secrets.json").touch(mode=0o644)
    close(state)
    assert [path.stat().st_mode & 0o777 for path in (state, state / "holiday.jpg")] == [0o755, 0o644]
    assert (state / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert named(examine(settings), "rights").ok


def test_nothing_is_started_in_a_folder_where_others_may_write(settings: Settings) -> None:
    (settings.state / "holiday.jpg").touch()
    settings.state.chmod(0o1777)
    assert str(settings.state) in named(examine(settings), "rights").said
    with pytest.raises(CannotStart, match="chmod 700"):
        close(settings.state)


def test_a_link_is_not_followed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    elsewhere.touch(mode=0o644)
    (settings.state / "log").symlink_to(elsewhere)
    close(settings.state)
    assert elsewhere.stat().st_mode & 0o777 == 0o644


def test_what_a_link_leads_to_is_looked_at(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A closed state folder does not close a disk elsewhere that its journal is on."""
    disk = tmp_path_factory.mktemp("disk")
    (settings.state / "nats").symlink_to(disk)
    settings.state.chmod(0o700)
    for above in disk.parents:
        if above.name.startswith(("pytest-", "popen-")):  # pytest's own, which are closed
            above.chmod(0o711)
    closed_above = any(not above.stat().st_mode & 0o011 for above in disk.parents)  # by whoever runs this
    for mode, ok in ((0o700, True), (0o755, closed_above)):
        disk.chmod(mode)
        assert named(examine(settings), "rights").ok is ok


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user of the machine")
def test_nothing_is_started_with_what_somebody_else_has_put_there(settings: Settings) -> None:
    planted = settings.state / "secrets.json"
    planted.touch(mode=0o600)
    os.chown(planted, 65534, 65534)
    with pytest.raises(CannotStart, match=r"secrets\.json is not yours"):
        close(settings.state)


def test_a_folder_above_that_others_may_write_in_is_named(settings: Settings) -> None:
    """They could put a state of their own in the place of ours."""
    above = settings.state / "above"
    (above / "state").mkdir(parents=True, mode=0o700)
    for mode, ok in ((0o755, True), (0o1777, True), (0o777, False)):
        above.chmod(mode)
        found = named(examine(replace(settings, state_dir=str(above / "state"))), "rights")
        assert found.ok is ok and (ok or str(above) in found.said)


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@127.0.0.1:9/db", "postgresql://me:hunter2%zz@127.0.0.1:9/db"])
def test_a_database_that_cannot_be_used_is_named_without_its_password(settings: Settings, url: str) -> None:
    found = named(examine(replace(settings, ledger=LedgerStore(url=url))), "ledger")
    assert not found.ok and "PostgreSQL" in found.said and "[ledger] url" in found.todo
    assert "hunter2" not in found.said + found.todo


def test_no_secret_of_the_settings_is_in_a_command_line(tmp_path: Path) -> None:
    secrets = {"OTTB_LEDGER__URL": "postgresql://me:hunter2@h/d", "OTTB_NATS__PASSWORD": "hunter3"}
    more = {"OTTB_NATS__URL": "nats://h:1", "OTTB_STATE_DIR": str(tmp_path), "OTTB_SANDBOX__ASTERISK": "false"}
    settings = load(config=ROOT / "config" / "sandbox.toml", environment=secrets | more)
    lines = " ".join(word for child in children(settings, None) for word in child.argv)
    assert "gateway.main" in lines and "hunter" not in lines


@pytest.mark.parametrize(
    ("days", "mode", "said"),
    [
        (60, 0o600, ""),
        (5, 0o600, "is good for 4 days"),
        (-1, 0o600, "certificate has expired"),
        (60, 0o644, "others may use"),
    ],
)
def test_certificates_are_looked_at_before_their_end(
    settings: Settings, tmp_path: Path, days: int, mode: int, said: str
) -> None:
    certificate, key = Authority(tmp_path / "authority").sign("http", days=days)
    key.chmod(mode)
    http = replace(settings.http, certificate=str(certificate), key=str(key))
    found = named(examine(replace(settings, http=http)), "certificate http")
    assert found.ok is (said == "") and said in found.said


@pytest.mark.parametrize("nats", [
    {"client_ca": "ca.pem"}, {"certificate": "gone.pem", "key": "gone.key"},
    {"certificate": "gone.pem", "key": "gone.key", "client_ca": "ca.pem"},
])  # fmt: skip
def test_nothing_is_started_with_certificates_that_cannot_be_used(settings: Settings, nats: dict[str, str]) -> None:
    with pytest.raises(CannotStart, match=r"client_ca|gone\.pem"):
        Reload(replace(settings, nats=replace(settings.nats, **nats)), pid=lambda name: None, say=print)
def site_that_says(port: int, said: object) -> ThreadingHTTPServer:
    """A gateway's readiness, as it is given."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_what_is_quarantined_and_what_fills_up_is_named(settings: Settings) -> None:
    bad = {"kind": "slot", "id": "50", "reason": "event 26 (configured) of its journal cannot be read"}
    alarm = {"kind": "stream", "id": "OTTB_EVT", "reason": "86 % of its limit"}
    said = {
        "hosts": [{"host": "local", "quarantined": [bad, alarm]}],
        "shards": {"held": 62, "missing": [3, 4]},
        "streams": [{"stream": "OTTB_EVT", "bytes": 86, "limit": 100 * 2**20, "percent": 86},
                    {"stream": "KV_OTTB_OWN", "bytes": 1, "limit": 0, "percent": None}],
    }  # fmt: skip
    with site_that_says(settings.http.ottb_port, said) as server:
        findings = examine(settings)
        server.shutdown()
    alone, streams = named(findings, "quarantined"), named(findings, "streams")
    assert not alone.ok and alone.said == "slot 50: event 26 (configured) of its journal cannot be read"
    assert "step over" in alone.todo
    assert not streams.ok and streams.said == "OTTB_EVT 86 % of 100 MB, KV_OTTB_OWN without a limit"
    assert "[journal] limit" in streams.todo
    shards = named(findings, "shards")
    assert not shards.ok and shards.said == "62 served, 2 by nobody: 3, 4"


def test_a_script_that_is_no_good_is_named_with_its_place(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.toml").write_text('name = "mine"\nversion = 1\nsummary = "x"\nwrong = 1\n')
    found = named(examine(replace(settings, scripts=Scripts(folder=str(tmp_path / "own")))), "scripts")
    assert not found.ok and "mine.toml:4:1" in found.said and "ottb script check" in found.todo
    bad = {"kind": "script", "id": "mine", "reason": "mine.toml:4:1: x"}
    said = {"hosts": [{"host": "local", "quarantined": [bad]}]}
    with site_that_says(settings.http.ottb_port, said) as server:
        findings = examine(settings)
        server.shutdown()
    alone = named(findings, "quarantined")
    assert alone.said == "script mine: mine.toml:4:1: x" and "Mend" in alone.todo
    assert named(findings, "scripts").ok


def test_a_site_in_order_says_so(settings: Settings) -> None:
    streams = [{"stream": "OTTB_EVT", "bytes": 1, "limit": 2**20, "percent": 0}]
    said = {"hosts": [{"host": "local", "quarantined": []}], "streams": streams, "shards": None}
    with site_that_says(settings.http.ottb_port, said) as server:
        findings = examine(settings)
        server.shutdown()
    assert named(findings, "quarantined").ok and named(findings, "streams").said == "OTTB_EVT 0 % of 1 MB"
