"""A file that is taken line by line, of text or a workbook: the whole of it, or nothing.

First a host reads all of it, so that a line that is none stops the import before anything is changed; then it is put on
record a piece at a time. Each is small enough for one message of the bus, and for a host to read between two calls.
Where the second half breaks off, what was taken stays and the answer says so: the same file again does the rest.
"""

import asyncio
import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import cast

import msgspec
from msgspec.structs import replace

from actors.adapters.workbook import NoLines, as_lines, is_workbook
from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.encodings import PIECE, Damaged, encoding_of
from actors.runtime.lines import lines_of, whole_rows
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import Page, ask, forward
from bus_schemas.do_not_call import (
    AT_ONCE,
    CHANGE_DO_NOT_CALL,
    LINES,
    READ_DO_NOT_CALL,
    ChangeDoNotCall,
    DoNotCallChanged,
    DoNotCallRead,
    ImportDoNotCall,
    Listed,
    ReadDoNotCall,
)
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit

FILE_LIMIT = 16 * 2**20  # bytes: a million numbers
FILES = 4  # at once, one of a user
WORKBOOKS = 2  # that are unpacked at once: nobody's keeps others' waiting
LINE = 800  # characters of one: in whatever letters, a piece fits into a message of the bus
BUSY = RefusalTemplate(ErrorCode.UNAVAILABLE, "Another file is being imported here. Try again.")
GONE = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The request broke off. Nothing of the file was taken.")
EMPTY = RefusalTemplate(ErrorCode.INVALID_PARAMS, "`body`: no entry in it.", field="body")


class LineFiles:
    """Some files at once, one of a user: a large one takes memory. Their pieces are read and put on record in turns,
    one at a time, since that takes a host's time: a file of a line waits for a piece of each other."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._users: set[str] = set()
        self._turn = asyncio.Lock()
        self._unpacking = asyncio.Semaphore(WORKBOOKS)

    @contextmanager
    def place(self, user: str) -> Iterator[None]:
        """Import a file while the block lasts. Raises Refusal where too many are."""
        if user in self._users or len(self._users) >= FILES:
            raise BUSY()
        self._users.add(user)
        try:
            yield
        finally:
            self._users.remove(user)

    async def carry_out(
        self, request: ImportDoNotCall, body: bytes, context: Context, *, gone: Callable[[], bool]
    ) -> Page:
        """Put the entries of a file on a list. `gone`: whether who sent it waits no more; then it is not read on.
        Raises Refusal, which names the line where one is none."""
        return await self._put(request, await self._read(request, body, context, gone), context)

    async def _read(
        self, request: ImportDoNotCall, body: bytes, context: Context, gone: Callable[[], bool]
    ) -> list[bytes]:
        """The entries, as JSON, in pieces of one event each."""
        found, pieces = list[Listed](), list[bytes]()
        lines = whole_rows(lines_of(await self._text(body), LINE), LINE)
        head = next(lines)
        first, taken = 1, (head, *islice(lines, LINES - 1))
        while taken:
            if gone():
                raise GONE()
            _must_be_short(taken, first)
            if first == 1 or any(taken):
                wanted = ReadDoNotCall(list=request.list, head=head, first=first, lines=taken)
                async with self._turn:
                    found += (await ask(self._bus, READ_DO_NOT_CALL, wanted, context)).entries
            else:  # a file of blank lines alone would be millions of questions
                await asyncio.sleep(0)
            while len(found) >= AT_ONCE:
                pieces.append(msgspec.json.encode(DoNotCallRead(entries=tuple(found[:AT_ONCE]))))
                del found[:AT_ONCE]
            first, taken = first + len(taken), tuple(islice(lines, LINES))
        if found:
            pieces.append(msgspec.json.encode(DoNotCallRead(entries=tuple(found))))
        if not pieces:
            raise EMPTY()
        return pieces

    async def _text(self, body: bytes) -> bytes:
        async with self._unpacking if is_workbook(body[:8]) else nullcontext():
            return await asyncio.to_thread(text_of, body)

    async def _put(self, request: ImportDoNotCall, pieces: list[bytes], context: Context) -> Page:
        total, shard, seq = DoNotCallChanged(list=request.list), shard_of(request.list), 0
        for number, piece in enumerate(pieces):
            add = msgspec.json.decode(piece, type=DoNotCallRead).entries
            wanted = ChangeDoNotCall(shard=shard, list=request.list, source="file", add=add)
            own = replace(context, command_id=f"{context.command_id}-{number}", fresh=False)
            try:
                async with self._turn:
                    answered = await forward(self._bus, CHANGE_DO_NOT_CALL, wanted, own)
            except Refusal as refusal:
                raise _broken_off(refusal, total) from None
            said, seq = msgspec.json.decode(cast(bytes, answered.body), type=DoNotCallChanged), answered.seq
            total = replace(total, added=total.added + said.added, unchanged=total.unchanged + said.unchanged)
        return Page(body=total, seq=seq, changed=bool(total.added))


def text_of(body: bytes) -> bytes:
    """A file as lines of text, UTF-8 or what says which it is; of a workbook the rows of a sheet, which another process
    unpacks. Raises Refusal(INVALID_PARAMS)."""
    if not is_workbook(body[:8]):
        return in_utf8(body)
    try:
        return as_lines(body, FILE_LIMIT)
    except NoLines as error:
        raise misfit("body", f"{error}. Nothing of the file was taken.") from None


def in_utf8(body: bytes) -> bytes:
    """A file in a code page or in UTF-16 without a mark as UTF-8; of others the lines are told as they are."""
    try:
        encoding = encoding_of(io.BytesIO(body))
    except Damaged:  # a number with what cannot be read in it is none
        return body
    if encoding in ("utf-8", "utf-8-sig", "utf-16"):
        return body
    pieces = (body[at : at + PIECE] for at in range(0, len(body), PIECE))
    return b"".join(text.encode() for text in codecs.iterdecode(pieces, encoding, errors="replace"))


def _broken_off(refusal: Refusal, total: DoNotCallChanged) -> Refusal:
    said = f"{refusal.message} {total.added} entries of the file are on the list; send it again for the rest."
    return Refusal(refusal.code, said, **{**(refusal.details or {}), "added": total.added})


def _must_be_short(lines: tuple[str, ...], first: int) -> None:
    long = next((number for number, line in enumerate(lines, first) if len(line) > LINE), None)
    if long is not None:
        why = f"`body`: line {long}: more than {LINE} characters. Nothing of the file was taken."
        raise Refusal(ErrorCode.INVALID_PARAMS, why, field="body", line=long)


