"""One change that writes many bytes: it counts by them, and of a journal that is nearly full the rest is not for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.runtime import storage as storage_module
from actors.runtime import written
from tests.attacks.test_full_journal import _at
from tests.support.site import until
from tests.support.whole import PASSWORD, Whole, whole_site

MB = 1_000_000
AT_ONCE = MB // 2
CAMPAIGNS, IMPORTS = "/api/autodialer/campaigns", "/api/autodialer/imports"
NOBODYS = {"carriers": {"slots": None, "trunks": {"trunks": ["none"], "extensions": [11]}}}
WORDS = {f"{place:x<32}": "done" for place in range(100)}


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    """With two supervisors, and a campaign of `ann` that calls nobody."""
    monkeypatch.setattr(written, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(storage_module, "LOOK", 0.05)
    monkeypatch.setattr("actors.runtime.activation.SPACE_PAUSE", 0.1)
    monkeypatch.setattr("actors.runtime.peers.SAID_EVERY", 0.05)
    monkeypatch.setattr("actors.imports.desk.REST", 0.2)
    async with whole_site(tmp_path) as site:
        await site.login()
        for name in ("ann", "ben"):
            user = {"username": name, "password": PASSWORD, "role": "supervisor", "must_change_password": False}
            assert (await site.ask("POST", "/api/users", user))[0] == 201
        await site.login("ann")
        assert (await site.ask("POST", CAMPAIGNS, {"campaign_id": "c1", "settings": NOBODYS}))[0] == 201
        yield site


def _fat(number: int) -> tuple[str, str, Any]:
    """Leads of 3 kB each."""
    custom = {f"f{place}": 900 * "x" for place in range(3)}
    leads = [{"number": f"+38099{number:04}{place:03}", "custom": custom} for place in range(20)]
    return "POST", "/api/autodialer/run-campaign", {"campaign_id": "c1", "leads": leads}


def _listed(number: int) -> tuple[str, str, Any]:
    """Entries of a do-not-call list, each with the remark of all of them."""
    entries = [f"+38099{number:04}{place:03}" for place in range(500)]
    return "POST", "/api/do-not-call/global", {"entries": entries, "reason": 200 * "\u0436"}


def _weighed(number: int) -> tuple[str, str, Any]:
    """One setting of a campaign that has many."""
    trunks = {"trunks": ["none"], "extensions": list(range(1, 1001))}
    more = {"dispositions": WORDS, "carriers": {"slots": None, "trunks": trunks}} if not number else {}
    return "PATCH", f"{CAMPAIGNS}/c1", {"weight": 1 + number % 90, **more}


def _held(site: Whole) -> int:
    return sum(len(entry.data) for entry in site.broker.journal)


@pytest.mark.parametrize("change", [_fat, _listed, _weighed])
async def test_changes_count_by_what_they_write(site: Whole, change: Callable[[int], tuple[str, str, Any]]) -> None:
    before, number, said = _held(site), 0, (200, {})
    while said[0] == 200 and _held(site) < before + 4 * AT_ONCE:
        said = await site.ask(*change(number))
        number += 1
    more = _held(site) - before
    print(f"{number} changes tried: {more} bytes, then {said[0]}")
    assert number > 2 and said[0] == 429 and said[1]["details"]["rule"] == "journal_bytes", said
    assert more < 1.7 * AT_ONCE and said[1]["details"]["retry_after"] > 0
    await site.login("ben")
    assert (await site.ask("POST", CAMPAIGNS, {"campaign_id": "c2", "settings": {"dispositions": WORDS}}))[0] == 201
    await site.login("ann")  # what is ordinary goes on
    assert (await site.ask("POST", "/api/autodialer/stop-campaign", {"campaign_id": "c1"}))[0] == 200
    assert (await site.ask("POST", CAMPAIGNS, {"campaign_id": "c3"}))[0] == 201


def _table(rows: int, first: int = 0) -> bytes:
    """A small file whose leads are large: they repeat the names of the columns."""
    names = [f"f{place:02}_{58 * 'x'}" for place in range(40)]
    lines = [f"+38067{1000000 + first + row};" + ";".join(40 * "a") for row in range(rows)]
    return "\n".join(["phone;" + ";".join(names), *lines]).encode()


async def _import(site: Whole, data: bytes, campaign: str = "c1", *, begin: bool = True) -> str:
    path = f"{IMPORTS}?campaign_id={campaign}&name=a.csv&begin={str(begin).lower()}"
    status, made = await site.ask("POST", path, data, **{"Content-Type": "text/csv"})
    assert status == 201, made
    return str(made["import_id"])


async def _until_over(site: Whole, id: str) -> dict[str, Any]:
    async def look() -> Any:
        return (await site.ask("GET", f"{IMPORTS}/{id}"))[1]

    found: dict[str, Any] = await until(look, lambda view: view["ended"] is not None)
    return found


async def test_a_list_counts_by_what_it_writes_and_waits(site: Whole) -> None:
    before, data = _held(site), _table(600)
    id, other = [await _import(site, data, begin=False) for _ in range(2)]  # as many as are read at once
    for one in (id, other):
        await until(lambda one=one: site.ask("GET", f"{IMPORTS}/{one}"), lambda said: said[1]["status"] == "ready")
    started = await asyncio.gather(*(site.ask("POST", f"{IMPORTS}/{one}/start", {}) for one in (id, other)))
    assert [status for status, _ in started] == [200, 200], started
    await asyncio.sleep(3)
    more, views = _held(site) - before, [(await site.ask("GET", f"{IMPORTS}/{one}"))[1] for one in (id, other)]
    new = sum(view["new"] for view in views)
    print(f"two files of {len(data)} bytes: {more} written, {new} of 600 leads in")
    assert more < 1.9 * AT_ONCE and 0 < new < 600 and [view["status"] for view in views] == 2 * ["running"]
    await site.login("ben")
    assert (await site.ask("POST", CAMPAIGNS, {"campaign_id": "c2"}))[0] == 201
    assert (await _until_over(site, await _import(site, _table(5), "c2")))["new"] == 5
    await site.login("ann")
    for one in (id, other):
        assert (await site.ask("POST", f"{IMPORTS}/{one}/cancel", {}))[0] == 200
        assert (await _until_over(site, one))["status"] == "cancelled"


async def test_a_list_goes_on_once_more_may_be_written(site: Whole) -> None:
    site.host.written._pace._between /= 100  # as if it were a hundred times as long
    id = await _import(site, _table(600))
    found = await _until_over(site, id)
    assert (found["status"], found["new"], found["duplicates"]) == ("finished", 600, 0)


async def test_a_list_waits_while_the_journal_is_nearly_full(site: Whole) -> None:
    site.host.written._pace._between /= 50
    id = await _import(site, _table(1500))
    await _at(site, 97)
    await asyncio.sleep(0.5)
    before, held = (await site.ask("GET", f"{IMPORTS}/{id}"))[1], _held(site)
    await asyncio.sleep(2)
    more = _held(site) - held
    print(f"{before['new']} of 1500 leads in; in the reserve of the journal within 2 s: {more} bytes")
    assert before["new"] < 1500 and more < 5_000
    site.broker.limit = 0
    assert (await _until_over(site, id))["new"] == 1500


async def test_a_lead_has_a_size(site: Whole) -> None:
    custom = {f"f{place}": 1000 * "x" for place in range(4)}
    leads = [{"number": "+380991230001", "custom": custom}, {"number": "+380991230002"}]
    status, said = await site.ask("POST", "/api/autodialer/run-campaign", {"campaign_id": "c1", "leads": leads})
    assert status == 200 and said["accepted"] == 1
    [row] = said["invalid"]
    assert (row["row"], row["field"]) == (1, "") and "4,000" in row["reason"]
