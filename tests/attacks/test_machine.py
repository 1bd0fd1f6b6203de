"""Other users of the machine: what they can read, dial, order and listen to. Nothing."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from cli.site import private
from tests.stories.conftest import TRUNKS
from tests.support.site import Client, Site, running_site, until
from tests.support.stranger import NOBODY, STRANGER_USER, as_root, attack, family

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose state stands where everybody may come: nothing above it closes it."""
    folder = tmp_path_factory.mktemp("machine")
    for each in (folder, *folder.parents):
        if each.is_relative_to(tempfile.gettempdir()) and each.owner() == folder.owner():
            each.chmod(each.stat().st_mode | 0o055)
    with running_site(folder, {11: None, 12: None, 44: "op12"}, TRUNKS) as running:
        yield running


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


COMMANDS = {"user passwd op12 --as op12": "is the old one", "audit head": '"signature"', "audit verify": "is whole"}


def test_commands_speak_to_the_site_itself(site: Site) -> None:
    """No stranger is seen where there is none. The first one puts something on the audit."""
    given = {"OTTB_PASSWORD": "1234", "OTTB_NEW_PASSWORD": "1234", "http_proxy": "http://127.0.0.1:9"}
    for command, answer in COMMANDS.items():
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *command.split(), "--config", str(site.config)],
            env=os.environ | site.env | given, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert answer in done.stdout + done.stderr, command
    print(f"{len(COMMANDS)} commands of the site's own: 0 seen as a stranger's")


def test_everything_in_the_state_folder_is_its_owners_alone(site: Site) -> None:
    found = [site.state, *site.state.rglob("*")]
    open_ones = [f"{oct(path.lstat().st_mode)[-3:]} {path}" for path in found if path.lstat().st_mode & OTHERS]
    print(f"state: {len(open_ones)} of {len(found)} files and folders are open to others")
    assert len(found) > 20
    assert open_ones == []
    assert {*site.state.iterdir()} <= {*private._ours(site.state)}  # what is not known as ours is not closed


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
