"""Another user of the machine, at a site: what they get of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.site import Site

STRANGER = Path(__file__).parents[1] / "attacks" / "machine_stranger.py"
NOBODY = 65534
STRANGER_USER = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user of the machine"
)


def family(site: Site) -> list[psutil.Process]:
    assert site._process is not None
    top = psutil.Process(site._process.pid)
    return [top, *top.children(recursive=True)]


def listening(site: Site) -> set[int]:
    return {
        connection.laddr.port
        for process in family(site)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def attack(site: Site, prefix: list[str], more: Sequence[Path] = ()) -> dict[str, Any]:
    """What the stranger got. `more`: files of the site's that are elsewhere."""
    there = [*site.state.rglob("*"), *more]
    phones = [int(slot.rpartition(":")[2]) for slot in serials(site)]
    known = {
        "state": str(site.state),
        "ports": sorted(listening(site)),
        "phones": phones,
        "control": {
            str(site.control_port): [("GET", "/phones"), ("GET", "/dials"), ("POST", "/phones/44/reboot")],
            str(site.pbx_port): [("GET", "/calls"), ("GET", "/log"), ("POST", "/cut"), ("POST", "/restart")],
        },
        "ami": [int(site.env["OTTB_SANDBOX__PBX_PORT"])],
        "files": [str(path) for path in there if path.is_file()],
        "sockets": [str(path) for path in there if path.is_socket()],
        "pids": [process.pid for process in family(site)],
    }
    done = subprocess.run(
        [*prefix, sys.executable, "-I", "-", json.dumps(known)],
        input=STRANGER.read_text(), cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got: dict[str, Any] = json.loads(done.stdout)
    tried = {"names": known["files"] + known["sockets"], "ports tried": len(known["ports"])}
    return got | tried | {"phones tried": len(phones)}


def serials(site: Site) -> list[str]:
    return [line.split('"')[1] for line in site.config.read_text().splitlines() if line.startswith("serial")]
