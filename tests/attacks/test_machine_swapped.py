"""Another user of the machine gets a folder of theirs into the place of the state folder of a site that runs, however
they came to: what starts anew after a crash neither listens to what waits there nor leaves a secret in it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_place import AdbFile
from actors.adapters.adb_tools import AdbTools
from cli.site.supervisor import LOG_CHECK, LOG_LIMIT
from tests.support.site import ROOT, Site
from tests.support.stranger import NOBODY, STRANGER_USER, as_root

pytestmark = as_root

# Listens in the folder where it is started, as an adb server that has no phones, and prints what it is asked.
LISTENER = """
import socket
with socket.socket(socket.AF_UNIX) as server:
    server.bind("server.sock")
    server.listen(16)
    print("listening", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(2)
            try:
                if asked := connection.recv(64):
                    print(asked, flush=True)
                    connection.sendall(b"OKAY00040029")
            except OSError:
                pass
"""


class Listener:
    """An adb server of the stranger's. `heard()` ends it."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [*STRANGER_USER, sys.executable, "-I", "-"], cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(LISTENER)
        self._process.stdin.close()
        self._process.stdin = None
        assert self._process.stdout.readline() == "listening\n"

    def heard(self) -> list[str]:
        self._process.kill()
        return self._process.communicate(timeout=10)[0].splitlines()


def stranger_s(folder: Path) -> Path:
    for each in (folder, folder / "adb", folder / "keys", folder / "log"):
        each.mkdir()
        os.chown(each, NOBODY, NOBODY)
        each.chmod(0o777)
    return folder


async def test_nothing_is_said_to_an_adb_server_of_a_stranger(tmp_path: Path) -> None:
    """Wherever its socket is."""
    listener = Listener(stranger_s(tmp_path / "theirs") / "adb")
    server = AdbFile(tmp_path / "theirs" / "adb" / "server.sock")
    try:
        with pytest.raises(AdbServerGone, match=f"user {NOBODY}"):
            await AdbClient(server).version()
        with pytest.raises(Exception, match=f"user {NOBODY}"):
            AdbTools(server).server_version()
    finally:
        heard = listener.heard()
    print(f"2 clients of adb: {len(heard)} have spoken to a stranger's server")
    assert heard == []


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(folder=tmp_path, slots={1: "op1"})
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("come", "killed"),
    [("a folder of theirs", "nats-server"), ("a link of theirs", "adb"), ("a folder of ours", "gateway")],
)
def test_a_site_ends_when_another_folder_is_in_its_place(site: Site, tmp_path: Path, come: str, killed: str) -> None:
    """As soon as something of it comes anew. Until then no log in there is touched. Also where the folder is ours: an
    older copy has other records, and root's logs are elsewhere."""
    other = tmp_path / "other"
    (other / "log").mkdir(parents=True)
    big = other / "log" / "system.log"
    big.write_bytes(b"x" * (LOG_LIMIT + 1))
    site.state.rename(tmp_path / "old")
    if "ours" in come:
        other.rename(site.state)
        big = site.state / "log" / "system.log"
    else:
        stranger_s(site.state)
    if "link" in come:
        (site.state / "log").rmdir()
        (site.state / "log").symlink_to(other / "log")
    before = {*site.state.rglob("*")}
    listener = None if "ours" in come else Listener(site.state / "adb")
    time.sleep(LOG_CHECK + 0.5)
    assert big.stat().st_size == LOG_LIMIT + 1 and sorted(big.parent.iterdir()) == [big]
    site.kill(killed)
    try:
        assert site.ended() == 1 and f"another folder is in the place of {site.state}" in site.said()
    finally:
        heard = listener.heard() if listener is not None else []
    made = {*site.state.rglob("*")} - before - {site.state / "adb" / "server.sock"}
    print(f"{killed} came anew in {come}: {len(heard)} words to a stranger, {len(made)} files")
    assert heard == [] and (made == set() or "ours" in come)


def test_a_host_that_is_started_by_hand_looks_whose_it_is(tmp_path: Path) -> None:
    theirs = stranger_s(tmp_path / "theirs")
    done = subprocess.run(
        [sys.executable, "-m", "actors.main"], cwd=ROOT, env=os.environ | {"OTTB_STATE_DIR": str(theirs)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == os.EX_CONFIG and f"{theirs}: it is user {NOBODY}'s" in done.stderr
    assert sorted(path.name for path in theirs.rglob("*")) == ["adb", "keys", "log"]
