"""The directory as it was after one of its entries, kept beside the journal: a start need not look for the few entries
that are of it among millions of others (1.8 s in a journal of a million).

It is used where the journal still has that entry as it was, and this version would keep it in the same form. Else the
journal is read from its beginning, which says the same.
"""

from collections.abc import Iterator, Mapping

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.point.directory import Directory, resolve_known
from actors.runtime import pieces
from actors.runtime.bus import Bus, Recorded
from actors.runtime.journalled import SNAPSHOTS
from actors.runtime.version import version
from bus_schemas.contract import UNDECODABLE

log = structlog.get_logger()

KEY = "point.directory"
PIECE = 256 * 1024  # bytes


class Kept(Struct, frozen=True, kw_only=True):
    """What is known after an entry. `seqs`: the last one of the directory and of each open session; `faults`: the
    entries that were left out, and `forgotten`: how many before those."""

    directory: Directory
    seqs: Mapping[str, int]
    faults: Mapping[str, str]
    forgotten: int


class Snapshot(Struct, frozen=True, kw_only=True):
    """After which entry that was, by its place and its digest; in which form, and where it is."""

    seq: int
    entry: str
    form: str
    rest: pieces.Pieces


FORM = pieces.digest(version().encode() + msgspec.json.encode(msgspec.json.schema_components((Kept,))))
"""Another version may have understood the entries otherwise."""


class Snapshots:
    """The one snapshot of a site's directory, which each of its hosts writes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, scope: str) -> tuple[Recorded, Kept] | None:
        """The entry of the journal that it is of, and what was known after it; None where it cannot be used. `scope`:
        of the directory's entries. Raises BusError."""
        try:
            snapshot = await self._last()
            if snapshot is None or snapshot.form != FORM:
                return None
            entry = await self._entry(scope, snapshot.seq)
            if entry is None or digest(entry) != snapshot.entry:
                log.warning("the directory's snapshot is not of this journal", seq=snapshot.seq)
                return None
            data = b"".join([piece async for piece in pieces.read(self._bus, SNAPSHOTS, KEY, snapshot.rest)])
            return entry, _sound(msgspec.json.decode(data, type=Kept))
        except (*UNDECODABLE, pieces.Missing) as error:
            log.warning("the directory's snapshot cannot be used", why=str(error))
            return None

    async def write(self, entry: Recorded, kept: Kept) -> None:
        """Keep what is known after an entry. Raises BusError."""
        data = msgspec.json.encode(kept)
        last = await self._last(certain=True)

        def head(there: pieces.Pieces) -> bytes:
            return msgspec.json.encode(Snapshot(seq=entry.seq, entry=digest(entry), form=FORM, rest=there))

        before = last.rest if last is not None else None
        await pieces.put(self._bus, SNAPSHOTS, KEY, _cut(data), head, last=before)

    async def _last(self, *, certain: bool = False) -> Snapshot | None:
        found = await self._bus.get(SNAPSHOTS, KEY, certain=certain)
        if found is None or found.data is None:
            return None
        try:
            return msgspec.json.decode(found.data, type=Snapshot)
        except UNDECODABLE as error:
            log.warning("the directory's snapshot cannot be read", why=str(error))
            return None

    async def _entry(self, scope: str, seq: int) -> Recorded | None:
        """The entry at a place, if it is one of the directory. The last one is found at once."""
        last = await self._bus.last(scope)
        if last is None or last.seq == seq:
            return last
        async for recorded in self._bus.replay(scope, after=seq - 1):
            return recorded if recorded.seq == seq else None
        return None


def digest(entry: Recorded) -> str:
    """By which an entry is known in whatever journal it stands."""
    return pieces.digest(entry.subject.encode() + b"\n" + entry.data)


def _cut(data: bytes) -> Iterator[bytes]:
    return (data[first : first + PIECE] for first in range(0, len(data), PIECE))


def _sound(kept: Kept) -> Kept:
    """With the actions that this version means by what its roles permit."""
    roles = kept.directory.roles
    for name, role in roles.items():
        roles[name] = replace(role, actions=resolve_known(role.permissions))
    return kept
