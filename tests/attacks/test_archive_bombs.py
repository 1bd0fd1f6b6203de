"""A file of the archive may lie on a disk of somebody else's, and a day of the journal may be one letter a million
times: whatever is packed in a file, it is unpacked a little at a time."""

import io
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.archive.segment import GENESIS, GZIP, LONGEST, Damaged, Head, Packing, Unpacking, entries_of
from actors.runtime.bus import Recorded
from tests.archive.days import Days

HEAD = Head(day="2026-03-01", first=1, previous=GENESIS)
MB = 2**20
BOMB = 256  # MB, in a thousandth of that
MOST = 6 * LONGEST  # bytes of memory


def _bomb() -> bytes:
    """A line without an end."""
    gzip = zlib.compressobj(9, wbits=GZIP)
    line = b'{"seq":1,"at":1.0,"subject":"a.b","data":"'
    head = Packing(HEAD)._begun + line
    return b"".join([gzip.compress(head), *(gzip.compress(b"x" * MB) for _ in range(BOMB)), gzip.flush()])


LARGE = b'{"a":"' + b"x" * (MB - 100) + b'"}'  # as an entry may be, of one letter


def _day() -> bytes:
    packing = Packing(HEAD)
    entries = (Recorded(subject="a.b", data=LARGE, headers={}, seq=seq, at=1.0) for seq in range(1, BOMB + 1))
    return b"".join([*(packing.add([entry]) for entry in entries), packing.end()])


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
def test_a_line_without_an_end_is_not_read_to_it() -> None:
    packed = _bomb()
    tracemalloc.reset_peak()
    with pytest.raises(Damaged, match="longer than any entry"):
        list(Unpacking(io.BytesIO(packed)).pieces())
    peak = tracemalloc.get_traced_memory()[1]
    print(f"{len(packed)} bytes that are {BOMB} MB: {peak / MB:.1f} MB at most")
    assert peak < MOST


@pytest.mark.usefixtures("_traced")
def test_a_day_of_one_letter_is_read_an_entry_after_the_other() -> None:
    packed, count = _day(), 0
    tracemalloc.reset_peak()
    for piece in Unpacking(io.BytesIO(packed)).pieces():
        count += len(entries_of(piece))
    peak = tracemalloc.get_traced_memory()[1]
    print(f"{len(packed)} bytes that are {BOMB} MB: {peak / MB:.1f} MB at most, {count} entries")
    assert count == BOMB and peak < MOST


@pytest.mark.usefixtures("_traced")
async def test_a_day_of_large_entries_is_sealed_a_few_at_a_time(tmp_path: Path) -> None:
    days = Days(tmp_path / "archive")
    for _ in range(BOMB):
        await days.write(data=LARGE)
    await days.passes()
    await days.passes()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert await days.archive().seal("h1") is not None
    peak = tracemalloc.get_traced_memory()[1] - before
    print(f"{BOMB} entries of 1 MB: {peak / MB:.1f} MB at most")
    assert peak < MOST
