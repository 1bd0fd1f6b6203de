"""Days are sealed: whole, once, checked before they are named, and readable with public tools."""

import asyncio
import gzip
import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.adapters.archive_folder import FolderDraft
from actors.archive.archive import FORGOTTEN, Archive, NotAnArchive
from actors.archive.record import Segment, broken
from actors.archive.segment import Damaged
from actors.archive.store import NotKept, NotThere
from actors.runtime.bus import ID, Fenced
from simulators.bus.memory_bus import MemoryBus
from tests.archive.days import Days


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path / "archive")


async def sealed_all(days: Days) -> None:
    while await days.archive().seal("h1") is not None:
        pass


def output(*command: str | Path) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


def unpacked(path: Path) -> bytes:
    return output("zcat", path)


async def test_each_day_that_is_over_is_in_a_file(days: Days) -> None:
    for _ in range(3):
        await days.passes()
    await days.write()
    await sealed_all(days)
    book = await days.archive().book()
    assert [(one.day, one.first, one.last, one.entries) for one in book.days] == [
        ("2026-03-01", 1, 3, 3), ("2026-03-02", 4, 6, 3), ("2026-03-03", 7, 9, 3),
    ]  # fmt: skip
    assert broken(book) == [] and [path.name for path in days.files()] == [one.name for one in book.days]
    for one in book.days:
        await days.archive().check(one)


async def test_a_day_is_sealed_an_hour_after_its_end(days: Days) -> None:
    await days.write()
    days.clock.moment = days.clock.moment.replace(hour=23, minute=59) + timedelta(minutes=60)
    assert await days.archive().seal("h1") is None and days.files() == []
    days.clock.moment += timedelta(minutes=2)
    sealed = await days.archive().seal("h1")
    assert sealed is not None and sealed.day == "2026-03-01" and sealed.last == 1


async def test_public_tools_read_a_segment(days: Days) -> None:
    await days.write(data=b'{"slot": 1, "said": "\xd0\xb9\\n"}', **{"Ottb-Command": "k1"})
    await days.write("strange.1.said", b"no\njson\xff")
    days.clock.moment += timedelta(days=1)
    sealed = await days.archive().seal("h1")
    assert sealed is not None
    path = days.folder / sealed.name
    said = output("sha256sum", path).decode()
    assert said.split()[0] == sealed.digest and sealed.digest[:16] in path.name
    text = unpacked(path)
    head, first, second, foot = [json.loads(line) for line in text.splitlines()]
    assert head == {"ottb_segment": 1, "day": "2026-03-01", "first": 1, "previous": "0" * 64}
    assert first["data"] == {"slot": 1, "said": "й\n"} and first["headers"] == {"Ottb-Command": "k1"}
    assert second["base64"] == "bm8KanNvbv8=" and foot == {"entries": 2, "last": 2}
    assert b'{"slot": 1, "said": "\xd0\xb9\\n"}' in text  # byte by byte as it was written
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_session_keeps_its_place_and_says_nothing(days: Days) -> None:
    await days.write("point.s1.opened", b'{"address":"192.0.2.1"}', **{"Nats-TTL": "60s", "Ottb-Owners": "{}"})
    days.clock.moment += timedelta(days=1)
    sealed = await days.archive().seal("h1")
    assert sealed is not None and sealed.entries == 1
    text = unpacked(days.folder / sealed.name)
    line = json.loads(text.splitlines()[1])
    assert set(line) == {"seq", "at", "subject"} and b"192.0.2.1" not in text


