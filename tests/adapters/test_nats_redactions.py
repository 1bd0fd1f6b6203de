"""What is to be forgotten, on the disk of a real server: no byte of it is in any file, also when it starts anew."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import StoreCompression

from actors.adapters import nats_redactions
from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_link import Link
from actors.adapters.nats_reading import JOURNAL, get
from actors.adapters.nats_redactions import erase
from actors.runtime.bus import ID, BusUnavailable, NotErased, Recorded
from bench.parts import free_port, process
from cli.site.probes import nats_answers
from tests.runtime.test_buses import CONFIG, NATS_SERVER
from tests.support.site import PATIENCE

PERSON = b"Olena Zhuravlivska +380683212010"
SCOPE = "ottb.v1.evt.campaign.c.*"


@asynccontextmanager
async def serving(folder: Path, port: int) -> AsyncIterator[int]:
    """A server on the same store each time. Gives its process id."""
    config = folder / "nats.conf"
    config.write_text(CONFIG.format(port=port, store=folder / "js"))
    async with process(NATS_SERVER, "-c", str(config)) as running:
        async with asyncio.timeout(PATIENCE):
            while not await nats_answers(port):
                await asyncio.sleep(0.02)
        yield running.pid


@pytest.fixture
def port() -> int:
    return free_port()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="t")
    try:
        await bus.ensure_streams()
        yield bus
    finally:
        await bus.close()


def _files_with(folder: Path, what: bytes) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and what in path.read_bytes()]


async def _write(bus: NatsBus, data: bytes, expect: int) -> int:
    subject = "ottb.v1.evt.campaign.c.leads_added"
    return await bus.append(subject, data, {ID: f"w{expect}"}, scope=SCOPE, expect=expect)


async def _redact(bus: NatsBus, seq: int) -> None:
    entry = await bus.entry(seq)
    assert entry is not None
    await bus.redact(entry, entry.data.replace(PERSON, b"nobody"), {})


async def _read(bus: NatsBus) -> list[Recorded]:
    return [entry async for entry in bus.replay(SCOPE)]


async def test_no_byte_of_what_was_redacted_is_on_the_disk(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port) as pid, connected(port) as bus:
        seqs, seq = list[int](), 0
        for number in range(50):
            whom = PERSON if number % 7 == 3 else b"somebody else"
            seqs.append(seq := await _write(bus, b"%d: %b" % (number, whom * 300), seq))
        assert _files_with(tmp_path, PERSON)
        for seq in seqs[3::7]:
            await _redact(bus, seq)
        assert _files_with(tmp_path, PERSON) == []
        read = await _read(bus)
        assert [entry.seq for entry in read] == seqs
        assert [b"nobody" in entry.data for entry in read] == [number % 7 == 3 for number in range(50)]
        os.kill(pid, signal.SIGKILL)
        async with serving(tmp_path, port), connected(port) as fresh:  # which reads its blocks anew
            async with asyncio.timeout(PATIENCE):
                while not bus.connected:
                    await asyncio.sleep(0.02)
            assert await _read(bus) == read
            assert await _read(fresh) == read and _files_with(tmp_path, PERSON) == []


async def test_a_copy_that_is_redacted_again_leaves_nothing_behind(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port), connected(port) as bus:
        seq = await _write(bus, PERSON + b", Petro Second, Ivan Third", 0)
        await _write(bus, b"end", seq)
        await _redact(bus, seq)
        entry = await bus.entry(seq)
        assert entry is not None and entry.data == b"nobody, Petro Second, Ivan Third"
        await bus.redact(entry, b"nobody, nobody, Ivan Third", {})
        assert _files_with(tmp_path, b"Petro Second") == _files_with(tmp_path, PERSON) == []
        assert [one.data for one in await _read(bus)] == [b"nobody, nobody, Ivan Third", b"end"]


async def _forget(bus: NatsBus, name: bytes) -> None:
    """As an erasure does it: look at all of it until one look finds nothing."""
    for _ in range(10):
        found = [entry for entry in await _read(bus) if name in entry.data]
        for entry in found:
            await bus.redact(entry, entry.data.replace(name, b"nobody"), {})
        if not found:
            return
    raise AssertionError(f"{name!r} is still there")


@pytest.mark.parametrize("names", [(PERSON, b"Petro Second"), (PERSON, PERSON)], ids=["two people", "one person"])
async def test_two_who_redact_the_same_entries_lose_none(
    tmp_path: Path, port: int, names: tuple[bytes, bytes]
) -> None:
    async with serving(tmp_path, port), connected(port) as bus, connected(port) as other:
        seqs, seq = list[int](), 0
        for number in range(200):
            seqs.append(seq := await _write(bus, b"%d: %b, Petro Second, Ivan Third" % (number, PERSON), seq))
        await asyncio.gather(_forget(bus, names[0]), _forget(other, names[1]))
        for reader in (bus, other):
            read = await _read(reader)
            assert [entry.seq for entry in read] == seqs
            assert all(b"Ivan" in entry.data and not any(name in entry.data for name in names) for entry in read)
        for name in names:
            assert _files_with(tmp_path, name) == []
        assert await _write(bus, b"more", seqs[-1]) == seqs[-1] + 1


async def test_one_that_stood_still_takes_nothing_away(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy is there, and it comes to overwrite the entry only after somebody else has done all of it."""
    on, stands = asyncio.Event(), asyncio.Event()

    async def late(link: Link, stream: str, seq: int, **more: bool) -> bool:
        if link is still and not on.is_set():
            stands.set()
            await on.wait()
        return await erase(link, stream, seq, **more)

    async with serving(tmp_path, port), connected(port) as bus, connected(port) as other:
        still = bus._redactions._link
        monkeypatch.setattr(nats_redactions, "erase", late)
        seq = await _write(bus, PERSON, 0)
        standing = asyncio.ensure_future(_redact(bus, seq))
        await stands.wait()
        assert [entry.data for entry in await _read(other)] == [b"nobody"]
        await other.finish_redactions()
        assert _files_with(tmp_path, PERSON) == []
        on.set()
        await standing
        for reader in (bus, other):
            assert [entry.data for entry in await _read(reader)] == [b"nobody"]


