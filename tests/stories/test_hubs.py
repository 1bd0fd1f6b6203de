"""The hubs of a sandbox, as documented: what the slots say of them, since its phones hang on no USB."""

import asyncio
import json
import os
import subprocess
import sys

from tests.support.site import Client, Site, until


def hub(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """`ottb hub` with these words."""
    command = [sys.executable, "-m", "cli.main", "hub", words[0], "--config", str(site.config), *words[1:]]
    env = {**os.environ, **site.env, "OTTB_PASSWORD": site.admin_password}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False, input="q\n")


async def test_hubs_are_shown_as_documented(site: Site, operator: Client, admin: Client) -> None:
    async def online() -> list[dict[str, object]]:
        return (await operator.get("/api/monitor/usb"))[1]

    shown = await until(online, lambda found: found[0]["online"] == 6)
    assert shown == [{"hub": "HUB1", "online": 6, "total": 7}]
    assert (await operator.get("/api/monitor/usb?host=local"))[1] == shown
    refused = (await operator.get("/api/monitor/usb?host=nobody"))[1]
    assert (refused["code"], refused["details"]["known"]) == ("NOT_FOUND", ["local"])
    status, hub = await admin.get("/api/monitor/usb/HUB1")
    assert status == 200 and (hub["plugged"], hub["host"], hub["paths"]) == (None, "local", ["1-1", "2-1"])
    assert [port["slot"] for port in hub["ports"]] == [11, 12, 13, 14, 44, 45, None]
    assert (await admin.get("/api/monitor/usb/HUB9"))[1]["code"] == "NOT_FOUND"


async def test_others_phones_are_shown_to_who_may_see_them(site: Site, operator: Client, admin: Client) -> None:
    _, hub = await operator.get("/api/monitor/usb/HUB1")
    assert [port["slot"] for port in hub["ports"]] == [11, 12, 13, 14, 44, None, None]
    assert hub["ports"][5]["serial"] is None and hub["ports"][5]["state"] == "online"


async def test_a_port_is_not_switched_without_the_right_and_where_nobody_tried(
    site: Site, operator: Client, admin: Client
) -> None:
    path = "/api/monitor/usb/HUB1/ports/1/power"
    assert (await operator.post(path, {}))[1]["code"] == "PERMISSION_DENIED"
    for wanted in ({}, {"dry": True}):
        assert (await admin.post(path, wanted))[1]["code"] == "CONFLICT"
    assert (await admin.post("/api/monitor/usb/HUB1/ports/20/power", {"dry": True}))[1]["code"] == "NOT_FOUND"
    assert (await admin.post(path, {"seconds": 3600}))[1]["code"] == "INVALID_PARAMS"


async def test_the_commands_say_what_the_api_does(site: Site, operator: Client, admin: Client) -> None:
    async def online() -> list[dict[str, object]]:
        return (await operator.get("/api/monitor/usb"))[1]

    shown = await until(online, lambda found: found[0]["online"] == 6)
    listed = await asyncio.to_thread(hub, site, "list", "--json")
    assert (listed.returncode, json.loads(listed.stdout)) == (0, shown), listed.stderr
    ports = await asyncio.to_thread(hub, site, "show", "HUB1")
    assert ports.returncode == 0 and ports.stdout.startswith("HUB1 on local: 6 of 7 online"), ports.stderr
    for words, why in (
        (("learn", "HUB1"), "not plugged in"), (("power", "HUB1", "1", "--yes"), "not plugged in"),
        (("show", "HUB9"), "No such hub"),
    ):  # fmt: skip
        refused = await asyncio.to_thread(hub, site, *words)
        assert refused.returncode == 1 and why in refused.stderr, refused.stderr
