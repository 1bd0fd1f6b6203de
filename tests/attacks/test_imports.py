"""Files that are sent or named to cost something, or to show what they should not: each is refused, in bounded time and
memory, and the site goes on."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

import actors.imports.start as imports_start
import gateway.stored_files as stored_files
from tests.attacks.test_leads import BOMBS
from tests.stories.test_imports import IMPORTS, csv_of, over, send
from tests.support.site import Client, Site, running_site, until
from tests.support.whole import PASSWORD, Whole, whole_site

MB = 1 << 20
LISTS = csv_of([("phone", "name"), ("+380991230006", "Ann")])
PART = (b"+380991230006," + b"x" * 900 + b"\n") * 109  # 100 kB that are soon looked at


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files may be imported, with ways out of it."""
    top = tmp_path_factory.mktemp("lists")
    (top / "outside").mkdir()
    (top / "outside" / "secret.csv").write_bytes(LISTS)
    allowed = top / "allowed"
    (allowed / "below").mkdir(parents=True)
    (allowed / "below" / "leads.csv").write_bytes(LISTS)
    (allowed / "link.csv").symlink_to(top / "outside" / "secret.csv")
    (allowed / "door").symlink_to(top / "outside")
    (allowed / "below" / "up").symlink_to("..")
    os.mkfifo(allowed / "pipe.csv")
    with (allowed / "large.csv").open("wb") as large:
        large.truncate(65 * MB)
    return allowed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Site]:
    env = {"OTTB_IMPORTS__FOLDER": str(folder)}
    with running_site(tmp_path_factory.mktemp("site"), {44: "op12"}, env=env) as running:
        yield running


@pytest.fixture
async def campaign(admin: Client) -> str:
    id = f"imp_{secrets.token_hex(4)}"
    assert (await admin.post("/api/autodialer/campaigns", {"campaign_id": id}))[0] == 201
    return id


def resident(site: Site) -> int:
    """Bytes of memory of the gateway and the actor host, without what those have begun."""
    pids = [site.pid(name) for name in ("gateway", "actors")]
    return sum(psutil.Process(pid).memory_info().rss for pid in pids if pid is not None)


async def slow(count: int, size: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)
        await asyncio.sleep(pause)


PATHS = (
    "../outside/secret.csv", "below/../../outside/secret.csv", "below/up/../../outside/secret.csv", "link.csv",
    "door/secret.csv", "below/up/link.csv", "below/up/below/leads.csv", "/etc/passwd", "//etc/passwd", "..", ".", "",
    "below", "pipe.csv", "none.csv", "leads.csv\n", "below/leads.csv\r\nx", "below/leads.csv\0", "~/x.csv", "large.csv",
    "/proc/self/environ", "./../outside/secret.csv", "below//..//..//outside//secret.csv", "a" * 5000,
)  # fmt: skip


async def test_no_path_leads_out_of_the_allowed_folder(admin: Client, campaign: str) -> None:
    let_in = []
    for path in PATHS:
        began = time.monotonic()
        status, answer = await admin.post(f"{IMPORTS}/from-path", {"campaign_id": campaign, "path": path})
        assert time.monotonic() - began < 10, path
        if status != 400 or answer["code"] != "INVALID_PARAMS":
            let_in.append((path, status, answer))
        assert "root:" not in str(answer)
    print(f"{len(PATHS)} paths tried, {len(let_in)} let in")
    assert not let_in and (await admin.get(f"{IMPORTS}?campaign_id={campaign}"))[1] == []
    right = {"campaign_id": campaign, "path": "below/leads.csv", "begin": True}
    status, made = await admin.post(f"{IMPORTS}/from-path", right)
    assert status == 201 and made["name"] == "leads.csv"
    assert (await over(admin, made["import_id"]))["new"] == 1


NAMES = ("a\nb.csv", "a\r\nSet-Cookie: x", "\u202ea.csv", "a\0.csv", "", "x" * 201, "\u2028")


async def test_no_name_has_what_is_not_seen(admin: Client, campaign: str) -> None:
    for name in NAMES:
        status, answer = await send(admin, LISTS, campaign, name=name)
        assert (status, answer["code"]) == (400, "INVALID_PARAMS"), name
    print(f"{len(NAMES)} names tried, 0 taken")


