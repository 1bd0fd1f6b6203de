"""Who is erased is in no file of the archive either, whatever happens meanwhile, and the chain holds."""

import asyncio
import gzip
from datetime import timedelta
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
from msgspec.structs import replace

from actors.adapters.archive_folder import ArchiveFolder
from actors.archive.archive import Archive, Said
from actors.archive.record import Segment, broken
from actors.archive.segment import Damaged
from actors.archive.settings import Archive as Settings
from actors.archive.store import Kept
from actors.runtime.bus import Fenced, Recorded
from bus_schemas.campaign import RUN_CAMPAIGN, RunCampaign
from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, ErasePerson, GetErasure
from bus_schemas.lead import GivenLead
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from tests.archive.days import Days
from tests.campaign.world import Campaigns, play
from tests.erasure.test_pipelines import defined, say_of_pipeline

NAME = b"Olena"


def without(entry: Recorded) -> Said | None:
    if NAME not in entry.data:
        return None
    return entry.data.replace(NAME, b"[erased]"), dict(entry.headers)


def files_with(folder: Path, what: bytes) -> list[str]:
    """Those that say it."""
    found = []
    for path in folder.iterdir():
        data = path.read_bytes()
        said = gzip.decompress(data) if path.suffix == ".gz" else data
        found += [path.name] if what in said or what in data else []
    return found


@pytest.fixture
async def days(tmp_path: Path) -> Days:
    """Four days, of which the second says the name."""
    days = Days(tmp_path / "archive")
    for number in range(4):
        if number == 1:
            await days.write(data=b'{"name":"Olena"}', **{"Ottb-Command": "k1"})
        await days.passes()
    while await days.archive().seal("h1") is not None:
        pass
    return days


async def test_who_is_erased_while_days_are_restored_does_not_come_back(
    days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the day is named anew before it is put back, or after it was missing."""
    backup, before = tmp_path / "backup", (await days.archive().book()).days[1]
    copytree(days.folder, backup)
    (days.folder / before.name).unlink()
    archive = days.archive()
    kept = archive.store.kept

    def kept_and_put_back() -> list[Kept]:
        found = kept()
        copy(backup / before.name, days.folder)
        return found

    monkeypatch.setattr(archive.store, "kept", kept_and_put_back)
    assert await archive.rewrite("er_1", without) == 1 and files_with(days.folder, NAME) == []
    assert not await days.archive().take_back(before, ArchiveFolder(backup)) and files_with(days.folder, NAME) == []
    [day] = [one for one in (await archive.book()).days if one.day == before.day]
    await archive.check(day)


async def test_only_the_days_that_say_something_are_written_anew(days: Days) -> None:
    before = (await days.archive().book()).days
    assert files_with(days.folder, NAME) == [before[1].name]
    assert await days.archive().rewrite("er_1", without) == 1
    book = await days.archive().book()
    same = [one.digest == other.digest for one, other in zip(before, book.days, strict=True)]
    assert same == [True, False, True, True]
    assert [one.link for one in book.days] == [one.link for one in before] and broken(book) == []
    assert files_with(days.folder, NAME) == [] and len(days.files()) == 4
    for one in book.days:
        await days.archive().check(one)
    [entries] = [piece async for piece in days.archive().entries(book.days[1])]
    assert (entries[0].data, entries[0].headers) == (b'{"name":"[erased]"}', {"Ottb-Command": "k1"})
    await days.passes()
    sealed = await days.archive().seal("h1")
    assert sealed is not None and sealed.previous == book.days[3].link


async def test_a_day_that_is_read_meanwhile_is_read_anew(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host has read the name, and is slow to name the file; the journal is cleared, and then the archive, of
    which no day is to be changed."""
    await days.archive().rewrite("er_0", without)
    seq = await days.write(data=b'{"name":"Olena"}')
    await days.passes()
    check, read, go_on = Archive.check, asyncio.Event(), asyncio.Event()

    async def check_slowly(self: Archive, segment: Segment) -> None:
        await check(self, segment)
        read.set()
        await go_on.wait()

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "check", check_slowly)
        slow = asyncio.create_task(days.archive().seal("h1"))
        await read.wait()
        patch.setattr(Archive, "check", check)
        entry = await days.bus.entry(seq)
        assert entry is not None
        await days.bus.redact(entry, b'{"name":"[erased]"}', {})
        await days.archive().rewrite("er_1", without)
        go_on.set()
        with pytest.raises(Fenced):
            await slow
    assert files_with(days.folder, NAME) == []
    assert await days.archive().seal("h1") is not None
    assert files_with(days.folder, NAME) == [] and len(days.files()) == 5


