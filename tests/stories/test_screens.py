"""A phone's screen by hand, over HTTP: seen, watched, touched, and recorded as a script."""

import asyncio
import io
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from PIL import Image
from yarl import URL

from actors.script.checking import check
from tests.stories.test_by_hand import send
from tests.stories.test_links import made_link
from tests.support.site import PATIENCE, ROOT, Client

SLOT = "/api/slots/13"
SETTINGS = "am start -a android.settings.SETTINGS"
DIALLER = "am start -a android.intent.action.VIEW -n com.google.android.dialer/.Main; " + "; ".join(
    f"monkey -p {app} -c android.intent.category.LAUNCHER 1"
    for app in ("com.google.android.dialer", "com.samsung.android.dialer")
)
FRAME = b"--ottb-frame\r\n"


async def shell(client: Client, command: str) -> None:
    status, said = await client.post(f"{SLOT}/adb-command", {"command": command})
    assert status == 202, said
    path = f"{SLOT}/adb-command/{said['command_id']}"
    async with asyncio.timeout(PATIENCE):
        while (await client.get(path))[1]["status"] == "executing":
            await asyncio.sleep(0.05)


async def test_a_screenshot_is_what_is_on_the_screen(admin: Client) -> None:
    status, png, headers = await send(admin, "GET", f"{SLOT}/screenshot")
    assert (status, headers["Content-Type"]) == (200, "image/png") and png.startswith(b"\x89PNG")
    whole = Image.open(io.BytesIO(png))
    status, jpeg, headers = await send(admin, "GET", f"{SLOT}/screenshot", format="jpeg", quality="40", width="200")
    small = Image.open(io.BytesIO(jpeg))
    assert (status, headers["Content-Type"], small.format, small.width) == (200, "image/jpeg", "JPEG", 200)
    assert abs(small.height / small.width - whole.height / whole.width) < 0.02
    for query in ({"format": "gif"}, {"quality": "100"}, {"width": "1"}):
        assert (await send(admin, "GET", f"{SLOT}/screenshot", **query))[1]["code"] == "INVALID_PARAMS"
    records = await admin.audit("action=GET /api/slots/{slot}/screenshot", 2)
    assert {record["subject"]["slot"] for record in records if record["result"] == "OK"} == {13}


async def test_a_screen_is_watched_by_a_link(admin: Client) -> None:
    url = await made_link(admin, f"{SLOT}/live?fps=5&width=120")
    async with admin.session.get(URL(admin.site.url("ottb", url), encoded=True)) as answer:
        assert answer.status == 200 and answer.content_type == "multipart/x-mixed-replace"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        said = b""
        async with asyncio.timeout(PATIENCE):
            while said.count(FRAME) < 4:
                said += await answer.content.readany()
    for part in said.split(FRAME)[1:3]:
        head, _, picture = part.partition(b"\r\n\r\n")
        assert b"Content-Type: image/jpeg" in head
        assert Image.open(io.BytesIO(picture.removesuffix(b"\r\n"))).width == 120


async def test_a_screen_is_touched_and_what_calls_is_not(admin: Client) -> None:
    await shell(admin, SETTINGS)
    status, said = await admin.post(f"{SLOT}/swipe", {"x": 300, "y": 900, "to_x": 300, "to_y": 400})
    assert (status, said["status"]) == (200, "done"), said
    for key in ("enter", "home", "back"):
        assert (await admin.post(f"{SLOT}/key", {"key": key}))[0] == 200, key
    for key in ("call", "5", "KEYCODE_CALL", "headsethook"):
        assert (await admin.post(f"{SLOT}/key", {"key": key}))[1]["code"] == "INVALID_PARAMS"
    status, said = await admin.post(f"{SLOT}/tap", {"x": 9000, "y": 1})
    assert (said["code"], said["details"]["field"]) == ("INVALID_PARAMS", "x")
    await shell(admin, DIALLER)
    for y in range(100, 1200, 250):
        status, said = await admin.post(f"{SLOT}/tap", {"x": 360, "y": y})
        assert (status, said["code"]) == (400, "INVALID_PARAMS") and "numbers are dialled" in said["message"], said
    for what, body in (("type", {"text": "0501230001"}), ("key", {"key": "enter"}), ("key", {"key": "center"})):
        assert (await admin.post(f"{SLOT}/{what}", body))[1]["code"] == "INVALID_PARAMS"


async def test_what_is_done_is_recorded_as_a_script(admin: Client) -> None:
    assert (await send(admin, "DELETE", f"{SLOT}/recording"))[1]["code"] == "NOT_FOUND"
    await shell(admin, SETTINGS)
    assert (await admin.post(f"{SLOT}/recording"))[1] == {
        "status": "recording", "slot": 13, "steps": 0, "script": None, "unsure": []
    }  # fmt: skip
    status, said = await admin.post(f"{SLOT}/tap", {"x": 300, "y": 500})
    assert status == 200 and said["recorded"] == 1, said
    assert (await admin.post(f"{SLOT}/key", {"key": "back"}))[1]["recorded"] == 2
    status, done, _ = await send(admin, "DELETE", f"{SLOT}/recording")
    assert (status, done["steps"]) == (200, 2)
    checked = check(done["script"], {}, "draft")
    assert checked.script is not None, (checked.problems, done["script"])
    steps = tomllib.loads(done["script"])["steps"]
    assert [step["do"] for step in steps] == ["launch", "tap", "key"], done["script"]
    print(done["script"])


async def test_a_screenshot_is_taken_on_the_command_line(admin: Client, tmp_path: Path) -> None:
    site, file = admin.site, tmp_path / "screen.jpg"
    command = [sys.executable, "-m", "cli.main", "slot", "screenshot", "13", "-o", file, "--config", site.config]
    environment = os.environ | site.env | {"OTTB_PASSWORD": site.admin_password}
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(file).format == "JPEG" and str(file) in done.stdout
