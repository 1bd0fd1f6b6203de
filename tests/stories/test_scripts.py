"""Scripts on a whole site: over HTTP, live, on the command line, and as somebody's own file."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.js_client import JsClient
from tests.support.site import ROOT, Client, Site, running_site, until

OWN = 'name = "go_home"\nversion = {version}\nsummary = "Home."\n[[steps]]\ndo = "key"\nkey = "home"\n'
SHORT = "+380631110006"  # answers, and hangs up after three seconds


async def _over(client: Client, script_id: str) -> dict[str, Any]:
    path = f"/api/gacs/status/{script_id}"
    _, run = await until(lambda: client.get(path), lambda seen: seen[1]["ended"] is not None, 60.0)
    return dict(run)


async def test_a_call_in_an_app_is_told_live_and_is_in_the_records(
    site: Site, operator: Client, admin: Client
) -> None:
    async with JsClient(site.url("workspace", ""), operator.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:scripts", {"slot": 44}))["error"] is False
        wanted = {"slot_id": 44, "script": "telegram_call", "params": {"number": SHORT}}
        status, begun = await operator.post("/api/gacs/run-script", wanted)
        assert status == 201 and begun == {"status": "executing", "script_id": begun["script_id"]}
        status, refused = await operator.post("/api/gacs/run-script", {"slot_id": 44, "script": "unlock_screen"})
        assert (status, refused["code"]) == (409, "SLOT_BUSY")
        run = await _over(operator, begun["script_id"])
        assert (run["state"], run["values"]) == ("succeeded", {"call": "answered"}), run
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "ended")
        changes = [update["data"]["change"] for update in socket.events("script.update")]
    assert changes[0] == "started" and "moved" in changes and changes[-1] == "ended"
    _, cdr = await until(lambda: operator.get(f"/api/call/{run['call_id']}/cdr"), lambda seen: seen[0] == 200)
    assert (cdr["app"], cdr["number"], cdr["slot"]) == ("org.telegram.messenger", SHORT, 44)
    _, listed = await operator.get("/api/gacs/runs?slot=44&script=telegram_call&limit=1")
    assert [one["script_id"] for one in listed] == [begun["script_id"]]
    status, _ = await admin.post(f"/api/gacs/stop/{begun['script_id']}", {})
    assert status == 200  # it is over, and stays as it was


async def test_bad_input_is_refused_in_words(site: Site, operator: Client) -> None:
    for body, code in (
        ({"slot_id": 44, "script": "none_such"}, "NOT_FOUND"),
        ({"slot_id": 44, "script": "../wifi_on"}, "INVALID_PARAMS"),
        ({"slot_id": 44, "script": "telegram_call"}, "INVALID_PARAMS"),
        ({"slot_id": 45, "script": "unlock_screen"}, "NOT_FOUND"),
        ({"slot_id": 44, "script": "send_ussd_balance"}, "PERMISSION_DENIED"),
        ({"slot_id": 44, "script": "clear_app", "params": {"app": "org.telegram.messenger"}}, "PERMISSION_DENIED"),
    ):
        _, answer = await operator.post("/api/gacs/run-script", body)
        assert answer["code"] == code, answer
    assert (await operator.get("/api/gacs/status/gacs_none"))[1]["code"] == "NOT_FOUND"
    _, checked = await operator.post("/api/gacs/check", {"text": 'name = "x"\nwrong = 1\n'})
    assert not checked["ok"] and {"line": 2, "column": 1}.items() <= checked["problems"][-1].items(), checked


async def test_a_script_of_ones_own_is_run_from_the_command_line(tmp_path: Path) -> None:
    own = tmp_path / "scripts"
    own.mkdir()
    (own / "go_home.toml").write_text(OWN.format(version=1))
    more = f'[campaigns]\npresets = []\n[scripts]\nfolder = "{own}"\n'
    (tmp_path / "site").mkdir()
    with running_site(tmp_path / "site", {44: None}, more) as site:
        def ottb(*words: str) -> str:
            command = [sys.executable, "-m", "cli.main", "script", *words[:1], "--config", str(site.config), *words[1:]]
            given = os.environ | site.env | {"OTTB_PASSWORD": site.admin_password}
            done = subprocess.run(command, cwd=ROOT, env=given, text=True, capture_output=True, timeout=60, check=False)
            return done.stdout + done.stderr

        assert "go_home  (version 1) Home." in await asyncio.to_thread(ottb, "list")
        said = await asyncio.to_thread(ottb, "run", "go_home", "--slot", "44", "--follow")
        assert said.splitlines()[-1] == "succeeded", said
        (own / "go_home.toml").write_text(OWN.format(version=22))
        listed = await until(lambda: asyncio.to_thread(ottb, "list"), lambda seen: "version 22" in seen)
        assert "telegram_call number=<phone>" in listed