async def test_a_day_that_is_sealed_meanwhile_is_written_anew_too(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    await days.write(data=b'{"name":"Olena"}')
    await days.passes()
    kept = ArchiveFolder.kept

    def kept_late(self: ArchiveFolder) -> Any:
        found = kept(self)
        monkeypatch.setattr(ArchiveFolder, "kept", kept)
        sealing = asyncio.ensure_future(days.archive().seal("h2"))
        sealing.add_done_callback(lambda done: done.result())
        return found

    monkeypatch.setattr(ArchiveFolder, "kept", kept_late)
    changed = days.archive()
    rewritten = changed._rewritten

    async def rewritten_slowly(segment: Segment, change: Any) -> Any:
        await asyncio.sleep(0.01)
        return await rewritten(segment, change)

    monkeypatch.setattr(changed, "_rewritten", rewritten_slowly)
    assert await changed.rewrite("er_1", without) == 2
    assert files_with(days.folder, NAME) == [] and len((await days.archive().book()).days) == len(days.files()) == 5


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_kill_on_the_way_leaves_nothing(days: Days, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    append = MemoryBus.append

    async def killed(self: MemoryBus, *args: Any, **more: Any) -> int:
        if at == "after":
            await append(self, *args, **more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBus, "append", killed)
        with pytest.raises(Killed):
            await days.archive().rewrite("er_1", without)
    assert files_with(days.folder, NAME) != []
    await days.archive().rewrite("er_1", without)
    assert files_with(days.folder, NAME) == [] and len(days.files()) == 4


async def test_a_file_that_was_changed_is_not_written_anew(days: Days) -> None:
    days.spoil((await days.archive().book()).days[0].name, lambda data: data[:-9])
    with pytest.raises(Damaged):
        await days.archive().rewrite("er_1", without)
    assert len(days.files()) == 4


def test_an_erasure_clears_the_days_of_a_site() -> None:
    number, name = mobile(1, "2003"), "Olena Zhuravlivska"
    found = dict[str, Any]()

    async def story(site: Campaigns) -> None:
        await site.create("c1", attempts_per_lead=1)
        leads = (GivenLead(number=number, name=name), GivenLead(number=mobile(2, "0001")))
        await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=leads))
        await site.until_over("c1")
        for version, text in ((1, f"x = '{name} {number}'"), (2, "")):
            await say_of_pipeline(site.world.gateways[0], "defined", defined(version, text))
        folder = site.world.folder / "archive"
        for clock in (site.world.clock, *(machine.clock for machine in site.world.machines)):
            clock.step(timedelta(hours=26).total_seconds())
        while not folder.exists() or not [path for path in folder.iterdir() if path.suffix == ".gz"]:
            await asyncio.sleep(10.0)
        found["before"] = [files_with(folder, what.encode()) for what in (number, name)]
        said = await site.until_done(ERASE_PERSON, ErasePerson(numbers=(number,), reason="letter"))
        while said.ended is None:
            await asyncio.sleep(1.0)
            said = await site.until_done(GET_ERASURE, GetErasure(erasure=said.erasure))
        found["status"] = str(said.status)
        found["after"] = [files_with(folder, what.encode()) for what in (number, name)]
        found["files"] = len(list(folder.iterdir()))

    play(story, keep=True, change=lambda settings: replace(settings, archive=Settings(enabled=True)))
    assert all(found["before"]) and found["status"] == "done"
    assert found["after"] == [[], []] and found["files"] == 1
