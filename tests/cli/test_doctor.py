"""What `ottb doctor` and `ottb up` find and name."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.settings import Nats
from actors.settings import Http, Sandbox, Settings, load
from cli.doctor import Finding, examine
from cli.site.ports import CannotStart, check_ports, holder_of, ports
from tests.support.site import ROOT, free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    point, dci, ottb, workspace, nats, control = free_ports(6)
    return Settings(
        state_dir=str(tmp_path),
        nats=Nats(port=nats),
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
