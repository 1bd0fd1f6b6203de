"""A segment's form: gzip of JSON lines, a first one that says what it is, one for each entry, a last one that counts.

    {"ottb_segment":1,"day":"2026-03-01","first":1,"previous":"000…"}
    {"seq":1,"at":1772323200.5,"subject":"ottb.v1.evt.slot.1.configured","data":{…}}
    {"entries":1,"last":1}

An entry's `data` stands as it was written; in `base64` where it is no JSON of one line. An entry whose time ends by
itself keeps its place and says nothing.
"""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from operator import lt
from typing import BinaryIO

import msgspec
from msgspec import Raw, Struct

from actors.runtime.bus import Recorded
from bus_schemas.archive import Day, Digest, Place
from bus_schemas.contract import UNDECODABLE

FORM = 1
GZIP = 31  # for zlib: with gzip's frame, whose time is zero, so the same entries are the same file
LEVEL = 6
PIECE = 64 * 1024  # bytes of a file that are read at once: some 10,000 entries
TEXT = 2**20  # bytes that are unpacked at once: what is packed may come to a thousand times as much
LONGEST = 4 * 2**20  # bytes of a line: an entry has 1 MiB, and its headers
GENESIS = "0" * 64  # `previous` of the first segment
OF_THE_WRITE = "Nats-"  # headers that say how an entry was written: its nonce, what it expected
ENDS = "Nats-TTL"
SHOWN = 16  # digits of the digest in a name


class Damaged(Exception):
    """A file is not the segment that it should be. Says in what."""


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. Entries follow from `first` on; `previous`: the link of the segment before."""

    ottb_segment: int = FORM
    day: Day
    first: Place
    previous: Digest


class Foot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line."""

    entries: int
    last: Place


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One entry."""

    seq: Place
    at: float
    subject: str
    headers: dict[str, str] = {}
    data: Raw = Raw(b"")
    base64: str = ""


_encode = msgspec.json.Encoder().encode
_lines = msgspec.json.Decoder(Line).decode_lines
_head, _foot = msgspec.json.Decoder(Head).decode, msgspec.json.Decoder(Foot).decode


def day_of(at: float) -> str:
    """The day of a moment (epoch seconds), in UTC."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


_NAME = re.compile(r"\d{4}-\d\d-\d\d-[0-9a-f]{16}\.jsonl\.gz", re.ASCII)


def is_name(name: str) -> bool:
    """Whether a file can be a segment, by what it is called."""
    return _NAME.fullmatch(name) is not None


def name_of(day: str, digest: str) -> str:
    """What a segment's file is called."""
    return f"{day}-{digest[:SHOWN]}.jsonl.gz"


def line_of(entry: Recorded) -> bytes:
    """An entry as a segment has it."""
    if ENDS in entry.headers:
        return _encode(Line(seq=entry.seq, at=entry.at, subject=entry.subject))
    headers = {name: text for name, text in entry.headers.items() if not name.startswith(OF_THE_WRITE)}
    if _is_json(entry.data):
        return _encode(Line(
            seq=entry.seq, at=entry.at, subject=entry.subject, headers=headers, data=Raw(entry.data)
        ))  # fmt: skip
    text = b64encode(entry.data).decode()
    return _encode(Line(seq=entry.seq, at=entry.at, subject=entry.subject, headers=headers, base64=text))


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except UNDECODABLE:
        return False
    return b"\n" not in data and b"\r" not in data


def entries_of(lines: Iterable[Line]) -> list[Recorded]:
    """Their entries: a ledger that is made anew reads millions, so nothing is called for each. Raises Damaged."""
    return [
        Recorded(subject=line.subject, data=bytes(line.data), headers=line.headers, seq=line.seq, at=line.at)
        if not line.base64 else _unlike(line)
        for line in lines
    ]  # fmt: skip


def _unlike(line: Line) -> Recorded:
    """One whose data is no JSON."""
    try:
        data = b64decode(line.base64, validate=True)
    except ValueError:
        raise Damaged(f"entry {line.seq} cannot be read") from None
    return Recorded(subject=line.subject, data=data, headers=line.headers, seq=line.seq, at=line.at)