async def test_what_is_removed_while_it_is_redacted_stays_gone(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, port), connected(port) as bus, connected(port) as other:
        seqs = [seq := await _write(bus, PERSON, 0), await _write(bus, b"end", seq)]

        async def and_then_removed(link: Link, stream: str, *query: Any, **more: Any) -> Recorded | None:
            found = await get(link, stream, *query, **more)
            if stream == JOURNAL:
                monkeypatch.setattr(nats_redactions, "get", get)
                await other.remove(seqs[0])
            return found

        entry = await bus.entry(seqs[0])
        assert entry is not None
        monkeypatch.setattr(nats_redactions, "get", and_then_removed)
        await bus.redact(entry, b"nobody", {})
        for reader in (bus, other):
            assert [one.seq for one in await _read(reader)] == seqs[1:]
        assert _files_with(tmp_path, PERSON) == []


async def test_what_a_killed_one_has_left_is_overwritten(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object, **__: object) -> bool:
        raise BusUnavailable("killed")

    async with serving(tmp_path, port), connected(port) as bus:
        seq = await _write(bus, PERSON, 0)
        with monkeypatch.context() as patched, pytest.raises(BusUnavailable):
            patched.setattr(nats_redactions, "erase", killed)
            await _redact(bus, seq)
        assert [entry.data for entry in await _read(bus)] == [b"nobody"] and _files_with(tmp_path, PERSON)
        await bus.finish_redactions()
        assert [entry.data for entry in await _read(bus)] == [b"nobody"] and _files_with(tmp_path, PERSON) == []


async def test_no_byte_of_what_was_removed_is_on_the_disk(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port), connected(port) as bus:
        seqs, seq = list[int](), 0
        for number in range(50):
            seqs.append(seq := await _write(bus, PERSON if number % 2 else b"%d" % number, seq))
        await _redact(bus, seqs[1])
        entry = await bus.entry(seqs[1])
        assert entry is not None and _files_with(tmp_path, b"nobody")
        for seq in seqs[1::2]:
            await bus.remove(seq)
        there = [*_files_with(tmp_path, PERSON), *_files_with(tmp_path, b"nobody")]
        assert [file for file in there if not file.endswith(".conf")] == []  # which names a folder of the user nobody
        assert [one.seq for one in await _read(bus)] == seqs[::2]


def _blocks(folder: Path) -> list[int]:
    return [path.stat().st_size for path in sorted((folder / "js").rglob("*.blk")) if "OTTB_EVT" in str(path)]


