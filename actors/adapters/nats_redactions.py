"""Entries of the journal that say something else now: the first text is overwritten on the server's disk, and a copy
without it stands in another stream, from which every reader of the journal gets it in the entry's own place.

The copy is there before the entry goes, and the server tells each connection of it in the order in which things happen:
who is answered without the entry has heard of its copy before. So whoever reads asks here after each answer, and needs
to ask the server only when a connection is new.

Found out on nats-server 2.15.1: `STREAM.MSG.DELETE` without `no_erase` overwrites a message in its block, at once; a
message that is replaced under `max_msgs_per_subject` stays in the block until that is compacted. So copies are not
replaced: the one before is deleted in the same way. To overwrite one the server writes the whole block anew (8 MB, 14
to 30 ms on two busy cores); with `no_erase` it is a thousandth of that. A stream that was made with `deny_delete`
refuses, and stays so: an update does not take that back (10052).
"""

import asyncio
from bisect import bisect_left, bisect_right
from typing import Any

import msgspec
from msgspec import Struct

from actors.adapters.nats_link import Link
from actors.adapters.nats_reading import JOURNAL, TRY_TIMEOUT, get
from actors.adapters.nats_wire import nobody_heard
from actors.adapters.nats_writer import EXPECT, Writer
from actors.runtime.bus import ID, BusUnavailable, Fenced, Headers, NotErased, Recorded
from bus_schemas.contract import matches

STREAM = "OTTB_RED"
KEPT = "ottb.v1.red."  # then the sequence, and the entry's own subject
GONE = (10037, 10043)  # there is no such message, or no more; of what was deleted already it says NO_MESSAGE in words
NO_MESSAGE = "no message found"
PAGE = 100_000  # subjects that the server tells at once


class Kept(Struct, frozen=True, array_like=True):
    """A copy as it is kept: `subject`, `headers`, `at` and `data` as an entry has them."""

    subject: str
    headers: dict[str, str]
    at: float
    data: bytes


_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Kept).decode


class _State(Struct):
    subjects: dict[str, int] | None = None


class _Info(Struct):
    state: _State | None = None
    total: int = 0


class _Deleted(Struct):
    success: bool = False
    error: Any = None  # any: the server's, whatever it says


class _Places:
    """Sequences, in order: who reads a journal a piece at a time asks for those of a piece, of however many."""

    __slots__ = ("_in_order", "_seqs")

    def __init__(self) -> None:
        self._seqs: list[int] = []
        self._in_order = True

    def __len__(self) -> int:
        return len(self._seqs)

    def add(self, seq: int) -> None:
        self._in_order = self._in_order and (not self._seqs or seq > self._seqs[-1])
        self._seqs.append(seq)

    def discard(self, seq: int) -> None:
        if found := self.between(seq - 1, seq + 1):
            del self._seqs[bisect_left(self._seqs, found[0])]

    def between(self, after: int, before: float) -> list[int]:
        if not self._in_order:
            self._seqs.sort()
            self._in_order = True
        return self._seqs[bisect_right(self._seqs, after) : bisect_left(self._seqs, before)]


NOWHERE = _Places()