class Packing:
    """Makes a file's bytes of entries, as they come. Its digest and size are of what it gave so far."""

    def __init__(self, head: Head) -> None:
        self._gzip = zlib.compressobj(LEVEL, wbits=GZIP)
        self._sum = sha256()
        self.size = self.entries = 0
        self.head, self.last = head, head.first - 1
        self._begun = _encode(head) + b"\n"

    def add(self, entries: Iterable[Recorded]) -> bytes:
        """The next ones, in order."""
        lines = [self._begun]
        for entry in entries:
            lines.append(line_of(entry) + b"\n")
            self.entries, self.last = self.entries + 1, entry.seq
        self._begun = b""
        return self._given(self._gzip.compress(b"".join(lines)))

    def end(self) -> bytes:
        """The rest. There must have been an entry."""
        foot = _encode(Foot(entries=self.entries, last=self.last)) + b"\n"
        return self._given(self._gzip.compress(foot) + self._gzip.flush())

    def _given(self, data: bytes) -> bytes:
        self._sum.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()


class Unpacking:
    """Reads a segment's file, piece by piece. When all of it is read, `digest` and `foot` say what it was."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = sha256()
        self.head: Head | None = None
        self.foot: Foot | None = None
        self.entries = self.last = 0

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()

    def pieces(self) -> Iterator[list[Line]]:
        """Its entries, in order. Raises Damaged, OSError."""
        rest = b""
        for text in self._texts():
            text = rest + text
            cut = text.rfind(b"\n") + 1
            rest = text[cut:]
            if len(rest) > LONGEST:
                raise Damaged("it has a line that is longer than any entry")
            if cut:
                yield self._read(text[:cut])
        if rest or self.foot is None:
            raise Damaged("it ends in the middle")

    def _texts(self) -> Iterator[bytes]:
        """What was packed. Raises Damaged, OSError."""
        gzip = zlib.decompressobj(wbits=GZIP)
        while piece := self._file.read(PIECE):
            self._sum.update(piece)
            text = _unpacked(gzip, piece)
            while text:
                yield text
                text = _unpacked(gzip, gzip.unconsumed_tail)
            if gzip.unused_data:
                raise Damaged("something stands behind its end")
        if not gzip.eof:
            raise Damaged("it ends in the middle")

    def _read(self, text: bytes) -> list[Line]:
        """Whole lines of it."""
        if self.foot is not None:
            raise Damaged("something stands behind its last line")
        try:
            if self.head is None:
                line, text = _parted(text)
                self.head = _head(line)
                self.last = self.head.first - 1
            begin = text.rfind(b"\n", 0, -1) + 1
            if text.startswith(b'{"entries"', begin):
                self.foot = _foot(text[begin:])
                text = text[:begin]
            found = _lines(text)
        except UNDECODABLE as error:
            raise Damaged(f"it is no segment: {error}") from None
        self._must_follow(found)
        return found

    def _must_follow(self, found: list[Line]) -> None:
        seqs = [line.seq for line in found]
        if not all(map(lt, [self.last, *seqs], seqs)):
            raise Damaged(f"its entries after {self.last} are not in order")
        self.last = seqs[-1] if seqs else self.last
        self.entries += len(found)
        if self.foot is not None and (self.foot.entries, self.foot.last) != (self.entries, self.last):
            raise Damaged(f"it counts {self.foot.entries} entries and has {self.entries}")


def _unpacked(gzip: "zlib._Decompress", piece: bytes) -> bytes:
    """Some of what is in a piece; nothing: there is no more in it. Raises Damaged."""
    try:
        return gzip.decompress(piece, TEXT)
    except zlib.error as error:
        raise Damaged(f"it cannot be unpacked: {error}") from None


def _parted(text: bytes) -> tuple[bytes, bytes]:
    line, _, text = text.partition(b"\n")
    return line, text


def check(file: BinaryIO, *, head: Head, entries: int, last: int, digest: str) -> None:
    """Read a whole segment, which must be this one. Raises Damaged, OSError."""
    reading = Unpacking(file)
    for piece in reading.pieces():
        entries_of(line for line in piece if line.base64)
    if reading.digest != digest:
        raise Damaged("its checksum is another one")
    if (reading.head, reading.entries, reading.last) != (head, entries, last):
        raise Damaged(f"it is of other entries: {reading.head}, {reading.entries} up to {reading.last}")


def digest_of(file: BinaryIO) -> str:
    """The checksum of a file. Raises OSError."""
    found = sha256()
    while piece := file.read(16 * PIECE):
        found.update(piece)
    return found.hexdigest()
