"""Other users of the machine, and the real Asterisk of a site: what they get of it. Nothing."""

import json
import shutil
from pathlib import Path

import psutil
import pytest

from cli.site import asterisk
from tests.stories.conftest import TRUNKS
from tests.support.site import running_site
from tests.support.stranger import STRANGER_USER, as_root, attack, family


@as_root
@pytest.mark.live
@pytest.mark.timeout(600)  # where there is no Asterisk yet, a folder with one is made
def test_a_real_asterisk_is_closed_to_others_too(tmp_path: Path) -> None:
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
