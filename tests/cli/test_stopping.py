"""A process of a site that waits for the bus at its start ends when it is told to."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.site import ROOT


@pytest.mark.parametrize("module", ["actors.main", "gateway.main"])
def test_a_process_that_waits_for_the_bus_ends_when_it_is_told_to(module: str, tmp_path: Path) -> None:
    """Not by the signal itself, nor when it gives up (after 30 s): that would be another code."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        env = {"OTTB_NATS__URL": f"nats://127.0.0.1:{silent.getsockname()[1]}", "OTTB_STATE_DIR": str(tmp_path)}
        process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=os.environ | env)
        try:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            connection.close()
        finally:
            process.kill()
            process.wait()
