"""A site whose phones are on several adb servers: one of those that ends takes its own phones with it, for a while."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.adapters.adb import AdbClient
from actors.settings import load
from tests.support.site import Client, Site, running_site, until

pytestmark = pytest.mark.sites
SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 19))
MORE = "[adb]\nphones_per_server = 4\n"


def ottb(site: Site, *words: str) -> str:
    command = [sys.executable, "-m", "cli.main", words[0], "--config", str(site.config), *words[1:]]
    done = subprocess.run(
        command, env={**os.environ, **site.env}, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout + done.stderr


def slots_of(site: Site, server: int) -> set[int]:
    """Of the phones that connect to this server."""
    settings = load(config=site.config, environment=site.env)
    client = AdbClient.of(settings.adb, settings.adb_servers, site.state)
    return {slot for slot, serial in site.serials.items() if client.server_for(serial) == server}


async def test_one_of_several_adb_servers_is_started_again_alone(tmp_path: Path) -> None:
    with running_site(tmp_path, SLOTS, MORE) as site:
        async with aiohttp.ClientSession() as session:
            admin = Client(site, session)
            await admin.login("admin", site.admin_password)

            async def status() -> dict[int, Any]:
                return {slot["id"]: slot["status"] for slot in (await admin.get("/api/slots"))[1]}

            online = dict.fromkeys(SLOTS, "ONLINE")
            await until(status, lambda found: found == online, 30)
            theirs, ours = slots_of(site, 1), slots_of(site, 0)
            assert theirs | ours == SLOTS.keys()
            assert {slot for slot, serial in site.serials.items() if serial in ottb(site, "adb", "devices")} == ours
            listed = ottb(site, "adb", "--server", "2", "devices")
            assert {slot for slot, serial in site.serials.items() if serial in listed} == theirs
            assert "settings make 2" in ottb(site, "adb", "--server", "3", "devices")
            assert "8 online on 2 adb servers" in ottb(site, "doctor")
            first = site.pid("adb")
            site.kill("adb-2")
            gone = await until(status, lambda found: found != online or not theirs, 10)
            assert {slot for slot, word in gone.items() if word != "ONLINE"} <= theirs
            await until(status, lambda found: found == online, 30)
            assert site.pid("adb") == first and site.said().count("starting it again") == 1