async def test_a_file_that_is_too_large_is_refused_and_kept_nowhere(
    admin: Client, site: Site, campaign: str
) -> None:
    await send(admin, bytes(8 * MB), campaign)  # what is loaded and cached by the first one stays
    before, tried, most = resident(site), 0, 0
    status, answer = await send(admin, LISTS, campaign, headers={"Content-Length": str(65 * MB)})
    assert (status, answer["code"]) == (413, "PAYLOAD_TOO_LARGE")

    async def endless() -> None:
        nonlocal tried
        tried += 1
        try:
            status, answer = await send(admin, slow(200, MB), campaign)
            assert (status, answer["code"]) == (413, "PAYLOAD_TOO_LARGE")
        except (aiohttp.ClientError, OSError):  # it was still sending when it was refused
            pass

    for _ in range(2):
        await asyncio.gather(endless(), endless())
        most = max(most, resident(site))
    print(f"{tried} endless bodies, 0 taken, {(most - before) / MB:+.0f} MB")
    assert most - before < 64 * MB
    assert (await admin.get("/readyz", part="ottb"))[0] == 200
    assert len((await admin.get(f"{IMPORTS}?campaign_id={campaign}"))[1]) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_a_workbook_that_costs_something_costs_the_site_nothing(
    admin: Client, site: Site, campaign: str
) -> None:
    await send(admin, LISTS, campaign, begin="true")
    before, most, longest = resident(site), 0, 0.0
    kinds = [kind for kind in BOMBS if kind != "65 MB"]
    made = [(await send(admin, BOMBS[kind][0](), campaign, name=f"{kind}.xlsx"))[1] for kind in kinds]
    waiting = {one["import_id"] for one in made}
    give_up = time.monotonic() + 240
    while waiting and time.monotonic() < give_up:
        began = time.monotonic()
        for id in list(waiting):
            found = (await admin.get(f"{IMPORTS}/{id}"))[1]
            if found["ended"] is not None:
                assert found["status"] == "failed" and found["reason"].startswith("the workbook ")
                waiting.discard(id)
        longest, most = max(longest, time.monotonic() - began), max(most, resident(site))
        await asyncio.sleep(0.2)
    print(f"{len(made)} workbooks tried, 0 read, {(most - before) / MB:+.0f} MB, slowest answers {longest:.2f} s")
    assert not waiting and most - before < 64 * MB
    _, right = await send(admin, LISTS, campaign)
    assert (await until(lambda: admin.get(f"{IMPORTS}/{right['import_id']}"), lambda seen: seen[1]["rows"]))[1]


