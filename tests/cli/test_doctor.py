"""What `ottb doctor` and `ottb up` find and name."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from actors.runtime.settings import Nats
from actors.settings import Http, Sandbox, Settings, load
from actors.slot.settings import Adb
from cli.doctor import Finding, examine
from cli.site.ports import CannotStart, check_ports, holder_of, ports
from tests.support.site import ROOT, free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    point, dci, ottb, workspace, nats, adb, control = free_ports(7)
    return Settings(
        state_dir=str(tmp_path),
        nats=Nats(port=nats),
        adb=Adb(port=adb),
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


def test_what_is_left_alone_and_what_fills_up_is_named(settings: Settings) -> None:
    bad = {"kind": "slot", "id": "50", "reason": "event 26 (configured) of its journal cannot be read"}
    alarm = {"kind": "stream", "id": "OTTB_EVT", "reason": "86 % of its limit"}
    said = {
        "hosts": [{"host": "local", "quarantined": [bad, alarm]}],
        "streams": [{"stream": "OTTB_EVT", "bytes": 86, "limit": 100 * 2**20, "percent": 86},
                    {"stream": "KV_OTTB_OWN", "bytes": 1, "limit": 0, "percent": None}],
    }  # fmt: skip
    with site_that_says(settings.http.ottb_port, said) as server:
        findings = examine(settings)
        server.shutdown()
    alone, streams = named(findings, "left alone"), named(findings, "streams")
    assert not alone.ok and alone.said == "slot 50: event 26 (configured) of its journal cannot be read"
    assert "step over" in alone.todo
    assert not streams.ok and streams.said == "OTTB_EVT 86 % of 100 MB, KV_OTTB_OWN without a limit"
    assert "[journal] limit" in streams.todo


def test_a_site_in_order_says_so(settings: Settings) -> None:
    streams = [{"stream": "OTTB_EVT", "bytes": 1, "limit": 2**20, "percent": 0}]
    said = {"hosts": [{"host": "local", "quarantined": []}], "streams": streams}
    with site_that_says(settings.http.ottb_port, said) as server:
        findings = examine(settings)
        server.shutdown()
    assert named(findings, "left alone").ok and named(findings, "streams").said == "OTTB_EVT 0 % of 1 MB"
