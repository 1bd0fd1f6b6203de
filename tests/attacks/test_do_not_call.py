"""Do-not-call lists: who may not change them tries, reasons are formulas, files are too many."""

import asyncio
import csv
import io
from collections import Counter

import nats
import nats.errors
import psutil
import pytest

from tests.support.site import Client, Site

LIST = "/api/do-not-call"
OLENA = "+380957770001"
FORMULAS = (
    '=HYPERLINK("http://evil.example")', "+1+1", "-1", "@SUM(A1)", "'=1+1", "=cmd|' /C calc'!A0", '"; =1', "a,=1",
)  # fmt: skip
LINES = ("put", "read", "add", "remove", "import", "check")
FILES = 12
GROWTH = 200e6  # bytes


@pytest.fixture(scope="module")
def site(plain_site: Site) -> Site:
    return plain_site


async def send(client: Client, data: bytes) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/csv"}
    url = client.site.url("ottb", f"{LIST}/global/import")
    async with client.session.post(url, data=data, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_who_may_not_changes_no_list_by_any_door(site: Site, operator: Client, admin: Client) -> None:
    codes = Counter[object]()
    for path in ("global", "global/remove"):
        codes[(await operator.post(f"{LIST}/{path}", {"entries": [OLENA]}))[0]] += 1
    codes[(await send(operator, OLENA.encode()))[0]] += 1
    for query in ("", f"/check?number={OLENA[1:]}"):
        codes[(await operator.get(LIST + query))[0]] += 1
    assert set(codes) == {403}
    bus = await nats.connect(
        f"nats://127.0.0.1:{site.nats_port}", user="op12", password="1234", inbox_prefix="_INBOX.u.op12"
    )
    body, tried = b'{"list": "global", "entries": ["+380957770001"]}', codes.total()
    shard = "ottb.v1.cmd.shard.46.change_do_not_call"
    for subject in (*(f"ottb.v1.cmd.do_not_calls.{line}" for line in LINES), shard):
        for way in (subject, subject.replace("v1.", "v1.own.op12.")):
            tried += 1
            with pytest.raises((nats.errors.Error, TimeoutError, AssertionError)):
                answer = await bus.request(way, body, timeout=1.0, headers={"Ottb-Actions": "do_not_call.edit"})
                assert "Ottb-Error" not in (answer.headers or {})
    await bus.close()
    assert (await admin.get(f"{LIST}/check?number={OLENA[1:]}"))[1]["entries"] == []
    print(f"{tried} tried without the right, lists changed or seen: 0")


async def test_a_reason_runs_nothing_in_a_spreadsheet_and_comes_back(site: Site, admin: Client) -> None:
    for number, reason in enumerate(FORMULAS):
        body = {"entries": [f"+38095778{number:04}"], "reason": reason, "source": reason}
        assert (await admin.post(f"{LIST}/global", body))[0] == 200
    url = site.url("ottb", f"{LIST}?number=%2B38095778&format=csv")
    async with admin.session.get(url, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
        exported = await answer.read()
    cells = [cell for row in csv.reader(io.StringIO(exported.decode(), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    numbers = [f"+38095778{number:04}" for number in range(len(FORMULAS))]
    await admin.post(f"{LIST}/global/remove", {"entries": numbers})
    assert (await send(admin, exported))[1]["added"] == len(FORMULAS)
    _, rows = await admin.get(f"{LIST}?number=%2B38095778")
    assert [row["reason"] for row in rows] == list(FORMULAS)
    print(f"{len(FORMULAS)} reasons that are formulas tried, run by a spreadsheet: 0, changed on the way: 0")


async def test_many_large_files_at_once_take_the_place_of_one(site: Site, admin: Client) -> None:
    """Each is 16 MB of lines that are numbers but for the last."""
    data = b"+380957790001\n" * 1_150_000 + b"Ann\n"
    before = _resident(site)
    largest, watching = before, True

    async def watch() -> None:
        nonlocal largest
        while watching:
            largest = max(largest, _resident(site))
            await asyncio.sleep(0.05)

    watcher = asyncio.create_task(watch())
    first = asyncio.create_task(send(admin, data))
    await asyncio.sleep(0.3)
    others = Counter([(await send(admin, b"+380957790002\n" * 20))[1]["code"] for _ in range(FILES)])
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    watching = False
    await watcher
    assert others == {"UNAVAILABLE": FILES} and largest - before < GROWTH
    async with asyncio.timeout(30):
        while (await send(admin, b"Ann"))[1]["code"] != "INVALID_PARAMS":  # the place is free again
            await asyncio.sleep(0.2)
    print(f"{FILES} files beside one of 16 MB tried, read: 0; the gateway grew by {(largest - before) / 1e6:.0f} MB")


def _resident(site: Site) -> int:
    found = [one for one in psutil.process_iter(["cmdline"]) if "gateway.main" in " ".join(one.info["cmdline"] or [])]
    mine = [one for one in found if str(site.folder) in " ".join(one.info["cmdline"])]
    return sum(one.memory_info().rss for one in mine)


