"""Do-not-call lists on the running system: put on, asked about, called, exported and loaded again, taken off."""

from typing import Any

import pytest

from gateway.routes import XLSX
from tests.support.js_client import JsClient
from tests.support.sheets import workbook
from tests.support.site import Client, Site

LIST = "/api/do-not-call"
OLENA, PETRO, IVAN = "+380957770001", "+380957770002", "+380957770003"


async def send(client: Client, data: bytes, kind: str = "text/csv", list: str = "global") -> tuple[int, Any]:
    """A file for a list."""
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": kind}
    url = client.site.url("ottb", f"{LIST}/{list}/import")
    async with client.session.post(url, data=data, headers=headers) as answer:
        return answer.status, await answer.json()


async def export(client: Client, query: str) -> bytes:
    url = client.site.url("ottb", f"{LIST}?{query}&format=csv")
    async with client.session.get(url, headers={"Authorization": f"Bearer {client.token}"}) as answer:
        return await answer.read()


async def refusal_of(client: Client, number: str) -> tuple[Any, Any]:
    """What is said to a call, on a phone and through a trunk."""
    _, phone = await client.post("/api/call/start", {"number": number, "slot": "AUTO"})
    _, trunk = await client.post("/api/pbx/dial", {"from": "slot_44", "to": number, "trunk": "trunk-1"})
    assert phone.get("code") == trunk.get("code")
    return phone.get("code"), phone.get("details")