class Redactions:
    """The copies, as one connection knows of them."""

    def __init__(self, link: Link, writer: Writer, stream: str = JOURNAL) -> None:
        self._link = link
        self._none = stream != JOURNAL  # of other streams there are none
        self._writer = writer
        self._subjects: dict[int, str] = {}
        self._all = _Places()
        self._by_token: dict[tuple[int, str], _Places] = {}
        self._known = 0  # the connection of which all copies are known
        self._turn = asyncio.Lock()
        self._hears = False  # not every connection may, and those that read nothing need not

    # --- which there are

    async def under(self, scope: str, *, after: int = 0, before: float = float("inf")) -> list[int]:
        """The sequences of entries under a subject filter that were redacted, between these two, in order. Raises
        BusError."""
        await self._all_known()
        return [seq for seq in self._near(scope).between(after, before) if matches(scope, self._subjects[seq])]

    async def last(self, scope: str, found: Recorded | None) -> Recorded | None:
        """The last entry under a filter. `found`: the one that the server has."""
        return await self._last_copy(scope, found.seq - 1 if found is not None else 0) or found

    async def _last_copy(self, scope: str, after: int) -> Recorded | None:
        """The last of them behind an entry. Of what was removed since, others know on."""
        for seq in reversed(await self.under(scope, after=after)):
            if (copy := await self.of(seq)) is not None:
                return copy
        return None

    async def last_there(self, scope: str, expect: int) -> int:
        """What the server has as the last entry under a filter where that is `expect`: of those that were redacted it
        knows nothing. Raises Fenced, BusError."""
        if not await self.under(scope, after=expect - 1):
            return expect
        copy = await self._last_copy(scope, expect - 1)
        if copy is None:
            return expect
        if expect < copy.seq:
            raise Fenced(f"{scope}: entry {copy.seq}")
        there = await get(self._link, JOURNAL, {"last_by_subj": scope}, certain=True)
        if there is not None and there.seq > copy.seq:
            raise Fenced(f"{scope}: entry {there.seq}")
        return there.seq if there is not None else 0

    async def subjects(self, scope: str) -> set[str]:
        """The subjects of those entries, perhaps of some that another connection has removed."""
        return {self._subjects[seq] for seq in await self.under(scope)}

    async def of(self, seq: int) -> Recorded | None:
        """An entry as it is now. None: it was not redacted."""
        await self._all_known()
        subject = self._subjects.get(seq)
        if subject is None:
            return None
        found = await get(self._link, STREAM, {"last_by_subj": _place(seq, subject)}, certain=True)
        if found is None:  # what the stream did not take was heard all the same
            return None
        kept = _decode(found.data)
        return Recorded(subject=kept.subject, data=kept.data, headers=kept.headers, seq=seq, at=kept.at)

    async def into(self, entries: list[Recorded], scope: str, *, after: int, before: float) -> list[Recorded]:
        """Entries that were read under a filter, with those that were redacted among them, in order."""
        seqs = await self.under(scope, after=after, before=before)
        if not seqs:
            return entries
        found = {entry.seq: entry for entry in entries}
        for seq in seqs:
            if (copy := await self.of(seq)) is not None:
                found[seq] = copy
        return [found[seq] for seq in sorted(found)]

    def _near(self, scope: str) -> "_Places":
        here = [
            self._by_token.get((at, token), NOWHERE)
            for at, token in enumerate(scope.split(".")) if token not in ("*", ">")
        ]  # fmt: skip
        return min([self._all, *here], key=len)

    def _hear(self, subject: str, reply_to: str, headers: bytes, data: bytes) -> None:
        self._note(subject)

    def _note(self, place: str) -> None:
        seq, _, subject = place.removeprefix(KEPT).partition(".")
        if not seq.isdecimal() or int(seq) in self._subjects:
            return
        self._subjects[int(seq)] = subject
        self._all.add(int(seq))
        for at, token in enumerate(subject.split(".")):
            self._by_token.setdefault((at, token), _Places()).add(int(seq))

    async def _all_known(self) -> None:
        """Once for each connection. What is said since it was made is heard."""
        if self._none or self._known == self._link.connections:
            return
        if not self._link.up:
            raise BusUnavailable("not connected")
        if not self._hears:
            self._hears = True
            self._link.listen(f"{KEPT}>", self._hear)
        async with self._turn:
            connection, offset = self._link.connections, 0
            while self._known != connection:
                asked = msgspec.json.encode({"subjects_filter": ">", "offset": offset})
                headers, data = await self._link.request(f"$JS.API.STREAM.INFO.{STREAM}", asked, b"", TRY_TIMEOUT)
                if nobody_heard(headers, data):
                    raise BusUnavailable(f"{STREAM} is not there")
                said = msgspec.json.decode(data, type=_Info)
                subjects = said.state.subjects or {} if said.state is not None else {}  # none: there is no such stream
                for subject in subjects:
                    self._note(subject)
                offset += len(subjects)
                if len(subjects) < PAGE:
                    self._known = connection

    # --- redacting

    async def redact(self, entry: Recorded, data: bytes, headers: Headers) -> None:
        """Put a copy in an entry's place, and have its text overwritten. Where it says something else by now, or is
        gone, that stays: another one was here. Raises NotErased, BusError."""
        place = _place(entry.seq, entry.subject)
        before = await get(self._link, STREAM, {"last_by_subj": place}, certain=True)
        if before is None:
            as_read = await get(self._link, JOURNAL, {"seq": entry.seq}, certain=True) is not None
        else:
            as_read = _says(_decode(before.data)) == _says(entry)
        if not as_read:
            return
        copy = _encode(Kept(entry.subject, dict(headers), entry.at, data))
        fence = {ID: self._link.new_inbox(), EXPECT: str(before.seq if before is not None else 0)}
        try:
            mine = await self._writer.write(STREAM, place, copy, fence, {"last_by_subj": place})
        except Fenced:
            return
        self._note(place)
        was_there = await erase(self._link, JOURNAL, entry.seq)
        if before is not None:
            await erase(self._link, STREAM, before.seq)
        elif not was_there:
            await self._remove_if_last(entry.seq, place, mine)

    async def _remove_if_last(self, seq: int, place: str, mine: int) -> None:
        """An entry that was there is not: another one has overwritten it, who has put a copy in place of this one, or
        it was removed, and does not come back."""
        last = await get(self._link, STREAM, {"last_by_subj": place}, certain=True)
        if last is not None and last.seq == mine:
            await self.remove(seq)

    async def finish(self) -> None:
        """Have overwritten what is still there although there is a copy: whoever made that was killed, or stands still.
        Raises NotErased, BusError."""
        for seq in await self.under(">"):
            copy = await self.of(seq)
            if copy is not None and await get(self._link, JOURNAL, {"seq": seq}, certain=True) is not None:
                await self.redact(copy, copy.data, copy.headers)

    async def remove(self, seq: int) -> None:
        """Have the copy of an entry gone, if there is one. Raises NotErased, BusError."""
        await self._all_known()
        subject = self._subjects.get(seq)
        if subject is None:
            return
        copy = await get(self._link, STREAM, {"last_by_subj": _place(seq, subject)}, certain=True)
        if copy is not None:
            await erase(self._link, STREAM, copy.seq)
        self._subjects.pop(seq, None)  # another one may have done it meanwhile
        self._all.discard(seq)
        for at, token in enumerate(subject.split(".")):
            self._by_token.get((at, token), NOWHERE).discard(seq)


