"""Work by hand on a phone, over HTTP: files, apps and its log."""

import asyncio
import hashlib
import os
from typing import Any

import pytest

from tests.stories.test_point import made
from tests.support.site import PATIENCE, Client, Site

CONTENT = os.urandom(3 * 2**20 + 17)
APK = b"PK\x03\x04" + os.urandom(700_000).replace(b"package", b"") + b"package=org.example.app\n"
FILES = "/api/slots/14/files"


async def send(
    client: Client, method: str, to: str, body: bytes | None = None, **query: Any
) -> tuple[int, Any, Any]:
    """One request with a body of bytes; what is answered as bytes, or as JSON, and its headers."""
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/octet-stream"}
    url = client.site.url("ottb", to)
    async with client.session.request(method, url, data=body, params=query, headers=headers) as answer:
        said = await (answer.json() if answer.content_type == "application/json" else answer.read())
        return answer.status, said, answer.headers


async def test_a_file_is_put_on_a_phone_and_taken_from_it(admin: Client) -> None:
    path = "/sdcard/Download/list ф.csv"
    status, said, _ = await send(admin, "PUT", FILES, CONTENT, path=path)
    assert (status, said) == (200, {"status": "pushed", "slot": 14, "path": path, "size": len(CONTENT)})
    status, back, headers = await send(admin, "GET", FILES, path=path)
    assert status == 200 and hashlib.sha256(back).digest() == hashlib.sha256(CONTENT).digest()
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"list _.csv\"; filename*=UTF-8''list%20%D1%84.csv"
    )
    status, said, _ = await send(admin, "PUT", FILES, b"", path=path)
    assert status == 200 and (await send(admin, "GET", FILES, path=path))[:2] == (200, b"")
    [pushed, *_] = await admin.audit("action=PUT /api/slots/{slot}/files")
    assert (pushed["result"], pushed["subject"]) == ("OK", {"slot": 14, "path": path})


@pytest.mark.parametrize(
    "path",
    ["", "sdcard/x", "/sdcard/../data/x", "/sdcard/./x", "/sdcard//x", "/sdcard/", "/sdcard", "/data/x", "/etc/hosts",
     "/sdcard/a\0b", "/sdcard/a\nb", "/sdcard/" + "x" * 256, "/sdcard/" + "x/" * 600 + "x", "/sdcardx/y"],
)  # fmt: skip
async def test_a_path_out_of_the_folders_is_none(admin: Client, path: str) -> None:
    for method, body in (("GET", None), ("PUT", b"x")):
        status, said, _ = await send(admin, method, FILES, body, path=path)
        assert (status, said["code"]) == (400, "INVALID_PARAMS"), said
        assert said["details"]["field"] == "path"


async def test_what_is_not_there_is_not_found(admin: Client) -> None:
    assert (await send(admin, "GET", FILES, path="/sdcard/none"))[1]["code"] == "NOT_FOUND"
    assert (await send(admin, "GET", FILES, path="/sdcard/no folder/none"))[1]["code"] == "NOT_FOUND"
    assert (await send(admin, "GET", "/api/slots/999/files", path="/sdcard/none"))[1]["code"] == "NOT_FOUND"
    assert (await send(admin, "GET", FILES, path="/sdcard/Download"))[1]["code"] == "INVALID_PARAMS"


async def test_an_app_is_installed_and_removed(admin: Client) -> None:
    status, said, _ = await send(admin, "POST", "/api/slots/14/apk", APK)
    assert (status, said) == (200, {"status": "installed", "slot": 14, "said": "Success"})
    status, said, _ = await send(admin, "DELETE", "/api/slots/14/apk/org.example.app")
    assert (status, said) == (200, {"status": "uninstalled", "slot": 14, "said": "Success"})
    assert (await send(admin, "DELETE", "/api/slots/14/apk/org.example.app"))[1]["code"] == "NOT_FOUND"
    status, said, _ = await send(admin, "POST", "/api/slots/14/apk", b"no app at all")
    assert (status, said["code"]) == (409, "CONFLICT") and "NOT_APK" in said["message"]
    assert (await send(admin, "DELETE", "/api/slots/14/apk/no;app"))[1]["code"] == "INVALID_PARAMS"


async def test_a_phones_log_is_followed(admin: Client, site: Site) -> None:
    headers = {"Authorization": f"Bearer {admin.token}"}
    url = site.url("ottb", "/api/slots/14/logcat?buffer=system&tag=Telecom")
    async with admin.session.get(url, headers=headers) as answer:
        assert answer.status == 200 and answer.content_type == "text/event-stream"
        status, call = await admin.post("/api/call/start", {"number": "+380501230001", "slot": 14})
        assert status < 300, call
        said = b""
        async with asyncio.timeout(PATIENCE):
            while b"Telecom" not in said:
                said += await answer.content.readany()
    assert b"event: log\ndata: {\"line\":" in said
    await admin.post("/api/call/end", {"call_id": call["call_id"]})


async def test_who_may_do_what_by_hand(operator: Client, admin: Client, site: Site) -> None:
    for method, path in (
        ("GET", "/api/slots/44/files?path=/sdcard/x"), ("PUT", "/api/slots/44/files?path=/sdcard/x"),
        ("POST", "/api/slots/44/apk"), ("DELETE", "/api/slots/44/apk/a.b"), ("GET", "/api/slots/44/logcat"),
    ):  # fmt: skip
        status, said, _ = await send(operator, method, path, b"x" if method in ("PUT", "POST") else None)
        assert (status, said["code"]) == (403, "PERMISSION_DENIED"), path


async def test_a_reserved_slot_is_for_whoever_reserved_it(operator: Client, admin: Client) -> None:
    path = "/api/slots/44/reservation"
    assert (await operator.post(path, {"minutes": 5}))[1]["code"] == "PERMISSION_DENIED"
    status, said = await admin.post(path, {"minutes": 5})
    assert (status, said["status"], said["user"]) == (200, "reserved", "admin")
    assert (await admin.get("/api/slots/44"))[1]["reserved_by"] == "admin"
    [row] = [row for row in (await operator.get("/api/slots"))[1] if row["id"] == 44]
    assert (row["reserved_by"], row["reserved_until"]) == ("admin", said["until"])
    status, busy = await operator.post("/api/call/start", {"number": "+380501230001", "slot": 44})
    assert (busy["code"], busy["details"]["held_by"]) == ("SLOT_BUSY", "reservation")
    assert (await admin.post(path, {"minutes": 481}))[1]["code"] == "INVALID_PARAMS"
    assert (await admin.post("/api/slots/44/key", {"key": "home"}))[0] == 200
    chief = await made(admin, "h_chief", "supervisor")
    assert (await chief.post("/api/slots/44/key", {"key": "home"}))[1]["code"] == "SLOT_BUSY"
    assert (await chief.post(path, {"minutes": 5}))[1]["code"] == "SLOT_BUSY"
    assert (await chief.call("DELETE", path))[1]["status"] == "free"
    assert (await admin.call("DELETE", path))[1]["code"] == "NOT_FOUND"
    status, call = await operator.post("/api/call/start", {"number": "+380501230001", "slot": 44})
    assert status < 300, call
    status, said = await chief.post("/api/slots/44/tap", {"x": 5, "y": 5})
    assert said["code"] == "SLOT_BUSY"  # that is somebody else's call
    await operator.post("/api/call/end", {"call_id": call["call_id"]})