async def test_who_is_on_the_list_is_not_called(site: Site, operator: Client, admin: Client) -> None:
    wanted = {"entries": ["095 777 00 01", PETRO], "reason": "asked on the phone"}
    async with JsClient(site.url("workspace", ""), admin.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:do_not_call"))["error"] is False
        status, said = await admin.post(f"{LIST}/global", wanted)
        assert (status, said) == (200, {"list": "global", "added": 2, "removed": 0, "unchanged": 0})
        update = (await socket.expect(lambda heard: heard.get("name") == "do_not_call.update"))["payload"]["data"]
    assert (update["change"], update["entries"], update["by"]) == ("added", 2, "admin")
    assert await refusal_of(operator, OLENA) == ("CALL_FAILED", {"rule": "do_not_call"})
    assert (await admin.post(f"{LIST}/global", wanted))[1]["unchanged"] == 2

    status, found = await admin.get(f"{LIST}/check?number=0957770001")
    assert status == 200 and found["number"] == OLENA and found["listed"] is True
    [entry] = found["entries"]
    assert (entry["by"], entry["reason"], entry["list"], entry["source"]) == (
        "admin", "asked on the phone", "global", "api",
    )  # fmt: skip
    assert entry["since"] and entry["expires"] is None

    status, said = await admin.post(f"{LIST}/global/remove", {"entries": [OLENA, PETRO]})
    assert (status, said["removed"]) == (200, 2)
    status, started = await operator.post("/api/call/start", {"number": OLENA, "slot": "AUTO"})
    assert status == 201, started
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    found = (await admin.get(f"{LIST}/check?number={OLENA.replace('+', '%2B')}"))[1]
    assert found["listed"] is False and found["entries"][0]["removed_by"] == "admin"
    assert [row["action"] for row in await admin.audit("action=POST%20/api/do-not-call", 3)]


async def test_a_file_is_taken_whole_and_what_is_exported_can_be_loaded(admin: Client) -> None:
    numbers = [f"+3809577{end:05}" for end in range(10_000, 10_700)]
    data = "\r\n".join([*numbers, "+38095778*"]).encode()
    assert await send(admin, data) == (200, {"list": "global", "added": 701, "removed": 0, "unchanged": 0})
    assert (await refusal_of(admin, "+380957781234"))[1] == {"rule": "do_not_call"}
    first = await export(admin, "list=global&number=%2B3809577&limit=1000")
    assert first.count(b"\r\n") == 702
    assert (await send(admin, first))[1]["unchanged"] == 701
    assert (await admin.post(f"{LIST}/global/remove", {"entries": numbers[:500]}))[1]["removed"] == 500
    assert (await admin.post(f"{LIST}/global/remove", {"entries": [*numbers[500:], "+38095778*"]}))[1]["removed"] == 201
    assert (await send(admin, first))[1]["added"] == 701
    for some in (numbers[:500], [*numbers[500:], "+38095778*"]):
        await admin.post(f"{LIST}/global/remove", {"entries": some})


async def test_a_workbook_is_taken_as_a_table_is(admin: Client) -> None:
    head, first = ["Phone", "Reason", "Expires"], [380957770004, "a letter", "2090-03-01"]
    good = workbook([head, first, [], ["095 777 00 05"]])
    assert (await send(admin, good, XLSX))[1] == {"list": "global", "added": 2, "removed": 0, "unchanged": 0}
    assert (await send(admin, good, "text/csv"))[1]["unchanged"] == 2
    [entry] = (await admin.get(f"{LIST}?number=%2B380957770004"))[1]
    assert (entry["reason"], entry["expires"][:10]) == ("a letter", "2090-03-01")
    status, refused = await send(admin, workbook([head, first, [], ["Ann"], [380957770006]]), XLSX)
    assert (status, refused["code"], refused["details"]["line"]) == (400, "INVALID_PARAMS", 4)
    await admin.post(f"{LIST}/global/remove", {"entries": ["+380957770004", "+380957770005"]})


async def test_a_list_goes_on_page_by_page(admin: Client) -> None:
    await admin.post(f"{LIST}/global", {"entries": [OLENA, PETRO, IVAN], "source": "pages"})
    seen, cursor = [], ""
    while True:
        _, page = await admin.get(f"{LIST}?source=pages&limit=2{cursor}")
        seen += [one["entry"] for one in page]
        if "X-Next-Cursor" not in admin.last_headers:
            break
        cursor = f"&cursor={admin.last_headers['X-Next-Cursor']}"
    assert seen == [OLENA, PETRO, IVAN]
    await admin.post(f"{LIST}/global/remove", {"entries": seen})


async def test_a_line_that_is_no_number_stops_the_file(admin: Client) -> None:
    data = "\n".join([*(f"+38095776{end:04}" for end in range(300)), "Ann", IVAN]).encode()
    status, refused = await send(admin, data)
    assert (status, refused["code"], refused["details"]["line"]) == (400, "INVALID_PARAMS", 301)
    assert "line 301: not a phone number: character U+0041 at 1" in refused["message"]
    assert (await admin.get(f"{LIST}?number=%2B38095776"))[1] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("global", {"entries": []}, 400, "entries"),
        ("global", {"entries": [OLENA, "112"]}, 400, "entries[1]"),
        ("global", {"entries": ["+*"]}, 400, "entries[0]"),
        ("global", {"entries": [OLENA], "expires": "2020-01-01"}, 400, "expires"),
        ("global", {"entries": [OLENA], "reason": "a\nb"}, 400, "reason"),
        ("no-campaign", {"entries": [OLENA]}, 404, None),
        ("global/remove", {"entries": ["Ann"]}, 400, "entries[0]"),
    ],
)
async def test_bad_input_is_named(admin: Client, path: str, body: Any, status: int, field: str | None) -> None:
    given, refused = await admin.post(f"{LIST}/{path}", body)
    assert given == status and (refused["details"] or {}).get("field") == field, refused
    assert (await admin.get(f"{LIST}/check?number={OLENA.replace('+', '%2B')}"))[1]["listed"] is False


async def test_who_may_only_look_changes_nothing(site: Site, admin: Client, operator: Client) -> None:
    body = {"username": "looks", "password": "only-looks-1", "role": "auditor", "must_change_password": False}
    assert (await admin.post("/api/users", body, part="point"))[0] == 201
    auditor = Client(site, admin.session)
    await auditor.login("looks", "only-looks-1")
    for client, status in ((operator, 403), (auditor, 200)):
        assert (await client.get(LIST))[0] == (await client.get(f"{LIST}/check?number={IVAN[1:]}"))[0] == status
        for path in ("global", "global/remove"):
            assert (await client.post(f"{LIST}/{path}", {"entries": [IVAN]}))[0] == 403
        assert (await send(client, IVAN.encode()))[0] == 403


async def test_a_body_that_is_no_file_is_refused(admin: Client) -> None:
    assert (await send(admin, b"{}", "application/json"))[1]["code"] == "UNSUPPORTED_MEDIA_TYPE"
    for empty in (b"", b"# nobody\n\n"):
        assert (await send(admin, empty))[1]["details"]["field"] == "body"
    assert (await send(admin, IVAN.encode(), list="no-campaign"))[1]["code"] == "NOT_FOUND"
    large = (await send(admin, b"+380957770003\n" * 1_300_000))[1]
    assert large["code"] == "PAYLOAD_TOO_LARGE"