def _says(entry: Kept | Recorded) -> tuple[bytes, dict[str, str]]:
    return entry.data, dict(entry.headers)


def _place(seq: int, subject: str) -> str:
    return f"{KEPT}{seq}.{subject}"


async def erase(link: Link, stream: str, seq: int, *, overwrite: bool = True) -> bool:
    """Have a message of a stream overwritten, or only removed. False: it was gone already. Raises NotErased,
    BusError."""
    asked = msgspec.json.encode({"seq": seq} if overwrite else {"seq": seq, "no_erase": True})
    headers, data = await link.request(f"$JS.API.STREAM.MSG.DELETE.{stream}", asked, b"", TRY_TIMEOUT)
    if nobody_heard(headers, data):
        raise BusUnavailable(f"{stream} is not there")
    return _must_be_done(stream, data)


async def wipe(link: Link, stream: str) -> None:
    """Have all of a stream deleted, with its files. Raises NotErased, BusError."""
    headers, data = await link.request(f"$JS.API.STREAM.PURGE.{stream}", b"", b"", TRY_TIMEOUT * 4)
    if nobody_heard(headers, data):
        raise BusUnavailable(f"{stream} is not there")
    _must_be_done(stream, data)


def _must_be_done(stream: str, answer: bytes) -> bool:
    """False: there was nothing to be done. Raises NotErased."""
    said = msgspec.json.decode(answer, type=_Deleted)
    error = said.error if isinstance(said.error, dict) else {}
    gone = error.get("err_code") in GONE or error.get("description") == NO_MESSAGE
    if not said.success and not gone:
        raise NotErased(f"{stream}: {said.error}")
    return said.success