async def test_a_table_of_errors_runs_nothing(admin: Client, campaign: str) -> None:
    bad = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(1)", '"=1"', "\t=1", "'=1"]
    _, made = await send(admin, csv_of([("phone", "name"), *((one, one) for one in bad)]), campaign, begin="true")
    found = await over(admin, made["import_id"])
    assert found["status"] in ("finished", "failed") and not found["new"]
    url = admin.site.url("ottb", f"{IMPORTS}/{made['import_id']}/errors")
    async with admin.session.get(url, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
        rows = (await answer.read()).decode("utf-8-sig").splitlines()
    cells = [cell for row in rows for cell in row.split(",")]
    run = [cell for cell in cells if cell.strip('"').startswith(("=", "+", "-", "@", "\t"))]
    print(f"{len(bad)} formulas sent, {len(run)} come back as such")
    assert len(rows) == 1 + len(bad) and not run


# --- time, with limits that a test can wait for


@pytest.fixture
async def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    monkeypatch.setattr(stored_files, "SECONDS", 2.0)
    monkeypatch.setattr(stored_files, "SILENCE", 0.5)
    monkeypatch.setattr(stored_files, "AT_ONCE_EACH", 2)
    async with whole_site(tmp_path) as site:
        await site.login()
        assert (await site.ask("POST", "/api/autodialer/campaigns", {"campaign_id": "c1"}))[0] == 201
        yield site


async def post(site: Whole, body: AsyncIterator[bytes], **headers: str) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{site.gateway.listener.port}{IMPORTS}?campaign_id=c1&name=leads.csv"
    headers["Authorization"] = f"Bearer {site.gateway.token}"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def upload(site: Whole, body: AsyncIterator[bytes]) -> tuple[int, str]:
    status, said = await post(site, body)
    return status, said.get("code", "")


async def of_a_size(site: Whole, count: int) -> str:
    """Send so many times 100 kB. The import, or which limit refused it."""
    size = {"Content-Length": str(count * len(PART))}

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield PART
            await asyncio.sleep(0.01)

    status, said = await post(site, parts(), **size)
    return str(said["import_id"] if status == 201 else said["details"]["rule"])


def kept(site: Whole) -> list[str]:
    values: dict[str, Any] = site.broker.values
    return [key for key in values if key.startswith("OTTB_FILE/") and values[key].data is not None]


async def test_a_body_that_never_ends_is_given_up(whole: Whole) -> None:
    for count, size, pause in ((1, 10, 5.0), (100, 300_000, 0.1)):
        began = time.monotonic()
        assert await upload(whole, slow(count, size, pause)) == (400, "INVALID_PARAMS")
        assert time.monotonic() - began < 4.0
    await until(lambda: asyncio.sleep(0, kept(whole)), lambda found: not found)
    print("2 endless bodies tried, 0 taken, 0 pieces left")


async def test_uploads_beyond_so_many_are_told_to_wait(whole: Whole) -> None:
    answers = await asyncio.gather(*(upload(whole, slow(10, 20_000, 0.1)) for _ in range(4)))
    codes = sorted(code for _, code in answers)
    assert codes == ["", "", "RATE_LIMITED", "RATE_LIMITED"]
    print("4 uploads at once where 2 may be, 2 told to wait")


async def test_a_body_that_drips_is_given_up(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_files, "SECONDS", 60.0)
    began = time.monotonic()
    assert await upload(whole, slow(100, 1, 0.05)) == (400, "INVALID_PARAMS")
    took = time.monotonic() - began
    print(f"1 body of some bytes a second tried, 0 taken; given up after {took:.1f} s")
    assert took < 3.0


async def steady(site: Whole, seconds: float) -> tuple[int, str]:
    """An upload of 200 kB a second."""
    count = round(10 * seconds)
    status, said = await post(site, slow(count, 20_000, 0.1), **{"Content-Length": str(20_000 * count)})
    return status, "" if status == 201 else (said["details"] or {}).get("rule", said["code"])


async def test_who_holds_all_places_makes_room_for_others(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_files, "SECONDS", 60.0)
    monkeypatch.setattr(stored_files, "SILENCE", 60.0)
    monkeypatch.setattr(stored_files, "AT_ONCE", 4)
    created = {"username": "ann", "password": PASSWORD, "role": "admin", "must_change_password": False}
    assert (await whole.ask("POST", "/api/users", created))[0] == 201
    status, made = await whole.ask("POST", "/api/tokens", {"name": "crm", "actions": ["campaign.import"]})
    assert status == 201, made
    held = [asyncio.create_task(steady(whole, 10.0)) for _ in range(2)]
    await asyncio.sleep(0.2)
    whole.gateway.token = made["token"]
    held += [asyncio.create_task(steady(whole, 10.0)) for _ in range(2)]
    await asyncio.sleep(0.3)
    await whole.login("ann")
    others = [await steady(whole, 0.3), *await asyncio.gather(*(steady(whole, 0.5) for _ in range(2)))]
    cut = [task.result() for task in held if task.done()]
    print(f"all {len(held)} places held by one user: 3 files of another one tried, {len(cut)} made room")
    assert others == 3 * [(201, "")] and cut == 2 * [(429, "uploads")]
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)


@pytest.fixture
def patient(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """No upload is given up."""
    monkeypatch.setattr(stored_files, "SECONDS", 60.0)
    monkeypatch.setattr(stored_files, "SILENCE", 60.0)


@pytest.mark.usefixtures("patient")
async def test_uploads_at_once_are_not_each_let_in_by_the_same_room(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_files, "AT_ONCE_EACH", 8)
    monkeypatch.setattr(imports_start, "OF_ONE_USER", 1.0)
    whole.broker.files_limit = imports_start.KEPT_FREE + 25 * len(PART)
    found = await asyncio.gather(*(of_a_size(whole, 10) for _ in range(6)))
    taken = [one for one in found if one != "files"]
    print(f"{len(found)} files at once where there is room for 2: {len(taken)} taken")
    assert len(taken) == 2 and sum(len(site_value(whole, key)) for key in kept(whole)) >= 20 * len(PART)


@pytest.mark.usefixtures("patient")
async def test_one_user_does_not_fill_the_room_for_files(whole: Whole) -> None:
    whole.broker.files_limit = imports_start.KEPT_FREE + 40 * len(PART)
    mine = [await of_a_size(whole, 10) for _ in range(4)]
    created = {"username": "ann", "password": PASSWORD, "role": "admin"}
    assert (await whole.ask("POST", "/api/users", created))[0] == 201
    await whole.login("ann")
    others = await of_a_size(whole, 10)
    print(f"{len(mine)} files of a user, where there is room for 4: {mine.count('files_per_user')} too many")
    assert mine[2:] == ["files_per_user"] * 2 and others.startswith("imp")
    await whole.login()
    assert (await whole.ask("POST", f"{IMPORTS}/{mine[0]}/cancel"))[0] == 200
    assert (await until(lambda: of_a_size(whole, 10), lambda found: found != "files_per_user")).startswith("imp")


def site_value(site: Whole, key: str) -> bytes:
    return site.broker.values[key].data or b""
