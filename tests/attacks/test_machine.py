"""Other users of the machine: what they can read, dial, order and listen to. Nothing."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from cli.site import asterisk
from tests.stories.conftest import TRUNKS
from tests.support.site import Client, Site, running_site, until

STRANGER = Path(__file__).with_name("machine_stranger.py")
NOBODY = 65534
OTHERS = stat.S_IRWXG | stat.S_IRWXO
STRANGER_USER = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user of the machine"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose state stands where everybody may come: nothing above it closes it."""
    folder = tmp_path_factory.mktemp("machine")
    for each in (folder, *folder.parents):
        if each.owner() == folder.owner() and each != Path("/"):
            each.chmod(0o755)
    with running_site(folder, {11: None, 12: None, 44: "op12"}, TRUNKS) as running:
        yield running


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


@pytest.fixture(scope="module")
def got(site: Site) -> dict[str, Any]:
    """What was got over the network of the machine, where nobody can tell who asks: as another user, if we may."""
    if os.geteuid() != 0:
        print("not root: the network is tried as ourselves; files and sockets are left to a run as root")
    return attack(site, STRANGER_USER if os.geteuid() == 0 else [])


def test_no_port_of_a_site_is_an_adb_server(got: dict[str, Any]) -> None:
    print(f"ports: {len(got['adb servers'])} of {got['ports tried']} are an adb server")
    assert got["ports tried"] >= 8
    assert got["adb servers"] == []


def test_the_virtual_phones_take_the_key_of_their_site_alone(got: dict[str, Any]) -> None:
    print(f"phones: {len(got['phones'])} of {got['phones tried']} let a stranger in")
    assert got["phones tried"] == 3
    assert got["phones"] == []


def test_the_control_ports_ask_for_the_secret(got: dict[str, Any]) -> None:
    print(f"control: {len(got['control'])} of {got['control tried']} requests were carried out")
    assert got["control tried"] == 21
    assert got["control"] == []


def test_the_pbx_asks_for_its_secret(got: dict[str, Any]) -> None:
    assert got["ami"] == []


async def test_the_site_itself_is_let_in_everywhere(site: Site) -> None:
    """The zeros above would also be had from ports that answer nobody."""
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("op12", "1234")
        await until(lambda: client.get("/api/slots/44"), lambda seen: seen[1]["status"] == "ONLINE")
        await until(lambda: client.get("/api/pbx/status"), lambda seen: all(one["rtt_ms"] for one in seen[1]["trunks"]))
        assert (await client.phones("GET", "/phones/44"))["model"] == "A52"
        assert await client.pbx("GET", "/calls") == {}


@pytest.mark.parametrize(
    ("command", "answer"),
    [("user passwd op12 --as op12", "is the old one"), ("audit head", '"signature"'), ("audit verify", "is whole")],
)
def test_a_command_speaks_to_the_site_itself(site: Site, command: str, answer: str) -> None:
    """No stranger is seen where there is none."""
    given = {"OTTB_PASSWORD": "1234", "OTTB_NEW_PASSWORD": "1234", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command.split(), "--config", str(site.config)],
        env=os.environ | site.env | given, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer in done.stdout + done.stderr


def test_everything_in_the_state_folder_is_its_owners_alone(site: Site) -> None:
    found = [site.state, *site.state.rglob("*")]
    open_ones = [f"{oct(path.lstat().st_mode)[-3:]} {path}" for path in found if path.lstat().st_mode & OTHERS]
    print(f"state: {len(open_ones)} of {len(found)} files and folders are open to others")
    assert len(found) > 20
    assert open_ones == []


@as_root
def test_another_user_reads_no_file_and_reaches_no_socket(site: Site, got: dict[str, Any]) -> None:
    print(
        f"as uid {got['uid']}: {len(got['files'])} of {got['files tried']} files,"
        f" {len(got['sockets'])} of {got['sockets tried']} sockets, {len(got['environments'])} environments"
    )
    assert got["uid"] == NOBODY
    assert got["files tried"] > 20 and got["sockets tried"] >= 1
    wanted = "adb/server.sock", "adb/.android/adbkey", "keys/0001.key", "ledger.sqlite3", "phones.lock", "secrets.json"
    assert {f"{site.state}/{name}" for name in wanted} <= {*got["names"]}
    assert (got["files"], got["sockets"], got["environments"]) == ([], [], [])


def test_the_process_list_shows_no_secret(site: Site) -> None:
    secrets = json.loads((site.state / "secrets.json").read_text()) | {"admin": site.admin_password}
    lines = [" ".join(process.cmdline()) for process in family(site)]
    shown = [name for name, secret in secrets.items() if any(secret in line for line in lines)]
    print(f"process list: {len(shown)} of {len(secrets)} secrets in {len(lines)} command lines")
    assert len(lines) >= 6 and len(secrets) >= 7
    assert shown == []


@as_root
@pytest.mark.live
@pytest.mark.timeout(600)  # where there is no Asterisk yet, a folder with one is made
def test_a_real_asterisk_is_closed_too(tmp_path: Path) -> None:
    """Its AMI is on loopback with a secret of this site's own; its console's socket takes every order of its user."""
    root = asterisk.ensure(print)
    with running_site(tmp_path, {11: None}, TRUNKS, asterisk=True) as site:
        secret = json.loads((site.state / "secrets.json").read_text())["ami"]
        folder = root / f"var/lib/ottb/{(site.state / 'asterisk-instance').read_text()}/pbx"
        assert f"secret = {secret}\n" in (folder / "etc/manager.conf").read_text()
        port = int(site.env["OTTB_SANDBOX__PBX_PORT"])
        addresses = {
            connection.laddr.ip
            for process in family(site)
            for connection in process.net_connections("tcp")
            if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
        }
        got = attack(site, STRANGER_USER, [*folder.rglob("*")])
        print(f"Asterisk: {len(got['files'])} of {got['files tried']} files, {len(got['sockets'])} sockets")
        assert addresses == {"127.0.0.1"}
        (actors,) = [process for process in family(site) if "actors.main" in process.cmdline()]
        assert actors.environ()["OTTB_AMI__MAIN__OWNER"] == str(folder.stat().st_uid)  # to whom it tells the secret
        assert got["sockets tried"] >= 2  # adb's, and the console's
        assert (got["ami"], got["files"], got["sockets"]) == ([], [], [])
    if root != Path("/"):
        shutil.rmtree(folder.parent)
