"""Lists of leads over HTTP: sent, shown, started and followed, in a campaign that calls nobody yet."""

import asyncio
import secrets
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.js_client import JsClient
from tests.support.sheets import workbook
from tests.support.site import Client, until

IMPORTS = "/api/autodialer/imports"
ROWS = [("Телефон", "ПІБ"), *((f"+38099123{place:04}", f"Олена {place}") for place in range(50)), ("none", "=1+1")]


def csv_of(rows: list[tuple[str, str]]) -> bytes:
    return "\r\n".join(";".join(row) for row in rows).encode("cp1251")


async def send(
    client: Client, data: Any, campaign: str, *, headers: dict[str, str] | None = None, **query: str
) -> tuple[int, Any]:
    """Upload a file."""
    wanted = urlencode({"campaign_id": campaign, "name": "leads.csv"} | query)
    url = client.site.url("ottb", f"{IMPORTS}?{wanted}")
    given = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/csv"} | (headers or {})
    async with client.session.post(url, data=data, headers=given) as answer:
        return answer.status, await answer.json()


async def over(client: Client, id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found: dict[str, Any] = (await client.get(f"{IMPORTS}/{id}"))[1]
        return found

    found: dict[str, Any] = await until(look, lambda found: found["ended"] is not None, 30)
    return found


async def status_of(client: Client, id: str, status: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found: dict[str, Any] = (await client.get(f"{IMPORTS}/{id}"))[1]
        return found

    found: dict[str, Any] = await until(look, lambda found: found["status"] == status, 30)
    return found


@pytest.fixture
async def campaign(admin: Client) -> str:
    id = f"imp_{secrets.token_hex(4)}"
    assert (await admin.post("/api/autodialer/campaigns", {"campaign_id": id}))[0] == 201
    return id


async def test_a_list_is_sent_shown_started_and_followed(admin: Client, campaign: str) -> None:
    async with JsClient(admin.site.url("workspace", ""), admin.token or "") as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:imports"))["error"] is False
        status, made = await send(admin, csv_of(ROWS), campaign)
        assert status == 201 and made["status"] == "examining" and made["size"] == len(csv_of(ROWS))
        id = made["import_id"]
        found = await status_of(admin, id, "ready")
        assert found["columns"]["fields"] == ["number", "name"] and found["rows"] == 51
        assert found["expected"] == {"leads": 50, "duplicates": 0, "invalid": {"number: format": 1}}
        status, shown = await admin.get(f"{IMPORTS}/{id}/preview")
        assert status == 200 and shown["rows"][1]["cells"] == ["+380991230000", "Олена 0"]
        assert (await admin.post(f"{IMPORTS}/{id}/start", {}))[1]["status"] == "running"
        found = await over(admin, id)
        assert (found["status"], found["done"], found["new"], found["errors"]) == ("finished", 51, 50, True)
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "ended")
        changes = [said["data"]["change"] for said in socket.events("import.update")]
        assert [change for change in changes if change != "counts"] == ["created", "examined", "started", "ended"]
    _, listed = await admin.get(f"{IMPORTS}?campaign_id={campaign}")
    assert [one["import_id"] for one in listed] == [id]
    assert (await admin.get(f"/api/autodialer/campaigns/{campaign}"))[1]["by_status"] == {"new": 50}
    url = admin.site.url("ottb", f"{IMPORTS}/{id}/errors")
    async with admin.session.get(url, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
        table = (await answer.read()).decode("utf-8-sig").splitlines()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{id}-errors.csv"'
    assert table[0] == "row,field,reason,Телефон,ПІБ"
    assert table[1].startswith("52,number,") and table[1].endswith(",none,'=1+1")  # no formula

    async def read() -> list[Any]:  # also by other stories
        return [
            one["subject"] for one in await admin.audit(f"action=GET%20{IMPORTS}/{{import_id}}/errors&result=OK")
        ]

    await until(read, lambda subjects: subjects.count({"import_id": id}) == 1)


async def test_a_workbook_is_a_list_too(admin: Client, campaign: str) -> None:
    cells = [["phone", "name"], *([380991239000 + place, f"Ann {place}"] for place in range(30))]
    status, made = await send(admin, workbook(cells), campaign, name="leads.xlsx", begin="true")
    assert status == 201
    found = await over(admin, made["import_id"])
    assert (found["status"], found["new"], found["rows"], found["errors"]) == ("finished", 30, 30, False)
    assert (await admin.get(f"{IMPORTS}/{made['import_id']}/errors"))[1]["code"] == "NOT_FOUND"


async def test_the_same_key_is_one_import_and_the_same_file_no_new_leads(admin: Client, campaign: str) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first = await send(admin, csv_of(ROWS), campaign, headers=key, begin="true")
    assert await send(admin, csv_of(ROWS), campaign, headers=key, begin="true") == first
    status, answer = await send(admin, csv_of(ROWS[:10]), campaign, headers=key, begin="true")
    assert (status, answer["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert (await over(admin, first[1]["import_id"]))["new"] == 50
    _, again = await send(admin, csv_of(ROWS), campaign, begin="true")
    found = await over(admin, again["import_id"])
    assert (found["status"], found["new"], found["duplicates"]) == ("finished", 0, 50)
    assert len((await admin.get(f"{IMPORTS}?campaign_id={campaign}"))[1]) == 2


async def test_who_may_not_import_does_not_see_that_there_are_any(
    admin: Client, operator: Client, campaign: str
) -> None:
    _, made = await send(admin, csv_of(ROWS), campaign)
    for answer in (
        await send(operator, csv_of(ROWS), campaign), await operator.get(IMPORTS),
        await operator.get(f"{IMPORTS}/{made['import_id']}"),
        await operator.get(f"{IMPORTS}/{made['import_id']}/preview"),
        await operator.post(f"{IMPORTS}/{made['import_id']}/start", {}),
    ):  # fmt: skip
        assert (answer[0], answer[1]["code"]) == (403, "PERMISSION_DENIED")
    assert (await admin.post(f"{IMPORTS}/{made['import_id']}/cancel", {}))[1]["status"] == "cancelled"


async def test_what_cannot_be_taken_is_refused_before_it_is_read(admin: Client, campaign: str) -> None:
    sent = 0

    async def much() -> Any:
        nonlocal sent
        for _ in range(20):
            sent += 1 << 20
            yield bytes(1 << 20)
            await asyncio.sleep(0.05)

    status, answer = await send(admin, csv_of(ROWS), "no_such_campaign")
    assert (status, answer["code"]) == (404, "NOT_FOUND")
    status, answer = await send(admin, b"{}", campaign, headers={"Content-Type": "application/json"})
    assert (status, answer["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    status, answer = await send(admin, csv_of(ROWS), campaign, surprise="1")
    assert (status, answer["details"]["field"]) == (400, "surprise")
    try:
        status, answer = await send(admin, much(), "no_such_campaign")
        assert (status, answer["code"]) == (404, "NOT_FOUND")
    except OSError:  # it was still sending when it was refused
        pass
    assert sent < 20 << 20


async def test_a_repeat_under_a_key_takes_nothing_from_the_first(admin: Client, campaign: str) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    _, made = await send(admin, csv_of(ROWS), campaign, headers=key)
    assert await send(admin, csv_of(ROWS), campaign, headers=key) == (201, made)
    await status_of(admin, made["import_id"], "ready")
    await admin.post(f"{IMPORTS}/{made['import_id']}/start", {})
    assert (await over(admin, made["import_id"]))["new"] == 50