async def test_what_is_in_a_packed_block_is_overwritten_too(tmp_path: Path, port: int) -> None:
    """A full block is packed, and says the names all the same: they are no words that come twice."""
    names = [os.urandom(12).hex().encode() for _ in range(40)]
    async with serving(tmp_path, port), connected(port) as bus:
        seqs, seq = list[int](), 0
        for number in range(2000):
            name = names[number] if number < len(names) else b"nobody"
            seqs.append(seq := await _write(bus, name + b'{"status":"ONLINE","detail":"well"}' * 180, seq))
        async with asyncio.timeout(PATIENCE):  # it is packed a moment later
            while _blocks(tmp_path)[0] > 4_000_000:
                await asyncio.sleep(0.05)
        assert sum(bool(_files_with(tmp_path, name)) for name in names) > 5
        for place, seq in enumerate(seqs[: len(names)]):
            entry = await bus.entry(seq)
            assert entry is not None and entry.data.startswith(names[place])
            if place % 2:
                await bus.remove(seq)
            else:
                await bus.redact(entry, b"nobody", {})
        assert [_files_with(tmp_path, name) for name in names] == [[]] * len(names)
    async with serving(tmp_path, port), connected(port) as bus:  # which reads its blocks anew
        read = await _read(bus)
        assert [one.seq for one in read] == [seq for place, seq in enumerate(seqs) if place >= 40 or place % 2 == 0]
        assert [one.data for one in read[:20]] == [b"nobody"] * 20


async def test_a_journal_that_was_made_without_packs_from_the_next_start_on(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port), connected(port) as bus:
        config = (await bus._js.stream_info("OTTB_EVT")).config
        config.compression = StoreCompression.NONE
        await bus._js.update_stream(config)
        seq = await _write(bus, b"first", 0)
        await bus.ensure_streams()
        assert (await bus._js.stream_info("OTTB_EVT")).config.compression == StoreCompression.S2
    async with serving(tmp_path, port), connected(port) as bus:
        for _ in range(2000):
            seq = await _write(bus, b'{"status":"ONLINE","detail":"well"}' * 180, seq)
        async with asyncio.timeout(PATIENCE):
            while _blocks(tmp_path)[0] > 1_000_000:
                await asyncio.sleep(0.05)
        assert len(await _read(bus)) == 2001


async def test_keys_and_what_they_were_before_are_gone_too(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port), connected(port) as bus:
        await bus.put("OTTB_SNAP", "lead", PERSON, expect=0)
        await bus.put("OTTB_SNAP", "lead", b"later", expect=None)
        await bus.put("OTTB_OWN", "erasure", PERSON, expect=0)
        await bus.log.write("ottb.v1.log.x.info", PERSON, {ID: "log"})
        await bus.erase("OTTB_OWN", "erasure")
        await bus.wipe("OTTB_SNAP")
        await bus.log.erase_entry(1)
        async with asyncio.timeout(PATIENCE):  # files are removed a moment later
            while found := _files_with(tmp_path, PERSON):
                await asyncio.sleep(0.05)
        assert not found


async def test_a_copy_made_while_a_reader_is_away_is_read_as_well(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port), connected(port) as bus, connected(port) as reader:
        seq = await _write(bus, PERSON, 0)
        await _write(bus, b"end", seq)
        assert len(await _read(reader)) == 2
        reader._link._wire.close()  # type: ignore[union-attr]
        await _redact(bus, seq)
        async with asyncio.timeout(PATIENCE):
            while not reader.connected:
                await asyncio.sleep(0.02)
        assert [one.data for one in await _read(reader)] == [b"nobody", b"end"]


async def test_an_older_journal_that_lets_nothing_go_says_so(tmp_path: Path, port: int) -> None:
    async with serving(tmp_path, port), connected(port) as bus:
        js = bus._js
        config = (await js.stream_info("OTTB_EVT")).config
        await js.delete_stream("OTTB_EVT")
        config.deny_delete = True
        await js.add_stream(config)
        await bus.ensure_streams(2**29)  # another limit is set all the same
        assert (await js.stream_info("OTTB_EVT")).config.max_bytes == 2**29
        seq = await _write(bus, PERSON, 0)
        with pytest.raises(NotErased, match="OTTB_EVT"):
            await _redact(bus, seq)
