"""The archive of a journal on a real server, and what `ottb archive` says of it."""

import gzip
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import ALL, Archive
from actors.archive.leaving import Leaving
from actors.archive.record import Segment
from actors.archive.settings import Archive as ArchiveSettings
from actors.archive.store import SegmentStore
from actors.archive.whole import Whole
from actors.runtime.bus import ID, Recorded
from actors.runtime.settings import Nats
from actors.settings import Settings
from bus_schemas.contract import id_of
from cli.archive import restore, status, verify
from tests.ledger.journals import call
from tests.runtime.test_buses import CONFIG, server


class InTwoDays(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(days=2)


class SealedLater(NatsBus):
    """The archive's own events are of the day after tomorrow."""

    async def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        async for entry in super().replay(scope, after=after, since=since):
            later = 2 * 24 * 3600.0 if ".archive." in entry.subject else 0.0
            yield replace(entry, at=entry.at + later)


async def test_a_day_of_a_real_journal(tmp_path: Path) -> None:
    async with server(tmp_path, CONFIG) as port:
        url = f"nats://127.0.0.1:{port}"
        settings = Settings(
            state_dir=str(tmp_path / "state"), nats=Nats(url=url), archive=ArchiveSettings(enabled=True)
        )
        bus = await NatsBus.connect(url, name="t")
        await bus.ensure_streams()
        said: list[str] = []
        assert await status(settings, said.append) == 0 and "days     none" in said
        for number in range(3000):
            subject = f"ottb.v1.evt.slot.{number}.linked"
            headers = {ID: RandomIds().new(), "Ottb-Command": f"k{number}"}
            await bus.append(subject, msgspec.json.encode({"slot": number}), headers, scope=subject, expect=0)
        entry = await bus.entry(7)
        assert entry is not None
        await bus.redact(entry, b'{"slot":0}', {})
        store = ArchiveFolder(settings.archive_folder)
        archive = Archive(bus=bus, clock=InTwoDays(), ids=RandomIds(), store=store)
        sealed = await archive.seal("h1")
        assert sealed is not None and (sealed.first, sealed.last, sealed.entries) == (1, 3000, 3000)
        with store.open(sealed.name) as file:
            lines = gzip.decompress(file.read()).splitlines()
        assert msgspec.json.decode(lines[7])["data"] == {"slot": 0}  # what was erased is not in it
        assert msgspec.json.decode(lines[8])["headers"] == {"Ottb-Command": "k7"}
        assert await verify(settings, said.append) == 0 and said[-1] == "The archive is whole."
        path = settings.archive_folder / sealed.name
        path.write_bytes(path.read_bytes()[:-1])
        assert await status(settings, said.append) == 1 and await verify(settings, said.append) == 1
        assert said[-1] == "The archive is broken." and any(sealed.name in line for line in said)
        await bus.close()


async def test_what_is_missing_comes_back_from_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(tmp_path, CONFIG) as port:
        url, said = f"nats://127.0.0.1:{port}", list[str]()
        settings = Settings(
            state_dir=str(tmp_path / "state"), nats=Nats(url=url), archive=ArchiveSettings(enabled=True)
        )
        bus = await NatsBus.connect(url, name="t")
        await bus.ensure_streams()
        for number in range(20):
            await call(bus, number)
        archive = Archive(
            bus=bus, clock=InTwoDays(), ids=RandomIds(), store=ArchiveFolder(settings.archive_folder)
        )
        sealed = await archive.seal("h1")
        assert sealed is not None
        path = settings.archive_folder / sealed.name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        backup = tmp_path / "backup"
        backup.mkdir()
        (backup / sealed.name).write_bytes(path.read_bytes())
        assert await restore(settings, backup, said.append) == 1 and said[-1] == "The archive lacks 1 of 1 days."
        (backup / sealed.name).write_bytes(whole)
        assert await restore(settings, backup, said.append) == 0
        assert said[-2:] == [f"restored {sealed.name}", "The archive is whole."] and path.read_bytes() == whole
        path.unlink()
        assert await restore(settings, backup, said.append) == 0 and await verify(settings, said.append) == 0
        path.unlink()
        take_back = Archive.take_back

        async def overtaken(self: Archive, segment: Segment, source: SegmentStore) -> None:
            """Somebody is erased just then."""
            await take_back(self, segment, source)
            await archive.rewrite("e1", lambda entry: (b"{}", {}) if entry.seq == 9 else None)
            await take_back(self, segment, source)

        monkeypatch.setattr(Archive, "take_back", overtaken)
        assert await restore(settings, backup, said.append) == 0 and not path.exists()
        assert await verify(settings, said.append) == 0
        await bus.close()


async def test_calls_leave_a_real_journal(tmp_path: Path) -> None:
    async with server(tmp_path, CONFIG) as port:
        bus = await SealedLater.connect(f"nats://127.0.0.1:{port}", name="t")
        reader = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="r")
        await bus.ensure_streams()
        for number in range(20):
            await call(bus, number, over=number != 7)
        redacted = await bus.entry(2)
        assert redacted is not None
        await bus.redact(redacted, redacted.data.replace(b"op12", b"op13"), {})
        clock, store = InTwoDays(), ArchiveFolder(tmp_path / "archive")
        archive = Archive(bus=bus, clock=clock, ids=RandomIds(), store=store)
        assert await archive.seal("h1") is not None
        before = [(one.seq, one.data) async for one in bus.replay(ALL)]

        async def everywhere(day: Segment) -> bool:
            await archive.check(day)
            return True

        async def known(call_id: str, up_to: int) -> bool:
            return call_id != "c_3"

        away = Leaving(
            bus=bus, clock=clock, archive=archive, days=1, everywhere=everywhere, known=known, may=lambda: True
        )
        while await away.turn("h1"):
            pass
        left = {id_of(one.subject) async for one in bus.replay("ottb.v1.evt.call.>")}
        assert left == {"c_3", "c_7"}  # what the records do not know, and what is not over
        for one in (bus, reader):
            whole = [(entry.seq, entry.data) async for entry in Whole(bus=one, archive=archive).replay(ALL)]
            assert whole[: len(before)] == before
            last = await one.last("ottb.v1.evt.call.*.c_0.>", certain=True)
            assert last is None
        await reader.close()
        await bus.close()