async def test_two_hosts_at_once_seal_a_day_once(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    await days.passes(2500)
    one, other = days.archive(), days.archive()
    check, both = Archive.check, asyncio.Barrier(2)

    async def check_together(self: Archive, segment: Segment) -> None:
        await check(self, segment)
        await both.wait()

    monkeypatch.setattr(Archive, "check", check_together)
    found = await asyncio.gather(one.seal("h1"), other.seal("h2"), return_exceptions=True)
    assert sum(isinstance(each, Fenced) for each in found) == 1
    book = await days.archive().book()
    assert len(book.days) == 1 and [path.name for path in days.files()] == [book.days[0].name]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", ["write", "keep", "kept", "named"])
async def test_a_kill_at_any_point_costs_nothing(days: Days, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await days.passes(2500)
    with monkeypatch.context() as patch:
        _kill_at(at, patch)
        with pytest.raises(Killed):
            await days.archive().seal("h1")
    book = await days.archive().book()
    assert len(book.days) == (at == "named")
    await sealed_all(days)
    book = await days.archive().book()
    assert len(book.days) == 1
    await days.archive().check(book.days[0])
    _age(days)
    await days.archive().tidy()
    assert [path.name for path in days.files()] == [book.days[0].name]


def _kill_at(at: str, patch: pytest.MonkeyPatch) -> None:
    """What a kill leaves: a draft in the middle, one that is whole, a file that nobody has named, one that is."""
    write, keep, append = FolderDraft.write, FolderDraft.keep, MemoryBus.append
    patch.setattr(FolderDraft, "__exit__", lambda self, *error: None)  # nobody is there to tidy

    def killed_write(self: FolderDraft, data: bytes) -> None:
        write(self, data)
        self._file.flush()
        raise Killed

    def killed_keep(self: FolderDraft, name: str) -> None:
        if at == "kept":
            keep(self, name)
        raise Killed

    async def killed_append(self: MemoryBus, *args: Any, **more: Any) -> int:
        await append(self, *args, **more)
        raise Killed

    if at == "write":
        patch.setattr(FolderDraft, "write", killed_write)
    elif at == "named":
        patch.setattr(MemoryBus, "append", killed_append)
    else:
        patch.setattr(FolderDraft, "keep", killed_keep)


def _age(days: Days) -> None:
    for path in days.files():
        then = path.stat().st_mtime - FORGOTTEN - 1
        os.utime(path, (then, then))


async def test_the_same_entries_are_the_same_file(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    await days.passes(2500)
    with monkeypatch.context() as patch:
        _kill_at("kept", patch)
        with pytest.raises(Killed):
            await days.archive().seal("h1")
    before = days.files()
    sealed = await days.archive().seal("h2")
    assert sealed is not None and days.files() == before == [days.folder / sealed.name]


async def test_a_file_that_may_be_under_way_stays(days: Days) -> None:
    await days.passes()
    days.folder.mkdir()
    (days.folder / "0123.partial").write_bytes(b"under way")
    assert await days.archive().tidy() == []
    _age(days)
    assert await days.archive().tidy() == ["0123.partial"]


async def test_files_of_days_that_the_journal_knows_nothing_of_stay(days: Days) -> None:
    """As after the journal of a week ago was restored: they may be all that there is of these days."""
    for _ in range(2):
        await days.passes()
    await sealed_all(days)
    names = [path.name for path in days.files()]
    days.broker.log.entries.clear()
    days.broker.log._by_token.clear()
    _age(days)
    assert await days.archive().tidy() == []
    days.clock.moment -= timedelta(days=2)
    await days.passes(1)
    sealed = await days.archive().seal("h1")
    assert sealed is not None and sealed.name not in names
    assert await days.archive().tidy() == names[:1]
    assert sorted(path.name for path in days.files()) == sorted([sealed.name, names[1]])


async def test_a_full_disk_is_one_more_day_that_waits(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    await days.passes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _no_space)
        with pytest.raises(NotKept, match="No space left"):
            await days.archive().seal("h1")
    assert days.files() == [] and (await days.archive().book()).days == ()
    assert await days.archive().seal("h1") is not None


def _no_space(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


async def test_what_does_not_come_back_whole_is_not_named(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    await days.passes()
    keep = FolderDraft.keep

    def spoiled(self: FolderDraft, name: str) -> None:
        keep(self, name)
        days.spoil(name, lambda data: data[:-9])

    with monkeypatch.context() as patch:
        patch.setattr(FolderDraft, "keep", spoiled)
        with pytest.raises(Damaged):
            await days.archive().seal("h1")
    assert (await days.archive().book()).days == ()
    assert await days.archive().seal("h1") is not None


SPOILS = {
    "cut": lambda data: data[:-20],
    "a bit": lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    "longer": lambda data: data + b"x",
    "twice": lambda data: data + data,
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("how", SPOILS)
async def test_a_file_that_was_changed_is_told(days: Days, how: str) -> None:
    await days.passes(50)
    sealed = await days.archive().seal("h1")
    assert sealed is not None
    days.spoil(sealed.name, SPOILS[how])
    with pytest.raises(Damaged):
        await days.archive().check(sealed)


async def test_a_file_that_was_written_anew_is_told(days: Days) -> None:
    """It has the right form, as many entries, under the same numbers."""
    await days.passes()
    sealed = await days.archive().seal("h1")
    assert sealed is not None
    days.spoil(sealed.name, lambda data: gzip.compress(gzip.decompress(data).replace(b'"n": 1', b'"n": 7')))
    assert b'"n": 7' in unpacked(days.folder / sealed.name)
    with pytest.raises(Damaged, match="checksum"):
        await days.archive().check(sealed)


async def test_a_day_in_the_place_of_another_is_told(days: Days) -> None:
    for _ in range(2):
        await days.passes()
    await sealed_all(days)
    first, second = (await days.archive().book()).days
    days.spoil(second.name, lambda _: (days.folder / first.name).read_bytes())
    with pytest.raises(Damaged):
        await days.archive().check(second)
    days.files()[0].unlink()
    with pytest.raises(NotThere):
        await days.archive().check(first)


async def test_a_clock_that_was_ahead_or_set_back_loses_nothing(days: Days) -> None:
    await days.passes()
    days.clock.moment += timedelta(days=4000)
    await days.write()
    days.clock.moment -= timedelta(days=4000)
    await days.passes()
    days.clock.moment -= timedelta(days=1, hours=5)
    await days.passes()
    days.clock.moment += timedelta(days=2)
    await sealed_all(days)
    book = await days.archive().book()
    assert broken(book) == [] and book.last == 10 and sum(one.entries for one in book.days) == 10
    assert len({one.day for one in book.days}) == len(book.days)


async def test_nothing_is_sealed_on_what_cannot_be_read(days: Days) -> None:
    await days.passes()
    scope = "ottb.v1.evt.archive.days.sealed"
    await days.bus.append(scope, b'{"day":1}', {ID: "x"}, scope=scope, expect=0)
    with pytest.raises(NotAnArchive):
        await days.archive().seal("h1")
    assert days.files() == []
